/** What the visitor sees, from what there is to show. */
import type { BenchmarkProgress } from '../../benchmark.ts';
import type { KernelReport } from '../../kernel-choice.ts';
import type { Capabilities } from '../engine/variants.ts';
import { adapterAbilities, adapterFacts } from './adapter.ts';
import type { Advice } from './advice.ts';
import { byId, element, fillFacts, show } from './dom.ts';
import { drawPlot } from './plot.ts';
import { RateHistory } from './rates.ts';
import { kernelVerdict, msText, percentText, rateText } from './report.ts';
import type { Measured } from './run.ts';

/** Where the page as a whole stands; `data-state` of the document. `done`: a run came to its end, well or not. */
export type PageState = 'loading' | 'unavailable' | 'ready' | 'running' | 'done';

export function setState(state: PageState, outcome?: string): void {
  const { dataset } = document.documentElement;
  dataset['state'] = state;
  if (outcome === undefined) delete dataset['outcome'];
  else dataset['outcome'] = outcome;
  byId<HTMLButtonElement>('start').disabled = state !== 'ready' && state !== 'done';
  show('start', state !== 'unavailable');
  show('stop', state === 'running');
}

export function showStatus(text: string): void {
  const status = byId('status');
  if (status.textContent !== text) status.textContent = text;
}

/** `fraction` 0 … 1; without one it only shows that something goes on. */
export function showProgress(fraction?: number): void {
  const bar = byId<HTMLProgressElement>('progress');
  bar.hidden = false;
  if (fraction === undefined) bar.removeAttribute('value');
  else bar.value = fraction;
}

/** In the place of all notices before. */
export function showNotices(notices: readonly Advice[]): void {
  byId('notices').replaceChildren(
    ...notices.map(({ level, title, text, hints }) =>
      element(
        'div',
        `notice ${level}`,
        element('h2', '', title),
        element('p', '', text),
        element('ul', '', ...hints.map((hint) => element('li', '', hint))),
      ),
    ),
  );
}

export function showAdapter(info: GPUAdapterInfo, capabilities: Capabilities): void {
  fillFacts(byId('facts'), adapterFacts(info, capabilities));
  byId('abilities').replaceChildren(
    ...adapterAbilities(capabilities).map(({ label, has, note }) =>
      element(
        'li',
        '',
        element('span', has ? 'chip good' : 'chip', has ? 'yes' : 'no'),
        element('span', '', label),
        element('span', 'quiet', note),
      ),
    ),
  );
  show('adapter');
}

const VERDICT_CLASS: Readonly<Record<KernelReport['outcome'], string>> = {
  timed: 'chip good',
  wrong: 'chip bad',
  failed: 'chip caution',
  unsupported: 'chip',
  skipped: 'chip',
};

/** The kernels that were tried so far, and the one that is being tried. */
export function showKernels(reports: readonly KernelReport[], trying: string | undefined): void {
  const rows = reports.map((report) =>
    kernelRow(
      report.kernel,
      element('span', VERDICT_CLASS[report.outcome], kernelVerdict(report)),
      report.reason,
      report.msPerHash,
    ),
  );
  if (trying !== undefined) rows.push(kernelRow(trying, element('span', 'chip', 'trying …')));
  byId('kernels')
    .querySelector('tbody')!
    .replaceChildren(...rows);
  show('self-test');
}

function kernelRow(
  kernel: string,
  verdict: HTMLElement,
  reason?: string,
  msPerHash?: number,
): HTMLElement {
  const name = element('th', 'mono', kernel);
  name.scope = 'row';
  return element(
    'tr',
    '',
    name,
    element(
      'td',
      '',
      verdict,
      ...(reason === undefined ? [] : [element('span', 'reason', reason)]),
    ),
    element('td', 'number', msPerHash === undefined ? '–' : msText(msPerHash)),
  );
}

/** What the self-test came to; undefined takes the line away. */
export function showVerdict(isPassed: boolean | undefined, text = ''): void {
  const line = byId('verdict');
  line.hidden = isPassed === undefined;
  const chip = isPassed
    ? element('span', 'chip good', 'passed')
    : element('span', 'chip bad', 'failed');
  line.replaceChildren(chip, ` ${text}`);
}

/** The figure, the line under it and what there is to say of them, as a run goes on. */
export class SpeedView {
  readonly #plot = byId<SVGSVGElement>('plot');
  #history = new RateHistory();
  #seconds = 0;

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
  }

  /** Begins anew; `seconds` is how long the run will be, if that is known. */
  begin(seconds: number | undefined): void {
    this.#history = new RateHistory();
    this.#seconds = seconds ?? 0;
    byId('rate').textContent = '–';
    byId('figures').replaceChildren();
    this.#plot.setAttribute('aria-label', 'Speed over time');
    show('benchmark');
    this.#draw();
  }

  add(progress: BenchmarkProgress): void {
    this.#history.add(progress);
    byId('rate').textContent = rateText((1000 * progress.hashes) / progress.elapsedMs);
    fillFacts(byId('figures'), hashFacts(progress.hashes, progress.elapsedMs / 1000));
    this.#draw();
  }

  finish(measured: Measured): void {
    const { hashes, seconds, hashesPerSecond, fractionOfPeak, kernel, checksum } = measured;
    byId('rate').textContent = rateText(hashesPerSecond);
    const peak =
      fractionOfPeak === undefined
        ? []
        : [{ label: "Of the instructions' peak", value: percentText(fractionOfPeak) }];
    fillFacts(byId('figures'), [
      ...hashFacts(hashes, seconds),
      { label: 'Kernel', value: kernel },
      ...peak,
      { label: 'Checksum', value: checksum },
    ]);
    this.#plot.setAttribute('aria-label', this.#summary(measured));
  }

  #draw(): void {
    drawPlot(this.#plot, this.#history.points, this.#seconds);
  }

  #summary({ seconds, hashesPerSecond }: Measured): string {
    const rates = this.#history.points.map((point) => point.hashesPerSecond);
    const range = `between ${rateText(Math.min(...rates))} and ${rateText(Math.max(...rates))}`;
    return `Speed over ${seconds.toFixed(1)} seconds: ${range}, ${rateText(hashesPerSecond)} on average`;
  }
}

function hashFacts(hashes: number, seconds: number) {
  const count = hashes.toLocaleString('en');
  return [
    { label: 'Hashes', value: `${count}, every one compared with its known value` },
    { label: 'Time', value: `${seconds.toFixed(1)} s` },
  ];
}
