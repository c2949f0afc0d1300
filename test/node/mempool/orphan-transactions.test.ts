import { describe, expect, it } from 'vitest';
import {
  type OrphanTransaction,
  OrphanTransactions,
  type OrphanTransactionsOptions,
} from '../../../src/node/mempool/orphan-transactions.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const MINUTE_MS = 60_000;
const VERDICT = { fee: 1n, gasUsed: 1, statusFail: false, height: 1 };

function open(options: OrphanTransactionsOptions = {}) {
  const clock = new FakeClock();
  return { orphans: new OrphanTransactions(options, { clock }), clock };
}

function orphan(
  key: string,
  missing: readonly string[],
  more: Partial<OrphanTransaction> = {},
): OrphanTransaction {
  const raw = new Uint8Array(100);
  return { key, raw, source: 'peer', heightBound: false, verdict: VERDICT, missing, ...more };
}

describe('OrphanTransactions', () => {
  it('wakes those that wait for a coin, in the order in which coins appear', () => {
    const { orphans } = open();
    for (const [key, missing] of [
      ['a', ['x', 'y']],
      ['b', ['y']],
      ['c', ['z']],
    ] as const) {
      expect(orphans.add(orphan(key, missing))).toBe(true);
    }
    orphans.wake('z');
    orphans.wake('y');
    orphans.wake('nothing');
    expect(['1', '2', '3', '4'].map(() => orphans.takeAwake()?.key)).toEqual([
      'c',
      'a',
      'b',
      undefined,
    ]);
    expect([orphans.size, orphans.bytes]).toEqual([0, 0]);
  });

  it('keeps 2000, and drops the one that expires first for another', () => {
    const { orphans } = open();
    for (let i = 0; i <= 2000; i++) orphans.add(orphan(`${i}`, [`coin ${i}`]));
    expect([orphans.size, orphans.has('0'), orphans.has('1')]).toEqual([2000, false, true]);
    orphans.wake('coin 0');
    expect(orphans.takeAwake()).toBeUndefined();
  });

  it('keeps so many bytes, and none that is larger than all of it', () => {
    const { orphans: unbounded } = open();
    unbounded.add(orphan('one', ['x']));
    const { orphans } = open({ maxBytes: 2 * unbounded.bytes });
    for (const key of ['a', 'b', 'c']) orphans.add(orphan(key, ['x']));
    expect([orphans.size, orphans.has('a')]).toEqual([2, false]);
    const wide = Array.from({ length: 1000 }, (_, i) => `coin ${i}`);
    expect(orphans.add(orphan('wide', wide))).toBe(false);
    expect(orphans.add(orphan('long', ['x'], { raw: new Uint8Array(10_000) }))).toBe(false);
    expect(orphans.size).toBe(2);
  });

  it('drops what is older than ten minutes, awake or not, without a timer', async () => {
    const { orphans, clock } = open();
    orphans.add(orphan('a', ['x']));
    await clock.advance(5 * MINUTE_MS);
    orphans.add(orphan('b', ['y']));
    orphans.wake('x');
    await clock.advance(5 * MINUTE_MS + 1);
    expect(orphans.takeAwake()).toBeUndefined();
    expect([orphans.size, orphans.has('b'), clock.sleeping]).toEqual([1, true, 0]);
  });

  it('does not let one live longer that comes again, or comes back for another coin', async () => {
    const { orphans, clock } = open();
    orphans.add(orphan('a', ['x', 'y']));
    await clock.advance(MINUTE_MS);
    orphans.add(orphan('b', ['z']));
    expect(orphans.add(orphan('a', ['x']))).toBe(false);
    orphans.wake('x');
    const awake = orphans.takeAwake()!;
    orphans.add({ ...awake, missing: ['y'] });
    await clock.advance(9 * MINUTE_MS + 1);
    expect([orphans.has('a'), orphans.has('b')]).toEqual([false, true]);
    expect(orphans.add({ ...awake, missing: ['y'] })).toBe(false);
    orphans.remove('b');
    orphans.remove('b');
    expect([orphans.size, orphans.bytes]).toEqual([0, 0]);
  });
});
