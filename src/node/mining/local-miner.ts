/**
 * Mines on the node's own hasher, which it shares with the verification of blocks: one batch at a time,
 * a short one, and none while something more important waits. It is there for test networks, where
 * somebody has to make blocks; who mines in earnest runs a miner.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type BlockHeader,
  headerHash,
  headerPreimage,
  PREIMAGE_NONCE_OFFSET,
  preimageHash,
} from '../../chain/header.ts';
import { type BatchHasher, HasherError, type Seed } from '../../tensority/hasher.ts';
import type { TableProvider } from '../../tensority/table.ts';
import { meetsTarget } from '../../tensority/target.ts';
import { untilAbort } from '../../util/abort.ts';
import { bytesEqual, bytesToHex, readU64, writeU64 } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Templates } from './templates.ts';
import { WorkError } from './work-error.ts';

export interface LocalMinerOptions {
  /** How long a batch shall take: what else needs the hasher waits for one at most. Default 100. */
  readonly batchMs?: number;
  /** A batch that takes longer is never going to end: the hasher is lost. Default five minutes. */
  readonly stallMs?: number;
}

export interface LocalMinerParts {
  readonly templates: Pick<Templates, 'current' | 'submit'>;
  /** Stays the caller's. */
  readonly hasher: BatchHasher;
  readonly tables: TableProvider;
  /** Whether it has to stand back: blocks wait for their proof, or the node is still behind. */
  readonly busy: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where to begin, 0 … 2^63−1. Default: anywhere, so that two nodes do not try the same. */
  readonly randomNonce?: () => bigint;
}

const FIRST_BATCH = 4;
/** Pause while something more important goes on. */
const BUSY_MS = 50;
/** Pause after an error that may pass: no template, or a block that was not taken. */
const RETRY_MS = 2000;
/** Loads of one batch's seed before we give up: verification may push it out. */
const LOAD_ATTEMPTS = 4;
const NONCE_MASK = 2n ** 63n - 1n;

export class LocalMiner {
  readonly #batchMs: number;
  readonly #stallMs: number;
  readonly #parts: Required<LocalMinerParts>;
  #run: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #loaded: Seed | undefined;
  #size: number;
  #hashes = 0;
  #blocks = 0;

  constructor(options: LocalMinerOptions, parts: LocalMinerParts) {
    this.#batchMs = options.batchMs ?? 100;
    this.#stallMs = options.stallMs ?? 300_000;
    this.#parts = { randomNonce: anyNonce, ...parts };
    this.#size = Math.min(FIRST_BATCH, parts.hasher.maxBatch);
  }

  get running(): boolean {
    return this.#run !== undefined && !this.#run.abort.signal.aborted;
  }

  /** Computed since the miner was made. */
  get hashes(): number {
    return this.#hashes;
  }

  /** Found, and taken by the chain. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Hashes that the next batch has. */
  get batchSize(): number {
    return this.#size;
  }

  /** Idempotent. A miner that lost its hasher tries again. */
  start(): void {
    if (this.running) return;
    const abort = new AbortController();
    const before = this.#run?.done;
    const run = { abort, done: this.#mine(abort.signal, before) };
    this.#run = run;
    this.#parts.log.info('local mining started');
    void run.done.then(() => {
      if (this.#run === run) this.#run = undefined;
    });
  }

  /** Resolves when nothing runs any more; a hasher that hangs is left to itself. Idempotent. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    if (!run.abort.signal.aborted) this.#parts.log.info('local mining stopped');
    run.abort.abort();
    await run.done;
  }

  /** Never rejects. */
  async #mine(signal: AbortSignal, before: Promise<void> | undefined): Promise<void> {
    const { busy, clock, log } = this.#parts;
    await before;
    let nonce = this.#parts.randomNonce() & NONCE_MASK;
    while (!signal.aborted) {
      if (busy()) {
        await clock.sleep(BUSY_MS, signal);
        continue;
      }
      try {
        nonce = await this.#mineOnce(nonce, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof HasherError) {
          log.error('local mining ended: its hasher is lost', { reason: errorText(error) });
          return;
        }
        if (error instanceof WorkError && error.detail.code === 'closed') return;
        log.warn('local mining pauses', { reason: errorText(error), seconds: RETRY_MS / 1000 });
        await clock.sleep(RETRY_MS, signal);
      }
      // A hasher that answers at once must not keep everything else from its turn.
      await nextTurn();
    }
  }

  /** Tries one batch from `start` on, and returns where the next one begins. */
  async #mineOnce(start: bigint, signal: AbortSignal): Promise<bigint> {
    const template = await this.#parts.templates.current();
    const { header, seed, target } = template;
    const count = this.#size;
    const nonces = Array.from({ length: count }, (_, i) => (start + BigInt(i)) & NONCE_MASK);
    const out = await this.#hash(seed, headerHashes(header, nonces), signal);
    this.#hashes += count;
    const found = nonces.findIndex((_, i) =>
      meetsTarget(out.subarray(32 * i, 32 * i + 32), target),
    );
    // The chain goes on from the first one; others of the batch would be its siblings.
    if (found >= 0) await this.#submit({ ...header, nonce: nonces[found]! });
    return (start + BigInt(count)) & NONCE_MASK;
  }

  async #submit(header: BlockHeader): Promise<void> {
    const { templates, log } = this.#parts;
    const { height } = header;
    const hash = bytesToHex(headerHash(header));
    try {
      const { result } = await templates.submit(header);
      this.#blocks++;
      log.info('block found', { height, hash, result });
    } catch (error) {
      if (error instanceof WorkError && error.detail.code === 'changed') {
        log.info('block found too late', { height, hash });
        return;
      }
      log.warn('block found, and not taken', { height, hash });
      throw error;
    }
  }

  /** Rejects `HasherError` if the hasher is of no use any more, or the signal's reason. */
  async #hash(seed: Seed, input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { hasher, clock } = this.#parts;
    const out = new Uint8Array(input.length);
    for (let attempt = 1; ; attempt++) {
      if (this.#loaded === undefined || !bytesEqual(this.#loaded, seed)) {
        await this.#load(seed, signal);
      }
      const start = clock.now();
      try {
        await this.#inTime(hasher.hash(seed, input, out, signal), signal);
        this.#resize(input.length / 32, clock.now() - start);
        return out;
      } catch (error) {
        signal.throwIfAborted();
        this.#loaded = undefined;
        const code = error instanceof HasherError ? error.detail.code : undefined;
        if (code !== 'seed-not-loaded' || attempt === LOAD_ATTEMPTS) throw asLost(error);
      }
    }
  }

  async #load(seed: Seed, signal: AbortSignal): Promise<void> {
    const { hasher, tables } = this.#parts;
    const table = await untilAbort(tables(seed), signal);
    try {
      await this.#inTime(hasher.loadSeed(seed, table, signal), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw asLost(error);
    }
    this.#loaded = seed;
  }

  /** What the call comes to; a hasher that hangs is lost, and heeds no abort. */
  async #inTime(call: Promise<void>, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    const stalled = this.#parts.clock.sleep(this.#stallMs, stop).then(() => {
      if (stop.aborted) return;
      throw new HasherError({ code: 'lost', reason: 'a batch did not end' });
    });
    try {
      await untilAbort(Promise.race([call, stalled]), signal);
    } finally {
      over.abort();
    }
    signal.throwIfAborted();
  }

  #resize(count: number, ms: number): void {
    const { maxBatch } = this.#parts.hasher;
    const wanted = ms <= 0 ? maxBatch : Math.round((count * this.#batchMs) / ms);
    this.#size = Math.max(1, Math.min(wanted, 2 * this.#size, maxBatch));
  }
}

function headerHashes(header: BlockHeader, nonces: readonly bigint[]): Uint8Array {
  const preimage = headerPreimage(header);
  const out = new Uint8Array(32 * nonces.length);
  for (const [i, nonce] of nonces.entries()) {
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, nonce);
    out.set(preimageHash(preimage), 32 * i);
  }
  return out;
}

/** Whatever a hasher fails with, it is of no use to us afterwards. */
function asLost(error: unknown): HasherError {
  if (error instanceof HasherError && error.detail.code === 'lost') return error;
  return new HasherError({ code: 'lost', reason: errorText(error) }, { cause: error });
}

function anyNonce(): bigint {
  return readU64(randomBytes(8), 0);
}
