/**
 * Chooses the kernel: each one that can run here is tested and timed, the fastest that is right wins.
 * Which that is depends on the GPU, its driver and the browser, so nothing is taken for granted.
 */
import { clip, errorText } from '../../../src/util/errors.ts';
import { DriverError } from '../../driver.ts';
import type { KernelChoice, KernelReport } from '../../kernel-choice.ts';
import { type EngineParts, fitEngine } from './engine.ts';
import { NEWS_MS } from './gpu-link.ts';
import { KernelError } from './kernel-error.ts';
import type { KernelTest } from './kernel-test.ts';
import type { KernelPrograms, ProgramCompiler } from './programs.ts';
import type { KernelVariant } from './variants.ts';

export interface TuneOptions {
  /** What can run here, the best guess first. */
  readonly variants: readonly KernelVariant[];
  /** Hashes of the largest batch that is timed. */
  readonly capacity: number;
  readonly remembered: KernelChoice | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onTry: (kernel: string) => void;
  readonly onReport: (report: KernelReport) => void;
}

export interface TuneParts extends Omit<EngineParts, 'programs'> {
  readonly compiler: ProgramCompiler;
  readonly test: KernelTest;
}

interface Measured {
  readonly programs: KernelPrograms;
  readonly msPerHash: number;
  /** Not all of it was compared, as it is too slow anyway. */
  readonly isCutShort: boolean;
}

export interface Tuned {
  readonly programs: KernelPrograms;
  readonly choice: KernelChoice;
}

/** Once one kernel is so many times slower than the best, others of its family are not tried. */
const HOPELESS = 3;
/** Where a hash takes so long, as in software, the test of a kernel is cut short … */
const SLOW_MS = 100;
/** … once it is so many times slower than the best. */
const CUT_SHORT = 1.5;
/** Enough time spent; what comes last is least likely to win. */
const BUDGET_MS = 20_000;

/**
 * The fastest kernel that is right. Rejects `self-test` if one was wrong and none right, `unsupported`
 * if none ran, `lost`, or with the reason of the signal.
 */
export async function tune(options: TuneOptions, parts: TuneParts): Promise<Tuned> {
  const { variants, remembered } = options;
  const run = new Tuning(options, parts);
  const known = variants.find(({ name }) => name === remembered?.kernel);
  if (known !== undefined) {
    const tested = await run.attempt(known, remembered?.msPerHash);
    if (tested !== undefined) return tested;
  }
  for (const variant of variants) if (variant !== known) await run.attempt(variant);
  return run.result();
}

class Tuning {
  readonly #options: TuneOptions;
  readonly #parts: TuneParts;
  readonly #started: number;
  readonly #hopeless = new Map<KernelVariant['family'], string>();
  readonly #failures: string[] = [];
  #best: Tuned | undefined;
  #wrong: KernelError | undefined;

  constructor(options: TuneOptions, parts: TuneParts) {
    this.#options = options;
    this.#parts = parts;
    this.#started = parts.clock.now();
  }

  /** Tries one kernel and reports on it. `rememberedMs`: it is tested only, this is what it takes. */
  async attempt(variant: KernelVariant, rememberedMs?: number): Promise<Tuned | undefined> {
    const { onReport, signal } = this.#options;
    const { name: kernel, family } = variant;
    signal?.throwIfAborted();
    const skipped = this.#reasonToSkip(variant);
    if (skipped !== undefined) {
      onReport({ kernel, outcome: 'skipped', reason: skipped });
      return undefined;
    }
    try {
      const { programs, msPerHash, isCutShort } = await this.#measure(variant, rememberedMs);
      const best = this.#best?.choice;
      const compared = compare(msPerHash, best);
      if (best !== undefined && msPerHash > HOPELESS * best.msPerHash) {
        this.#hopeless.set(family, `${kernel} takes ${compared}`);
      }
      if (isCutShort) {
        onReport({ kernel, outcome: 'skipped', reason: compared });
        return undefined;
      }
      onReport({ kernel, outcome: 'timed', msPerHash });
      const tuned = { programs, choice: { kernel, msPerHash } };
      if (best === undefined || msPerHash < best.msPerHash) this.#best = tuned;
      return tuned;
    } catch (error) {
      signal?.throwIfAborted();
      // It may be the device that failed, and not this kernel.
      await this.#parts.clock.sleep(NEWS_MS, this.#parts.link.gone);
      this.#parts.link.gone.throwIfAborted();
      this.#onFailure(kernel, error);
      return undefined;
    }
  }

  result(): Tuned {
    if (this.#best !== undefined) return this.#best;
    const cause = { cause: this.#wrong };
    if (this.#wrong?.detail.code === 'wrong') {
      const { expected, actual } = this.#wrong.detail;
      throw new DriverError({ code: 'self-test', expected, actual }, cause);
    }
    const missing = `a kernel that runs here (${clip(this.#failures.join('; '), 400)})`;
    throw new DriverError({ code: 'unsupported', missing });
  }

  async #measure(variant: KernelVariant, rememberedMs: number | undefined): Promise<Measured> {
    const { test, compiler, link, clock } = this.#parts;
    const { capacity, onTry } = this.#options;
    onTry(variant.name);
    const programs = await compiler.kernel(variant);
    // Two tables, as the test changes between two; one does if there is no room.
    const engine = await fitEngine({ link, clock, programs }, { slots: 2, lanes: 1, capacity });
    try {
      const bestMs = this.#best?.choice.msPerHash ?? Number.POSITIVE_INFINITY;
      const isSlow = (ms: number): boolean => ms >= SLOW_MS && ms > CUT_SHORT * bestMs;
      const checkedMs = await test.check(engine, isSlow);
      if (isSlow(checkedMs)) return { programs, msPerHash: checkedMs, isCutShort: true };
      const msPerHash = rememberedMs ?? (await test.time(engine, checkedMs));
      return { programs, msPerHash, isCutShort: false };
    } finally {
      engine.destroy();
    }
  }

  #reasonToSkip({ family }: KernelVariant): string | undefined {
    const isLate = this.#parts.clock.now() - this.#started > BUDGET_MS;
    if (isLate && this.#best !== undefined) return 'the time for trying is used up';
    return this.#hopeless.get(family);
  }

  #onFailure(kernel: string, error: unknown): void {
    if (error instanceof KernelError && error.detail.code === 'wrong') {
      this.#wrong ??= error;
      this.#options.onReport({ kernel, outcome: 'wrong', reason: error.message });
      return;
    }
    if (error instanceof KernelError) {
      this.#failures.push(`${kernel}: ${error.message}`);
      this.#options.onReport({ kernel, outcome: 'failed', reason: error.message });
      return;
    }
    // Too little memory for this one, for instance; another may fit.
    if (error instanceof DriverError && error.detail.code === 'unsupported') {
      this.#failures.push(`${kernel}: needs ${error.detail.missing}`);
      this.#options.onReport({ kernel, outcome: 'unsupported', reason: error.detail.missing });
      return;
    }
    this.#parts.link.fail(`${kernel}: ${errorText(error)}`, { cause: error });
    this.#parts.link.gone.throwIfAborted();
  }
}

function compare(msPerHash: number, best: KernelChoice | undefined): string {
  const mine = `${shownMs(msPerHash)} a hash`;
  return best === undefined ? mine : `${mine}, ${best.kernel} takes ${shownMs(best.msPerHash)}`;
}

function shownMs(ms: number): string {
  return `${ms >= 10 ? ms.toFixed(0) : ms.toPrecision(2)} ms`;
}
