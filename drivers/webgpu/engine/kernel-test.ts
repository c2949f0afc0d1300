/**
 * Whether a kernel is right, and how fast it is: hashes that are known, under the table that breaks
 * what is almost exact and under a real one, and then batches that grow until they take a while.
 */
import type { TableProvider } from '../../../src/tensority/table.ts';
import { untilAbort } from '../../../src/util/abort.ts';
import { bytesEqual, bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { extremeTable } from '../../extreme-table.ts';
import { SELF_TEST_GROUPS, type SelfTestVector } from '../../selftest.ts';
import type { TensorityEngine } from './engine.ts';
import { type GpuLink, gpuErrorText } from './gpu-link.ts';
import { KernelError } from './kernel-error.ts';
import { inTime } from './patience.ts';

export interface KernelTestParts {
  readonly link: GpuLink;
  readonly clock: Clock;
  readonly tables: TableProvider;
  readonly signal: AbortSignal | undefined;
}

/** Long enough for two hashes on a GPU in software and its compiler; a real GPU is reset before. */
const PATIENCE_MS = 120_000;
/** A batch this long tells how fast a kernel is. */
const TELLING_MS = 40;
/** Beyond this it pays to sleep, … */
const SLOW_MS = 200;
/** … for this part of the expected time. */
const UNWATCHED = 0.6;
/** Hashes of a batch of the test. */
const KNOWN_COUNT = 2;
/** In a timed batch every so many hashes one is known. */
const KNOWN_EVERY = 8;

/** Tests one engine after the other with the same tables, which are built once. */
export class KernelTest {
  readonly #parts: KernelTestParts;
  #groups: Promise<readonly Group[]> | undefined;

  constructor(parts: KernelTestParts) {
    this.#parts = parts;
  }

  /**
   * Compares known hashes. `isHopeless` is asked after the first two, with their milliseconds per hash;
   * if it says so, the test ends there. Resolves with the time per hash of the last batch, which was
   * not the engine's first. Rejects with `KernelError`.
   */
  async check(
    engine: TensorityEngine,
    isHopeless: (msPerHash: number) => boolean,
  ): Promise<number> {
    this.#groups ??= loadGroups(this.#parts.tables);
    let msPerHash = 0;
    for (const group of await this.#groups) {
      this.#parts.signal?.throwIfAborted();
      await engine.tables.load(group.seed, group.data, this.#parts.signal);
      const { headerHashes, powHashes } = group;
      const count = headerHashes.length / 32;
      const { result, ms } = await this.#run(engine, group, headerHashes, count * msPerHash);
      if (!bytesEqual(result, powHashes)) throw wrong(powHashes, result);
      msPerHash = ms / count;
      if (isHopeless(msPerHash)) break;
    }
    return msPerHash;
  }

  /** Milliseconds per hash in batches as large as they will be. `check` must have gone before. */
  async time(engine: TensorityEngine, guessMs: number): Promise<number> {
    const { capacity } = engine.size;
    let count = KNOWN_COUNT;
    let ms = guessMs * count;
    // One that takes so long for two hashes was timed by its test.
    if (ms >= TELLING_MS || capacity <= count) return guessMs;
    while (ms < TELLING_MS && count < capacity) {
      count = Math.min(capacity, count * (ms < TELLING_MS / 8 ? 4 : 2));
      ms = (await this.#timed(engine, count)).ms;
    }
    const first = await this.#timed(engine, count);
    const again = await this.#timed(engine, count);
    if (!bytesEqual(first.result, again.result)) throw wrong(first.result, again.result);
    return Math.min(ms, first.ms, again.ms) / count;
  }

  async #timed(engine: TensorityEngine, count: number): Promise<Timed> {
    const group = (await this.#groups!).at(-1)!;
    const timed = await this.#run(engine, group, mixedInputs(group, count), 0);
    const known = group.powHashes.length / 32;
    for (let i = 0; i < count; i += KNOWN_EVERY) {
      const expected = vectorAt(group.powHashes, (i / KNOWN_EVERY) % known);
      const actual = vectorAt(timed.result, i);
      if (!bytesEqual(actual, expected)) throw wrong(expected, actual);
    }
    return timed;
  }

  /** One batch, every error of which is the kernel's. `expectedMs`: 0 if that is not known. */
  async #run(
    engine: TensorityEngine,
    group: Group,
    headerHashes: Uint8Array,
    expectedMs: number,
  ): Promise<Timed> {
    const { link, clock, signal } = this.#parts;
    const { device } = link;
    const use = engine.tables.use(group.seed);
    const count = headerHashes.length / 32;
    try {
      for (const kind of ERROR_KINDS) device.pushErrorScope(kind);
      const started = clock.now();
      const flight = engine.submit(use.slot, { kind: 'hash', count, headerHashes });
      const scopes = Promise.all(ERROR_KINDS.map(() => device.popErrorScope()));
      // On a GPU in software, waiting for it (see `Pace`) takes the core that should compute.
      if (expectedMs > SLOW_MS) await clock.sleep(UNWATCHED * expectedMs, link.gone);
      const read = untilAbort(Promise.all([flight.read(), scopes]), signal);
      const [result, errors] = await inTime(read, PATIENCE_MS, { link, clock });
      const ms = clock.now() - started;
      const error = errors.find((each) => each !== null) ?? undefined;
      if (error !== undefined) {
        throw new KernelError({ code: 'failed', reason: gpuErrorText(error) });
      }
      return { result, ms };
    } finally {
      use.release();
    }
  }
}

const ERROR_KINDS: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal'];

interface Timed {
  readonly result: Uint8Array;
  readonly ms: number;
}

/** Known hashes under one table. */
interface Group {
  readonly seed: Uint8Array;
  readonly data: Int8Array;
  /** 32 bytes each, as many of one as of the other. */
  readonly headerHashes: Uint8Array;
  readonly powHashes: Uint8Array;
}

/** The extreme group, and last a real one. */
async function loadGroups(tables: TableProvider): Promise<readonly Group[]> {
  const extreme = SELF_TEST_GROUPS.find(({ seed }) => seed === 'extreme')!;
  const real = SELF_TEST_GROUPS.findLast(({ seed }) => seed !== 'extreme')!;
  const realTable = await tables(hexToBytes(real.seed, 'seed', 32));
  return [
    { ...extremeTable(), ...vectorBytes(extreme.vectors) },
    { ...realTable, ...vectorBytes(real.vectors) },
  ];
}

function vectorBytes(
  vectors: readonly SelfTestVector[],
): Pick<Group, 'headerHashes' | 'powHashes'> {
  return {
    headerHashes: hexToBytes(vectors.map((v) => v.headerHash).join(''), 'headerHash'),
    powHashes: hexToBytes(vectors.map((v) => v.powHash).join(''), 'powHash'),
  };
}

/** Known inputs among different ones: hashes that all read the same matrices would be too fast. */
function mixedInputs(group: Group, count: number): Uint8Array {
  const words = new Uint32Array(8 * count);
  for (let i = 0, state = 0x9e3779b9; i < words.length; i++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  const inputs = new Uint8Array(words.buffer);
  const known = group.headerHashes.length / 32;
  for (let i = 0; i < count; i += KNOWN_EVERY) {
    inputs.set(vectorAt(group.headerHashes, (i / KNOWN_EVERY) % known), 32 * i);
  }
  return inputs;
}

function vectorAt(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.subarray(32 * index, 32 * index + 32);
}

function wrong(expected: Uint8Array, actual: Uint8Array): KernelError {
  return new KernelError({
    code: 'wrong',
    expected: bytesToHex(expected),
    actual: bytesToHex(actual),
  });
}
