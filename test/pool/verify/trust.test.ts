import { describe, expect, it } from 'vitest';
import { Trust } from '../../../pool/verify/trust.ts';
import { seededRandom } from '../../support/random.ts';

function trust(options: Partial<ConstructorParameters<typeof Trust>[0]> = {}, seed = 1): Trust {
  return new Trust({ after: 10, ...options }, { random: seededRandom(seed) });
}

const D = 64;

function addGood(to: Trust, login: string, count: number, difficulty = D): void {
  for (let i = 0; i < count; i++) to.addGood(login, difficulty);
}

describe('Trust', () => {
  it('verifies every share of a stranger, and of whoever has not done enough', () => {
    const each = trust();
    expect(each.draw('new', D)).toBe(true);
    addGood(each, 'a.1', 10);
    expect(Array.from({ length: 100 }, () => each.draw('a.1', D))).not.toContain(false);
    addGood(each, 'a.1', 1);
    expect(each.probability('a.1', D)).toBeLessThan(1);
    expect(each.probability('a.2', D), 'of another worker of the account').toBe(1);
  });

  it('halves as often as it is told to, and holds the floor', () => {
    const each = trust({ floor: 0.1, halveEvery: 5 });
    addGood(each, 'a', 15);
    expect(each.probability('a', D)).toBe(0.5);
    addGood(each, 'a', 5);
    expect(each.probability('a', D)).toBe(0.25);
    addGood(each, 'a', 100_000);
    expect(each.probability('a', D)).toBe(0.1);
  });

  it('counts work: what was proven with small shares is too little for large ones', () => {
    const each = trust({ after: 10, floor: 0.1 });
    addGood(each, 'a', 3000);
    expect(each.probability('a', D)).toBe(0.1);
    // Ten times the difficulty is what was proven, and not a hash more.
    expect(each.probability('a', 300 * D)).toBe(1);
    expect(each.probability('a', 299 * D)).toBeLessThan(1);
    expect(each.probability('a', 1e6)).toBe(1);
    addGood(each, 'b', 1, 3000 * D);
    expect(each.probability('b', D), 'in one piece').toBe(0.1);
  });

  it('gives a cheat no more than a small part of the work that it has proven', () => {
    const after = 100;
    const floor = 0.05;
    let gained = 0;
    let worked = 0;
    for (let seed = 1; seed <= 400; seed++) {
      const each = trust({ after, floor, halveEvery: 1 }, seed);
      addGood(each, 'a', 1000);
      // The largest shares that are taken at its word as seldom as it can be.
      const difficulty = (1000 * D) / (after + 5);
      while (!each.draw('a', difficulty)) gained += difficulty;
      worked += 1000 * D;
    }
    expect(gained / worked).toBeGreaterThan(0.5 / (after * floor));
    expect(gained / worked).toBeLessThan(1 / (after * floor));
  });

  it('verifies all while it is owed a verdict', () => {
    const each = trust({ floor: 0.1, halveEvery: 1 });
    addGood(each, 'a', 100);
    each.owe('a');
    each.owe('stranger');
    expect([each.probability('a', D), each.probability('stranger', D)]).toEqual([1, 1]);
    each.addGood('a', D);
    expect(each.probability('a', D)).toBe(0.1);
  });

  it('samples at the probability that it states', () => {
    for (const [good, seed] of [
      [15, 2],
      [20, 3],
      [25, 4],
      [10_000, 5],
    ] as const) {
      const each = trust({ floor: 0.05 }, seed);
      addGood(each, 'a', good);
      const p = each.probability('a', D);
      const n = 20_000;
      const drawn = Array.from({ length: n }, () => each.draw('a', D)).filter(Boolean).length;
      // Five standard deviations.
      expect(Math.abs(drawn - n * p), `p = ${p}`).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
    }
  });

  it('begins anew after a reset, unless that is taken back', () => {
    const each = trust();
    addGood(each, 'a', 100);
    const proven = each.reset('a');
    expect([proven, each.probability('a', D)]).toEqual([100 * D, 1]);
    addGood(each, 'a', 10);
    expect(each.probability('a', D)).toBe(1);
    each.restore('a', proven);
    expect(each.probability('a', D)).toBeLessThan(0.1);
  });

  it('forgets whom it has not heard of for longest, never a trusted one for strangers that fail', () => {
    const each = trust({ maxLogins: 2, after: 1 });
    addGood(each, 'a', 9);
    for (let i = 0; i < 10; i++) each.reset(`stranger ${i}`);
    expect(each.probability('a', D)).toBeLessThan(1);
    addGood(each, 'b', 1);
    addGood(each, 'c', 1);
    expect(each.probability('a', D)).toBe(1);
  });

  it('refuses options that mean nothing', () => {
    expect(() => trust({ after: 0 })).toThrow(/"after" expected a whole number from 1, got 0/);
    expect(() => trust({ floor: 0 })).toThrow(/"floor" expected more than 0/);
    expect(() => trust({ halveEvery: 0 })).toThrow(/"halveEvery" expected more than 0/);
  });
});
