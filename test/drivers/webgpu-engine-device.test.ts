/** An open GPU by a fake clock: when it is given batches and asked for them, and what ends it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Device, DriverError, type Work } from '../../drivers/driver.ts';
import { type GpuOpenOptions, openGpuDevice } from '../../drivers/webgpu/engine/open-gpu.ts';
import { capabilitiesOf, variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  driveClock,
  FakeAdapter,
  type FakeDevice,
  type FakeGpuSettings,
  GPUValidationError,
} from './webgpu-engine-fake.ts';

const KERNEL = variantsFor(capabilitiesOf(new FakeAdapter(new FakeClock()).asAdapter)).usable[0]!
  .name;
const DATA = new Int8Array(TABLE_BYTES);
const never = new AbortController().signal;

let clock: FakeClock;
let device: Device;
let gpu: FakeDevice;
let settings: FakeGpuSettings;

/** Opens a GPU that takes `msPerHash`, which the engine knows. */
async function open(
  msPerHash: number,
  options: Partial<GpuOpenOptions> = {},
  fake: Partial<FakeGpuSettings> = {},
): Promise<void> {
  const adapter = new FakeAdapter(clock, { msPerHash: () => msPerHash, ...fake });
  const opening = openGpuDevice(adapter.asAdapter, {
    info: { id: 'gpu0', name: 'Fake', processor: 'gpu0' },
    read: async (file) => `// ${file}\n`,
    batchMs: 100,
    freeAwaits: false,
    clock,
    tables: async (seed) => ({ seed, data: DATA }),
    remembered: { kernel: KERNEL, msPerHash },
    ...options,
  });
  ({ device } = await drive(opening));
  gpu = adapter.device!;
  settings = adapter.settings;
  gpu.batches.length = 0;
  gpu.pieces.length = 0;
}

/** Lets time pass until the promise settles. */
function drive<T>(call: Promise<T>): Promise<T> {
  return driveClock(clock, call, (i) => 1 + i);
}

const table = (fill: number): MatrixTable => ({ seed: new Uint8Array(32).fill(fill), data: DATA });
const load = (fill: number, signal?: AbortSignal): Promise<void> => {
  const { seed, data } = table(fill);
  return drive(device.loadSeed(seed, { seed, data }, signal));
};
const work = (fill: number, target = 1n << 250n): Work => ({
  jobId: 'job',
  generation: 1,
  preimage: new Uint8Array(136),
  seed: table(fill).seed,
  target,
});
/** What a search under way comes to, so that it cannot reject unheard. */
const outcome = <T>(call: Promise<T>): Promise<T | Error> => call.catch((error: Error) => error);
const sizes = (): number[] => gpu.batches.map(({ count }) => count);

beforeEach(() => {
  clock = new FakeClock();
});
afterEach(async () => {
  await drive(device.close());
  expect(clock.sleeping, 'timers that are left').toBe(0);
  expect(gpu.isDestroyed).toBe(true);
});

describe('a search on a GPU', () => {
  it('is cut into batches of some 40 ms, two of which are with the GPU at any time', async () => {
    await open(0.1);
    await load(1);
    const result = await drive(device.search(work(1), { start: 5n, count: 4000 }, never));
    // Of the fake's searches every nonce is found.
    expect(result).toEqual({
      scanned: 4000,
      nonces: Array.from({ length: 4000 }, (_, i) => BigInt(5 + i)),
      aborted: false,
    });
    expect(sizes().reduce((sum, n) => sum + n)).toBe(4000);
    for (const n of sizes()) expect(n).toBeGreaterThan(350);
    for (const n of sizes()) expect(n).toBeLessThan(450);
    // Each was handed over before the one before it had ended.
    for (const [i, batch] of gpu.batches.entries()) {
      const before = gpu.batches[i - 1];
      if (before !== undefined) expect(batch.submittedAt).toBeLessThan(before.endsAt);
    }
    expect(device.telemetry()).toMatchObject({ hashes: 4000, found: 4000 });
  });

  it('hardly ever asks for a batch before it is done', async () => {
    await open(0.1);
    await load(1);
    await drive(device.search(work(1), { start: 0n, count: 40_000 }, never));
    const early = gpu.batches.reduce((sum, b) => sum + Math.max(0, b.endsAt - b.askedAt!), 0);
    expect(early / 4000).toBeLessThan(0.04);
    const last = gpu.batches.at(-1)!;
    const idle = last.endsAt - gpu.batches[0]!.submittedAt - 4000;
    expect(idle / 4000, 'time in which the GPU had nothing').toBeLessThan(0.01);
  });

  it('asks at once where that costs nothing', async () => {
    await open(0.1, { freeAwaits: true });
    await load(1);
    await drive(device.search(work(1), { start: 0n, count: 2000 }, never));
    for (const [i, batch] of gpu.batches.entries()) {
      const begun = Math.max(batch.submittedAt, gpu.batches[i - 1]?.endsAt ?? 0);
      expect(batch.askedAt).toBe(begun);
    }
  });

  it('takes batches that are too long one at a time', async () => {
    await open(700);
    await load(1);
    await drive(device.search(work(1), { start: 0n, count: 4 }, never));
    expect(sizes()).toEqual([1, 1, 1, 1]);
    for (const [i, { submittedAt }] of gpu.batches.entries()) {
      if (i > 0) expect(submittedAt).toBeGreaterThanOrEqual(gpu.batches[i - 1]!.endsAt);
    }
  });

  it('keeps batches within half of batchMs', async () => {
    await open(0.1, { batchMs: 10 });
    await load(1);
    await drive(device.search(work(1), { start: 0n, count: 2000 }, never));
    expect(Math.max(...sizes())).toBeLessThan(60);
  });

  it('rests as its intensity says', async () => {
    await open(0.1, { intensity: 25 });
    await load(1);
    const began = clock.now();
    await drive(device.search(work(1), { start: 0n, count: 4000 }, never));
    const elapsed = gpu.batches.at(-1)!.endsAt - began;
    expect(400 / elapsed).toBeGreaterThan(0.23);
    expect(400 / elapsed).toBeLessThan(0.28);
  });

  it('ends with the batches that the GPU has when it is aborted, and counts them', async () => {
    await open(0.1);
    await load(1);
    const abort = new AbortController();
    const running = outcome(device.search(work(1), { start: 0n, count: 2 ** 40 }, abort.signal));
    await clock.advance(100);
    abort.abort();
    const aborted = clock.now();
    const result = await drive(running);
    const scanned = sizes().reduce((sum, n) => sum + n);
    expect(result).toMatchObject({ scanned, aborted: true });
    expect(gpu.batches.at(-1)!.endsAt - aborted).toBeLessThan(100);
    expect(gpu.batches.every(({ submittedAt }) => submittedAt <= aborted)).toBe(true);
  });

  it('leaves at once when it is aborted before its turn', async () => {
    await open(0.1);
    await load(1);
    const stop = new AbortController();
    const first = outcome(device.search(work(1), { start: 0n, count: 2 ** 40 }, stop.signal));
    const abort = new AbortController();
    const second = device.search(work(1), { start: 0n, count: 10 }, abort.signal);
    await clock.advance(10);
    abort.abort();
    expect(await second).toEqual({ scanned: 0, nonces: [], aborted: true });
    stop.abort();
    await drive(first);
  });

  it('is served in order, the next begun before the last has ended', async () => {
    await open(0.1);
    await load(1);
    const searches = [300, 300, 300].map((count, i) =>
      device.search(work(1), { start: BigInt(1000 * i), count }, never),
    );
    const results = await drive(Promise.all(searches));
    expect(results.map(({ nonces }) => nonces[0])).toEqual([0n, 1000n, 2000n]);
    expect(gpu.batches[1]!.submittedAt).toBeLessThan(gpu.batches[0]!.endsAt);
    expect(gpu.batches[2]!.submittedAt).toBeLessThan(gpu.batches[1]!.endsAt);
  });

  it('rejects with what its listener throws, and the next is served', async () => {
    await open(0.1);
    await load(1);
    const failure = new Error('the listener');
    const call = device.search(work(1), { start: 0n, count: 1000 }, never, () => {
      throw failure;
    });
    expect(await drive(outcome(call))).toBe(failure);
    const next = device.search(work(1), { start: 0n, count: 10 }, never);
    expect((await drive(next)).scanned).toBe(10);
  });

  it('takes larger batches once the GPU becomes faster, up to four times as large', async () => {
    await open(0.1);
    await load(1);
    settings.msPerHash = () => 0.01;
    await drive(device.search(work(1), { start: 0n, count: 200_000 }, never));
    expect(Math.max(...sizes())).toBeGreaterThan(1550);
    expect(Math.max(...sizes())).toBeLessThanOrEqual(1600);
  });
});

describe('a hash on a GPU', () => {
  it('is told of an abort at once, and nothing is written afterwards', async () => {
    await open(700);
    await load(1);
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const out = new Uint8Array(32).fill(7);
    const call = outcome(device.hash(table(1).seed, new Uint8Array(32), out, abort.signal));
    await clock.advance(100);
    abort.abort(reason);
    expect(await call).toBe(reason);
    await clock.advance(2000);
    expect(out).toEqual(new Uint8Array(32).fill(7));
  });

  it('of maxBatch inputs is cut into batches, each result in its place', async () => {
    await open(0.5);
    await load(1);
    const inputs = Uint8Array.from({ length: 32 * device.maxBatch }, (_, i) => i >> 5);
    const out = new Uint8Array(inputs.length);
    await drive(device.hash(table(1).seed, inputs, out));
    expect(device.maxBatch).toBe(2000);
    expect(gpu.batches.length).toBeGreaterThan(20);
    // The fake's hashes are the inputs backwards, and these read the same both ways.
    expect(out).toEqual(inputs);
  });
});

describe('the tables of a GPU', () => {
  it('are uploaded in pieces, between which batches go on', async () => {
    await open(0.1);
    await load(1);
    gpu.pieces.length = 0;
    const abort = new AbortController();
    const running = outcome(device.search(work(1), { start: 0n, count: 2 ** 40 }, abort.signal));
    await clock.advance(100);
    await load(2);
    expect(gpu.pieces).toHaveLength(4);
    abort.abort();
    await drive(running);
    await drive(device.search(work(2), { start: 0n, count: 1 }, never));
  });

  it('are not replaced while a search reads them', async () => {
    await open(0.1, {}, { memoryBytes: 60 * 2 ** 20 });
    expect(device.info.tableSlots).toBe(1);
    await load(1);
    const searching = outcome(device.search(work(1), { start: 0n, count: 4000 }, never));
    let isLoaded = false;
    const loading = device.loadSeed(table(2).seed, table(2)).then(() => {
      isLoaded = true;
    });
    await clock.advance(300);
    expect(isLoaded).toBe(false);
    expect(await drive(searching)).toMatchObject({ scanned: 4000 });
    await drive(loading);
    await expect(
      device.hash(table(1).seed, new Uint8Array(32), new Uint8Array(32)),
    ).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
  });

  it('are not replaced for a load that nobody waits for any more', async () => {
    await open(0.1, {}, { memoryBytes: 60 * 2 ** 20 });
    await load(1);
    const searching = outcome(device.search(work(1), { start: 0n, count: 4000 }, never));
    const abort = new AbortController();
    const reason = new Error('another job');
    const loading = outcome(device.loadSeed(table(2).seed, table(2), abort.signal));
    await clock.advance(50);
    abort.abort(reason);
    expect(await loading).toBe(reason);
    await drive(searching);
    await clock.advance(50);
    await drive(device.search(work(1), { start: 0n, count: 1 }, never));
  });

  it('are uploaded once for two who ask at once', async () => {
    await open(0.1);
    await drive(Promise.all([1, 1].map((fill) => device.loadSeed(table(fill).seed, table(fill)))));
    expect(gpu.pieces).toHaveLength(4);
  });

  it('give way to the next in the order of their last use', async () => {
    await open(0.1);
    for (const fill of [1, 2, 1, 3]) await load(fill);
    // Of 1 and 3; 2 had to go. Now 3 is older.
    await drive(device.search(work(1), { start: 0n, count: 1 }, never));
    await load(4);
    await drive(device.search(work(1), { start: 0n, count: 1 }, never));
    await expect(device.search(work(3), { start: 0n, count: 1 }, never)).rejects.toMatchObject({
      detail: { code: 'seed-not-loaded' },
    });
    await expect(device.search(work(2), { start: 0n, count: 1 }, never)).rejects.toMatchObject({
      detail: { code: 'seed-not-loaded' },
    });
  });
});

describe('the end of a GPU', () => {
  const pending = (): Promise<unknown>[] => [
    outcome(device.search(work(1), { start: 0n, count: 2 ** 40 }, never)),
    outcome(device.hash(table(1).seed, new Uint8Array(32), new Uint8Array(32))),
    outcome(device.measurePeak!()),
  ];
  const expectLost = async (calls: readonly Promise<unknown>[], reason: string): Promise<void> => {
    for (const call of [...calls, ...pending()]) {
      const error = await call;
      expect(error).toBeInstanceOf(DriverError);
      expect(error).toMatchObject({ detail: { code: 'lost', reason } });
    }
  };

  it('is told in the words of the driver, to everybody who waits', async () => {
    await open(0.1);
    await load(1);
    const calls = pending();
    await clock.advance(100);
    await drive(gpu.lose('it was unplugged'));
    await expectLost(calls, 'it was unplugged');
    expect(await device.lost).toMatchObject({
      detail: { code: 'lost', reason: 'it was unplugged' },
    });
  });

  it('comes with an error that nobody expected', async () => {
    await open(0.1);
    await load(1);
    const calls = pending();
    await clock.advance(10);
    gpu.onuncapturederror?.({ error: new GPUValidationError('a buffer\nis missing') });
    await clock.advance(0);
    await expectLost(calls, 'validation error: a buffer is missing');
  });

  it('comes when a batch takes 10 s that should take 40 ms', async () => {
    await open(0.1);
    await load(1);
    settings.hangs = true;
    const calls = pending();
    let isOver = false;
    void device.lost.then(() => {
      isOver = true;
    });
    await clock.advance(9_900);
    expect(isOver).toBe(false);
    await clock.advance(300);
    await expectLost(calls, 'no answer for 10 s');
  });

  it('comes only after twenty times the expected time where that is longer', async () => {
    await open(1000);
    await load(1);
    settings.hangs = true;
    const calls = pending();
    await clock.advance(20_900);
    let isOver = false;
    void device.lost.then(() => {
      isOver = true;
    });
    await clock.advance(0);
    expect(isOver).toBe(false);
    await clock.advance(300);
    await expectLost(calls, 'no answer for 20 s');
  });

  it('is no loss when it was closed, and nobody is left waiting', async () => {
    await open(0.1);
    await load(1);
    settings.hangs = true;
    const calls = pending();
    await clock.advance(20);
    const upload = outcome(device.loadSeed(table(2).seed, table(2)));
    await device.close();
    await device.close();
    await expectLost([...calls, upload], 'it was closed');
    expect(await device.lost).toBeUndefined();
  });

  it('is not put off by a rest', async () => {
    await open(50, { intensity: 1 });
    await load(1);
    const calls = pending();
    await clock.advance(200);
    await device.close();
    await expectLost(calls, 'it was closed');
  });
});
