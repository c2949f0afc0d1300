import { describe, expect, it } from 'vitest';
import type { Seed } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';

const NO_DATA = new Int8Array();

function seedOf(byte: number): Seed {
  return new Uint8Array(32).fill(byte);
}

/** A builder whose builds the test ends one by one; a cache of two tables over it. */
class Builds {
  readonly started: { readonly seed: Seed; readonly end: Deferred<MatrixTable> }[] = [];
  readonly cache: TableCache = new TableCache(
    { capacity: 2 },
    {
      build: (seed) => {
        const end = createDeferred<MatrixTable>();
        this.started.push({ seed, end });
        return end.promise;
      },
    },
  );

  finish(index: number): MatrixTable {
    const { seed, end } = this.started[index]!;
    const table = { seed, data: NO_DATA };
    end.resolve(table);
    return table;
  }

  /** First bytes of the seeds built so far. */
  get seeds(): number[] {
    return this.started.map(({ seed }) => seed[0]!);
  }

  async getFinished(byte: number): Promise<MatrixTable> {
    const before = this.started.length;
    const table = this.cache.get(seedOf(byte));
    if (this.started.length > before) this.finish(before);
    return table;
  }
}

describe('TableCache', () => {
  it('builds a seed once for all who ask while it is under way, and for those who ask later', async () => {
    const builds = new Builds();
    const early = [builds.cache.get(seedOf(1)), builds.cache.get(seedOf(1))];
    const table = builds.finish(0);
    expect(await Promise.all(early)).toEqual([table, table]);
    expect(await builds.cache.get(seedOf(1))).toBe(table);
    expect(builds.seeds).toEqual([1]);
  });

  it('builds two seeds side by side and gives each caller its own', async () => {
    const builds = new Builds();
    const one = builds.cache.get(seedOf(1));
    const two = builds.cache.get(seedOf(2));
    const second = builds.finish(1);
    expect(await two).toBe(second);
    const first = builds.finish(0);
    expect(await one).toBe(first);
  });

  it('keeps the two seeds used last', async () => {
    const builds = new Builds();
    await builds.getFinished(1);
    await builds.getFinished(2);
    await builds.getFinished(1);
    await builds.getFinished(3);
    await builds.getFinished(1);
    expect(builds.seeds, 'what was kept is not built again').toEqual([1, 2, 3]);
    await builds.getFinished(2);
    expect(builds.seeds, 'the one unused for longest is').toEqual([1, 2, 3, 2]);
  });

  it('builds again what it was told to forget', async () => {
    const builds = new Builds();
    const one = await builds.getFinished(1);
    await builds.getFinished(2);
    builds.cache.clear();
    expect(await builds.getFinished(1)).not.toBe(one);
    expect(builds.seeds).toEqual([1, 2, 1]);
  });

  it('forgets a failed build: those who waited see why, the next call builds anew', async () => {
    const builds = new Builds();
    const waiting = [builds.cache.get(seedOf(1)), builds.cache.get(seedOf(1))];
    const reason = new Error('out of memory');
    builds.started[0]!.end.reject(reason);
    for (const each of await Promise.allSettled(waiting)) {
      expect(each).toEqual({ status: 'rejected', reason });
    }
    expect((await builds.getFinished(1)).seed).toEqual(seedOf(1));
    expect(builds.seeds).toEqual([1, 1]);
  });

  it('turns what a builder throws at once into a rejection', async () => {
    const reason = new Error('no memory');
    let calls = 0;
    const build = (seed: Seed): MatrixTable => {
      if (++calls === 1) throw reason;
      return { seed, data: NO_DATA };
    };
    const cache = new TableCache({ capacity: 2 }, { build });
    await expect(cache.get(seedOf(1))).rejects.toBe(reason);
    expect((await cache.get(seedOf(1))).seed).toEqual(seedOf(1));
  });

  it('does not mind a caller who writes to the seed afterwards', async () => {
    const builds = new Builds();
    const seed = seedOf(1);
    const table = builds.cache.get(seed);
    seed.fill(2);
    builds.finish(0);
    expect((await table).seed).toEqual(seedOf(1));
    await builds.getFinished(2);
    expect(builds.seeds).toEqual([1, 2]);
  });

  it('refuses a seed of another length and a capacity below one', async () => {
    const builds = new Builds();
    await expect(builds.cache.get(new Uint8Array(31))).rejects.toThrow(
      new RangeError('"seed" expected 32 bytes, got 31'),
    );
    expect(builds.started).toEqual([]);
    for (const capacity of [0, 2.5, Number.NaN]) {
      expect(() => new TableCache({ capacity }, { build: () => builds.finish(0) })).toThrow(
        new RangeError(`"capacity" expected a whole number from 1, got ${capacity}`),
      );
    }
  });
});
