import { describe, expect, it } from 'vitest';
import { HashQueue, type HashQueueOptions, type PowPriority } from '../../src/pow/hash-queue.ts';
import { PowError } from '../../src/pow/pow-error.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { GatedHasher } from '../support/gated-hasher.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';

const id = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const SEED = id(0xa0);
const OTHER = id(0xb0);

interface Rig {
  readonly queue: HashQueue;
  readonly clock: FakeClock;
  readonly hasher: GatedHasher;
  readonly built: string[];
  /** Asks for a hash and notes how it ends, under its number. */
  readonly ask: (
    n: number,
    priority?: PowPriority,
    seed?: Uint8Array,
    signal?: AbortSignal,
  ) => void;
  readonly ends: Map<number, string>;
}

function rig(options: Partial<HashQueueOptions> = {}, maxBatch = 4): Rig {
  const hasher = new GatedHasher({ maxBatch });
  const clock = new FakeClock();
  const built: string[] = [];
  const queue = new HashQueue(
    { maxQueued: 100, batches: 2, batchMs: 250, stallMs: 60_000, ...options },
    {
      hasher,
      clock,
      tables: (seed) => {
        built.push(bytesToHex(seed));
        return standInTable(seed);
      },
    },
  );
  const ends = new Map<number, string>();
  const ask: Rig['ask'] = (n, priority = 'tip', seed = SEED, signal) => {
    queue.hash(id(n), seed, priority, signal).then(
      (powHash) => {
        const right = bytesToHex(powHash) === bytesToHex(standInHash(seed, id(n)));
        ends.set(n, right ? 'right' : 'wrong');
      },
      (error: unknown) => {
        const coded = error instanceof PowError || error instanceof HasherError;
        ends.set(n, coded ? error.detail.code : String(error));
      },
    );
  };
  return { queue, clock, hasher, built, ask, ends };
}

/** First byte of each header hash of a call. */
function numbers(hasher: GatedHasher, call: number): readonly number[] {
  return hasher.calls[call]!.headerHashes.map((hash) => hash[0]!);
}

async function releaseAll(hasher: GatedHasher): Promise<void> {
  for (let i = 0; i < hasher.calls.length; i++) {
    hasher.calls[i]!.release();
    await settle();
  }
}

describe('HashQueue', () => {
  it('puts what is asked for in one turn into batches, and keeps two under way', async () => {
    const { ask, hasher, ends } = rig();
    for (let n = 0; n < 10; n++) ask(n);
    await settle();
    expect([numbers(hasher, 0), numbers(hasher, 1)]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    expect(hasher.calls.length).toBe(2);
    hasher.calls[1]!.release();
    await settle();
    expect(numbers(hasher, 2)).toEqual([8, 9]);
    await releaseAll(hasher);
    expect([...ends.values()]).toEqual(Array(10).fill('right'));
  });

  it('takes the most urgent first, and the oldest of equals', async () => {
    const { ask, hasher, ends } = rig({ batches: 1 }, 2);
    ask(0, 'sync');
    await settle();
    const order: PowPriority[] = ['sync', 'share', 'tip', 'candidate', 'sync', 'candidate', 'tip'];
    order.forEach((priority, i) => {
      ask(i + 1, priority);
    });
    await releaseAll(hasher);
    expect(hasher.calls.map((_, i) => numbers(hasher, i))).toEqual([
      [0],
      [4, 6],
      [3, 7],
      [2, 1],
      [5],
    ]);
    expect(ends.size).toBe(8);
  });

  it('fills a batch with one seed only, and loads each seed once', async () => {
    const { ask, hasher, ends, built } = rig({ batches: 1 });
    for (let n = 0; n < 12; n++) ask(n, 'sync', n % 2 === 0 ? SEED : OTHER);
    await settle();
    await releaseAll(hasher);
    expect(hasher.calls.map((_, i) => numbers(hasher, i))).toEqual([
      [0, 2, 4, 6],
      [1, 3, 5, 7],
      [8, 10],
      [9, 11],
    ]);
    expect(hasher.loads).toEqual([bytesToHex(SEED), bytesToHex(OTHER)]);
    expect(built.includes(bytesToHex(OTHER))).toBe(true);
    expect([...ends.values()]).toEqual(Array(12).fill('right'));
  });

  it('builds the next seed’s table while the hasher is busy with another', async () => {
    const { ask, hasher, built } = rig({ batches: 1 });
    ask(1, 'sync', SEED);
    ask(2, 'sync', OTHER);
    await settle();
    expect(hasher.calls.length).toBe(1);
    expect(built).toEqual([bytesToHex(SEED), bytesToHex(OTHER)]);
    await releaseAll(hasher);
  });

  it('loads a seed again that the hasher has dropped', async () => {
    const hasher = new StandInHasher({ slots: 1 });
    const queue = new HashQueue(
      { maxQueued: 10, batches: 2, batchMs: 250, stallMs: 60_000 },
      { hasher, clock: new FakeClock(), tables: standInTable },
    );
    for (let n = 0; n < 6; n++) {
      const seed = n % 2 === 0 ? SEED : OTHER;
      expect(await queue.hash(id(n), seed, 'tip')).toEqual(standInHash(seed, id(n)));
    }
    expect(hasher.loads.length).toBe(6);
  });

  it('hashes once what is asked for twice, at the higher of the priorities', async () => {
    const { ask, hasher, queue } = rig({ batches: 1 }, 1);
    ask(0);
    await settle();
    ask(1, 'tip');
    ask(2, 'sync');
    ask(3, 'sync');
    const again = queue.hash(id(3), SEED, 'candidate');
    await releaseAll(hasher);
    expect(await again).toEqual(standInHash(SEED, id(3)));
    expect(hasher.calls.map((_, i) => numbers(hasher, i)[0])).toEqual([0, 3, 1, 2]);
  });

  it('does not starve the past under a flood of shares', async () => {
    const { ask, hasher, ends } = rig({ batches: 1 }, 2);
    ask(200, 'sync');
    for (let n = 0; n < 60; n++) ask(n, 'share', OTHER);
    await settle();
    for (let call = 0; call < 8; call++) {
      hasher.calls[call]!.release();
      await settle();
    }
    expect(ends.get(200)).toBe('right');
  });

  it('refuses the newest of the least urgent beyond its limit, and never a candidate', async () => {
    const { ask, hasher, ends, queue } = rig({ batches: 1, maxQueued: 3 }, 1);
    ask(0);
    await settle();
    for (const n of [1, 2, 3]) ask(n, 'sync');
    ask(4, 'sync');
    ask(5, 'share');
    ask(6, 'tip');
    await settle();
    expect(Object.fromEntries(ends)).toEqual({ 4: 'overloaded', 3: 'overloaded', 2: 'overloaded' });
    ask(7, 'candidate');
    ask(8, 'candidate');
    ask(9, 'candidate');
    ask(10, 'candidate');
    await settle();
    expect(queue.queued).toBe(4);
    expect([1, 5, 6].map((n) => ends.get(n))).toEqual(Array(3).fill('overloaded'));
    ask(11, 'tip');
    await settle();
    expect(ends.get(11)).toBe('overloaded');
    await releaseAll(hasher);
    expect([0, 7, 8, 9, 10].map((n) => ends.get(n))).toEqual(Array(5).fill('right'));
  });

  it('forgets what was aborted while it waited, and stops a batch that nobody waits for', async () => {
    const { ask, hasher, ends, queue } = rig({ batches: 1 }, 2);
    const [first, second] = [new AbortController(), new AbortController()];
    ask(0, 'tip', SEED, first.signal);
    ask(1, 'tip', SEED, second.signal);
    ask(2, 'tip', SEED, first.signal);
    await settle();
    expect(numbers(hasher, 0)).toEqual([0, 1]);
    first.abort('enough');
    await settle();
    expect([ends.get(0), ends.get(1), ends.get(2)]).toEqual(['enough', undefined, 'enough']);
    expect([queue.queued, hasher.calls[0]!.signal?.aborted]).toEqual([0, false]);
    second.abort('enough');
    expect(hasher.calls[0]!.signal?.aborted).toBe(true);
    await settle();
    // What comes after is hashed as if nothing had been.
    ask(1);
    await settle();
    await releaseAll(hasher);
    expect(ends.get(1)).toBe('right');
  });

  it('goes on for the other one when one of two that wait for a hash leaves', async () => {
    const { ask, hasher, queue, ends } = rig();
    const leaving = new AbortController();
    ask(1, 'tip', SEED, leaving.signal);
    const staying = queue.hash(id(1), SEED, 'tip');
    leaving.abort('enough');
    await settle();
    await releaseAll(hasher);
    expect(await staying).toEqual(standInHash(SEED, id(1)));
    expect(ends.get(1)).toBe('enough');
  });

  it('takes a signal that is aborted already at its word', async () => {
    const { ask, hasher, ends } = rig();
    ask(1, 'tip', SEED, AbortSignal.abort('before'));
    await settle();
    expect([ends.get(1), hasher.calls.length]).toEqual(['before', 0]);
  });

  it('rejects everything as lost when the hasher fails, whatever it fails with', async () => {
    const { ask, hasher, ends } = rig({ batches: 1 }, 1);
    ask(0);
    ask(1);
    await settle();
    hasher.calls[0]!.fail(new Error('device removed'));
    await settle();
    ask(2);
    await settle();
    expect([...ends.values()]).toEqual(['lost', 'lost', 'lost']);
    expect(hasher.calls.length).toBe(1);
  });

  it('gives up a hasher that does not answer', async () => {
    const { ask, clock, ends, hasher } = rig({ stallMs: 1000 });
    ask(0);
    await settle();
    await clock.advance(999);
    expect(ends.size).toBe(0);
    await clock.advance(1);
    expect(ends.get(0)).toBe('lost');
    expect(hasher.calls[0]!.signal?.aborted).toBe(true);
    expect(clock.sleeping).toBe(0);
  });

  it('sizes batches by the time they take', async () => {
    const { ask, hasher, clock, queue } = rig({ batches: 1, maxQueued: 1000, batchMs: 250 }, 64);
    const msPerHash = 10;
    let n = 0;
    const feed = (): void => {
      while (queue.queued < 128) ask(n++);
    };
    feed();
    await settle();
    for (let call = 0; call < 6; call++) {
      await clock.advance(msPerHash * hasher.calls[call]!.headerHashes.length);
      hasher.calls[call]!.release();
      await settle();
      feed();
    }
    expect(hasher.calls.at(-1)!.headerHashes.length).toBe(25);
    await clock.advance(1);
    // A single hash says little: it does not make batches small.
    expect(queue.batchSize).toBe(25);
  });

  it('rejects with what the table’s builder threw, and goes on with other seeds', async () => {
    const hasher = new StandInHasher();
    const queue = new HashQueue(
      { maxQueued: 10, batches: 2, batchMs: 250, stallMs: 60_000 },
      {
        hasher,
        clock: new FakeClock(),
        tables: (seed) =>
          seed === OTHER ? Promise.reject(new Error('no memory')) : standInTable(seed),
      },
    );
    await expect(queue.hash(id(1), OTHER, 'tip')).rejects.toThrow('no memory');
    expect(await queue.hash(id(1), SEED, 'tip')).toEqual(standInHash(SEED, id(1)));
  });
});
