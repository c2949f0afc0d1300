/**
 * The page: finds the GPU, and on the visitor's word runs the kernels, the self-test and the
 * benchmark. What it is made of has no part in the page itself: the engine, the shaders, the self-test.
 */
import type { TableProvider } from '../../../src/tensority/table.ts';
import type { Device } from '../../driver.ts';
import type { KernelReport } from '../../kernel-choice.ts';
import { type OpenedGpu, openGpuDevice } from '../engine/open-gpu.ts';
import { variantsFor } from '../engine/variants.ts';
import { type AdapterSearch, adapterName, findAdapter } from './adapter.ts';
import {
  type Advice,
  addressAdvice,
  outcomeAdvice,
  SOFTWARE_ADVICE,
  searchAdvice,
} from './advice.ts';
import { byId, show } from './dom.ts';
import { type PageOptions, readPageOptions } from './options.ts';
import { outcomeText, type PageReport, reportJson, reportText, sentence } from './report.ts';
import { type Phase, type RunOutcome, runOnGpu, SELF_TEST_HASHES } from './run.ts';
import { readBuild, readShader } from './site.ts';
import { pageTables } from './tables.ts';
import {
  SpeedView,
  setState,
  showAdapter,
  showKernels,
  showNotices,
  showProgress,
  showStatus,
  showVerdict,
} from './view.ts';

type Found = Extract<AdapterSearch, { kind: 'found' }>;

/** Bound of a batch in ms: the same GPU also draws the screen. */
const BATCH_MS = 50;
const TICK_MS = 250;

/** Shows the GPU, and waits for the button or starts at once. */
async function main(): Promise<void> {
  const options = readPageOptions(location.search);
  const search = await findAdapter(navigator.gpu, isSecureContext);
  if (search.kind !== 'found') {
    showNotices([searchAdvice(search)]);
    showStatus('There is no GPU to run on.');
    setState('unavailable', search.kind);
    return;
  }
  showAdapter(search.adapter.info, search.capabilities);
  showNotices(standingNotices(search, options));
  showPlan(search, options);
  showStatus(`Ready: ${adapterName(search.adapter.info)}.`);
  setState('ready');
  const speed = new SpeedView();
  byId('start').addEventListener('click', () => void run(options, speed));
  if (options.startsAtOnce) await run(options, speed);
}

/** What is to be known before and after every run. */
function standingNotices({ capabilities }: Found, { problems }: PageOptions): readonly Advice[] {
  return [
    ...(problems.length > 0 ? [addressAdvice(problems)] : []),
    ...(capabilities.isSoftware ? [SOFTWARE_ADVICE] : []),
  ];
}

function showPlan({ capabilities }: Found, { goal, kernel }: PageOptions): void {
  const { usable } = variantsFor(capabilities);
  const length =
    goal.kind === 'hashes'
      ? `${goal.hashes.toLocaleString('en')} hashes`
      : `${goal.ms / 1000} seconds`;
  const kernels = usable.length === 1 ? '1 kernel' : `${usable.length} kernels`;
  byId('plan').textContent = `${kernel ?? kernels} to try, then ${length} of measuring`;
}

/** One run, from the button to the result. */
async function run(options: PageOptions, speed: SpeedView): Promise<void> {
  const stop = new AbortController();
  byId('stop').onclick = () => stop.abort();
  setState('running');
  showKernels([], undefined);
  showVerdict(undefined);
  for (const id of ['benchmark', 'result']) show(id, false);

  // An adapter serves once: each run asks for it anew.
  const search = await findAdapter(navigator.gpu, isSecureContext);
  if (search.kind !== 'found') {
    show('progress', false);
    showNotices([searchAdvice(search)]);
    showStatus('The GPU is gone.');
    setState('done', search.kind);
    return;
  }
  const standing = standingNotices(search, options);
  showNotices(standing);
  const hidden = watchHidden();
  const reports = new KernelReports();
  const tables = pageTables();
  const progress = new RunProgress(options, speed);
  const outcome = await runOnGpu(options.goal, {
    open: () => open(search, options, { tables, signal: stop.signal, reports }),
    tables,
    now: () => performance.now(),
    signal: stop.signal,
    onPhase: (phase, device) => progress.enter(phase, device),
    onProgress: (each) => speed.add(each),
  });
  progress.close();
  const advice = outcomeAdvice(outcome);
  showNotices(advice === undefined ? standing : [advice, ...standing]);
  showStatus(sentence(advice?.title ?? outcomeText(outcome)));
  reports.end(outcome);
  showOutcome(outcome, speed);
  showReport({
    version: (await readBuild()).version,
    time: new Date().toISOString(),
    adapter: plainInfo(search),
    browser: navigator.userAgent,
    kernels: reports.list,
    outcome,
    wasHidden: hidden(),
  });
  setState('done', outcome.kind);
}

interface OpenParts {
  readonly tables: TableProvider;
  readonly signal: AbortSignal;
  readonly reports: KernelReports;
}

function open(
  { adapter, capabilities }: Found,
  { kernel }: PageOptions,
  { tables, signal, reports }: OpenParts,
): Promise<OpenedGpu> {
  const name = adapterName(adapter.info);
  const { usable } = variantsFor(capabilities);
  const total = kernel === undefined ? usable.length : 1;
  let tried = 0;
  return openGpuDevice(adapter, {
    info: { id: 'gpu0', name, processor: 'gpu0' },
    read: readShader,
    batchMs: BATCH_MS,
    kernel,
    gpu: navigator.gpu,
    tables,
    signal,
    onTry: (trying) => {
      showStatus(`Trying kernel ${trying} …`);
      if (total > 1) showProgress(tried / total);
      tried++;
      reports.trying(trying);
    },
    onReport: (report) => reports.add(report),
  });
}

/** What is heard of the kernels, shown as it comes. */
class KernelReports {
  readonly list: KernelReport[] = [];
  #trying: string | undefined;

  trying(kernel: string): void {
    this.#trying = kernel;
    showKernels(this.list, kernel);
  }

  add(report: KernelReport): void {
    this.list.push(report);
    this.#trying = undefined;
    showKernels(this.list, undefined);
  }

  /** A kernel of which nothing was heard since it was tried is the one that took the GPU down. */
  end({ kind }: RunOutcome): void {
    if (this.#trying === undefined) return;
    const kernel = this.#trying;
    const reason = 'the GPU was lost under it';
    if (kind === 'lost') this.add({ kernel, outcome: 'failed', reason });
    else this.add({ kernel, outcome: 'skipped', reason: 'the run ended' });
  }
}

/** What the status line and the bar show while a run goes through its phases. */
class RunProgress {
  readonly #options: PageOptions;
  readonly #speed: SpeedView;
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);
  #phase: Phase = 'kernels';
  #device: Device | undefined;
  /** Hashes of the device and the time when the phase began. */
  #before = { hashes: 0, ms: 0 };

  constructor(options: PageOptions, speed: SpeedView) {
    this.#options = options;
    this.#speed = speed;
  }

  enter(phase: Phase, device: Device | undefined): void {
    this.#phase = phase;
    this.#device = device;
    this.#before = { hashes: device?.telemetry().hashes ?? 0, ms: performance.now() };
    const { goal } = this.#options;
    switch (phase) {
      case 'kernels':
        showStatus('Preparing the kernels …');
        showProgress();
        break;
      case 'self-test':
        this.#tick();
        break;
      case 'benchmark':
        showVerdict(
          true,
          `${SELF_TEST_HASHES} hashes with kernel ${device?.info.kernel}, all right.`,
        );
        showStatus('Measuring …');
        showProgress();
        this.#speed.begin(goal.kind === 'time' ? goal.ms / 1000 : undefined);
        break;
      case 'peak':
        showStatus("Measuring the peak of the kernel's instructions …");
        showProgress();
        break;
    }
  }

  close(): void {
    clearInterval(this.#timer);
    show('progress', false);
  }

  #tick(): void {
    const device = this.#device;
    if (device === undefined) return;
    const done = device.telemetry().hashes - this.#before.hashes;
    if (this.#phase === 'self-test') {
      const kernel = device.info.kernel;
      showStatus(`Self-test of kernel ${kernel}: ${done} of ${SELF_TEST_HASHES} hashes …`);
      showProgress(done / SELF_TEST_HASHES);
    } else if (this.#phase === 'benchmark') {
      this.#tickBenchmark(done);
    }
  }

  #tickBenchmark(done: number): void {
    const { goal } = this.#options;
    if (goal.kind === 'hashes') showProgress(Math.min(1, done / goal.hashes));
    else showProgress(Math.min(1, (performance.now() - this.#before.ms) / goal.ms));
  }
}

function showOutcome(outcome: RunOutcome, speed: SpeedView): void {
  if (outcome.kind === 'measured') speed.finish(outcome);
  // A figure that nothing stands behind is not left on the screen.
  else show('benchmark', false);
  if (outcome.kind === 'wrong') showVerdict(false, WRONG_IN[outcome.phase]);
}

const WRONG_IN: Readonly<Record<Phase, string>> = {
  kernels: 'No kernel gave right hashes.',
  'self-test': 'The fastest kernel failed the whole test.',
  benchmark: 'The test was passed, but a hash of the measurement was wrong.',
  peak: 'The test was passed, but not what followed.',
};

function showReport(report: PageReport): void {
  const text = reportText(report);
  byId<HTMLTextAreaElement>('report').value = text;
  byId('copied').textContent = '';
  byId('copy-text').onclick = () => void copy(text);
  byId('copy-json').onclick = () => void copy(reportJson(report));
  show('result');
}

async function copy(text: string): Promise<void> {
  const said = byId('copied');
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = 'Copied.';
  } catch {
    // Without the permission, or in an old browser: it is there to be taken by hand.
    const shown = byId<HTMLTextAreaElement>('report');
    shown.value = text;
    shown.select();
    said.textContent = 'The browser does not let the page copy: it is marked below, press Ctrl+C.';
  }
}

/** Tells whether the page was in the background since this call. */
function watchHidden(): () => boolean {
  let wasHidden = document.hidden;
  const onChange = (): void => {
    wasHidden ||= document.hidden;
  };
  document.addEventListener('visibilitychange', onChange);
  return () => {
    document.removeEventListener('visibilitychange', onChange);
    return wasHidden;
  };
}

function plainInfo({ adapter: { info }, capabilities }: Found): PageReport['adapter'] {
  const { vendor, architecture, device, description } = info;
  const { isSoftware } = capabilities;
  return { name: adapterName(info), vendor, architecture, device, description, isSoftware };
}

// Checks of this file load it where there is no page.
if (typeof document !== 'undefined') void main();
