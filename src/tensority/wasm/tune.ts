/**
 * Choosing the kernel: every tier that the probe allows is compiled, must reproduce a known answer
 * over extreme matrices, and is then timed for some milliseconds. A tier that fails to compile or
 * answers wrongly is left out and named, and mining goes on with the next.
 */

import { bytesToHex } from '../../util/bytes.ts';
import { errorText } from '../../util/errors.ts';
import { sha3 } from '../../util/sha3.ts';
import { MACS_PER_HASH, MATRIX_BYTES } from '../params.ts';
import { compileKernel } from './compile.ts';
import {
  CORRECTION_BYTES,
  PAGE_BYTES,
  SIGNS_OFFSET,
  THREAD_BYTES,
  THREAD_RAW,
  THREAD_SCRATCH,
  THREAD_SUM,
  THREAD_X0,
  THREAD_X1,
} from './memory-map.ts';
import { probeEngine } from './probe.ts';
import { emitKernel, type KernelExports } from './slice-kernel.ts';
import { availableTiers, type TierName, type WasmTier } from './tiers.ts';

/** Most pages a kernel module can be linked with: 1 GiB, enough for over a thousand threads. */
export const KERNEL_MAX_PAGES = 16_384;

export interface TunedTier {
  readonly tier: WasmTier;
  readonly module: WebAssembly.Module;
  /** Of one thread, from the short timing; a rough figure. */
  readonly hashesPerSecond: number;
}

export interface Tuning {
  /** Exact tiers, fastest first; empty where only plain JavaScript can run. */
  readonly tiers: readonly TunedTier[];
  /** Tiers that were tried and must not be used. */
  readonly failed: readonly { readonly name: TierName; readonly reason: string }[];
}

export interface TuneOptions {
  /** Allow the experimental 256-bit pass. */
  readonly revectorize: boolean;
  /** Tried instead of the tiers that the probe allows. */
  readonly tiers?: readonly WasmTier[];
  /** How long each tier is timed. */
  readonly timeMs?: number;
}

/** Tunes the tiers of this engine. Takes about 0.2 s and blocks. */
export function tuneTiers(options: TuneOptions): Tuning {
  const tiers: TunedTier[] = [];
  const failed: { name: TierName; reason: string }[] = [];
  const { revectorize } = options;
  const candidates =
    options.tiers ?? availableTiers(probeEngine(), { revectorize, arch: process.arch });
  for (const tier of candidates) {
    try {
      const module = compileTier(tier);
      const bench = new KernelBench(module);
      const answer = bench.knownAnswer();
      if (answer !== KNOWN_ANSWER) {
        failed.push({ name: tier.name, reason: `known answer ${KNOWN_ANSWER}, got ${answer}` });
        continue;
      }
      tiers.push({ tier, module, hashesPerSecond: bench.time(options.timeMs ?? 10) });
    } catch (error) {
      failed.push({ name: tier.name, reason: errorText(error) });
    }
  }
  tiers.sort((a, b) => b.hashesPerSecond - a.hashesPerSecond);
  return { tiers, failed };
}

function compileTier(tier: WasmTier): WebAssembly.Module {
  return compileKernel(emitKernel(tier.shape, KERNEL_MAX_PAGES, tier.name), tier.revectorize);
}

/**
 * SHA3-256 of X after the first step and four products over the matrices of `knownMatrix`,
 * computed with the plain reference (test/tensority/wasm/tune.test.ts derives it again).
 */
export const KNOWN_ANSWER = '52c3a029ba40a298074819558a884be08cfd83ae3f0fc5b646cf374244f34c0e';

/** Order in which the known-answer test uses its matrices. */
export const KNOWN_SEQUENCE: readonly number[] = [2, 1, 0, 3, 2];

/**
 * Matrices of the known-answer test: all −128; all 127; a mix of extremes and noise; noise.
 * Saturation, a lost carry and a swapped sign all show in the extremes.
 */
export function knownMatrix(index: number): Int8Array {
  const out = new Int8Array(MATRIX_BYTES);
  let state = index + 1;
  for (let i = 0; i < out.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const noise = state >> 24;
    const extreme = (state & 0x8000) === 0 ? -128 : 127;
    out[i] = [-128, 127, (state & 0x4000) === 0 ? extreme : noise, noise][index]!;
  }
  return out;
}

/** One kernel over a small memory of its own: four packed matrices and a thread area. */
class KernelBench {
  readonly #kernel: KernelExports;
  readonly #bytes: Uint8Array;
  readonly #packed = THREAD_BYTES;
  readonly #corrections = THREAD_BYTES + 4 * MATRIX_BYTES;

  constructor(module: WebAssembly.Module) {
    // Packed signs, if the kernel keeps any, lie far behind; memory that is not touched costs nothing.
    const end = this.#packed + SIGNS_OFFSET + 4 * MATRIX_BYTES;
    const pages = Math.ceil(end / PAGE_BYTES);
    const memory = new WebAssembly.Memory({
      initial: pages,
      maximum: KERNEL_MAX_PAGES,
      shared: true,
    });
    this.#kernel = new WebAssembly.Instance(module, { env: { memory } })
      .exports as unknown as KernelExports;
    this.#bytes = new Uint8Array(memory.buffer);
    for (let m = 0; m < 4; m++) {
      this.#bytes.set(new Uint8Array(knownMatrix(m).buffer), THREAD_RAW);
      this.#kernel.pack(
        THREAD_RAW,
        this.#packed + m * MATRIX_BYTES,
        this.#corrections + m * CORRECTION_BYTES,
      );
    }
  }

  knownAnswer(): string {
    const [first = 0, ...rest] = KNOWN_SEQUENCE;
    this.#kernel.first(this.#packed + first * MATRIX_BYTES, THREAD_X0);
    let [x, out] = [THREAD_X0, THREAD_X1];
    for (const m of rest) {
      this.#product(m, x, out);
      [x, out] = [out, x];
    }
    this.#bytes.fill(0, THREAD_SUM, THREAD_SUM + MATRIX_BYTES);
    this.#kernel.accumulate(x, THREAD_SUM);
    return bytesToHex(sha3(this.#bytes.slice(THREAD_SUM, THREAD_SUM + MATRIX_BYTES)));
  }

  /** Hashes a second of one thread, from the best of several batches of products. */
  time(ms: number): number {
    const end = performance.now() + ms;
    let best = Number.POSITIVE_INFINITY;
    do {
      const start = performance.now();
      for (let m = 0; m < 4; m++) this.#product(m, THREAD_X0, THREAD_X1);
      best = Math.min(best, (performance.now() - start) / 4);
    } while (performance.now() < end);
    return 1000 / (best * (MACS_PER_HASH / 256 ** 3));
  }

  #product(m: number, x: number, out: number): void {
    this.#kernel.product(
      this.#packed + m * MATRIX_BYTES,
      this.#corrections + m * CORRECTION_BYTES,
      x,
      out,
      THREAD_SCRATCH,
    );
  }
}
