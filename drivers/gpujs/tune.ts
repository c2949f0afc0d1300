/**
 * The choice of a mode: each one that can run here is tested and timed with the lanes it will have, and the
 * fastest that is right wins.
 */
import { clip, errorText } from '../../src/util/errors.ts';
import { DriverError } from '../driver.ts';
import type { KernelChoice } from '../kernel-choice.ts';
import type { OpenHooks, OpenRequest } from '../process/child-main.ts';
import { KernelTest } from './kernel-test.ts';
import type { Lane } from './lane.ts';
import { MODES, type Mode } from './package.ts';

export type TuneRequest = Pick<OpenRequest<unknown>, 'kernel' | 'remembered' | 'avoid'>;

export interface TuneParts {
  /** What a mode lacks here, as far as is known without trying. */
  readonly missingFor: (mode: Mode) => string | undefined;
  /** The lanes of an open device. */
  readonly openLanes: (mode: Mode) => Promise<readonly Lane[]>;
  readonly test?: Pick<KernelTest, 'check' | 'time'>;
}

export interface Tuned {
  /** Those of the mode that won; the others are closed. */
  readonly lanes: readonly Lane[];
  readonly choice: KernelChoice & { readonly kernel: Mode };
}

/**
 * Rejects `self-test` if a mode was wrong and none right, and `unsupported` if none ran or the one that is
 * asked for does not exist.
 */
export async function tune(
  request: TuneRequest,
  hooks: OpenHooks,
  parts: TuneParts,
): Promise<Tuned> {
  const { kernel, remembered } = request;
  const modes = MODES.filter((mode) => kernel === undefined || mode === kernel);
  if (modes.length === 0) {
    const missing = `a kernel "${clip(kernel ?? '')}" (there are: ${MODES.join(', ')})`;
    throw new DriverError({ code: 'unsupported', missing });
  }
  const tuning = new Tuning(request, hooks, parts);
  const known = modes.find((mode) => mode === remembered?.kernel);
  if (known !== undefined) await tuning.attempt(known, remembered?.msPerHash);
  if (!tuning.hasOne) {
    for (const mode of modes) if (mode !== known) await tuning.attempt(mode);
  }
  return tuning.result();
}

class Tuning {
  readonly #request: TuneRequest;
  readonly #hooks: OpenHooks;
  readonly #parts: TuneParts;
  readonly #test: Pick<KernelTest, 'check' | 'time'>;
  readonly #failures: string[] = [];
  #best: Tuned | undefined;
  #wrong: DriverError | undefined;

  constructor(request: TuneRequest, hooks: OpenHooks, parts: TuneParts) {
    this.#request = request;
    this.#hooks = hooks;
    this.#parts = parts;
    this.#test = parts.test ?? new KernelTest();
  }

  get hasOne(): boolean {
    return this.#best !== undefined;
  }

  /** Tries one mode and reports on it. `rememberedMs`: it is tested only, this is what a hash takes. */
  async attempt(kernel: Mode, rememberedMs?: number): Promise<void> {
    const { onReport, onTry } = this.#hooks;
    if (this.#request.kernel === undefined && this.#request.avoid.includes(kernel)) {
      this.#failures.push(`${kernel}: took the process down before`);
      onReport({ kernel, outcome: 'skipped', reason: 'it took the process down before' });
      return;
    }
    const missing = this.#parts.missingFor(kernel);
    if (missing !== undefined) {
      this.#failures.push(`${kernel}: needs ${missing}`);
      onReport({ kernel, outcome: 'unsupported', reason: `needs ${missing}` });
      return;
    }
    onTry(kernel);
    let lanes: readonly Lane[] = [];
    try {
      lanes = await this.#parts.openLanes(kernel);
      await this.#test.check(lanes);
      const msPerHash = rememberedMs ?? (await this.#test.time(lanes));
      onReport({ kernel, outcome: 'timed', msPerHash });
      const slower =
        this.#best !== undefined && msPerHash >= this.#best.choice.msPerHash
          ? lanes
          : (this.#best?.lanes ?? []);
      if (slower !== lanes) this.#best = { lanes, choice: { kernel, msPerHash } };
      await closeAll(slower);
    } catch (error) {
      await closeAll(lanes);
      this.#onFailure(kernel, error);
    }
  }

  result(): Tuned {
    if (this.#best !== undefined) return this.#best;
    if (this.#wrong !== undefined) throw this.#wrong;
    const missing = `a kernel that runs here (${clip(this.#failures.join('; '), 400)})`;
    throw new DriverError({ code: 'unsupported', missing });
  }

  #onFailure(kernel: Mode, error: unknown): void {
    const reason = clip(errorText(error), 200);
    const { onReport } = this.#hooks;
    if (error instanceof DriverError && error.detail.code === 'self-test') {
      this.#wrong ??= error;
      const { expected, actual } = error.detail;
      onReport({ kernel, outcome: 'wrong', reason: `expected ${expected}, got ${actual}` });
      return;
    }
    this.#failures.push(`${kernel}: ${reason}`);
    onReport({ kernel, outcome: 'failed', reason });
  }
}

/** Lanes that are of no use any more; how they end matters to nobody. */
async function closeAll(lanes: readonly Lane[]): Promise<void> {
  await Promise.all(lanes.map((lane) => lane.close().catch(() => undefined)));
}
