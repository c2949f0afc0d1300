/**
 * GPUs through WebGPU: `gpu0`, `gpu1`, … Each open one lives in a process of its own, and so does the
 * search for them: the native code of a GPU's driver is not to be trusted with a miner's life.
 */
import { untilAbort } from '../../../src/util/abort.ts';
import { endsWithin, systemClock } from '../../../src/util/clock.ts';
import { errorText } from '../../../src/util/errors.ts';
import {
  type Device,
  type DeviceInfo,
  type Driver,
  DriverError,
  type Enumeration,
  type OpenOptions,
} from '../../driver.ts';
import type { KernelReport } from '../engine/open-gpu.ts';
import { enumerateGpus, type GpuListing } from './enumerate.ts';
import { GPU_PROCESS } from './gpu-child.ts';
import type { ReachableGpu } from './gpu-order.ts';
import { choiceKey, KernelChoices, type RememberedChoice } from './kernel-choices.ts';
import type { AdapterFacts } from './messages.ts';
import { lostInOpening, type OpenedProcess, OpeningCrash, openProcess } from './open-process.ts';
import type { ProcessDevice } from './process-device.ts';

export interface WebGpuDriverOptions {
  /** Only this kernel, on every GPU; what was chosen before stays remembered. */
  readonly kernel?: string;
  /** Chooses anew, once for each GPU, whatever was chosen before. */
  readonly retune?: boolean;
  /** The file in which choices are remembered; without it each opening chooses anew. */
  readonly choicesPath?: string;
  readonly onTuning?: (event: TuningEvent) => void;
}

/** What happens on the way to a kernel, for whoever waits. */
export type TuningEvent =
  /** Nothing is known of this GPU: its kernels are tried, which takes seconds. */
  | { readonly kind: 'begun'; readonly id: string; readonly name: string }
  | { readonly kind: 'report'; readonly id: string; readonly report: KernelReport }
  | {
      readonly kind: 'crashed';
      readonly id: string;
      readonly kernel: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'chosen';
      readonly id: string;
      readonly kernel: string;
      readonly msPerHash: number;
    }
  | { readonly kind: 'not-remembered'; readonly id: string; readonly reason: string };

export interface WebGpuDriverParts {
  /** What runs in the GPU processes. */
  readonly script?: URL;
  /** Silence of a process with something to do, after which it is killed. */
  readonly silenceMs?: number;
  /** How long the drivers of the GPUs may take to say what there is. */
  readonly listMs?: number;
}

const SILENCE_MS = 30_000;
const LIST_MS = 15_000;
/** How long a process that was ended may take to be gone. */
const EXIT_MS = 5000;
/** Kernels that may crash before a GPU is given up. */
const MAX_CRASHES = 8;

export function createWebGpuDriver(
  options: WebGpuDriverOptions = {},
  parts: WebGpuDriverParts = {},
): Driver {
  return new WebGpuDriver(options, parts);
}

interface ListedGpu extends ReachableGpu {
  readonly info: DeviceInfo;
}

class WebGpuDriver implements Driver {
  readonly kind = 'webgpu';
  readonly #options: WebGpuDriverOptions;
  readonly #parts: Required<WebGpuDriverParts>;
  readonly #choices: KernelChoices;
  /**
   * What was found, for as long as this process lives: asking costs a process each time, and an id must
   * not come to mean another GPU when one goes away.
   */
  #listing: Promise<GpuListing> | undefined;
  readonly #opening = new Set<string>();
  /** The latest by id, open or not. */
  readonly #devices = new Map<string, ProcessDevice>();
  readonly #exits = new Map<string, Promise<unknown>>();
  readonly #retuned = new Set<string>();

  constructor(options: WebGpuDriverOptions, parts: WebGpuDriverParts) {
    this.#options = options;
    this.#parts = { script: GPU_PROCESS, silenceMs: SILENCE_MS, listMs: LIST_MS, ...parts };
    this.#choices = new KernelChoices(options.choicesPath);
  }

  async enumerate(): Promise<Enumeration> {
    const { gpus, unavailable } = await this.#list();
    const devices: DeviceInfo[] = [];
    for (const { info, facts } of gpus) {
      const known = await this.#remembered(facts);
      devices.push({ ...info, details: [...(info.details ?? []), kernelDetail(known)] });
    }
    return { devices, ...(unavailable === undefined ? {} : { unavailable }) };
  }

  async open(id: string, open: OpenOptions): Promise<Device> {
    const { gpus } = await this.#list();
    const gpu = gpus.find(({ info }) => info.id === id);
    if (gpu === undefined) {
      throw new DriverError({ code: 'not-found', id, available: gpus.map(({ info }) => info.id) });
    }
    if (this.#opening.has(id) || this.#devices.get(id)?.isEnded === false) {
      throw new DriverError({ code: 'busy', id });
    }
    open.signal?.throwIfAborted();
    this.#opening.add(id);
    try {
      const device = await this.#open(gpu, open);
      this.#devices.set(id, device);
      return device;
    } catch (error) {
      throw error instanceof OpeningCrash ? lostInOpening(error) : error;
    } finally {
      this.#opening.delete(id);
    }
  }

  async #list(): Promise<{ readonly gpus: readonly ListedGpu[]; readonly unavailable?: string }> {
    const { script, listMs: limitMs } = this.#parts;
    this.#listing ??= enumerateGpus({ script, limitMs });
    const listing = await this.#listing;
    return {
      ...listing,
      gpus: listing.gpus.map((gpu, index) => ({ ...gpu, info: infoOf(gpu, index) })),
    };
  }

  /** Opens a GPU that nobody has, without the kernels that turn out to crash. */
  async #open(gpu: ListedGpu, open: OpenOptions): Promise<ProcessDevice> {
    const { info, facts } = gpu;
    const { id, name } = info;
    const { kernel, onTuning = (): void => {} } = this.#options;
    let remembered = kernel === undefined ? await this.#known(gpu) : undefined;
    const avoid = [...(remembered?.avoid ?? [])];
    let isTold = false;
    for (;;) {
      if (kernel === undefined && remembered === undefined && !isTold) {
        onTuning({ kind: 'begun', id, name });
        isTold = true;
      }
      await this.#untilFree(id, open.signal);
      try {
        const { device, choice } = await this.#start(gpu, open, remembered, avoid);
        const isNew = choice.kernel !== remembered?.kernel;
        if (kernel === undefined && isNew) {
          onTuning({ kind: 'chosen', id, ...choice });
          await this.#remember(id, facts, { ...choice, avoid });
        }
        return device;
      } catch (error) {
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
    { info, facts, env }: ListedGpu,
    { batchMs, intensity, signal }: OpenOptions,
    remembered: RememberedChoice | undefined,
    avoid: readonly string[],
  ): Promise<OpenedProcess> {
    const { kernel, onTuning = (): void => {} } = this.#options;
    const { script, silenceMs } = this.#parts;
    const { id } = info;
    const { backend, name } = facts;
    return openProcess(
      {
        kind: 'open',
        target: { backend, name },
        info,
        batchMs,
        intensity,
        kernel,
        remembered,
        avoid,
      },
      {
        script,
        env,
        silenceMs,
        signal,
        onReport: (report) => onTuning({ kind: 'report', id, report }),
        onStart: (exited) => this.#exits.set(id, exited),
      },
    );
  }

  /** A process that was ended may have the GPU for a little longer. Rejects `busy` if it stays. */
  async #untilFree(id: string, signal: AbortSignal | undefined): Promise<void> {
    const exit = this.#exits.get(id) ?? Promise.resolve();
    const isFree = await endsWithin(untilAbort(exit, signal), EXIT_MS, systemClock);
    signal?.throwIfAborted();
    if (!isFree) throw new DriverError({ code: 'busy', id });
  }

  /** What is remembered of a GPU, unless it is to be chosen anew. */
  async #known({ info, facts }: ListedGpu): Promise<RememberedChoice | undefined> {
    const isAnew = this.#options.retune === true && !this.#retuned.has(info.id);
    this.#retuned.add(info.id);
    return isAnew ? undefined : this.#remembered(facts);
  }

  async #remembered(facts: AdapterFacts): Promise<RememberedChoice | undefined> {
    try {
      return await this.#choices.get(await choiceKey(facts));
    } catch {
      // Shaders that cannot be read are a reason for the opening to give, not for the list.
      return undefined;
    }
  }

  async #remember(id: string, facts: AdapterFacts, choice: RememberedChoice): Promise<void> {
    try {
      await this.#choices.put(await choiceKey(facts), choice);
    } catch (error) {
      this.#options.onTuning?.({ kind: 'not-remembered', id, reason: errorText(error) });
    }
  }
}

function infoOf({ facts, pciBus }: ReachableGpu, index: number): DeviceInfo {
  const id = `gpu${index}`;
  return {
    id,
    name: facts.name,
    // At least; how many fit is found out when it is opened.
    tableSlots: 1,
    rollsNonce: true,
    // A software GPU is the CPU under another name: mining on both would only be slower.
    processor: facts.isSoftware ? 'cpu' : pciBus === undefined ? id : `pci:${pciBus}`,
    ...(pciBus === undefined ? {} : { pciBus }),
    details: detailsOf(facts),
  };
}

function detailsOf(facts: AdapterFacts): readonly string[] {
  const { backend, description, isSoftware, workgroupBytes, bindingBytes } = facts;
  return [
    ...(isSoftware ? ['software: computes on the cores of the cpu'] : []),
    `${backend}, ${description}`,
    `${workgroupBytes / 1024} KiB of workgroup storage, buffers up to ${Math.floor(bindingBytes / 2 ** 20)} MiB` +
      `, ${facts.hasSubgroupMatrices ? '' : 'no '}matrix units`,
  ];
}

function kernelDetail(known: RememberedChoice | undefined): string {
  if (known === undefined) return 'kernel chosen at first use';
  const { kernel, msPerHash } = known;
  return `kernel ${kernel}, ${(1000 / msPerHash).toFixed(1)} H/s when it was chosen`;
}
