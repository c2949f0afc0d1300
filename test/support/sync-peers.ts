/**
 * Peers to sync from, in memory: each serves a chain as the reference node does, except for what a test
 * says that it does otherwise. Answers take time, which a fake clock lets pass.
 *
 * ```ts
 * const honest = new ScriptedPeer('a', builder.blocks, { clock });
 * const liar = new ScriptedPeer('b', builder.blocks, { clock }, { height: 10_000 });
 * const peers = new PeerList([honest, liar]);
 * ```
 */
import { type Block, encodeBlock } from '../../src/chain/block.ts';
import { encodeHeader } from '../../src/chain/header.ts';
import {
  type Offence,
  PeerRequestError,
  type RequestKind,
  type SyncPeer,
} from '../../src/node/peers/sync-peer.ts';
import type { SyncPeers } from '../../src/node/sync/sync-options.ts';
import { SERVICE } from '../../src/p2p/node-info.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';

export interface PeerScript {
  /** Default: full node with fast sync. */
  readonly services?: number;
  /** Claimed instead of the truth. */
  readonly height?: number;
  readonly bestHash?: Uint8Array;
  /** What an answer takes. Default 50 ms. */
  readonly delayMs?: number;
  /** Gives no answer to these. */
  readonly silentOn?: readonly RequestKind[];
  /** Answers so many requests, and is gone. */
  readonly answers?: number;
  /** Most headers and blocks of an answer. */
  readonly maxHeaders?: number;
  readonly maxBlocks?: number;
  /** Most requests that may be outstanding; any other is 'busy'. */
  readonly maxOutstanding?: number;
  /** Sends these headers instead of an answer's own. */
  readonly headers?: (honest: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Sends this block instead. */
  readonly block?: (honest: Block) => Uint8Array;
  /** What its status says when it is asked for anew. */
  readonly onRefresh?: (peer: ScriptedPeer) => void;
}

export interface PeerRequest {
  readonly kind: RequestKind;
  readonly at: number;
  /** Of the answer. */
  readonly from: number;
  readonly count: number;
}

const TIMEOUT_MS = 30_000;

export class ScriptedPeer implements SyncPeer {
  readonly id: string;
  readonly services: number;
  readonly blames: Offence[] = [];
  readonly requests: PeerRequest[] = [];
  /** Replaced by tests where a peer reorganises; genesis first. */
  blocks: readonly Block[];
  height: number;
  bestHash: Uint8Array;
  closed = false;
  /** Gives no answer to anything that it is asked from now on. */
  isMute = false;
  refreshes = 0;
  /** Most that were outstanding at a time. */
  mostOutstanding = 0;
  readonly #clock: Clock;
  readonly #script: PeerScript;
  readonly #gone = new AbortController();
  /** Of the blocks that were indexed last. */
  #heights = new Map<string, number>();
  #indexed: readonly Block[] | undefined;
  #outstanding = 0;
  #answers = 0;

  constructor(
    id: string,
    blocks: readonly Block[],
    parts: { readonly clock: Clock },
    script: PeerScript = {},
  ) {
    this.id = id;
    this.blocks = blocks;
    this.#clock = parts.clock;
    this.#script = script;
    this.services = script.services ?? SERVICE.FULL_NODE | SERVICE.FAST_SYNC;
    this.height = script.height ?? blocks.at(-1)!.header.height;
    this.bestHash = script.bestHash ?? blocks.at(-1)!.hash;
  }

  /** How it has misbehaved, as far as it was noticed: kinds, in order. */
  get blamed(): readonly Offence['kind'][] {
    return this.blames.map(({ kind }) => kind);
  }

  /** Its chain is another now, and so is its status. */
  switchTo(blocks: readonly Block[]): void {
    this.blocks = blocks;
    this.height = blocks.at(-1)!.header.height;
    this.bestHash = blocks.at(-1)!.hash;
  }

  close(): void {
    this.closed = true;
    this.#gone.abort();
  }

  blame(offence: Offence): void {
    this.blames.push(offence);
  }

  refreshStatus(): void {
    this.refreshes++;
    this.#script.onRefresh?.(this);
  }

  async getHeaders(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const most = this.#script.maxHeaders ?? 2048;
    const range = this.#range(locator, stop, most);
    const honest = range?.map(({ header }) => encodeHeader(header));
    const answer = honest && (this.#script.headers?.(honest) ?? honest);
    return this.#answer('get-headers', range, answer, signal);
  }

  async getBlocks(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const range = this.#range(locator, stop, this.#script.maxBlocks ?? 128);
    return this.#answer('get-blocks', range, range?.map(this.#encode), signal);
  }

  async getBlock(
    which: { readonly height: number } | { readonly hash: Uint8Array },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const block =
      'height' in which ? this.blocks[which.height] : this.blocks[this.#heightOf(which.hash) ?? -1];
    const range = block === undefined ? undefined : [block];
    return this.#answer('get-block', range, block && this.#encode(block), signal);
  }

  readonly #encode = (block: Block): Uint8Array =>
    this.#script.block?.(block) ?? encodeBlock(block);

  /** As the reference does; `undefined` for a stop that it does not know. */
  #range(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    most: number,
  ): readonly Block[] | undefined {
    const end = this.#heightOf(stop);
    // Who claims a block that does not exist makes up that it ends there.
    const claimed =
      bytesToHex(stop) === bytesToHex(this.bestHash) ? this.blocks.length - 1 : undefined;
    const last = end ?? claimed;
    if (last === undefined) return undefined;
    const known = locator.map((hash) => this.#heightOf(hash)).find((at) => at !== undefined) ?? 0;
    const range = this.blocks.slice(known + 1, Math.min(last, known + most) + 1);
    return range.length === 0 ? undefined : range;
  }

  #heightOf(hash: Uint8Array): number | undefined {
    if (this.#indexed !== this.blocks) {
      this.#indexed = this.blocks;
      this.#heights = new Map(this.blocks.map((block, at) => [bytesToHex(block.hash), at]));
    }
    return this.#heights.get(bytesToHex(hash));
  }

  async #answer<T>(
    request: RequestKind,
    range: readonly Block[] | undefined,
    answer: T | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const { answers, maxOutstanding = 64, silentOn = [], delayMs = 50 } = this.#script;
    if (this.closed) throw new PeerRequestError({ code: 'closed', request });
    if (this.#outstanding >= maxOutstanding) throw new PeerRequestError({ code: 'busy', request });
    this.requests.push({
      kind: request,
      at: this.#clock.now(),
      from: range?.[0]?.header.height ?? -1,
      count: range?.length ?? 0,
    });
    this.#outstanding++;
    this.mostOutstanding = Math.max(this.mostOutstanding, this.#outstanding);
    const isSilent = this.isMute || answer === undefined || silentOn.includes(request);
    const stop = AbortSignal.any([this.#gone.signal, ...(signal === undefined ? [] : [signal])]);
    await this.#clock.sleep(isSilent ? TIMEOUT_MS : delayMs, stop);
    this.#outstanding--;
    signal?.throwIfAborted();
    if (this.closed) throw new PeerRequestError({ code: 'closed', request });
    if (isSilent) throw new PeerRequestError({ code: 'timeout', request, ms: TIMEOUT_MS });
    this.#answers++;
    if (answers !== undefined && this.#answers >= answers) this.close();
    return answer;
  }
}

export class PeerList implements SyncPeers {
  readonly #peers: ScriptedPeer[];
  readonly #listeners = new Set<() => void>();

  constructor(peers: readonly ScriptedPeer[] = []) {
    this.#peers = [...peers];
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  add(peer: ScriptedPeer): void {
    this.#peers.push(peer);
    this.changed();
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  syncPeers(): readonly SyncPeer[] {
    return this.#peers.filter(({ closed }) => !closed);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
