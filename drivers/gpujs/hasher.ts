/**
 * Tensority by lanes: the four chains of every hash are shared out among them, so that a hash takes as
 * little time as may be. What is left of a hash, its sum and the last words, is computed here.
 */
import {
  type BatchHasher,
  checkBatch,
  checkTable,
  HasherError,
  type Seed,
} from '../../src/tensority/hasher.ts';
import { transposed } from '../../src/tensority/matmul.ts';
import { MATRIX_BYTES, SLICES } from '../../src/tensority/params.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { SeedSlots, type SlotUse } from '../../src/tensority/seed-slots.ts';
import { type MatrixTable, sharedData } from '../../src/tensority/table.ts';
import { untilAbort } from '../../src/util/abort.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import type { Lane } from './lane.ts';

/** Tables that stay resident: a reorganisation over an epoch edge needs two. */
export const TABLE_SLOTS = 2;
/** Rounds of all lanes that make the largest batch. */
const MAX_ROUNDS = 4;

/** One call of `hash`. */
interface Call {
  readonly table: SlotUse<number>;
  /** Tells the lanes that its chains are no longer wanted. */
  readonly abort: AbortController;
  readonly done: Deferred<void>;
  /** Hashes that are not there yet. */
  left: number;
  /** Lanes that compute for it, and read its table. */
  lanes: number;
}

interface Hash {
  readonly headerHash: Uint8Array;
  readonly powHash: Uint8Array;
  /** Of the end matrices, and transposed like these. */
  readonly sum: Uint8Array;
  /** Chains that have not ended. */
  left: number;
}

interface Chain {
  readonly call: Call;
  readonly hash: Hash;
  readonly slice: number;
}

export class LaneHasher implements BatchHasher {
  readonly maxBatch: number;
  /** Hashes that keep every lane busy. */
  readonly granule: number;
  /** Resolves once: with the reason if a lane failed, `undefined` after `close`. Never rejects. */
  readonly lost: Promise<HasherError | undefined>;
  readonly #lanes: readonly Lane[];
  readonly #idle: Lane[];
  readonly #tables: SeedSlots<number>;
  /** The oldest first. */
  #waiting: Chain[] = [];
  readonly #calls = new Set<Call>();
  readonly #lost: Deferred<HasherError | undefined> = createDeferred();
  #ended: HasherError | undefined;

  /** Takes the lanes over: they are closed with the hasher. */
  constructor(lanes: readonly Lane[]) {
    this.lost = this.#lost.promise;
    this.#lanes = lanes;
    this.#idle = [...lanes];
    // Also of a thread that dies while nothing is computed.
    for (const { ended } of lanes) void ended.then((error) => this.#end(errorText(error)));
    const together = lanes.reduce((sum, lane) => sum + lane.chains, 0);
    this.granule = Math.ceil(together / SLICES);
    this.maxBatch = MAX_ROUNDS * this.granule;
    this.#tables = new SeedSlots({
      slots: Array.from({ length: TABLE_SLOTS }, (_v, slot) => slot),
      fill: (slot, data) => this.#fill(slot, data),
    });
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    checkTable(seed, table);
    signal?.throwIfAborted();
    this.#checkOpen();
    await this.#tables.load(seed, table.data, signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const count = checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    this.#checkOpen();
    const powHashes = new Uint8Array(out.length);
    const call: Call = {
      table: this.#tables.use(seed),
      abort: new AbortController(),
      done: createDeferred(),
      left: count,
      lanes: 0,
    };
    this.#calls.add(call);
    for (let i = 0; i < count; i++) {
      const part = (bytes: Uint8Array): Uint8Array => bytes.subarray(32 * i, 32 * i + 32);
      const hash = {
        headerHash: part(headerHashes),
        powHash: part(powHashes),
        sum: new Uint8Array(MATRIX_BYTES),
        left: SLICES,
      };
      for (let slice = 0; slice < SLICES; slice++) this.#waiting.push({ call, hash, slice });
    }
    this.#share();
    try {
      await untilAbort(call.done.promise, signal);
    } finally {
      this.#drop(call);
    }
    out.set(powHashes);
  }

  async close(): Promise<void> {
    this.#end(undefined);
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  async #fill(slot: number, data: Int8Array): Promise<void> {
    const shared = sharedData(data);
    try {
      await Promise.all(this.#lanes.map((lane) => lane.load(slot, shared)));
    } catch (error) {
      throw this.#end(errorText(error));
    }
  }

  /** Gives the lanes that are idle something to do. */
  #share(): void {
    for (;;) {
      const call = this.#waiting[0]?.call;
      const lane = call === undefined ? undefined : this.#idle.shift();
      if (call === undefined || lane === undefined) return;
      // All that a lane computes together is of one table.
      const other = this.#waiting.findIndex((chain) => chain.call !== call);
      const most = other < 0 ? lane.chains : Math.min(lane.chains, other);
      void this.#run(lane, call, this.#waiting.splice(0, most));
    }
  }

  async #run(lane: Lane, call: Call, chains: readonly Chain[]): Promise<void> {
    const { signal } = call.abort;
    const sequences = chains.map(({ hash, slice }) => sliceSequence(hash.headerHash, slice));
    call.lanes++;
    try {
      const ends = await lane.run(call.table.slot, sequences, signal);
      if (!signal.aborted) for (const [i, { hash }] of chains.entries()) add(call, hash, ends[i]!);
    } catch (error) {
      if (!signal.aborted) this.#end(errorText(error));
    }
    call.lanes--;
    if (signal.aborted && call.lanes === 0) call.table.release();
    this.#idle.push(lane);
    this.#share();
  }

  /** Of a call that has ended, well or badly, nothing is computed any more. */
  #drop(call: Call): void {
    this.#calls.delete(call);
    this.#waiting = this.#waiting.filter((chain) => chain.call !== call);
    call.abort.abort();
    if (call.lanes === 0) call.table.release();
  }

  #checkOpen(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** Ends the hasher once: by `close` without a reason, or because a lane failed. */
  #end(reason: string | undefined): HasherError {
    if (this.#ended !== undefined) return this.#ended;
    const ended = new HasherError({ code: 'lost', reason: clip(reason ?? 'closed', 200) });
    this.#ended = ended;
    this.#waiting = [];
    for (const call of this.#calls) call.done.reject(ended);
    this.#tables.end(ended);
    this.#lost.resolve(reason === undefined ? undefined : ended);
    return ended;
  }
}

function add(call: Call, hash: Hash, end: Int8Array): void {
  const { sum } = hash;
  for (let i = 0; i < MATRIX_BYTES; i++) sum[i]! += end[i]!;
  if (--hash.left > 0) return;
  hash.powHash.set(finishHash(transposed(sum)));
  if (--call.left === 0) call.done.resolve();
}
