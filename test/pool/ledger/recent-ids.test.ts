import { describe, expect, it } from 'vitest';
import { RecentIds, type RecentIdsOptions } from '../../../pool/ledger/recent-ids.ts';
import { seededRandom } from '../../support/random.ts';
import { range } from './log-rig.ts';
import { sampleShare } from './sample-records.ts';

const KEEP_MS = 1000;

function recentIds(changes: Partial<RecentIdsOptions> = {}): {
  readonly ids: RecentIds;
  readonly forgotten: readonly number[];
  readonly add: (number: number, height: number, atMs: number) => void;
  readonly known: (numbers: readonly number[]) => readonly number[];
} {
  const forgotten: number[] = [];
  const onForgotten = (count: number): void => void forgotten.push(count);
  const options = { keepMs: KEEP_MS, maxHeights: 3, maxIds: 100_000, onForgotten, ...changes };
  const ids = new RecentIds(options);
  return {
    ids,
    forgotten,
    add: (number, height, atMs) => ids.add(sampleShare(number).id, height, atMs),
    known: (numbers) => numbers.filter((number) => ids.has(sampleShare(number).id)),
  };
}

describe('the ids of shares that could come again', () => {
  it('are all of the last minutes, however many heights there were', () => {
    const { add, known } = recentIds();
    for (const i of range(1, 200)) add(i, 100 + i, 5 * i);
    expect(known(range(1, 200))).toEqual(range(1, 200));
  });

  it('are all of the present height, however old and many', () => {
    const { add, known, forgotten } = recentIds();
    for (const i of range(1, 3000)) add(i, 100, 10 * i);
    expect(known(range(1, 3000))).toEqual(range(1, 3000));
    expect(forgotten).toEqual([]);
  });

  it('are no others for long', () => {
    const { add, known, ids } = recentIds();
    for (const i of range(1, 20_000)) add(i, Math.floor(i / 100), i);
    // Those of the last second, those of one slice more, and those that make no slice of their own.
    expect(ids.size).toBeGreaterThanOrEqual(KEEP_MS);
    expect(ids.size).toBeLessThan(1.6 * KEEP_MS);
    expect(known(range(18_999, 20_000))).toEqual(range(18_999, 20_000));
    expect(known([1, 10_000, 18_000])).toEqual([]);
  });

  it('are no more than there may be: the oldest go, and that is told', () => {
    const { add, known, ids, forgotten } = recentIds({ maxIds: 80 });
    for (const i of range(1, 80)) add(i, 7, i);
    expect(known(range(1, 80))).toEqual(range(1, 80));
    expect(forgotten).toEqual([]);
    add(81, 7, 81);
    expect(forgotten).toEqual([10]);
    expect(known(range(1, 81))).toEqual(range(11, 81));
    for (const i of range(82, 1000)) add(i, 7, i);
    expect(ids.size).toBeLessThanOrEqual(80);
    expect(ids.size + forgotten.reduce((sum, each) => sum + each)).toBe(1000);
    expect(known(range(931, 1000))).toEqual(range(931, 1000));
  });

  it('are not told to be forgotten if they could not come again', () => {
    const { add, forgotten, ids } = recentIds({ maxIds: 80 });
    // 40 in each time that is kept.
    for (const i of range(1, 1000)) add(i, i, 25 * i);
    expect(forgotten).toEqual([]);
    expect(ids.size).toBeLessThan(80);
  });

  it.each(range(1, 20))('are at least those they have to be (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const { add, known } = recentIds();
    let must: { readonly number: number; readonly height: number; readonly at: number }[] = [];
    let heights: number[] = [];
    let [height, at] = [1000, 0];
    const pace = 200 ** random();
    for (const number of range(1, 400)) {
      at += Math.floor(random() * pace);
      // On, as a rule; back in a reorganisation.
      if (random() < 0.1) height += random() < 0.2 ? -Math.floor(random() * 4) : 1;
      const late = random() < 0.05 ? height - 1 : height;
      add(number, late, at);
      heights = [late, ...heights.filter((each) => each !== late)].slice(0, 3);
      must.push({ number, height: late, at });
      // What is neither recent nor of the last heights at one moment need not come back at another.
      must = must.filter((each) => at - each.at <= KEEP_MS || heights.includes(each.height));
      if (number % 20 !== 0) continue;
      const numbers = must.map((each) => each.number);
      expect(known(numbers), `${number}`).toEqual(numbers);
    }
  });
});
