/** The hasher over lanes that compute something simple, of which the right hashes are known. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { LaneHasher, TABLE_SLOTS } from '../../drivers/gpujs/hasher.ts';
import type { Lane } from '../../drivers/gpujs/lane.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import { DIM, MATRIX_BYTES, SLICES, TABLE_BYTES } from '../../src/tensority/params.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { describeConformance } from './conformance.ts';

const info = { id: 'gpujs', name: 'lanes', tableSlots: TABLE_SLOTS, rollsNonce: false };

/** Stands for an end matrix: every entry tells of the table, the sequence and its place. */
function endOf(data: Int8Array, sequence: Uint8Array): Int8Array<ArrayBuffer> {
  const end = new Int8Array(MATRIX_BYTES);
  const seed = data[0]!;
  for (let i = 0; i < MATRIX_BYTES; i++) end[i] = seed * sequence[i % 32]! + (i >> 8) + 3 * i;
  return end;
}

/** As the hasher is to compute it: the end matrices are transposed. */
function hashOf(data: Int8Array, headerHash: Uint8Array): Uint8Array {
  const sum = new Uint8Array(MATRIX_BYTES);
  for (let slice = 0; slice < SLICES; slice++) {
    const end = endOf(data, sliceSequence(headerHash, slice));
    for (let i = 0; i < MATRIX_BYTES; i++) sum[(i % DIM) * DIM + (i >> 8)]! += end[i]!;
  }
  return finishHash(sum);
}

/** Computes in a turn of the loop, or when `gate` opens. */
class FakeLane implements Lane {
  readonly chains: number;
  readonly end = createDeferred<Error>();
  readonly ended = this.end.promise;
  readonly runs: number[] = [];
  /** The slot that a run reads. */
  #reads: number | undefined;
  closed = 0;
  gate: Promise<void> = Promise.resolve();
  failure: Error | undefined;
  readonly #tables: Int8Array[] = [];

  constructor(chains: number) {
    this.chains = chains;
  }

  async load(slot: number, data: Int8Array): Promise<void> {
    expect(this.#reads, 'slot that is read while a table is loaded there').not.toBe(slot);
    this.#tables[slot] = data;
  }

  async run(
    slot: number,
    sequences: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<readonly Int8Array[]> {
    expect(this.#reads, 'slot of another run at that time').toBeUndefined();
    this.#reads = slot;
    this.runs.push(sequences.length);
    try {
      await this.gate;
      await sleep(0);
      signal.throwIfAborted();
      if (this.failure !== undefined) throw this.failure;
      return sequences.map((sequence) => endOf(this.#tables[slot]!, sequence));
    } finally {
      this.#reads = undefined;
    }
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

function tableOf(seed: Uint8Array): MatrixTable {
  return { seed, data: new Int8Array(TABLE_BYTES).fill(seed[0]!, 0, 1) };
}

const tables = new Map(
  [0x11, 0x22].map((byte) => {
    const seed = new Uint8Array(32).fill(byte);
    return [bytesToHex(seed), tableOf(seed)];
  }),
);
const [SEED = '', OTHER = ''] = [...tables.keys()];
const VECTORS = [SEED, SEED, OTHER, OTHER].map((seed, index) => {
  const headerHash = new Uint8Array(32).fill(index + 1);
  const powHash = bytesToHex(hashOf(tables.get(seed)!.data, headerHash));
  return { seed, headerHash: bytesToHex(headerHash), powHash };
});

describeConformance(
  'a device of lanes',
  async () => {
    const lanes = [new FakeLane(1), new FakeLane(3)];
    const hasher = new LaneHasher(lanes);
    const { granule } = hasher;
    const device = new HasherDevice(hasher, { info, batchMs: 20, granule, leastBatch: granule });
    void hasher.lost.then((error) => {
      if (error !== undefined) device.markLost('a lane failed');
    });
    const lose = (): void => {
      for (const lane of lanes) lane.failure = new Error('gone');
    };
    return { device, vectors: VECTORS, table: async (seed) => tables.get(bytesToHex(seed))!, lose };
  },
  { canLose: true },
);

describe('LaneHasher', () => {
  const seed = hexToBytes(SEED, 'seed', 32);
  const inputs = (count: number): Uint8Array => new Uint8Array(32 * count).fill(5);
  const out = (count: number): Uint8Array => new Uint8Array(32 * count);
  const load = (hasher: LaneHasher): Promise<void> => hasher.loadSeed(seed, tables.get(SEED)!);

  it('shares the chains of one hash out among its lanes', async () => {
    const lanes = [new FakeLane(1), new FakeLane(1), new FakeLane(1), new FakeLane(1)];
    const hasher = new LaneHasher(lanes);
    await load(hasher);
    await hasher.hash(seed, inputs(1), out(1));
    expect(lanes.map(({ runs }) => runs)).toEqual([[1], [1], [1], [1]]);
  });

  it('has batches that keep every lane busy', () => {
    const granules = [1, 4, 5, 16].map(
      (count) => new LaneHasher(Array.from({ length: count }, () => new FakeLane(1))).granule,
    );
    expect(granules).toEqual([1, 1, 2, 4]);
    expect(new LaneHasher([new FakeLane(8)]).granule).toBe(2);
  });

  it('gives a lane that computes several chains no more than are of one call', async () => {
    const lane = new FakeLane(3);
    const hasher = new LaneHasher([lane]);
    await load(hasher);
    await Promise.all([1, 1].map((count) => hasher.hash(seed, inputs(count), out(count))));
    expect(lane.runs).toEqual([3, 1, 3, 1]);
  });

  it('computes nothing more of a call that was aborted, and goes on with the next', async () => {
    const lane = new FakeLane(1);
    const hasher = new LaneHasher([lane]);
    await load(hasher);
    const abort = new AbortController();
    const first = hasher.hash(seed, inputs(2), out(2), abort.signal);
    const next = hasher.hash(seed, inputs(1), out(1));
    abort.abort();
    await expect(first).rejects.toBe(abort.signal.reason);
    await next;
    // One of the eight had begun.
    expect(lane.runs).toHaveLength(1 + SLICES);
  });

  it('keeps a table until no lane reads it, even for a call that was aborted', async () => {
    const lane = new FakeLane(1);
    const hasher = new LaneHasher([lane]);
    const third = tableOf(new Uint8Array(32).fill(0x33));
    let open = (): void => {};
    await load(hasher);
    await hasher.loadSeed(hexToBytes(OTHER, 'seed', 32), tables.get(OTHER)!);
    lane.gate = new Promise((resolve) => {
      open = resolve;
    });
    const abort = new AbortController();
    const hash = hasher.hash(seed, inputs(1), out(1), abort.signal);
    abort.abort();
    await expect(hash).rejects.toBe(abort.signal.reason);
    // Goes to the other slot, though that was used later.
    await hasher.loadSeed(third.seed, third);
    open();
    await expect(hasher.hash(seed, inputs(1), out(1)), 'kept').resolves.toBeUndefined();
  });

  it('is lost when a lane ends by itself, though nobody is calling it', async () => {
    const lane = new FakeLane(1);
    const hasher = new LaneHasher([new FakeLane(1), lane]);
    lane.end.resolve(new Error('its thread ended'));
    const lost = { detail: { code: 'lost', reason: 'its thread ended' } };
    expect(await hasher.lost).toMatchObject(lost);
    await expect(load(hasher)).rejects.toMatchObject(lost);
    await hasher.close();
  });

  it('is lost with the reason when a lane fails, and closes every lane', async () => {
    const lanes = [new FakeLane(1), new FakeLane(1)];
    const hasher = new LaneHasher(lanes);
    await load(hasher);
    lanes[1]!.failure = new Error('out of memory');
    const lost = { detail: { code: 'lost', reason: 'out of memory' } };
    await expect(hasher.hash(seed, inputs(1), out(1))).rejects.toMatchObject(lost);
    expect(await hasher.lost).toMatchObject(lost);
    await expect(hasher.hash(seed, inputs(1), out(1)), 'afterwards').rejects.toMatchObject(lost);
    await hasher.close();
    expect(lanes.map(({ closed }) => closed)).toEqual([1, 1]);
  });
});
