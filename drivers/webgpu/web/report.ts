/** The result of a run as a visitor takes it away: as text, and as JSON. */
import type { KernelReport } from '../../kernel-choice.ts';
import type { RunOutcome } from './run.ts';

export interface PageReport {
  /** Version of the programs that the page belongs to. */
  readonly version: string;
  /** ISO 8601 */
  readonly time: string;
  readonly adapter: {
    readonly name: string;
    readonly vendor: string;
    readonly architecture: string;
    readonly device: string;
    readonly description: string;
    readonly isSoftware: boolean;
  };
  readonly browser: string;
  readonly kernels: readonly KernelReport[];
  readonly outcome: RunOutcome;
  /** The page was in the background for a while: browsers slow such pages down. */
  readonly wasHidden: boolean;
}

/** For tools: one object, with figures cut to what they can say. */
export function reportJson(report: PageReport): string {
  return `${JSON.stringify(report, shortNumber, 2)}\n`;
}

/** For people: lines that fit into a message. */
export function reportText(report: PageReport): string {
  const { adapter, outcome } = report;
  const width = Math.max(...report.kernels.map(({ kernel }) => kernel.length), 0);
  return [
    `Tensority on a GPU, in a page of bytom-tensority ${report.version}, ${report.time}`,
    `GPU: ${adapter.name}${adapter.isSoftware ? ' (software)' : ''}`,
    `Browser: ${report.browser}`,
    ...report.kernels.map((each) => `${each.kernel.padEnd(width)}  ${kernelText(each)}`),
    ...outcomeLines(outcome),
    ...(report.wasHidden ? ['The page was in the background for a while: too slow a figure.'] : []),
    '',
  ].join('\n');
}

/** What became of a kernel, in a word or two. */
export function kernelVerdict({ outcome }: KernelReport): string {
  switch (outcome) {
    case 'timed':
      return 'exact';
    case 'wrong':
      return 'wrong';
    case 'unsupported':
      return 'not supported';
    case 'failed':
      return 'failed';
    case 'skipped':
      return 'not tried';
  }
}

/** What a run came to, in a sentence. */
export function outcomeText(outcome: RunOutcome): string {
  switch (outcome.kind) {
    case 'measured':
      return `${rateText(outcome.hashesPerSecond)} with kernel ${outcome.kernel}`;
    case 'unsupported':
      return `No kernel can run on this GPU: ${outcome.missing}`;
    case 'wrong':
      return `This GPU computed a wrong hash: expected ${outcome.expected}, got ${outcome.actual}`;
    case 'lost':
      return `The GPU was lost: ${outcome.reason}`;
    case 'failed':
      return `The run failed: ${outcome.reason}`;
    case 'stopped':
      return 'The run was stopped';
  }
}

/** With its full stop; what others say may have one. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text.trimEnd()) ? text.trimEnd() : `${text}.`;
}

/** Hashes per second with as many digits as say something. */
export function rateText(hashesPerSecond: number): string {
  const digits = hashesPerSecond >= 1000 ? 0 : hashesPerSecond >= 100 ? 1 : 2;
  const options =
    hashesPerSecond < 1
      ? { maximumSignificantDigits: 3 }
      : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${hashesPerSecond.toLocaleString('en', options)} H/s`;
}

/** Milliseconds with three significant digits or more. */
export function msText(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

export function percentText(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

function kernelText(report: KernelReport): string {
  const { msPerHash, reason } = report;
  const time = msPerHash === undefined ? '' : `, ${msText(msPerHash)} ms a hash`;
  return `${kernelVerdict(report)}${time}${reason === undefined ? '' : `: ${reason}`}`;
}

function outcomeLines(outcome: RunOutcome): readonly string[] {
  if (outcome.kind !== 'measured') return [sentence(outcomeText(outcome))];
  const { hashes, seconds, checksum, fractionOfPeak } = outcome;
  return [
    `Self-test: passed with kernel ${outcome.kernel}`,
    `Benchmark: ${outcomeText(outcome)}`,
    `${hashes} hashes in ${seconds.toFixed(3)} s, every one checked, checksum ${checksum}`,
    ...(fractionOfPeak === undefined
      ? []
      : [
          `${percentText(fractionOfPeak)} of the peak of this kernel's instructions, measured in this run`,
        ]),
  ];
}

function shortNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(7)) : value;
}
