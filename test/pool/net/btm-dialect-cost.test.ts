/** What a broadcast costs where every client has a difficulty of its own. */
import { expect, it, vi } from 'vitest';
import { BtmDialect } from '../../../pool/net/btm-dialect.ts';
import * as stratumJob from '../../../src/stratum/job.ts';
import { templateNumber } from '../../support/fake-pool.ts';

vi.mock(import('../../../src/stratum/job.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, encodeTarget: vi.fn(original.encodeTarget) };
});

it('makes the text of a target once for each client, not for each job', () => {
  const clients = Array.from({ length: 600 }, (_, i) => {
    const dialect = new BtmDialect();
    return { dialect, target: dialect.targetFor(1000n + 17n * BigInt(i)) };
  });
  const broadcast = (number: number): void => {
    const job = { id: '1', template: templateNumber(number), startNonce: 1n, isClean: true };
    for (const { dialect, target } of clients) dialect.job({ ...job, difficulty: 1n, target });
  };
  broadcast(0);
  const before = vi.mocked(stratumJob.encodeTarget).mock.calls.length;
  expect(before).toBeGreaterThanOrEqual(600);
  broadcast(1);
  // The template's own, which is the same for all.
  expect(vi.mocked(stratumJob.encodeTarget).mock.calls.length - before).toBeLessThanOrEqual(1);
});
