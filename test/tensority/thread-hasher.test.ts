import { afterEach, describe, expect, it } from 'vitest';
import { cpuTuning } from '../../src/tensority/cpu-hasher.ts';
import { HasherError, type Seed } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { ThreadHasher, type ThreadHasherOptions } from '../../src/tensority/thread-hasher.ts';
import { BATCHES } from '../../src/tensority/wasm/control.ts';
import { type Code, emitModule } from '../../src/tensority/wasm/emit.ts';
import { KERNEL_MAX_PAGES, type TunedTier } from '../../src/tensority/wasm/tune.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import { type PowGroup, powGroup } from './vectors.ts';

/** Three seeds with several known hashes each. */
const A = powGroup('9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e');
const B = powGroup('574369077c77046c531c4cbaf2ca36215d048e6987bf42eacd878adc2990af5e');
const C = powGroup('ecff2feec50729b1185fd16a638cbfd8d42c28cce781b45677bff786f00e06b2');

const tables = new Map<PowGroup, MatrixTable>();
const hashers: ThreadHasher[] = [];

afterEach(async () => {
  await Promise.all(hashers.splice(0).map((hasher) => hasher.close()));
});

function fastest(): TunedTier {
  const tier = cpuTuning().tiers[0];
  if (tier === undefined) throw new Error('this engine runs none of the WASM tiers');
  return tier;
}

function open(options: Partial<ThreadHasherOptions> = {}): ThreadHasher {
  const hasher = new ThreadHasher({ kernel: fastest(), threads: 2, ...options });
  hashers.push(hasher);
  return hasher;
}

function tableOf(group: PowGroup): MatrixTable {
  const table = tables.get(group) ?? buildMatrixTable(group.seed);
  tables.set(group, table);
  return table;
}

async function load(hasher: ThreadHasher, ...groups: readonly PowGroup[]): Promise<void> {
  for (const group of groups) await hasher.loadSeed(group.seed, tableOf(group));
}

/** Hashes the group's inputs from `start` on, `count` of them, and says which came out wrong. */
async function wrongOf(
  hasher: ThreadHasher,
  group: PowGroup,
  start = 0,
  count = 1,
): Promise<string[]> {
  const vectors = group.vectors.slice(start, start + count);
  const out = new Uint8Array(32 * vectors.length);
  await hasher.hash(group.seed, concatBytes(...vectors.map((v) => v.headerHash)), out);
  return vectors
    .filter((v, i) => bytesToHex(out.subarray(32 * i, 32 * i + 32)) !== v.powHash)
    .map((v) => v.name);
}

/** A batch that takes seconds: all the hasher takes, of made-up inputs. Its result is not looked at. */
function longBatch(hasher: ThreadHasher, seed: Seed, signal?: AbortSignal): Promise<void> {
  const inputs = new Uint8Array(32 * hasher.maxBatch);
  return hasher.hash(seed, inputs, new Uint8Array(inputs.length), signal);
}

async function detailOf(call: Promise<unknown>): Promise<HasherError['detail']> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HasherError);
  return (error as HasherError).detail;
}

describe('hash', () => {
  it('takes one input, and as many as maxBatch, on any number of threads', async () => {
    for (const threads of [1, 2, 3]) {
      const hasher = open({ threads, maxBatch: 4 });
      await load(hasher, A);
      expect(await wrongOf(hasher, A), `one on ${threads} threads`).toEqual([]);
      expect(await wrongOf(hasher, A, 1, 4), `four on ${threads} threads`).toEqual([]);
      expect(hasher.totals.hashes).toBe(5);
      expect(hasher.totals.busyMs).toBeGreaterThan(0);
    }
  });

  it('serves overlapping calls in order, each into its own array', async () => {
    const hasher = open({ maxBatch: 2 });
    await load(hasher, A, B);
    const calls = Array.from({ length: 3 * BATCHES }, (_v, i) =>
      i % 3 === 2
        ? { group: B, start: i % 5, count: 1 }
        : { group: A, start: i % 11, count: 1 + (i % 2) },
    );
    const ended: number[] = [];
    const wrong = await Promise.all(
      calls.map(async ({ group, start, count }, i) => {
        const names = await wrongOf(hasher, group, start, count);
        ended.push(i);
        return names;
      }),
    );
    expect(wrong.flat()).toEqual([]);
    expect(ended).toEqual(calls.map((_call, i) => i));
  });

  it('refuses arguments of the wrong length by name', async () => {
    const hasher = open({ maxBatch: 3 });
    await load(hasher, A);
    const hash = (seed: number, inputs: number, out: number): Promise<void> =>
      hasher.hash(new Uint8Array(seed), new Uint8Array(inputs), new Uint8Array(out));
    for (const [seed, inputs, out, argument] of [
      [31, 32, 32, 'seed'],
      [32, 0, 0, 'headerHashes'],
      [32, 33, 32, 'headerHashes'],
      [32, 128, 128, 'headerHashes'],
      [32, 64, 32, 'out'],
      [32, 64, 65, 'out'],
    ] as const) {
      const call = hash(seed, inputs, out);
      await expect(call, `${seed}, ${inputs}, ${out}`).rejects.toThrow(RangeError);
      await expect(call).rejects.toThrow(`"${argument}" expected`);
    }
    expect(hasher.totals.hashes).toBe(0);
  });

  it('rejects for a seed that is not loaded', async () => {
    const hasher = open();
    await load(hasher, A);
    expect(await detailOf(wrongOf(hasher, B))).toEqual({ code: 'seed-not-loaded', seed: B.name });
    expect(await wrongOf(hasher, A)).toEqual([]);
  });
});

describe('aborting', () => {
  const reason = new Error('a new block');

  it('before the call computes nothing', async () => {
    const hasher = open();
    await load(hasher, A);
    await expect(longBatch(hasher, A.seed, AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(hasher.loadSeed(B.seed, tableOf(B), AbortSignal.abort(reason))).rejects.toBe(
      reason,
    );
    expect(await wrongOf(hasher, A)).toEqual([]);
    expect(hasher.totals.hashes).toBe(1);
    expect(hasher.hasSeed(B.seed)).toBe(false);
  });

  it('in the same turn as the call computes nothing', async () => {
    const hasher = open();
    await load(hasher, A);
    const controller = new AbortController();
    const call = longBatch(hasher, A.seed, controller.signal);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(await wrongOf(hasher, A)).toEqual([]);
    expect(hasher.totals.hashes).toBe(1);
  });

  it('while the batch runs ends it after the hashes at hand, and the next call is right', async () => {
    const hasher = open();
    await load(hasher, A);
    const controller = new AbortController();
    const first = wrongOf(hasher, A);
    const long = longBatch(hasher, A.seed, controller.signal);
    await first;
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    expect(hasher.totals.hashes).toBeLessThan(hasher.maxBatch / 2);
    expect(await wrongOf(hasher, A, 1, 2)).toEqual([]);
  });

  it('while the call waits for its turn ends it at once and lets the others go on', async () => {
    const hasher = open();
    await load(hasher, A);
    const [running, waiting] = [new AbortController(), new AbortController()];
    const before = Array.from({ length: BATCHES }, () => longBatch(hasher, A.seed, running.signal));
    const waiter = longBatch(hasher, A.seed, waiting.signal);
    const behind = wrongOf(hasher, A, 3, 2);
    await Promise.resolve();
    waiting.abort(reason);
    await expect(waiter).rejects.toBe(reason);
    expect(hasher.totals.hashes, 'no batch has ended').toBe(0);
    running.abort(reason);
    for (const call of await Promise.allSettled(before)) {
      expect(call).toEqual({ status: 'rejected', reason });
    }
    expect(await behind).toEqual([]);
  });

  it('while a load waits for a slot ends the wait', async () => {
    const hasher = open({ slots: 1 });
    await load(hasher, A);
    const [running, loading] = [new AbortController(), new AbortController()];
    const batch = longBatch(hasher, A.seed, running.signal);
    const loaded = hasher.loadSeed(B.seed, tableOf(B), loading.signal);
    await Promise.resolve();
    loading.abort(reason);
    await expect(loaded).rejects.toBe(reason);
    expect(hasher.totals.hashes, 'the batch has not ended').toBe(0);
    running.abort(reason);
    await expect(batch).rejects.toBe(reason);
  });
});

describe('loadSeed', () => {
  it('packs a seed once, however often and by however many it is called', async () => {
    const hasher = open();
    await Promise.all([load(hasher, A), load(hasher, A)]);
    await load(hasher, A);
    const busyMs = hasher.totals.busyMs;
    await load(hasher, A);
    expect(hasher.totals.busyMs, 'nothing was packed again').toBe(busyMs);
    expect(await wrongOf(hasher, A, 0, 2)).toEqual([]);
  });

  it('keeps two seeds that are loaded at the same moment apart', async () => {
    const hasher = open();
    await Promise.all([load(hasher, A), load(hasher, B)]);
    expect([A, B].map((group) => hasher.hasSeed(group.seed))).toEqual([true, true]);
    expect(await wrongOf(hasher, A, 0, 2)).toEqual([]);
    expect(await wrongOf(hasher, B, 0, 2)).toEqual([]);
  });

  it('takes the slot of the seed that was not used for the longest time', async () => {
    const hasher = open({ slots: 2 });
    await load(hasher, A, B);
    expect(await wrongOf(hasher, A)).toEqual([]);
    await load(hasher, C);
    expect([A, B, C].map((group) => hasher.hasSeed(group.seed))).toEqual([true, false, true]);
    expect(await detailOf(wrongOf(hasher, B))).toEqual({ code: 'seed-not-loaded', seed: B.name });
    expect(await wrongOf(hasher, C)).toEqual([]);
    await load(hasher, A);
    await load(hasher, B);
    expect([A, B, C].map((group) => hasher.hasSeed(group.seed))).toEqual([true, true, false]);
    expect(await wrongOf(hasher, A)).toEqual([]);
    expect(await wrongOf(hasher, B)).toEqual([]);
  });

  it('does not take a slot from a batch that reads it', async () => {
    const hasher = open({ slots: 1 });
    await load(hasher, A);
    const batch = wrongOf(hasher, A, 0, 6);
    const loaded = load(hasher, B);
    expect(await batch).toEqual([]);
    await loaded;
    expect(await wrongOf(hasher, B, 0, 2)).toEqual([]);
    expect(hasher.hasSeed(A.seed)).toBe(false);
  });

  it('takes a table that is not in shared memory', async () => {
    const hasher = open();
    await hasher.loadSeed(A.seed, { seed: A.seed, data: new Int8Array(tableOf(A).data) });
    expect(await wrongOf(hasher, A)).toEqual([]);
  });

  it('refuses arguments of the wrong length by name', async () => {
    const hasher = open();
    const short = { seed: A.seed, data: new Int8Array(16) };
    await expect(hasher.loadSeed(A.seed, short)).rejects.toThrow(
      new RangeError('"table" expected 16777216 bytes, got 16'),
    );
    await expect(hasher.loadSeed(new Uint8Array(31), tableOf(A))).rejects.toThrow(
      new RangeError('"seed" expected 32 bytes, got 31'),
    );
  });
});

describe('overlapping loads, hashes and aborts', () => {
  it('give right hashes or the reason why not, over 80 random ones', async () => {
    const random = seededRandom(17);
    const hasher = open({ slots: 2, maxBatch: 2 });
    const reason = new Error('a new block');
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < 80; i++) {
      const group = [A, B, C][Math.floor(random() * 3)]!;
      const vector = group.vectors[Math.floor(random() * group.vectors.length)]!;
      const controller = new AbortController();
      const out = new Uint8Array(32);
      const outcome = hasher
        .loadSeed(group.seed, tableOf(group), controller.signal)
        .then(() => hasher.hash(group.seed, vector.headerHash, out, controller.signal))
        .then(
          () => (bytesToHex(out) === vector.powHash ? 'right' : `wrong: ${vector.name}`),
          (error: unknown) =>
            error === reason
              ? 'aborted'
              : error instanceof HasherError
                ? error.detail.code
                : `unexpected: ${error}`,
        );
      outcomes.push(outcome);
      const fate = random();
      if (fate < 0.3) controller.abort(reason);
      else if (fate < 0.5) void outcomes[i >> 1]!.then(() => controller.abort(reason));
      else if (fate < 0.7) await outcome;
    }
    const all = await Promise.all(outcomes);
    const count = (name: string): number => all.filter((outcome) => outcome === name).length;
    // Another load may take the slot before its own hash begins: only then it is not loaded.
    const allowed = ['right', 'aborted', 'seed-not-loaded'];
    expect(all.filter((outcome) => !allowed.includes(outcome))).toEqual([]);
    expect(count('right')).toBeGreaterThan(20);
    expect(count('aborted')).toBeGreaterThan(10);
    for (const group of [A, B, C]) {
      await load(hasher, group);
      expect(await wrongOf(hasher, group)).toEqual([]);
    }
  });
});

describe('close', () => {
  it('rejects what runs, what waits and what comes after as lost, and is idempotent', async () => {
    const hasher = open({ slots: 1 });
    await load(hasher, A);
    const calls = [
      ...Array.from({ length: BATCHES + 2 }, () => longBatch(hasher, A.seed)),
      hasher.loadSeed(B.seed, tableOf(B)),
    ];
    const details = Promise.all(calls.map(detailOf));
    await Promise.all([hasher.close(), hasher.close()]);
    const lost = { code: 'lost', reason: 'closed' };
    expect(await details).toEqual(calls.map(() => lost));
    expect(await hasher.lost, 'closed by us').toBeUndefined();
    expect(await detailOf(wrongOf(hasher, A))).toEqual(lost);
    expect(await detailOf(load(hasher, A))).toEqual(lost);
    expect(await detailOf(hasher.measurePeak())).toEqual(lost);
    await hasher.close();
  });

  it('may come before the threads have started', async () => {
    const hasher = open({ threads: 3 });
    await hasher.close();
    expect(await hasher.lost).toBeUndefined();
  });
});

describe('a thread that dies', () => {
  const i32 = (count: number): readonly 'i32'[] => new Array<'i32'>(count).fill('i32');
  const UNREACHABLE: Code = [0x00];

  /** A kernel that packs nothing and traps at its first slice. */
  function trappingKernel(maxPages: number): TunedTier {
    const bytes = emitModule(
      [
        { name: 'pack', params: i32(3), body: () => [] },
        { name: 'slice', params: i32(6), body: () => UNREACHABLE },
      ],
      maxPages,
    );
    return { ...fastest(), module: new WebAssembly.Module(bytes) };
  }

  it('makes the hasher lost, with the reason, for all calls', async () => {
    const hasher = open({ kernel: trappingKernel(KERNEL_MAX_PAGES) });
    await load(hasher, A);
    const calls = [wrongOf(hasher, A), wrongOf(hasher, A, 1)];
    const detail = await detailOf(calls[0]!);
    expect(detail).toEqual({
      code: 'lost',
      reason: expect.stringMatching(/^thread [01]: .*unreachable/),
    });
    expect(await detailOf(calls[1]!)).toEqual(detail);
    expect((await hasher.lost)?.detail).toEqual(detail);
    expect(await detailOf(load(hasher, B))).toEqual(detail);
    await hasher.close();
    expect((await hasher.lost)?.detail, 'closing does not change why').toEqual(detail);
  });

  it('at its start does so too', async () => {
    // The memory may grow further than this module accepts, so that it cannot be linked.
    const hasher = open({ kernel: trappingKernel(16) });
    const detail = await detailOf(load(hasher, A));
    expect(detail).toEqual({
      code: 'lost',
      reason: expect.stringMatching(/^thread [01]: .*memory/),
    });
    expect((await hasher.lost)?.detail).toEqual(detail);
  });
});

describe('options', () => {
  it.each(['threads', 'slots', 'maxBatch'] as const)('refuse a wrong "%s" by name', (name) => {
    for (const value of [0, -1, 1.5, Number.NaN]) {
      expect(() => open({ [name]: value })).toThrow(
        new RangeError(`"${name}" expected a whole number from 1, got ${value}`),
      );
    }
  });

  it('refuse more than the kernels can address, before a thread starts', () => {
    for (const [name, value] of [
      ['threads', 10_000],
      ['slots', 64],
      ['maxBatch', 10_000_000],
    ] as const) {
      expect(() => open({ [name]: value }), name).toThrow(
        /^memory expected at most 16384 pages, got \d+ for \d+ threads, \d+ slots and batches of \d+$/,
      );
    }
    expect(hashers).toEqual([]);
  });

  it('are reported', () => {
    const hasher = open({ threads: 1, slots: 3, maxBatch: 5 });
    expect([hasher.threads, hasher.slots, hasher.maxBatch]).toEqual([1, 3, 5]);
    expect(hasher.tier).toBe(fastest().tier.name);
    expect(hasher.totals).toEqual({ hashes: 0, busyMs: 0 });
  });
});

describe('measurePeak', () => {
  it('is of the order of what the kernel reaches at least, and leaves later hashes right', async () => {
    const hasher = open({ threads: 1 });
    await load(hasher, A);
    expect(await hasher.measurePeak(3)).toBeGreaterThan(fastest().hashesPerSecond / 4);
    expect(await wrongOf(hasher, A)).toEqual([]);
  });

  it('is 0 for plain JavaScript, which has no such loop', async () => {
    expect(await open({ kernel: 'javascript', threads: 1 }).measurePeak()).toBe(0);
  });
});
