/**
 * Whether a kernel is right, and how fast it is: hashes that are known, under the table that breaks
 * what is almost exact and under a real one, and then a batch that takes a while.
 */
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import type { TableProvider } from '../../src/tensority/table.ts';
import { bytesEqual, bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { extremeTable } from '../extreme-table.ts';
import { SELF_TEST_GROUPS, type SelfTestGroup } from '../selftest.ts';
import type { Tables } from './tables.ts';

/** A hash was wrong. */
export class WrongHash extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** A batch this long tells how fast a kernel is. */
const TELLING_MS = 60;
/** In a timed batch every so many hashes one is known. */
const KNOWN_EVERY = 3;

/** Known hashes under one table. */
interface Group {
  readonly seed: Uint8Array;
  readonly headerHashes: readonly Uint8Array[];
  readonly powHashes: readonly Uint8Array[];
}

export class KernelTest {
  readonly #groups: readonly Group[];
  readonly #clock: Clock;

  private constructor(groups: readonly Group[], clock: Clock) {
    this.#groups = groups;
    this.#clock = clock;
  }

  /** Loads the tables, which stay resident until there are others. */
  static async prepare(tables: Tables, provider: TableProvider, clock: Clock): Promise<KernelTest> {
    const extreme = SELF_TEST_GROUPS.find(({ seed }) => seed === 'extreme')!;
    const real = SELF_TEST_GROUPS.findLast(({ seed }) => seed !== 'extreme')!;
    const groups: Group[] = [];
    for (const group of [extreme, real]) {
      const { seed, data } =
        group === extreme ? extremeTable() : await provider(hexToBytes(group.seed, 'seed', 32));
      await tables.load(seed, data);
      groups.push({ seed, ...vectorsOf(group) });
    }
    return new KernelTest(groups, clock);
  }

  /** The seed of a table that is resident: for runs that only need some table. */
  get seed(): Uint8Array {
    return this.#groups[0]!.seed;
  }

  /**
   * Compares `count` known hashes at once under each table. `isHopeless` is asked after the first, with
   * the milliseconds per hash; if it says so, the test ends there. Rejects with `WrongHash`, or with
   * what the hasher failed with.
   */
  async check(
    hasher: BatchHasher,
    count: number,
    isHopeless: (msPerHash: number) => boolean,
  ): Promise<Checked> {
    let msPerHash = 0;
    for (const [index, group] of this.#groups.entries()) {
      const { result, ms } = await this.#run(hasher, group, count, 1);
      const expected = repeated(group.powHashes, count);
      checkEqual(expected, result);
      msPerHash = ms / count;
      if (index === 0 && isHopeless(msPerHash)) return { msPerHash, isWhole: false };
    }
    return { msPerHash, isWhole: true };
  }

  /**
   * Milliseconds per hash in a batch of some multiple of `granule` inputs. `guessMs`: what it took so
   * far, which is the answer if that took long enough.
   */
  async time(hasher: BatchHasher, granule: number, guessMs: number): Promise<number> {
    const granuleMs = guessMs * granule;
    if (granuleMs >= 4 * TELLING_MS) return guessMs;
    const most = Math.max(1, Math.floor(hasher.maxBatch / granule));
    const count = granule * Math.min(most, Math.ceil(TELLING_MS / Math.max(granuleMs, 0.001)));
    const first = await this.#timed(hasher, count);
    const again = await this.#timed(hasher, count);
    checkEqual(first.result, again.result);
    return Math.min(first.ms, again.ms) / count;
  }

  async #timed(hasher: BatchHasher, count: number): Promise<Timed> {
    const group = this.#groups.at(-1)!;
    const timed = await this.#run(hasher, group, count, KNOWN_EVERY);
    for (let i = 0; i < count; i += KNOWN_EVERY) {
      const expected = group.powHashes[(i / KNOWN_EVERY) % group.powHashes.length]!;
      checkEqual(expected, timed.result.subarray(32 * i, 32 * i + 32));
    }
    return timed;
  }

  /** One batch in which every `knownEvery`th input is a known one. */
  async #run(
    hasher: BatchHasher,
    { seed, headerHashes }: Group,
    count: number,
    knownEvery: number,
  ): Promise<Timed> {
    const inputs = new Uint8Array(32 * count);
    for (let i = 0; i < count; i++) {
      const known = headerHashes[Math.floor(i / knownEvery) % headerHashes.length]!;
      inputs.set(known, 32 * i);
      // Hashes that all read the same matrices would be too fast.
      if (i % knownEvery !== 0) new DataView(inputs.buffer).setUint32(32 * i + 8 * (i % 4), i);
    }
    const result = new Uint8Array(inputs.length);
    const started = this.#clock.now();
    await hasher.hash(seed, inputs, result);
    return { result, ms: this.#clock.now() - started };
  }
}

/** What a test came to that found nothing wrong. */
export interface Checked {
  /** Of the last batch. */
  readonly msPerHash: number;
  /** False if it ended early, as the kernel was too slow. */
  readonly isWhole: boolean;
}

interface Timed {
  readonly result: Uint8Array;
  readonly ms: number;
}

/** 32 bytes for each hash. Throws for the first that differs. */
function checkEqual(expected: Uint8Array, actual: Uint8Array): void {
  for (let at = 0; at < expected.length; at += 32) {
    const [want, got] = [expected, actual].map((bytes) => bytes.subarray(at, at + 32)) as [
      Uint8Array,
      Uint8Array,
    ];
    if (!bytesEqual(got, want)) throw new WrongHash(bytesToHex(want), bytesToHex(got));
  }
}

function vectorsOf({ vectors }: SelfTestGroup): Pick<Group, 'headerHashes' | 'powHashes'> {
  return {
    headerHashes: vectors.map((vector) => hexToBytes(vector.headerHash, 'headerHash', 32)),
    powHashes: vectors.map((vector) => hexToBytes(vector.powHash, 'powHash', 32)),
  };
}

function repeated(hashes: readonly Uint8Array[], count: number): Uint8Array {
  const all = new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) all.set(hashes[i % hashes.length]!, 32 * i);
  return all;
}
