/** The hasher on lanes that do what a test wants; that the hashes are right is shown elsewhere. */
import { describe, expect, it } from 'vitest';
import { Batch } from '../../drivers/onnx/batch.ts';
import { type Lane, LaneEnded } from '../../drivers/onnx/lane.ts';
import { OnnxHasher } from '../../drivers/onnx/onnx-hasher.ts';
import { createTables } from '../../drivers/onnx/tables.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const SEED_A = new Uint8Array(32).fill(0xa1);
const SEED_B = new Uint8Array(32).fill(0xb2);
const SEED_C = new Uint8Array(32).fill(0xc3);
const tableOf = (seed: Uint8Array): MatrixTable => ({
  seed,
  data: new Int8Array(TABLE_BYTES).fill(seed[0]! - 256),
});

/** A "hash" is the input with each byte XOR the table's first byte, which carries the zero point. */
class TestLane implements Lane {
  isClosed = false;
  /** Runs wait for it. */
  gate: Deferred<void> | undefined;
  failure: string | undefined;
  /** What each run read. */
  readonly tables: number[] = [];
  readonly end: Deferred<LaneEnded> = createDeferred();
  /** Of the last call. */
  batch: Batch | undefined;
  intensity: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  get ended(): Promise<LaneEnded> {
    return this.end.promise;
  }

  async open(): Promise<void> {}

  run(matrices: Uint8Array, memory: SharedArrayBuffer, intensity?: number): Promise<void> {
    this.intensity = intensity;
    const done = this.#last.then(async () => {
      const batch = new Batch(memory);
      this.batch = batch;
      for (;;) {
        const part = batch.claim(1);
        if (part === undefined) return;
        await this.gate?.promise;
        if (this.failure !== undefined) throw new Error(this.failure);
        this.tables.push(matrices[0]!);
        batch.put(
          part.first,
          batch.input(part.first).map((byte) => byte ^ matrices[0]!),
        );
        batch.sign();
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async record(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

interface Rig {
  readonly lanes: readonly [TestLane, TestLane];
  readonly hasher: OnnxHasher;
  readonly clock: FakeClock;
}

async function rig(...seeds: readonly Uint8Array[]): Promise<Rig> {
  const lanes = [new TestLane(), new TestLane()] as const;
  const clock = new FakeClock();
  const tables = createTables();
  const hasher = new OnnxHasher(
    { maxBatch: 8, silenceMs: 1000, intensity: 40 },
    { lanes, tables, clock },
  );
  for (const seed of seeds) await hasher.loadSeed(seed, tableOf(seed));
  return { lanes, hasher, clock };
}

const inputs = (count: number, fill = 1): Uint8Array => new Uint8Array(32 * count).fill(fill);
/** The byte that a hash of `fill` consists of under a seed. */
const byteOf = (seed: Uint8Array, fill = 1): number => fill ^ seed[0]! ^ 0x80;
const code = (error: unknown): unknown => (error as { detail?: { code?: string } }).detail?.code;

describe('the hasher', () => {
  it('shares a batch out among its lanes, which read the entries plus 128', async () => {
    const { hasher, lanes } = await rig(SEED_A);
    const out = new Uint8Array(32 * 6);
    await hasher.hash(SEED_A, inputs(6), out);
    expect(out).toEqual(inputs(6, byteOf(SEED_A)));
    expect(lanes.map(({ tables }) => tables.length)).toEqual([3, 3]);
    expect(lanes[0].tables[0]).toBe(SEED_A[0]! ^ 0x80);
  });

  it('does not replace a table that is read', async () => {
    const { hasher, lanes } = await rig(SEED_A, SEED_B);
    for (const lane of lanes) lane.gate = createDeferred();
    const outs = [SEED_A, SEED_B].map(() => new Uint8Array(64));
    const running = [SEED_A, SEED_B].map((seed, i) => hasher.hash(seed, inputs(2), outs[i]!));
    await settle();
    let isLoaded = false;
    const load = hasher.loadSeed(SEED_C, tableOf(SEED_C)).then(() => {
      isLoaded = true;
    });
    await settle();
    expect(isLoaded).toBe(false);
    for (const lane of lanes) lane.gate?.resolve();
    await Promise.all([...running, load]);
    expect(outs.map((out) => out[63])).toEqual([byteOf(SEED_A), byteOf(SEED_B)]);
    const call = hasher.hash(SEED_A, inputs(1), new Uint8Array(32));
    expect(code(await call.catch((error: unknown) => error))).toBe('seed-not-loaded');
    const out = new Uint8Array(32);
    await hasher.hash(SEED_C, inputs(1), out);
    expect(out[0]).toBe(byteOf(SEED_C));
  });

  it('ends an aborted call after the runs that have begun, and leaves its output alone', async () => {
    const { hasher, lanes } = await rig(SEED_A);
    for (const lane of lanes) lane.gate = createDeferred();
    const abort = new AbortController();
    const out = new Uint8Array(32 * 8);
    const running = hasher.hash(SEED_A, inputs(8), out, abort.signal);
    await settle();
    const reason = new Error('no longer wanted');
    abort.abort(reason);
    for (const lane of lanes) lane.gate?.resolve();
    await expect(running).rejects.toBe(reason);
    expect(lanes.map(({ tables }) => tables.length)).toEqual([1, 1]);
    expect(out).toEqual(new Uint8Array(32 * 8));
  });

  it('is lost with the error of a lane, and stops the others', async () => {
    const { hasher, lanes } = await rig(SEED_A);
    lanes[0].failure = 'the provider is gone';
    lanes[1].gate = createDeferred();
    const running = hasher.hash(SEED_A, inputs(8), new Uint8Array(32 * 8));
    await expect(running).rejects.toMatchObject({
      detail: { code: 'lost', reason: 'the provider is gone' },
    });
    expect((await hasher.lost)?.detail.code).toBe('lost');
    lanes[1].gate.resolve();
    await settle();
    expect(lanes[1].tables).toHaveLength(1);
    const later = hasher.hash(SEED_A, inputs(1), new Uint8Array(32));
    await expect(later).rejects.toMatchObject({ detail: { code: 'lost' } });
  });

  it('is lost when no run ends, but not while others go before', async () => {
    const { hasher, lanes, clock } = await rig(SEED_A);
    for (const lane of lanes) lane.gate = createDeferred();
    const first = hasher.hash(SEED_A, inputs(4), new Uint8Array(32 * 4));
    const second = hasher.hash(SEED_A, inputs(2), new Uint8Array(32 * 2));
    const ends = Promise.allSettled([first, second]);
    await clock.advance(900);
    const gates = lanes.map((lane) => lane.gate);
    for (const lane of lanes) lane.gate = createDeferred();
    for (const gate of gates) gate?.resolve();
    await clock.advance(900);
    expect(hasher.isBroken).toBe(false);
    await clock.advance(2000);
    expect(hasher.isBroken).toBe(true);
    for (const end of await ends) {
      expect(end).toMatchObject({ reason: { detail: { reason: 'no run ended for 1 s' } } });
    }
  });

  it('has its lanes rest, which is no silence', async () => {
    const { hasher, lanes, clock } = await rig(SEED_A);
    for (const lane of lanes) lane.gate = createDeferred();
    const running = hasher.hash(SEED_A, inputs(2), new Uint8Array(64));
    await settle();
    expect(lanes.map(({ intensity }) => intensity)).toEqual([40, 40]);
    for (let rests = 0; rests < 5; rests++) {
      await clock.advance(900);
      lanes[0].batch?.sign();
    }
    for (const lane of lanes) lane.gate?.resolve();
    await running;
  });

  it('is lost when the thread of a lane ends, also while it has nothing to do', async () => {
    const { hasher, lanes } = await rig(SEED_A);
    lanes[1].end.resolve(new LaneEnded('thread 1 ended with code 1'));
    expect(await hasher.lost).toMatchObject({
      detail: { code: 'lost', reason: 'thread 1 ended with code 1' },
    });
    expect(hasher.isBroken).toBe(true);
    const call = hasher.hash(SEED_A, inputs(1), new Uint8Array(32));
    expect(code(await call.catch((error: unknown) => error))).toBe('lost');
  });

  it('waits for nobody once it is closed, and leaves no timer behind', async () => {
    const { hasher, lanes, clock } = await rig(SEED_A, SEED_B);
    for (const lane of lanes) lane.gate = createDeferred();
    const calls = [SEED_A, SEED_B].map((seed) => hasher.hash(seed, inputs(2), new Uint8Array(64)));
    const load = hasher.loadSeed(SEED_C, tableOf(SEED_C));
    const ends = Promise.allSettled([...calls, load]);
    await settle();
    await hasher.close();
    await hasher.close();
    expect((await ends).map((end) => end.status === 'rejected' && code(end.reason))).toEqual([
      'lost',
      'lost',
      'lost',
    ]);
    expect(await hasher.lost).toBeUndefined();
    expect(lanes.every(({ isClosed }) => isClosed)).toBe(true);
    expect(clock.sleeping).toBe(0);
  });
});
