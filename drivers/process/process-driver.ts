/**
 * A driver whose devices each live in a process of their own: native code that computes is not to be
 * trusted with a miner's life. Knows how a device comes by its kernel, what is remembered of it, and
 * that a process which was ended may hold the device a little longer; what there is, and what runs in
 * the processes, is the business of the driver's parts.
 */
import { untilAbort } from '../../src/util/abort.ts';
import { endsWithin, systemClock } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import {
  type Device,
  type DeviceInfo,
  type Driver,
  DriverError,
  type DriverKind,
  type Enumeration,
  type OpenOptions,
} from '../driver.ts';
import type { KernelReport, TuningEvent } from '../kernel-choice.ts';
import {
  isFailure,
  KernelChoices,
  type Remembered,
  type RememberedChoice,
  type RememberedFailure,
} from './kernel-choices.ts';
import { lostInOpening, type OpenedProcess, OpeningCrash, openProcess } from './open-process.ts';
import type { ProcessDevice } from './process-device.ts';

export interface TuningOptions {
  /** Only this kernel, on every device; what was chosen before stays remembered. */
  readonly kernel?: string;
  /** Chooses anew, once for each device, whatever was chosen before. */
  readonly retune?: boolean;
  /** The file in which choices are remembered; without it each opening chooses anew. */
  readonly choicesPath?: string;
  readonly onTuning?: (event: TuningEvent) => void;
}

export interface ListedTarget<Target> {
  /** The list adds what is known of the kernel to its details. */
  readonly info: DeviceInfo;
  /** What leads to it; can be structurally cloned. */
  readonly target: Target;
  /** Added to the environment of its process; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Under what its choice is remembered: changes with anything that is known and could make another one
   * better. `intensity` is that of the opening, where it decides on the number of threads.
   */
  readonly choiceKey: (intensity?: number) => Promise<string>;
}

export interface ProcessListing<Target> {
  readonly targets: readonly ListedTarget<Target>[];
  readonly unavailable?: string;
}

export interface ProcessDriverParts<Target> {
  readonly kind: DriverKind;
  /** The program of the processes, which calls `runChild`. */
  readonly script: URL;
  /** A process with something to do that says nothing for so long is killed. */
  readonly silenceMs: number;
  /** Lines that the program prints in any case, and that say nothing. */
  readonly chatter?: RegExp;
  /** Never rejects. Called once: an id must not come to mean another device when one goes away. */
  readonly list: () => Promise<ProcessListing<Target>>;
}

/** How long a process that was ended may take to be gone. */
const EXIT_MS = 5000;
/** Kernels that may crash before a device is given up. */
const MAX_CRASHES = 8;

export class ProcessDriver<Target> implements Driver {
  readonly kind: DriverKind;
  readonly #options: TuningOptions;
  readonly #parts: ProcessDriverParts<Target>;
  readonly #choices: KernelChoices;
  #listing: Promise<ProcessListing<Target>> | undefined;
  readonly #opening = new Set<string>();
  /** The latest by id, open or not. */
  readonly #devices = new Map<string, ProcessDevice>();
  readonly #exits = new Map<string, Promise<unknown>>();
  readonly #retuned = new Set<string>();

  constructor(options: TuningOptions, parts: ProcessDriverParts<Target>) {
    this.kind = parts.kind;
    this.#options = options;
    this.#parts = parts;
    this.#choices = new KernelChoices(options.choicesPath);
  }

  async enumerate(): Promise<Enumeration> {
    const { targets, unavailable } = await this.#list();
    const devices: DeviceInfo[] = [];
    for (const listed of targets) {
      const { info } = listed;
      const known = await this.#remembered(listed);
      devices.push({ ...info, details: [...(info.details ?? []), kernelDetail(known)] });
    }
    return { devices, ...(unavailable === undefined ? {} : { unavailable }) };
  }

  async open(id: string, open: OpenOptions): Promise<Device> {
    const { targets } = await this.#list();
    const listed = targets.find(({ info }) => info.id === id);
    if (listed === undefined) {
      throw new DriverError({
        code: 'not-found',
        id,
        available: targets.map(({ info }) => info.id),
      });
    }
    if (this.#opening.has(id) || this.#devices.get(id)?.isEnded === false) {
      throw new DriverError({ code: 'busy', id });
    }
    open.signal?.throwIfAborted();
    this.#opening.add(id);
    try {
      const device = await this.#open(listed, open);
      this.#devices.set(id, device);
      return device;
    } catch (error) {
      throw error instanceof OpeningCrash ? lostInOpening(error) : error;
    } finally {
      this.#opening.delete(id);
    }
  }

  #list(): Promise<ProcessListing<Target>> {
    this.#listing ??= this.#parts.list();
    return this.#listing;
  }

  /** Opens a device that nobody has, without the kernels that turn out to crash. */
  async #open(listed: ListedTarget<Target>, open: OpenOptions): Promise<ProcessDevice> {
    const { id, name } = listed.info;
    const { kernel, onTuning = (): void => {} } = this.#options;
    const { intensity } = open;
    const known = kernel === undefined ? await this.#known(listed, intensity) : undefined;
    let remembered = known === undefined || isFailure(known) ? undefined : known;
    const avoid = [...(known?.avoid ?? [])];
    let isTold = false;
    for (;;) {
      if (kernel === undefined && remembered === undefined && !isTold) {
        onTuning({ kind: 'begun', id, name });
        isTold = true;
      }
      await this.#untilFree(id, open.signal);
      const reports: KernelReport[] = [];
      try {
        const { device, choice } = await this.#start(listed, open, { remembered, avoid, reports });
        const isNew = choice.kernel !== remembered?.kernel;
        if (kernel === undefined && isNew) {
          onTuning({ kind: 'chosen', id, ...choice });
          await this.#remember(listed, intensity, { ...choice, avoid });
        }
        this.#retuned.add(id);
        return device;
      } catch (error) {
        const failure = failureToRemember(error, reports);
        if (kernel === undefined && failure !== undefined) {
          await this.#remember(listed, intensity, { ...failure, avoid });
        }
        if (!(error instanceof OpeningCrash)) throw error;
        const crashed = error.kernel;
        if (crashed === undefined || kernel !== undefined || avoid.length >= MAX_CRASHES)
          throw error;
        onTuning({ kind: 'crashed', id, kernel: crashed, reason: error.message });
        avoid.push(crashed);
        remembered = undefined;
      }
    }
  }

  #start(
    { info, target, env = {} }: ListedTarget<Target>,
    { batchMs, intensity, signal }: OpenOptions,
    { remembered, avoid, reports }: Start,
  ): Promise<OpenedProcess> {
    const { kernel, onTuning = (): void => {} } = this.#options;
    const { script, silenceMs, chatter } = this.#parts;
    const { id } = info;
    return openProcess(
      { target, info, batchMs, intensity, kernel, remembered, avoid },
      {
        script,
        env,
        chatter,
        silenceMs,
        signal,
        onReport: (report) => {
          reports.push(report);
          onTuning({ kind: 'report', id, report });
          // What was remembered is right no more, and the others have their turn.
          if (report.kernel === remembered?.kernel && report.outcome !== 'timed') {
            onTuning({ kind: 'begun', id, name: info.name });
          }
        },
        onStart: (exited) => this.#exits.set(id, exited),
      },
    );
  }

  /** A process that was ended may have the device for a little longer. Rejects `busy` if it stays. */
  async #untilFree(id: string, signal: AbortSignal | undefined): Promise<void> {
    const exit = this.#exits.get(id) ?? Promise.resolve();
    const isFree = await endsWithin(untilAbort(exit, signal), EXIT_MS, systemClock);
    signal?.throwIfAborted();
    if (!isFree) throw new DriverError({ code: 'busy', id });
  }

  /** What is remembered of a device, unless its kernel is to be chosen anew. */
  async #known(
    listed: ListedTarget<Target>,
    intensity: number | undefined,
  ): Promise<Remembered | undefined> {
    const isAnew = this.#options.retune === true && !this.#retuned.has(listed.info.id);
    return isAnew ? undefined : this.#remembered(listed, intensity);
  }

  async #remembered(
    { choiceKey }: ListedTarget<Target>,
    intensity?: number,
  ): Promise<Remembered | undefined> {
    try {
      return await this.#choices.get(await choiceKey(intensity));
    } catch {
      // What the key is made of cannot be read: a reason for the opening to give, not for the list.
      return undefined;
    }
  }

  async #remember(
    { info, choiceKey }: ListedTarget<Target>,
    intensity: number | undefined,
    remembered: Remembered,
  ): Promise<void> {
    try {
      await this.#choices.put(await choiceKey(intensity), remembered);
    } catch (error) {
      const { id } = info;
      this.#options.onTuning?.({ kind: 'not-remembered', id, reason: errorText(error) });
    }
  }
}

interface Start {
  readonly remembered: RememberedChoice | undefined;
  readonly avoid: readonly string[];
  /** Takes what comes of the kernels that are tried. */
  readonly reports: KernelReport[];
}

/** What to remember of a device that computes wrongly; undefined if something else was the matter. */
function failureToRemember(
  error: unknown,
  reports: readonly KernelReport[],
): Omit<RememberedFailure, 'avoid'> | undefined {
  if (!(error instanceof DriverError) || error.detail.code !== 'self-test') return undefined;
  const last = reports.findLast(({ outcome }) => outcome === 'wrong');
  if (last === undefined) return undefined;
  const { expected, actual } = error.detail;
  return { wrong: last.reason ?? `expected ${expected}, got ${actual}`, kernel: last.kernel };
}

function kernelDetail(known: Remembered | undefined): string {
  if (known === undefined) return 'kernel chosen at first use';
  const { kernel } = known;
  if (isFailure(known))
    return `computes wrongly: ${short(known.wrong)} (last tried with ${kernel})`;
  return `kernel ${kernel}, ${(1000 / known.msPerHash).toFixed(1)} H/s when it was chosen`;
}

/** The first digits tell two hashes apart. */
function short(text: string): string {
  return clip(text.replace(/\b([0-9a-f]{8})[0-9a-f]{8,}\b/g, '$1…'), 120);
}
