import { describe, expect, it } from 'vitest';
import { LoadFactor } from '../../../pool/verify/load-factor.ts';
import { seededRandom } from '../../support/random.ts';

const STEP_MS = 500;

function rig() {
  let now = 0;
  const load = new LoadFactor({ clock: { now: () => now } });
  /** Tells it the same for so long. Gives the factors, each with the second in which it came. */
  const hold = (seconds: number, backlog: number, used: number): string[] => {
    const changes: string[] = [];
    for (const end = now + 1000 * seconds; now < end; ) {
      now += STEP_MS;
      if (load.observe(backlog, used)) changes.push(`${Math.floor(now / 1000)}: ${load.factor}`);
    }
    return changes;
  };
  return { load, hold };
}

interface Simulation {
  /** Shares a second at factor 1; the hasher does 100. */
  readonly rate: number;
  /** From a new factor to the first shares of its difficulty. */
  readonly delayMs: number;
  readonly seconds: number;
  readonly seed?: number;
}

/** Shares come at rate / factor, and wait for a hasher that does 100 a second. */
function simulate({ rate, delayMs, seconds, seed }: Simulation) {
  const random = seed === undefined ? () => 0.5 : seededRandom(seed);
  let now = 0;
  const load = new LoadFactor({ clock: { now: () => now } });
  const factors: { at: number; factor: number }[] = [{ at: Number.NEGATIVE_INFINITY, factor: 1 }];
  let queued = 0;
  let longest = 0;
  while (now < 1000 * seconds) {
    now += STEP_MS;
    const felt = factors.findLast(({ at }) => at + delayMs <= now)!.factor;
    queued += ((rate / felt) * STEP_MS * (0.5 + random())) / 1000;
    const done = Math.min(queued, (100 * STEP_MS) / 1000);
    queued -= done;
    longest = Math.max(longest, queued / 100);
    if (load.observe(queued / 100, (done * 1000) / (100 * STEP_MS))) {
      factors.push({ at: now, factor: load.factor });
    }
  }
  return { factors: factors.slice(1), longest, backlog: queued / 100, factor: load.factor };
}

describe('LoadFactor', () => {
  it('doubles after two seconds of too much, and again every ten while it stays', () => {
    const { hold } = rig();
    expect(hold(1.5, 2.1, 1)).toEqual([]);
    expect(hold(40, 2.1, 1)).toEqual(['2: 2', '12: 4', '22: 8', '32: 16']);
  });

  it('begins to count anew when there was a moment of less', () => {
    const { hold } = rig();
    for (let i = 0; i < 20; i++) {
      expect(hold(1.5, 5, 1)).toEqual([]);
      expect(hold(0.5, 1.9, 1)).toEqual([]);
    }
  });

  it('leaves a backlog alone that is on its way out', () => {
    const { load, hold } = rig();
    hold(3, 30, 1);
    const before = load.factor;
    for (let backlog = 29; backlog > 2; backlog--) expect(hold(1, backlog, 1)).toEqual([]);
    expect(load.factor).toBe(before);
  });

  it('halves after a minute of little use, never below 1', () => {
    const { load, hold } = rig();
    hold(13, 3, 1);
    expect(load.factor).toBe(4);
    expect(hold(59, 0.1, 0.4)).toEqual([]);
    expect(hold(300, 0.1, 0.4).map((change) => change.split(': ')[1])).toEqual(['2', '1']);
  });

  it('does not halve while the hasher is used for more than half, or shares wait', () => {
    const { load, hold } = rig();
    hold(3, 3, 1);
    expect(hold(300, 0.1, 0.55)).toEqual([]);
    expect(hold(300, 0.4, 0.1)).toEqual([]);
    expect(load.factor).toBe(2);
  });

  it('ends at 2^20', () => {
    const { load, hold } = rig();
    hold(1000, 100, 1);
    expect(load.factor).toBe(2 ** 20);
  });

  it('settles under a constant stream of shares, at most one step beside what is needed', () => {
    for (const rate of [50, 99, 120, 180, 300, 390, 1000, 5000]) {
      for (const delayMs of [0, 1000, 3000, 6000]) {
        const name = `${rate} shares/s, ${delayMs} ms`;
        const { factors, factor, backlog } = simulate({ rate, delayMs, seconds: 7200 });
        const needed = 2 ** Math.max(0, Math.ceil(Math.log2(rate / 100)));
        expect([needed, 2 * needed], name).toContain(factor);
        expect(backlog, name).toBeLessThan(0.3);
        const highest = Math.max(1, ...factors.map((each) => each.factor));
        expect(highest, name).toBeLessThanOrEqual(2 * needed);
        // In the second hour nothing moves any more.
        expect(
          factors.filter(({ at }) => at > 3_600_000),
          name,
        ).toEqual([]);
      }
    }
  });

  it('goes no further than one step to and fro where shares come unevenly', () => {
    for (const rate of [120, 190, 210, 380, 420, 3000]) {
      const { factors } = simulate({ rate, delayMs: 5000, seconds: 3600, seed: rate });
      const late = factors.filter(({ at }) => at > 1_200_000).map(({ factor }) => factor);
      const { factor } = factors.findLast(({ at }) => at <= 1_200_000)!;
      const seen = new Set([factor, ...late]);
      expect(
        Math.max(...seen) / Math.min(...seen),
        `${rate} ${JSON.stringify(factors)}`,
      ).toBeLessThanOrEqual(2);
    }
  });
});
