import { describe, expect, it } from 'vitest';
import { Vardiff } from '../../../pool/shares/vardiff.ts';
import { seededRandom } from '../../support/random.ts';

const SHARE_SECONDS = 15;

interface Run {
  readonly vardiff: Vardiff;
  retargets: number;
  /** Difficulties in the order they were set, the start first. */
  readonly history: bigint[];
  nowMs: number;
}

interface Bounds {
  readonly minDifficulty: bigint;
  readonly maxDifficulty: bigint;
}

function begin(start: bigint, bounds: Partial<Bounds> = {}): Run {
  const options = {
    shareSeconds: SHARE_SECONDS,
    minDifficulty: 1n,
    maxDifficulty: 1n << 60n,
    ...bounds,
  };
  const vardiff = new Vardiff(options, start, 0);
  return { vardiff, retargets: 0, history: [vardiff.difficulty], nowMs: 0 };
}

/** Poisson arrivals of a miner of so many hashes a second, and a sweep each second, for `seconds`. */
function mine(run: Run, hashesPerSecond: number, seconds: number, random: () => number): void {
  const { vardiff } = run;
  const end = run.nowMs + seconds * 1000;
  let sweepAt = run.nowMs + 1000;
  const wait = (): number =>
    (-Math.log(1 - random()) * Number(vardiff.difficulty) * 1000) / hashesPerSecond;
  let shareAt = run.nowMs + wait();
  const changed = (hasChanged: boolean): void => {
    if (!hasChanged) return;
    run.retargets++;
    run.history.push(vardiff.difficulty);
    vardiff.applied(vardiff.difficulty, run.nowMs);
    // Without memory: the wait for the next share begins anew at the new difficulty.
    shareAt = run.nowMs + wait();
  };
  while (run.nowMs < end) {
    run.nowMs = Math.min(shareAt, sweepAt);
    if (run.nowMs === sweepAt) {
      sweepAt += 1000;
      changed(vardiff.tick(run.nowMs));
    } else {
      shareAt = run.nowMs + wait();
      changed(vardiff.share(vardiff.difficulty, run.nowMs));
    }
  }
}

/** How far off the difficulty is, as a factor; 1 is right. */
function offBy(run: Run, hashesPerSecond: number): number {
  const right = Math.max(1, hashesPerSecond * SHARE_SECONDS);
  const ratio = Number(run.vardiff.difficulty) / right;
  return Math.max(ratio, 1 / ratio);
}

describe('Vardiff', () => {
  const rates = [1, 30, 780, 10_000, 300_000, 10_000_000];
  const starts = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40].map((power) => 1n << BigInt(power));

  it.each(rates)('is right after at most 3 retargets from any start, at %d H/s', (rate) => {
    const late: string[] = [];
    for (const [i, start] of starts.entries()) {
      for (let seed = 0; seed < 20; seed++) {
        const run = begin(start);
        mine(run, rate, 3600, seededRandom(1000 * i + seed));
        const third = run.history[Math.min(3, run.history.length - 1)]!;
        const right = rate * SHARE_SECONDS;
        const off = Math.max(Number(third) / right, right / Number(third));
        if (off > 2.2) late.push(`${start}: ${run.history.join(' ')}`);
      }
    }
    // Chance gives one in a hundred a fourth.
    expect(late.length, late.join('\n')).toBeLessThanOrEqual((starts.length * 20) / 100);
  });

  it('leaves a steady miner alone: less than one retarget in three days of it', () => {
    let retargets = 0;
    for (let seed = 0; seed < 30; seed++) {
      const run = begin(15_000n);
      mine(run, 1000, 86_400, seededRandom(seed));
      retargets += run.retargets;
      expect(offBy(run, 1000)).toBeLessThan(2.5);
    }
    expect(retargets).toBeLessThan(10);
  });

  it('follows a miner whose hash rate changes, either way', () => {
    const random = seededRandom(5);
    const run = begin(1024n);
    for (const rate of [500, 20_000, 1_000, 4_000_000, 100]) {
      mine(run, rate, 3600, random);
      expect(offBy(run, rate), `${rate} H/s: ${run.history.join(' ')}`).toBeLessThan(2.5);
    }
  });

  it('lowers one that had shares and fell silent step by step, and never below the minimum', () => {
    const run = begin(65_536n, { minDifficulty: 300n });
    mine(run, 4000, 600, seededRandom(2));
    const before = run.vardiff.difficulty;
    const steps = run.history.length;
    mine(run, 1e-9, 20_000, seededRandom(3));
    const lowered = [before, ...run.history.slice(steps)];
    for (let i = 1; i < lowered.length; i++) {
      const fourth = lowered[i - 1]! / 4n;
      const expected = fourth < 300n ? 300n : fourth;
      expect(Math.abs(Number(lowered[i]! - expected))).toBeLessThanOrEqual(1);
    }
    expect(run.vardiff.difficulty).toBe(300n);
  });

  it('never leaves its bounds, whatever the miner does', () => {
    const random = seededRandom(11);
    for (let i = 0; i < 50; i++) {
      const bounds = { minDifficulty: 100n, maxDifficulty: 5000n };
      const run = begin(BigInt(Math.floor(2 ** (40 * random()))), bounds);
      for (let phase = 0; phase < 4; phase++) mine(run, 10 ** (4 * random()), 600, random);
      for (const difficulty of run.history) {
        expect(difficulty).toBeGreaterThanOrEqual(100n);
        expect(difficulty).toBeLessThanOrEqual(5000n);
      }
    }
  });

  it('ends a flood after 96 shares, and does not divide by no time at all', () => {
    const run = begin(1n);
    let shares = 0;
    while (!run.vardiff.share(1n, 0)) shares++;
    expect(shares).toBe(95);
    // 96 of difficulty 1 in what counts as a second.
    expect(run.vardiff.difficulty).toBe(96n * 15n);
  });

  it('is not misled by shares of the difficulty before', () => {
    const run = begin(1n << 40n);
    run.vardiff.tick(200_000);
    const lowered = run.vardiff.difficulty;
    run.vardiff.applied(lowered, 200_000);
    // Found before the new job came: each is worth millions of those that are measured now.
    for (let i = 0; i < 200; i++) expect(run.vardiff.share(1n << 40n, 200_100 + i)).toBe(false);
    expect(run.vardiff.difficulty).toBe(lowered);
  });

  it('measures its own difficulty at the one that load or the network holds the miner at', () => {
    const random = seededRandom(4);
    // Four times the own one, for load; a quarter, where the network is easier.
    for (const [up, down] of [
      [4n, 1n],
      [1n, 4n],
    ] as const) {
      const run = begin(15_000n);
      const held = (): bigint => (run.vardiff.difficulty * up) / down;
      run.vardiff.applied(held(), 0);
      let now = 0;
      for (let i = 0; i < 2000; i++) {
        now += (-Math.log(1 - random()) * Number(held()) * 1000) / 1000;
        if (run.vardiff.share(held(), now)) {
          run.retargets++;
          run.vardiff.applied(held(), now);
        }
      }
      expect(offBy(run, 1000)).toBeLessThan(2);
      expect(run.retargets).toBeLessThanOrEqual(1);
    }
  });

  it('does not take time in which a miner could not be heard for silence, nor measure over it', () => {
    const known = (): Vardiff => {
      const { vardiff } = begin(15_000n);
      for (let at = 15_000; at <= 150_000; at += 15_000) vardiff.share(15_000n, at);
      return vardiff;
    };
    const heard = known();
    expect(heard.tick(150_000 + 180_000)).toBe(true);
    const held = known();
    held.skip(600_000, 750_000);
    expect(held.tick(750_000)).toBe(false);
    expect(held.tick(750_000 + 179_000)).toBe(false);
    expect(held.tick(750_000 + 180_000)).toBe(true);
    // Told a new difficulty while it had to wait: measuring begins with the end of that.
    const { vardiff } = begin(15_000n);
    vardiff.applied(30_000n, 100_000);
    vardiff.skip(180_000, 200_000);
    expect(vardiff.tick(200_000 + 269_000)).toBe(false);
    expect(vardiff.tick(200_000 + 270_000)).toBe(true);
  });

  it('takes a suggestion within the bounds as a new start', () => {
    const run = begin(1000n, { minDifficulty: 10n, maxDifficulty: 100_000n });
    run.vardiff.suggest(5000n, 10);
    expect(run.vardiff.difficulty).toBe(5000n);
    run.vardiff.suggest(1n, 20);
    expect(run.vardiff.difficulty).toBe(10n);
    run.vardiff.suggest(1n << 70n, 30);
    expect(run.vardiff.difficulty).toBe(100_000n);
  });
});
