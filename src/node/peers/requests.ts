/**
 * What we have asked a peer for. Answers carry no number: each belongs to the oldest request that it
 * can answer, by what its first header says. Bytom 1.x P2P: "Serving" (a peer answers only what it
 * knows, and drops the connection when more than 100 messages wait to be sent).
 */
import { type BlockHeader, decodeHeader, headerHash } from '../../chain/header.ts';
import { getBlockByHash, getBlockByHeight, type PeerMessage } from '../../p2p/messages.ts';
import { bytesEqual } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';
import { InputError } from '../../util/errors.ts';
import { PeerRequestError, type RequestKind } from './sync-peer.ts';

export interface RequestOptions {
  /** Until an answer, since the request or the last answer to another one. Default 30 s. */
  readonly timeoutMs?: number;
}

export interface RequestParts {
  readonly send: (message: PeerMessage) => boolean;
  readonly clock: Clock;
  readonly genesisHash: Uint8Array;
}

export type Answer = Extract<PeerMessage, { readonly type: 'block' | 'headers' | 'blocks' }>;

/**
 * - `taken`: somebody waited for it.
 * - `late`: somebody has waited for it.
 * - `unasked`: nobody has.
 * - `malformed`: it begins with no header.
 */
export type AnswerVerdict = 'taken' | 'late' | 'unasked' | 'malformed';

/** How many may be outstanding: together far below the 100 messages that the reference queues. */
const MAX_OUTSTANDING: Readonly<Record<RequestKind, number>> = {
  'get-headers': 1,
  'get-blocks': 2,
  'get-block': 16,
};
/** Requests given up, whose answers may still come. */
const MAX_LATE = 64;
const TIMEOUT_MS = 30_000;
/** A request waits no longer than so many timeouts, whatever else is answered meanwhile. */
const MAX_TIMEOUTS = 4;

interface Pending {
  readonly kind: RequestKind;
  readonly matches: (header: BlockHeader) => boolean;
  readonly done: Deferred<readonly Uint8Array[]>;
  /** Ends its timer. */
  readonly ended: AbortController;
  readonly sentAt: number;
  /** Nobody waits any more, but the peer may yet answer. */
  abandoned: boolean;
}

export class Requests {
  readonly #timeoutMs: number;
  readonly #parts: RequestParts;
  readonly #pending = new Set<Pending>();
  readonly #late: Pick<Pending, 'kind' | 'matches'>[] = [];
  #lastAnswerAt = 0;
  #closed = false;

  constructor(options: RequestOptions, parts: RequestParts) {
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#parts = parts;
  }

  get outstanding(): number {
    return this.#pending.size;
  }

  async headers(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const message: PeerMessage = { type: 'get-headers', locator, stop };
    return this.#ask('get-headers', message, this.#follows(locator), signal);
  }

  async blocks(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const message: PeerMessage = { type: 'get-blocks', locator, stop };
    return this.#ask('get-blocks', message, this.#follows(locator), signal);
  }

  async block(
    which: { readonly height: number } | { readonly hash: Uint8Array },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const byHeight = 'height' in which;
    if (byHeight && which.height === 0) throw new RangeError('"height" 0 cannot be asked for');
    const message = byHeight ? getBlockByHeight(which.height) : getBlockByHash(which.hash);
    const matches = (header: BlockHeader): boolean =>
      byHeight ? header.height === which.height : bytesEqual(headerHash(header), which.hash);
    const [block] = await this.#ask('get-block', message, matches, signal);
    return block!;
  }

  /** Gives an answer to whom it belongs. */
  answer(message: Answer): AnswerVerdict {
    const { kind, items } = contentOf(message);
    const pending = [...this.#pending].filter((each) => each.kind === kind);
    const late = this.#late.filter((each) => each.kind === kind);
    if (pending.length === 0 && late.length === 0) return 'unasked';
    let fits = (_request: Pick<Pending, 'matches'>): boolean => true;
    const [first] = items;
    if (first !== undefined) {
      try {
        const { header } = decodeHeader(first);
        fits = (request) => request.matches(header);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        return 'malformed';
      }
    }
    const fitting = pending.filter(fits);
    const taker = fitting.find((each) => !each.abandoned) ?? fitting[0];
    if (taker !== undefined) {
      this.#lastAnswerAt = this.#parts.clock.now();
      this.#end(taker);
      taker.done.resolve(items);
      return taker.abandoned ? 'late' : 'taken';
    }
    const index = this.#late.findIndex((each) => each.kind === kind && fits(each));
    if (index < 0) return 'unasked';
    this.#late.splice(index, 1);
    return 'late';
  }

  /** Rejects what is outstanding, and everything from now on. */
  close(): void {
    this.#closed = true;
    for (const pending of this.#pending) {
      this.#end(pending);
      pending.done.reject(new PeerRequestError({ code: 'closed', request: pending.kind }));
    }
  }

  /** The block after one of the locator's, or after genesis. */
  #follows(locator: readonly Uint8Array[]): (header: BlockHeader) => boolean {
    const hashes = [...locator, this.#parts.genesisHash];
    return ({ previousBlockHash }) => hashes.some((hash) => bytesEqual(hash, previousBlockHash));
  }

  async #ask(
    kind: RequestKind,
    message: PeerMessage,
    matches: Pending['matches'],
    signal: AbortSignal | undefined,
  ): Promise<readonly Uint8Array[]> {
    signal?.throwIfAborted();
    if (this.#closed) throw new PeerRequestError({ code: 'closed', request: kind });
    let same = 0;
    for (const each of this.#pending) if (each.kind === kind) same++;
    if (same >= MAX_OUTSTANDING[kind] || !this.#parts.send(message)) {
      throw new PeerRequestError({ code: 'busy', request: kind });
    }
    const pending: Pending = {
      kind,
      matches,
      done: createDeferred(),
      ended: new AbortController(),
      sentAt: this.#parts.clock.now(),
      abandoned: false,
    };
    this.#pending.add(pending);
    void this.#expire(pending);
    const abort = (): void => {
      pending.abandoned = true;
      pending.done.reject(signal?.reason);
    };
    signal?.addEventListener('abort', abort);
    try {
      return await pending.done.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Gives it up when its time is over. A large answer keeps those behind it waiting: that is no time. */
  async #expire(pending: Pending): Promise<void> {
    const { clock } = this.#parts;
    for (;;) {
      const { sentAt } = pending;
      const end = Math.max(sentAt, this.#lastAnswerAt) + this.#timeoutMs;
      const ms = Math.min(end, sentAt + MAX_TIMEOUTS * this.#timeoutMs) - clock.now();
      if (ms <= 0) break;
      await clock.sleep(ms, pending.ended.signal);
      if (pending.ended.signal.aborted) return;
    }
    this.#end(pending);
    this.#late.push(pending);
    if (this.#late.length > MAX_LATE) this.#late.shift();
    const { kind } = pending;
    pending.done.reject(
      new PeerRequestError({ code: 'timeout', request: kind, ms: this.#timeoutMs }),
    );
  }

  #end(pending: Pending): void {
    this.#pending.delete(pending);
    pending.ended.abort();
  }
}

function contentOf(answer: Answer): {
  readonly kind: RequestKind;
  readonly items: readonly Uint8Array[];
} {
  switch (answer.type) {
    case 'block':
      return { kind: 'get-block', items: [answer.block] };
    case 'headers':
      return { kind: 'get-headers', items: answer.headers };
    case 'blocks':
      return { kind: 'get-blocks', items: answer.blocks };
  }
}
