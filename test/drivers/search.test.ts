import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { DeviceInfo, Work } from '../../drivers/driver.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import { searchByHash } from '../../drivers/search.ts';
import { preimageHash } from '../../src/chain/header.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { bytesToHex, writeU64 } from '../../src/util/bytes.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';

const WORK: Work = {
  jobId: 'job',
  generation: 1,
  preimage: new Uint8Array(136).fill(9),
  seed: new Uint8Array(32),
  target: -1n,
};
const signal = new AbortController().signal;

interface Call {
  readonly headerHashes: string[];
  readonly out: Uint8Array;
  readonly end: Deferred<void>;
}

/** A hasher whose calls end when the test says so. */
class HeldHasher {
  readonly calls: Call[] = [];

  async hash(
    _seed: Uint8Array,
    headerHashes: Uint8Array,
    out: Uint8Array,
    abort?: AbortSignal,
  ): Promise<void> {
    const end = createDeferred<void>();
    abort?.addEventListener('abort', () => end.reject(abort.reason));
    out.fill(0xff);
    const inputs = Array.from({ length: headerHashes.length / 32 }, (_, i) =>
      bytesToHex(headerHashes.subarray(32 * i, 32 * i + 32)),
    );
    this.calls.push({ headerHashes: inputs, out, end });
    await end.promise;
  }

  async untilCalls(count: number): Promise<void> {
    while (this.calls.length < count) await nextTurn();
  }
}

/** A hasher that does not listen to aborts. */
class DeafHasher {
  readonly calls: Deferred<void>[] = [];

  hash(_seed: Uint8Array, _headerHashes: Uint8Array, out: Uint8Array): Promise<void> {
    out.fill(0xff);
    const end = createDeferred<void>();
    this.calls.push(end);
    return end.promise;
  }

  async untilCalls(count: number): Promise<void> {
    while (this.calls.length < count) await nextTurn();
  }
}

function headerHashOf(nonce: bigint): string {
  const preimage = WORK.preimage.slice();
  writeU64(preimage, 128, nonce);
  return bytesToHex(preimageHash(preimage));
}

async function severalTurns(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn();
}

describe('searchByHash', () => {
  it('hands over the next batch while one runs, and no third', async () => {
    const hasher = new HeldHasher();
    const running = searchByHash(hasher, WORK, { start: 10n, count: 5 }, signal, { batch: 2 });
    await hasher.untilCalls(2);
    await severalTurns();
    expect(hasher.calls.map((call) => call.headerHashes)).toEqual([
      [headerHashOf(10n), headerHashOf(11n)],
      [headerHashOf(12n), headerHashOf(13n)],
    ]);
    hasher.calls[0]!.end.resolve();
    await hasher.untilCalls(3);
    expect(hasher.calls[2]!.headerHashes, 'the rest').toEqual([headerHashOf(14n)]);
    for (const call of hasher.calls) call.end.resolve();
    expect(await running).toEqual({ scanned: 5, nonces: [], aborted: false });
  });

  it('tells of a nonce as soon as its batch is complete', async () => {
    const hasher = new HeldHasher();
    const heard: bigint[] = [];
    const running = searchByHash(hasher, { ...WORK, target: 0n }, { start: 0n, count: 4 }, signal, {
      batch: 2,
      onFound: (nonce) => heard.push(nonce),
    });
    await hasher.untilCalls(2);
    hasher.calls[0]!.out.fill(0, 32, 64);
    hasher.calls[0]!.end.resolve();
    await severalTurns();
    expect(heard).toEqual([1n]);
    hasher.calls[1]!.end.resolve();
    expect(await running).toEqual({ scanned: 4, nonces: [1n], aborted: false });
  });

  it('resolves an abort with the complete batches alone', async () => {
    const hasher = new HeldHasher();
    const abort = new AbortController();
    const running = searchByHash(hasher, WORK, { start: 0n, count: 100 }, abort.signal, {
      batch: 3,
    });
    await hasher.untilCalls(2);
    hasher.calls[0]!.end.resolve();
    await hasher.untilCalls(3);
    abort.abort();
    expect(await running).toEqual({ scanned: 3, nonces: [], aborted: true });
    expect(hasher.calls, 'no batch after the abort').toHaveLength(3);
  });

  it('counts the batches that a device finishes in spite of the abort', async () => {
    const deaf = new DeafHasher();
    const abort = new AbortController();
    const running = searchByHash(deaf, WORK, { start: 0n, count: 100 }, abort.signal, { batch: 3 });
    await deaf.untilCalls(2);
    abort.abort();
    for (const end of deaf.calls) end.resolve();
    expect(await running).toEqual({ scanned: 6, nonces: [], aborted: true });
  });

  it('rejects with the failure of the device, also during an abort', async () => {
    const lost = new HasherError({ code: 'lost', reason: 'unplugged' });
    for (const aborted of [false, true]) {
      const deaf = new DeafHasher();
      const abort = new AbortController();
      const range = { start: 0n, count: 100 };
      const running = searchByHash(deaf, WORK, range, abort.signal, { batch: 3 });
      const failed = expect(running, `aborted: ${aborted}`).rejects.toBe(lost);
      await deaf.untilCalls(2);
      if (aborted) abort.abort();
      for (const end of deaf.calls) end.reject(lost);
      await failed;
    }
  });

  it('lets other work run between batches of a hasher that never waits', async () => {
    const abort = new AbortController();
    let calls = 0;
    const eager = {
      hash: async (): Promise<void> => {
        calls++;
      },
    };
    const range = { start: 0n, count: 2 ** 50 };
    const running = searchByHash(eager, WORK, range, abort.signal, { batch: 1 });
    await severalTurns();
    abort.abort();
    const result = await running;
    expect(result.aborted).toBe(true);
    expect(result.scanned).toBe(calls);
    expect(calls).toBeLessThan(20);
  });

  it('refuses ranges that are no nonces', async () => {
    const hasher = new HeldHasher();
    for (const range of [
      { start: -1n, count: 1 },
      { start: 1n << 64n, count: 1 },
      { start: 0n, count: -1 },
      { start: 0n, count: 1.5 },
      { start: 0n, count: Number.NaN },
    ]) {
      const call = searchByHash(hasher, WORK, range, signal, { batch: 1 });
      await expect(call, `${range.start} ${range.count}`).rejects.toBeInstanceOf(RangeError);
    }
  });
});

describe('HasherDevice', () => {
  const info: DeviceInfo = {
    id: 'x0',
    name: 'Device under test',
    tableSlots: 1,
    rollsNonce: false,
    processor: 'x',
  };

  /** A device on a clock that advances `msPerHash` for each hash; records its batches. */
  async function open(
    msPerHash: number,
    options: { batchMs: number; granule: number; leastBatch?: number; maxBatch: number },
  ): Promise<{ device: HasherDevice; batches: number[] }> {
    let now = 0;
    const batches: number[] = [];
    const hasher = new StandInHasher({ maxBatch: options.maxBatch });
    const hash = hasher.hash.bind(hasher);
    hasher.hash = async (seed, headerHashes, out, abort): Promise<void> => {
      await hash(seed, headerHashes, out, abort);
      batches.push(headerHashes.length / 32);
      now += (msPerHash * headerHashes.length) / 32;
    };
    const device = new HasherDevice(hasher, { info, ...options, now: () => now });
    await device.loadSeed(WORK.seed, await standInTable(WORK.seed));
    return { device, batches };
  }

  it('begins with one granule, then fills batchMs with whole granules', async () => {
    const { device, batches } = await open(10, { batchMs: 100, granule: 4, maxBatch: 64 });
    await device.search(WORK, { start: 0n, count: 4 }, signal);
    await device.search(WORK, { start: 0n, count: 16 }, signal);
    expect(batches).toEqual([4, 8, 8]);
  });

  it('goes below the granule where that takes longer than batchMs, but never below one', async () => {
    const slow = await open(40, { batchMs: 100, granule: 4, maxBatch: 64 });
    await slow.device.search(WORK, { start: 0n, count: 4 }, signal);
    await slow.device.search(WORK, { start: 0n, count: 4 }, signal);
    expect(slow.batches).toEqual([4, 2, 2]);
    const slower = await open(4000, { batchMs: 100, granule: 1, maxBatch: 64 });
    await slower.device.search(WORK, { start: 0n, count: 1 }, signal);
    await slower.device.search(WORK, { start: 0n, count: 2 }, signal);
    expect(slower.batches).toEqual([1, 1, 1]);
  });

  it('gives every thread an input however slow they are', async () => {
    const options = { batchMs: 250, granule: 8, leastBatch: 8, maxBatch: 64 };
    const { device, batches } = await open(1500 / 8, options);
    await device.search(WORK, { start: 0n, count: 8 }, signal);
    await device.search(WORK, { start: 0n, count: 24 }, signal);
    expect(batches).toEqual([8, 8, 8, 8]);
  });

  it('never exceeds maxBatch', async () => {
    const { device, batches } = await open(0.001, { batchMs: 100, granule: 4, maxBatch: 10 });
    await device.search(WORK, { start: 0n, count: 4 }, signal);
    await device.search(WORK, { start: 0n, count: 20 }, signal);
    expect(Math.max(...batches)).toBeLessThanOrEqual(10);
  });

  it('counts busy time once where calls overlap', async () => {
    const { device } = await open(10, { batchMs: 100, granule: 1, maxBatch: 8 });
    const hash = (): Promise<void> =>
      device.hash(WORK.seed, new Uint8Array(64), new Uint8Array(64));
    await Promise.all([hash(), hash(), hash()]);
    expect(device.telemetry()).toMatchObject({ hashes: 6, busyMs: 60 });
  });
});
