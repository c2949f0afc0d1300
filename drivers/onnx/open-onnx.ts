/**
 * The door to a provider of ONNX Runtime: finds the kernel that is fastest on it, and gives an open
 * device. Runs inside the device's own process; tests hand it lanes of their own.
 */
import type { TableProvider } from '../../src/tensority/table.ts';
import { type Clock, endsWithin, systemClock } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import { type DeviceInfo, DriverError } from '../driver.ts';
import { HasherDevice } from '../hasher-device.ts';
import type { KernelChoice, KernelReport } from '../kernel-choice.ts';
import { threadsFor } from '../threads.ts';
import { KernelTest } from './kernel-test.ts';
import { kernelNamed, kernelsFor, modelOf, type OnnxKernel } from './kernels.ts';
import { type Lane, LaneEnded, type LanePlan } from './lane.ts';
import { OnnxHasher } from './onnx-hasher.ts';
import { placementOf, placementText } from './placement.ts';
import { providerTitle } from './providers.ts';
import { type OnnxOption, settingsFor } from './session-settings.ts';
import { createTables, type Tables } from './tables.ts';
import { tune } from './tune.ts';

/** What leads to a device. */
export interface OnnxTarget {
  readonly provider: string;
  readonly options: readonly OnnxOption[];
  /** Lanes of the CPU; undefined: one for each core. */
  readonly threads: number | undefined;
}

export interface OnnxOpenOptions {
  readonly target: OnnxTarget;
  readonly info: DeviceInfo;
  /** Upper bound of a batch in ms, exceeded only where a single run takes longer. */
  readonly batchMs: number;
  /** 1 … 100 % (default 100): of the CPU's lanes; elsewhere a lane rests between its runs. */
  readonly intensity?: number | undefined;
  /** Only this kernel, which need not be one of those that are tried. */
  readonly kernel?: string | undefined;
  /** Tested, but not timed again. If it fails its test, everything is tried. */
  readonly remembered?: KernelChoice | undefined;
  /** Kernels that are not tried: those that took the whole process down the last time. */
  readonly avoid?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onTry?: ((kernel: string) => void) | undefined;
  readonly onReport?: ((report: KernelReport) => void) | undefined;
}

export interface OnnxOpenParts {
  readonly createLane: (index: number) => Lane;
  /** Builds the tables of seeds, for the test. */
  readonly tables: TableProvider;
  readonly clock?: Clock;
  /** Without a run that ends for so long a device is lost. */
  readonly silenceMs?: number;
}

export interface OpenedOnnx {
  readonly device: HasherDevice;
  readonly choice: KernelChoice;
}

/** What a call of `maxBatch` hashes may take. */
const CALL_MS = 1000;
const MOST_MAX_BATCH = 16_384;
/** The first run of a large model in software takes many seconds. */
const SILENCE_MS = 60_000;

/** How long the lanes may take to close when nothing comes of an opening. */
const CLOSE_MS = 300;

/**
 * Rejects with a `DriverError` `unsupported` (what is missing), `self-test` (every kernel that ran was
 * wrong) or `lost`, or with the signal's reason; its lanes are closed then.
 */
export async function openOnnxDevice(
  options: OnnxOpenOptions,
  parts: OnnxOpenParts,
): Promise<OpenedOnnx> {
  const { clock = systemClock, silenceMs = SILENCE_MS } = parts;
  checkOptions(options);
  options.signal?.throwIfAborted();
  const kernels = wantedKernels(options);
  const count = isCpu(options) ? threadsFor(options.target.threads, options.intensity) : 1;
  const lanes: Lane[] = [];
  try {
    while (lanes.length < count) lanes.push(parts.createLane(lanes.length));
    return await openOn({ lanes, kernels, tables: parts.tables, clock, silenceMs }, options);
  } catch (error) {
    // One that does not come back does not close either.
    await endsWithin(Promise.all(lanes.map((lane) => lane.close())), CLOSE_MS, clock);
    throw error;
  }
}

interface Ground {
  readonly lanes: readonly Lane[];
  readonly kernels: readonly OnnxKernel[];
  readonly tables: TableProvider;
  readonly clock: Clock;
  readonly silenceMs: number;
}

async function openOn(
  { lanes, kernels, tables: provider, clock, silenceMs }: Ground,
  options: OnnxOpenOptions,
): Promise<OpenedOnnx> {
  const { target, batchMs, signal, remembered } = options;
  const tables = createTables();
  let test: Promise<KernelTest> | undefined;
  const prepareTest = (): Promise<KernelTest> => {
    test ??= KernelTest.prepare(tables, provider, clock);
    return test;
  };
  const planOf = (kernel: OnnxKernel): LanePlan => ({
    model: modelOf(kernel),
    settings: settingsFor(target.provider, kernel, target.options),
    hashes: kernel.hashes,
    finish: kernel.finish,
  });
  const { onTry = (): void => {}, onReport = (): void => {} } = options;
  const tuned = await tune(
    { kernels, remembered, batchMs, silenceMs, signal, onTry, onReport },
    { lanes, tables, prepareTest, clock, planOf },
  );
  const { kernel, msPerHash } = tuned;
  const placed: string[] = [];
  if (!isCpu(options)) {
    const { seed } = await prepareTest();
    // It runs once more, and may end this process again.
    onTry(kernel.name);
    const [lane] = lanes;
    const ground = { lane: lane!, plan: planOf(kernel), tables, seed, silenceMs, clock };
    placed.push(await placeText(kernel, ground));
  }
  signal?.throwIfAborted();
  const granule = kernel.hashes * lanes.length;
  // Of the CPU it is the number of lanes.
  const intensity = isCpu(options) ? 100 : (options.intensity ?? 100);
  const hasher = new OnnxHasher(
    { maxBatch: maxBatchOf((tuned.msPerHash * 100) / intensity, granule), silenceMs, intensity },
    { lanes, tables, clock },
  );
  const device = new HasherDevice(hasher, {
    info: infoOf(options, { kernel, lanes, placed }),
    batchMs,
    granule,
    leastBatch: granule,
    lost: hasher.lost,
  });
  return { device, choice: { kernel: kernel.name, msPerHash } };
}

function infoOf(
  options: OnnxOpenOptions,
  {
    kernel,
    lanes,
    placed,
  }: Pick<Ground, 'lanes'> & { readonly kernel: OnnxKernel; readonly placed: readonly string[] },
): DeviceInfo {
  const { info } = options;
  return {
    ...info,
    kernel: kernel.name,
    ...(isCpu(options) ? { threads: lanes.length } : {}),
    details: [...(info.details ?? []), ...placed],
  };
}

/** The kernels to try. Reports those that are left out; rejects if those are all there are. */
function wantedKernels({
  target: { provider },
  kernel,
  avoid = [],
  onReport,
}: OnnxOpenOptions): readonly OnnxKernel[] {
  const all = kernelsFor(provider);
  if (kernel !== undefined) {
    const asked = kernelNamed(kernel, provider);
    if (asked !== undefined) return [asked];
    const names = all.map(({ name }) => name).join(', ');
    const missing = `no kernel ${clip(kernel)} (there are: ${names}, and the like with other numbers)`;
    throw new DriverError({ code: 'unsupported', missing });
  }
  const wanted = all.filter(({ name }) => {
    if (!avoid.includes(name)) return true;
    onReport?.({
      kernel: name,
      outcome: 'skipped',
      reason: 'its process was lost under it before',
    });
    return false;
  });
  if (wanted.length > 0) return wanted;
  const missing = `a kernel that runs here (its process was lost under ${avoid.join(', ')})`;
  throw new DriverError({ code: 'unsupported', missing });
}

interface PlaceParts {
  readonly lane: Lane;
  readonly plan: LanePlan;
  readonly tables: Tables;
  readonly seed: Uint8Array;
  readonly silenceMs: number;
  readonly clock: Clock;
}

/** Where the operators of a kernel run, for people. Rejects `lost` if the run does not come back. */
async function placeText(
  kernel: OnnxKernel,
  { lane, plan, tables, seed, silenceMs, clock }: PlaceParts,
): Promise<string> {
  // The session would not have opened otherwise.
  if (!kernel.hasFallback) return 'every operator of the model on the provider, none on the cpu';
  const table = tables.use(seed);
  try {
    const placement = await placementOf((filePrefix) =>
      within(lane.record(plan, table.slot, filePrefix), silenceMs, clock),
    );
    return placementText(placement);
  } catch (error) {
    if (error instanceof DriverError) throw error;
    if (error instanceof LaneEnded) {
      throw new DriverError({ code: 'lost', reason: error.message }, { cause: error });
    }
    return `which operators run on the cpu is not known: ${clip(errorText(error))}`;
  } finally {
    table.release();
  }
}

async function within<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T> {
  if (await endsWithin(work, ms, clock)) return work;
  throw new DriverError({ code: 'lost', reason: `no run ended for ${Math.round(ms / 1000)} s` });
}

/** `msPerHash`: with the rests. */
function maxBatchOf(msPerHash: number, granule: number): number {
  const fitting = Math.min(MOST_MAX_BATCH, Math.floor(CALL_MS / msPerHash));
  // Two hashes at least: exchanged results show only then.
  return Math.max(2, granule, fitting - (fitting % granule));
}

function isCpu({ target }: OnnxOpenOptions): boolean {
  return target.provider === 'cpu';
}

function checkOptions({
  batchMs,
  intensity = 100,
  target: { provider, threads },
}: OnnxOpenOptions): void {
  if (!(batchMs > 0)) throw new RangeError(`"batchMs" expected more than 0, got ${batchMs}`);
  if (!(intensity >= 1 && intensity <= 100)) {
    throw new RangeError(`"intensity" expected 1 … 100, got ${intensity}`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
    throw new RangeError(
      `"threads" expected a whole number from 1, got ${threads} for ${providerTitle(provider)}`,
    );
  }
}
