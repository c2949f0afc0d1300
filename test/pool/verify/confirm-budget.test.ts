import { describe, expect, it } from 'vitest';
import { ConfirmBudget, type ConfirmBudgetOptions } from '../../../pool/verify/confirm-budget.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function rig(options: ConfirmBudgetOptions = {}) {
  const clock = new FakeClock();
  const budget = new ConfirmBudget(options, { clock });
  const taken = (login: string, tries: number): number =>
    Array.from({ length: tries }, () => budget.tryTake(login)).filter(Boolean).length;
  return { clock, budget, taken };
}

describe('ConfirmBudget', () => {
  it('gives a login three at once, and one more a minute', async () => {
    const { clock, taken } = rig();
    expect(taken('a', 10)).toBe(3);
    expect(taken('b', 10), 'of another').toBe(3);
    await clock.advance(59_000);
    expect(taken('a', 10)).toBe(0);
    await clock.advance(1000);
    expect(taken('a', 10)).toBe(1);
    await clock.advance(3_600_000);
    expect(taken('a', 10)).toBe(3);
  });

  it('gives all together what they have at the start, and then a part of the verifications', () => {
    const { budget } = rig({ fraction: 0.05, totalBurst: 20 });
    let given = 0;
    const n = 5000;
    for (let i = 0; i < n; i++) {
      budget.earn();
      if (budget.tryTake(`login ${i}`)) given++;
    }
    expect(given).toBeGreaterThanOrEqual(Math.floor(0.05 * n));
    expect(given).toBeLessThanOrEqual(20 + 0.05 * n);
  });

  it('saves no more than a burst in quiet times', () => {
    const { budget } = rig({ totalBurst: 4 });
    for (let i = 0; i < 100_000; i++) budget.earn();
    const given = Array.from({ length: 50 }, (_, i) => budget.tryTake(`login ${i}`));
    expect(given.filter(Boolean).length).toBe(4);
  });

  it('takes nothing from a login while there is none in all', () => {
    const { budget, taken } = rig({ totalBurst: 1, burst: 3 });
    expect(taken('a', 1)).toBe(1);
    expect(taken('b', 10)).toBe(0);
    for (let i = 0; i < 20; i++) budget.earn();
    expect(taken('b', 10)).toBe(1);
    for (let i = 0; i < 40; i++) {
      budget.earn();
      if (i === 19) expect(taken('b', 10)).toBe(1);
    }
    expect(taken('b', 10), 'the third of its burst').toBe(1);
  });
});
