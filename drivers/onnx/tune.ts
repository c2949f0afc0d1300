/**
 * Chooses the kernel: each one that can run on the provider is tested and timed, the fastest that is
 * right wins. What a provider computes wrongly, or hands to the CPU, differs between versions and
 * chips, so nothing is taken for granted.
 */
import { HasherError } from '../../src/tensority/hasher.ts';
import { type Clock, endsWithin } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import { DriverError } from '../driver.ts';
import type { KernelChoice, KernelReport } from '../kernel-choice.ts';
import { type Checked, type KernelTest, WrongHash } from './kernel-test.ts';
import { familyOf, type OnnxKernel } from './kernels.ts';
import { type Lane, LaneEnded, type LanePlan } from './lane.ts';
import { OnnxHasher } from './onnx-hasher.ts';
import type { Tables } from './tables.ts';

export interface TuneOptions {
  readonly kernels: readonly OnnxKernel[];
  readonly remembered: KernelChoice | undefined;
  /** A run that would take longer is not tried, as it could not be stopped in time. */
  readonly batchMs: number;
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onTry: (kernel: string) => void;
  readonly onReport: (report: KernelReport) => void;
}

export interface TuneParts {
  readonly lanes: readonly Lane[];
  readonly tables: Tables;
  /** Ready once the tables for it are built, which takes a while. */
  readonly prepareTest: () => Promise<KernelTest>;
  readonly clock: Clock;
  readonly planOf: (kernel: OnnxKernel) => LanePlan;
}

export interface Tuned {
  readonly kernel: OnnxKernel;
  readonly msPerHash: number;
}

/** Once one kernel is so many times slower than the best, the others of its family are not tried. */
const HOPELESS = 1.5;
/** Where a batch takes so long, as in software, a kernel slower than the best is not tested further. */
const SLOW_MS = 300;
/** Enough time spent; what comes last is least likely to win. */
const BUDGET_MS = 20_000;
/** Batches of the timing are multiples of this many granules at most. */
const MOST_GRANULES = 64;

/**
 * The fastest kernel that is right, with its sessions open. Rejects `self-test` if one was wrong and
 * none right, `unsupported` if none ran, `lost` if one did not come back or ended its thread, or with
 * the signal's reason. After `lost` the kernel that was tried last is to blame.
 */
export async function tune(options: TuneOptions, parts: TuneParts): Promise<Tuned> {
  const { kernels, remembered } = options;
  const run = new Tuning(options, parts);
  const known = kernels.find(({ name }) => name === remembered?.kernel);
  const isTested = known !== undefined && remembered !== undefined && mayStay(remembered, options);
  if (isTested) {
    const tested = await run.attempt(known, remembered.msPerHash);
    if (tested !== undefined) return tested;
  }
  for (const kernel of kernels) if (!isTested || kernel !== known) await run.attempt(kernel);
  return run.result();
}

/** Whether a run is short enough for the batches that are wanted now. What is smallest always is. */
function mayStay(remembered: KernelChoice, { kernels, batchMs }: TuneOptions): boolean {
  const { hashes } = kernels.find(({ name }) => name === remembered.kernel)!;
  const isSmallest = kernels.every((kernel) => kernel.hashes >= hashes);
  return isSmallest || fits(remembered.msPerHash * hashes, batchMs);
}

/** Larger runs are a little faster than smaller ones let expect. */
function fits(runMs: number, batchMs: number): boolean {
  return runMs / 2 <= batchMs;
}

class Tuning {
  readonly #options: TuneOptions;
  readonly #parts: TuneParts;
  readonly #started: number;
  /** Why the rest of a family is not tried. */
  readonly #closed = new Map<string, string>();
  /** The last one of a family. */
  readonly #latest = new Map<string, Tuned>();
  readonly #failures: string[] = [];
  #best: Tuned | undefined;
  #wrong: WrongHash | undefined;
  #isOpen: string | undefined;

  constructor(options: TuneOptions, parts: TuneParts) {
    this.#options = options;
    this.#parts = parts;
    this.#started = parts.clock.now();
  }

  /** Tries one kernel and reports on it. `rememberedMs`: it is tested only, this is what it takes. */
  async attempt(kernel: OnnxKernel, rememberedMs?: number): Promise<Tuned | undefined> {
    const { onReport, signal } = this.#options;
    const { name } = kernel;
    signal?.throwIfAborted();
    const reason = this.#reasonToSkip(kernel);
    if (reason !== undefined) {
      onReport({ kernel: name, outcome: 'skipped', reason });
      return undefined;
    }
    try {
      const { msPerHash, isWhole } = await this.#measure(kernel, rememberedMs);
      const tuned = { kernel, msPerHash };
      onReport(
        isWhole
          ? { kernel: name, outcome: 'timed', msPerHash }
          : { kernel: name, outcome: 'skipped', reason: this.#slowText(tuned) },
      );
      this.#compare(tuned);
      return tuned;
    } catch (error) {
      signal?.throwIfAborted();
      this.#onFailure(kernel, error);
      return undefined;
    }
  }

  async result(): Promise<Tuned> {
    const best = this.#best;
    if (best !== undefined) {
      await this.#reopen(best.kernel);
      return best;
    }
    if (this.#wrong !== undefined) {
      const { expected, actual } = this.#wrong;
      throw new DriverError({ code: 'self-test', expected, actual }, { cause: this.#wrong });
    }
    const missing = `a kernel that runs here (${clip(this.#failures.join('; '), 400)})`;
    throw new DriverError({ code: 'unsupported', missing });
  }

  async #measure(kernel: OnnxKernel, rememberedMs: number | undefined): Promise<Checked> {
    const { lanes, prepareTest } = this.#parts;
    const { onTry, silenceMs } = this.#options;
    onTry(kernel.name);
    const opening = this.#open(kernel);
    // Tables are built here while the lanes' threads load the runtime.
    const [test] = await Promise.all([prepareTest(), opening]);
    const granule = kernel.hashes * lanes.length;
    // Two at least: exchanged results show only then.
    const count = Math.max(2, granule);
    const maxBatch = Math.max(count, MOST_GRANULES * granule);
    const hasher = new OnnxHasher({ maxBatch, silenceMs }, this.#parts);
    const bestMs = this.#best?.msPerHash ?? Number.POSITIVE_INFINITY;
    try {
      const isHopeless = (ms: number): boolean => ms * count > SLOW_MS && ms > bestMs;
      const checked = await test.check(hasher, count, isHopeless);
      if (rememberedMs !== undefined) return { msPerHash: rememberedMs, isWhole: true };
      const { msPerHash: ms, isWhole } = checked;
      // Its test has timed it well enough.
      if (!isWhole || isHopeless(ms) || ms > HOPELESS * bestMs) return checked;
      return { msPerHash: await test.time(hasher, granule, ms), isWhole };
    } catch (error) {
      if (!(error instanceof HasherError) || error.detail.code !== 'lost') throw error;
      const { reason } = error.detail;
      // A lane that does not come back cannot be used for another kernel either.
      throw hasher.isBroken ? new DriverError({ code: 'lost', reason }) : new Error(reason);
    }
  }

  /** Opens the one that won again. What cannot be opened twice may as well not run. */
  async #reopen(kernel: OnnxKernel): Promise<void> {
    if (this.#isOpen === kernel.name) return;
    const { onTry, signal } = this.#options;
    onTry(kernel.name);
    try {
      await this.#open(kernel);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DriverError) throw error;
      const reason = `${kernel.name} does not open again: ${clip(errorText(error))}`;
      throw new DriverError({ code: 'lost', reason }, { cause: error });
    }
  }

  async #open(kernel: OnnxKernel): Promise<void> {
    if (this.#isOpen === kernel.name) return;
    this.#isOpen = undefined;
    const { lanes, planOf, clock } = this.#parts;
    const { silenceMs } = this.#options;
    const plan = planOf(kernel);
    const opening = Promise.all(lanes.map((lane) => lane.open(plan)));
    if (!(await endsWithin(opening, silenceMs, clock))) {
      const reason = `no session within ${Math.round(silenceMs / 1000)} s`;
      throw new DriverError({ code: 'lost', reason });
    }
    await opening;
    this.#isOpen = kernel.name;
  }

  #compare(tuned: Tuned): void {
    const { kernel, msPerHash } = tuned;
    const family = familyOf(kernel);
    const best = this.#best;
    const before = this.#latest.get(family);
    this.#latest.set(family, tuned);
    if (best === undefined || msPerHash < best.msPerHash) {
      this.#best = tuned;
    } else if (msPerHash > HOPELESS * best.msPerHash) {
      this.#closed.set(family, this.#slowText(tuned));
    } else if (before !== undefined && msPerHash > before.msPerHash) {
      this.#closed.set(family, `${kernel.name} was slower than ${before.kernel.name}`);
    }
  }

  /** 'float-16 takes 130 ms a hash, integer-4 62 ms' */
  #slowText({ kernel, msPerHash }: Tuned): string {
    const mine = `${kernel.name} takes ${shownMs(msPerHash)} a hash`;
    const best = this.#best;
    return best === undefined ? mine : `${mine}, ${best.kernel.name} ${shownMs(best.msPerHash)}`;
  }

  #reasonToSkip(kernel: OnnxKernel): string | undefined {
    if (kernel.isSpare && this.#best !== undefined) return 'there are faster ones that are right';
    const family = familyOf(kernel);
    const closed = this.#closed.get(family);
    if (closed !== undefined) return closed;
    const isLate = this.#parts.clock.now() - this.#started > BUDGET_MS;
    if (isLate && this.#best !== undefined) return 'the time for trying is used up';
    // As fast as the last one of the family at best, or so it seems.
    const latest = this.#latest.get(family);
    const runMs = (latest?.msPerHash ?? 0) * kernel.hashes;
    if (latest === undefined || fits(runMs, this.#options.batchMs)) return undefined;
    return `a run would take some ${shownMs(runMs)}`;
  }

  #onFailure(kernel: OnnxKernel, error: unknown): void {
    if (error instanceof DriverError) throw error;
    if (error instanceof LaneEnded) {
      throw new DriverError({ code: 'lost', reason: error.message }, { cause: error });
    }
    const { onReport } = this.#options;
    const { name } = kernel;
    if (error instanceof WrongHash) {
      this.#wrong ??= error;
      onReport({ kernel: name, outcome: 'wrong', reason: error.message });
      return;
    }
    const reason = clip(errorText(error), 200);
    this.#failures.push(`${name}: ${reason}`);
    // What the provider lacks, it lacks for every size.
    this.#closed.set(familyOf(kernel), `${name} did not run`);
    onReport({ kernel: name, outcome: 'failed', reason });
  }
}

function shownMs(ms: number): string {
  return `${ms >= 10 ? ms.toFixed(0) : ms.toPrecision(2)} ms`;
}
