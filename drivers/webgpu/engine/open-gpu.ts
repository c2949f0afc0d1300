/**
 * The door to a GPU: takes an adapter, finds the kernel that is fastest on it, and gives an open
 * device. Runs in Node and in a page alike; who calls it brings the adapter and the shaders' texts.
 */
import type { ReadShader } from '../../../shaders/index.ts';
import {
  buildMatrixTableReference,
  type MatrixTable,
  type TableProvider,
} from '../../../src/tensority/table.ts';
import { type Clock, systemClock } from '../../../src/util/clock.ts';
import { clip, errorText } from '../../../src/util/errors.ts';
import { type Device, type DeviceInfo, DriverError } from '../../driver.ts';
import type { KernelChoice, KernelReport } from '../../kernel-choice.ts';
import { fitEngine } from './engine.ts';
import { GpuDevice } from './gpu-device.ts';
import { GpuLink, NEWS_MS } from './gpu-link.ts';
import { KernelTest } from './kernel-test.ts';
import { ProgramCompiler } from './programs.ts';
import { requestDevice } from './request-device.ts';
import { tune } from './tune.ts';
import { type Capabilities, capabilitiesOf, type KernelVariant, variantsFor } from './variants.ts';

export interface GpuOpenOptions {
  readonly info: Omit<DeviceInfo, 'tableSlots' | 'rollsNonce' | 'kernel' | 'threads'>;
  readonly read: ReadShader;
  /** Upper bound of a batch in ms. The engine aims at 20 … 50 ms and exceeds this only if a single hash does. */
  readonly batchMs: number;
  /** 1 … 100 % (default 100): the device rests (100 − i) / i of each batch's time. */
  readonly intensity?: number | undefined;
  /** Only this kernel; `unsupported` if it does not run here. */
  readonly kernel?: string | undefined;
  /** Tested, but not timed again. If it fails its test, everything is tried. */
  readonly remembered?: KernelChoice | undefined;
  /** Kernels that are not tried: those that took the whole device down the last time. */
  readonly avoid?: readonly string[] | undefined;
  /** The root object that the adapter came from, for what it says of the shading language. */
  readonly gpu?: GPU | undefined;
  /** Builds the tables of seeds, for the test; default: in plain TypeScript, which takes some 0.4 s. */
  readonly tables?: TableProvider | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears of a kernel before it first runs. If nothing is heard after that, it took everything down. */
  readonly onTry?: ((kernel: string) => void) | undefined;
  readonly onReport?: ((report: KernelReport) => void) | undefined;
  readonly clock?: Clock | undefined;
  /**
   * A pending promise of the GPU costs nothing, as in a browser. Dawn for Node keeps a core busy as
   * long as one is pending, so there the engine sleeps first. Default: true where `navigator.gpu` is.
   */
  readonly freeAwaits?: boolean | undefined;
}

export interface OpenedGpu {
  readonly device: Device;
  readonly choice: KernelChoice;
  readonly reports: readonly KernelReport[];
}

/** How long a batch should take: long enough to hide its start, short enough to be given up. */
const AIM_MS = 40;
/** What a call of `maxBatch` hashes may take. */
const CALL_MS = 1000;
/** Two hashes at least: exchanged results show only then. */
const LEAST_MAX_BATCH = 2;
const MOST_MAX_BATCH = 16_384;
/** Of tables: an epoch's edge needs both for a while. */
const SLOTS = 2;
/** Of batches in flight: one runs, one waits. */
const LANES = 2;
/** A GPU at rest may be so many times slower than one at work: batches may grow accordingly. */
const HEADROOM = 4;
/** Hashes of the largest batch that is timed: some 40 ms of the fastest GPU there is. */
const TIMED_CAPACITY = 8192;
const TIMED_CAPACITY_SOFTWARE = 64;

/**
 * Opens the GPU behind `adapter`, which is used up. Rejects with a `DriverError` `unsupported` (what is
 * missing), `self-test` (every kernel was wrong) or `lost`, or with the signal's reason; nothing of
 * the GPU is held then.
 */
export async function openGpuDevice(
  adapter: GPUAdapter,
  options: GpuOpenOptions,
): Promise<OpenedGpu> {
  const { signal, gpu, kernel, clock = systemClock } = options;
  checkOptions(options);
  signal?.throwIfAborted();
  const reports: KernelReport[] = [];
  const onReport = (report: KernelReport): void => {
    reports.push(report);
    options.onReport?.(report);
  };
  const capabilities = capabilitiesOf(adapter, gpu);
  const wanted = wantedVariants(capabilities, options, onReport);
  const requested = await requestDevice(
    adapter,
    [...new Set(wanted.flatMap(({ features }) => features))],
    [...new Set(wanted.flatMap(({ limits }) => Object.keys(limits)))],
  );
  const link = new GpuLink(requested.device, [adapter, gpu]);
  try {
    signal?.throwIfAborted();
    const variants = wanted.filter((variant) => {
      const missing = variant.features.find((name) => !requested.features.has(name));
      if (missing === undefined) return true;
      const reason = `the adapter offers ${missing}, but gives no device with it`;
      onReport({ kernel: variant.name, outcome: 'unsupported', reason });
      return false;
    });
    const compiler = new ProgramCompiler(link.device, options.read);
    const tables =
      options.tables ?? (async (seed): Promise<MatrixTable> => buildMatrixTableReference(seed));
    const test = new KernelTest({ link, clock, tables, signal });
    const { programs, choice } = await tune(
      {
        variants,
        capacity: capabilities.isSoftware ? TIMED_CAPACITY_SOFTWARE : TIMED_CAPACITY,
        remembered: kernel === undefined ? options.remembered : rememberedOf(options, kernel),
        signal,
        onTry: (name) => options.onTry?.(name),
        onReport,
      },
      { link, clock, compiler, test },
    );
    const { msPerHash } = choice;
    // Half of what is allowed: when a search is aborted, two batches may be in flight.
    const aimMs = Math.min(AIM_MS, options.batchMs / 2);
    const engine = await fitEngine(
      { link, clock, programs },
      { slots: SLOTS, lanes: LANES, capacity: Math.ceil((HEADROOM * aimMs) / msPerHash) },
    );
    signal?.throwIfAborted();
    const device = new GpuDevice(
      {
        info: options.info,
        maxBatch: clamp(Math.floor(CALL_MS / msPerHash), LEAST_MAX_BATCH, MOST_MAX_BATCH),
        msPerHash,
        aimMs,
        batchMs: options.batchMs,
        intensity: options.intensity ?? 100,
        freeAwaits: options.freeAwaits ?? isPage(),
      },
      { link, engine, compiler, clock },
    );
    return { device, choice, reports };
  } catch (error) {
    if (!(error instanceof DriverError) && signal?.aborted !== true) {
      await clock.sleep(NEWS_MS, link.gone);
      link.fail(errorText(error), { cause: error });
    }
    const reason: unknown = link.gone.aborted ? link.gone.reason : error;
    link.close();
    throw reason;
  }
}

/** The kernels to try. Reports those that cannot run; rejects if that is all there are. */
function wantedVariants(
  capabilities: Capabilities,
  { kernel, avoid = [] }: GpuOpenOptions,
  onReport: (report: KernelReport) => void,
): readonly KernelVariant[] {
  const { usable, unusable } = variantsFor(capabilities);
  if (kernel !== undefined) {
    const asked = usable.find(({ name }) => name === kernel);
    if (asked !== undefined) return [asked];
    const reason = unusable.find(({ name }) => name === kernel)?.reason;
    const names = [...usable, ...unusable].map(({ name }) => name).join(', ');
    const missing =
      reason === undefined ? `no kernel ${kernel} (there are: ${names})` : `${kernel} ${reason}`;
    throw new DriverError({ code: 'unsupported', missing });
  }
  for (const { name, reason } of unusable) {
    onReport({ kernel: name, outcome: 'unsupported', reason });
  }
  const wanted = usable.filter(({ name }) => {
    if (!avoid.includes(name)) return true;
    onReport({ kernel: name, outcome: 'skipped', reason: 'the GPU was lost under it before' });
    return false;
  });
  if (wanted.length > 0) return wanted;
  const reasons = unusable.map(({ name, reason }) => `${name} ${reason}`).join('; ');
  const avoided = usable.map(({ name }) => `the GPU was lost under ${name} before`).join('; ');
  const missing = `a kernel that runs here (${clip(reasons || avoided, 400)})`;
  throw new DriverError({ code: 'unsupported', missing });
}

function rememberedOf({ remembered }: GpuOpenOptions, kernel: string): KernelChoice | undefined {
  return remembered?.kernel === kernel ? remembered : undefined;
}

function checkOptions({ batchMs, intensity = 100 }: GpuOpenOptions): void {
  if (!(batchMs > 0)) throw new RangeError(`"batchMs" expected more than 0, got ${batchMs}`);
  if (!(intensity >= 1 && intensity <= 100)) {
    throw new RangeError(`"intensity" expected 1 … 100, got ${intensity}`);
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** A page or one of its workers, where WebGPU belongs to the browser. */
function isPage(): boolean {
  return (globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu !== undefined;
}
