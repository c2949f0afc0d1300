import { describe, expect, it } from 'vitest';
import type { Device, Work } from '../../drivers/driver.ts';
import { type MockControl, MockDriver } from '../../drivers/mock.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';
import { type ConformanceVector, describeConformance } from './conformance.ts';

const SEEDS = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

function vectors(): ConformanceVector[] {
  return SEEDS.flatMap((seed) =>
    [3, 4, 5].map((fill) => {
      const headerHash = new Uint8Array(32).fill(fill);
      const powHash = standInHash(seed, headerHash);
      return {
        seed: bytesToHex(seed),
        headerHash: bytesToHex(headerHash),
        powHash: bytesToHex(powHash),
      };
    }),
  );
}

for (const maxBatch of [1, 16]) {
  describeConformance(
    `mock, maxBatch ${maxBatch}`,
    async () => {
      const driver = new MockDriver(1, { hasher: () => new StandInHasher({ maxBatch }) });
      const device = await driver.open('mock0', { batchMs: 5 });
      const lose = (): void => driver.control(0).vanish('unplugged');
      return { device, vectors: vectors(), table: standInTable, lose };
    },
    { canLose: true },
  );
}

describe('mock device', () => {
  const seed = SEEDS[0]!;
  const work: Work = {
    jobId: 'job',
    generation: 1,
    preimage: new Uint8Array(136),
    seed,
    target: 1n << 250n,
  };
  const signal = new AbortController().signal;

  async function open(): Promise<{ driver: MockDriver; device: Device; control: MockControl }> {
    const driver = new MockDriver(2, { hasher: () => new StandInHasher() });
    const device = await driver.open('mock0', { batchMs: 5 });
    await device.loadSeed(seed, await standInTable(seed));
    return { driver, device, control: driver.control(0) };
  }

  async function hashOnce(device: Device): Promise<Uint8Array> {
    const out = new Uint8Array(32);
    await device.hash(seed, new Uint8Array(32), out);
    return out;
  }

  it('lists devices with ids of their own and claims each once', async () => {
    const { driver, device, control } = await open();
    const { devices } = await driver.enumerate();
    expect(devices.map((info) => info.id)).toEqual(['mock0', 'mock1']);
    expect(control.isOpen).toBe(true);
    const again = driver.open('mock0', { batchMs: 5 });
    await expect(again).rejects.toMatchObject({ detail: { code: 'busy', id: 'mock0' } });
    await device.close();
    await (await driver.open('mock0', { batchMs: 5 })).close();
    const unknown = driver.open('mock2', { batchMs: 5 });
    await expect(unknown).rejects.toMatchObject({ detail: { code: 'not-found', id: 'mock2' } });
  });

  it('fails to open as often as scripted', async () => {
    const driver = new MockDriver(1, { hasher: () => new StandInHasher() });
    const { script } = driver.control(0);
    script.openFailures = 2;
    const tries = [1, 2, 3].map(() =>
      driver.open('mock0', { batchMs: 5 }).catch((e: unknown) => e),
    );
    const ends = await Promise.all(tries);
    expect(ends.slice(0, 2)).toMatchObject([
      { detail: { code: 'unsupported' } },
      { detail: { code: 'unsupported' } },
    ]);
    expect(driver.control(0).opened).toBe(1);
  });

  it('lies in one bit of a hash', async () => {
    const { device, control } = await open();
    const honest = await hashOnce(device);
    control.script.lie = 'hash';
    const lie = await hashOnce(device);
    expect(lie[0]! ^ honest[0]!).toBe(1);
    expect(lie.subarray(1)).toEqual(honest.subarray(1));
    await device.close();
  });

  it('reports a nonce that meets no target', async () => {
    const { device, control } = await open();
    control.script.lie = 'nonce';
    const result = await device.search({ ...work, target: -1n }, { start: 9n, count: 3 }, signal);
    expect(result).toEqual({ scanned: 3, nonces: [9n], aborted: false });
    await device.close();
  });

  it('answers only after its release while it stalls, abort or not', async () => {
    const { device, control } = await open();
    control.script.stall = true;
    const abort = new AbortController();
    let answered = false;
    const running = device.search(work, { start: 0n, count: 4 }, abort.signal).finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(answered).toBe(false);
    control.release();
    expect((await running).aborted).toBe(true);
    await device.close();
  });

  it('ends a stalled call when it is closed', async () => {
    const { device, control } = await open();
    control.script.stall = true;
    const call = hashOnce(device);
    const outcome = expect(call).rejects.toMatchObject({ detail: { code: 'lost' } });
    await new Promise((resolve) => setTimeout(resolve, 1));
    await device.close();
    await outcome;
  });

  it('works again after it vanished and was opened anew', async () => {
    const { driver, device, control } = await open();
    control.vanish('unplugged');
    expect(await device.lost).toMatchObject({ detail: { code: 'lost', reason: 'unplugged' } });
    const next = await driver.open('mock0', { batchMs: 5 });
    await next.loadSeed(seed, await standInTable(seed));
    expect(await hashOnce(next)).toEqual(standInHash(seed, new Uint8Array(32)));
    expect(control.opened).toBe(2);
    await next.close();
  });
});
