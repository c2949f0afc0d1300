import { afterAll, describe, expect, it } from 'vitest';
import { createCpuDriver } from '../../drivers/cpu.ts';
import { openTested } from '../../drivers/open.ts';
import { SELF_TEST_GROUPS } from '../../drivers/selftest.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { describeConformance } from './conformance.ts';

/** Two seeds, two vectors each, from bytomd. */
const VECTORS = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme').flatMap((group) =>
  group.vectors.map((vector) => ({ seed: group.seed, ...vector })),
);

const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });

describeConformance(
  'cpu',
  async () => ({
    device: await createCpuDriver().open('cpu', { batchMs: 50 }),
    vectors: VECTORS,
    table: (seed) => tables.get(seed),
  }),
  { timeout: 120_000 },
);

describe('cpu driver', () => {
  const opened = openTested(
    'cpu',
    { batchMs: 250, intensity: 1 },
    { drivers: { cpu: () => Promise.resolve(createCpuDriver()) }, tables: (s) => tables.get(s) },
  );
  afterAll(async () => (await opened).close());

  it('lists one device of the processor cpu without starting anything', async () => {
    const { devices, unavailable } = await createCpuDriver({ threads: 3 }).enumerate();
    expect(unavailable).toBeUndefined();
    expect(devices).toHaveLength(1);
    expect(devices[0]).toMatchObject({ id: 'cpu', processor: 'cpu', threads: 3 });
    expect(devices[0]?.kernel).toBeUndefined();
  });

  it('passes the self-test, names its kernel, and takes one thread at the lowest intensity', async () => {
    const { info } = await opened;
    expect(info.threads).toBe(1);
    expect(info.kernel).toMatch(/^(relaxed32|relaxed16|dot16)-(256|128)$|^javascript$/);
  });

  it('measures a peak above what it reaches', async () => {
    const device = await opened;
    const peak = (await device.measurePeak?.()) ?? 0;
    const { hashes, busyMs } = device.telemetry();
    expect(peak).toBeGreaterThan((1000 * hashes) / busyMs);
  });

  it('rejects not-found for another id and unsupported for too many threads', async () => {
    const open = { batchMs: 50 };
    await expect(createCpuDriver().open('cpu1', open)).rejects.toMatchObject({
      detail: { code: 'not-found', id: 'cpu1', available: ['cpu'] },
    });
    await expect(createCpuDriver({ threads: 10_000 }).open('cpu', open)).rejects.toMatchObject({
      detail: { code: 'unsupported' },
    });
  });
});
