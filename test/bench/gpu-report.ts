/** The figures of `bench:gpu` as text. */
import type { KernelFamily } from '../../drivers/webgpu/engine/variants.ts';
import type { Sample } from './gpu-measure.ts';
import type { VendorResult } from './gpu-vendor.ts';

export interface KernelFigures {
  readonly kernel: string;
  /** One for each round, all of them checked. */
  readonly samples: readonly Sample[];
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What a matrix kernel should reach of the chip's int8 peak. */
const MATRIX_TARGET_PERCENT = 43;

/** Undefined if nothing was measured. */
export function spreadOf(values: readonly (number | undefined)[]): Spread | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const middle = sorted.length >> 1;
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min, max };
}

export function familyOf(kernel: string): KernelFamily | undefined {
  return FAMILIES.find((family) => kernel.startsWith(`${family}-`));
}

const FAMILIES: readonly KernelFamily[] = ['int8-matrix', 'float-matrix', 'dp4a', 'f32'];

/** One table for each kind of figure, the kernels by their median rate; empty if there is none. */
export function figuresText(kernels: readonly KernelFigures[]): string {
  const measured = kernels
    .filter(({ samples }) => samples.length > 0)
    .sort((a, b) => rateOf(b) - rateOf(a));
  if (measured.length === 0) return '';
  const width = Math.max(...measured.map(({ kernel }) => kernel.length));
  const table = (title: string, unit: string, value: (sample: Sample) => number | undefined) => {
    const rows = measured.map(({ kernel, samples }) => {
      const spread = spreadOf(samples.map(value));
      const cells =
        spread === undefined ? ['-', '-', '-'] : [spread.median, spread.min, spread.max];
      return `${kernel.padEnd(width)} ${cells.map(cell).join(' ')} ${cell(samples.length)}`;
    });
    const head = ['median', 'min', 'max', 'runs'].map(cell).join(' ');
    return [`${title} [${unit}]`, `${''.padEnd(width)} ${head}`, ...rows, ''].join('\n');
  };
  return [
    table('search', 'H/s', (sample) => sample.searchRate),
    table('hash', 'H/s', (sample) => sample.hashRate),
    table("the kernel's own instructions on registers", 'H/s', (sample) => sample.peakRate),
    table('search, of that', '%', ({ searchRate, peakRate }) =>
      peakRate === undefined ? undefined : (100 * searchRate) / peakRate,
    ),
    table(
      "host CPU of the GPU process's main thread, searching",
      '% of a core',
      (sample) => sample.hostCpuPercent,
    ),
    table('one hash', 'ms', (sample) => sample.oneHashMs),
    table('hashes in flight', 'H', (sample) => sample.inFlight),
    table('abort of a search', 'ms', (sample) => sample.abortMs),
    table('seed change, in all', 'ms', ({ tableMs, loadMs }) => tableMs + loadMs),
    table('seed change, without making the table on the CPU', 'ms', (sample) => sample.loadMs),
  ].join('\n');
}

/** How far the best kernels are from what the chip can do. */
export function limitText(kernels: readonly KernelFigures[], vendor: VendorResult): string {
  const best = (candidates: readonly KernelFigures[]): KernelFigures | undefined =>
    candidates
      .filter(({ samples }) => samples.length > 0)
      .reduce<KernelFigures | undefined>(
        (first, next) => (first === undefined || rateOf(next) > rateOf(first) ? next : first),
        undefined,
      );
  const matrix = best(kernels.filter(({ kernel }) => familyOf(kernel) === 'int8-matrix'));
  const limit = int8Limit(matrix, vendor);
  const lines = [vendorLine(vendor)];
  const fastest = best(kernels);
  if (limit !== undefined && fastest !== undefined) {
    lines.push(`fastest  ${share(fastest, limit)}`);
  }
  if (limit !== undefined && matrix !== undefined) {
    lines.push(`target   ${MATRIX_TARGET_PERCENT} % for a matrix kernel; ${share(matrix, limit)}`);
  }
  return lines.join('\n');
}

interface Limit {
  readonly rate: number;
  readonly of: string;
}

function int8Limit(matrix: KernelFigures | undefined, vendor: VendorResult): Limit | undefined {
  if ('library' in vendor) return { rate: vendor.hashesPerSecond, of: vendor.library };
  const peak = spreadOf(matrix?.samples.map(({ peakRate }) => peakRate) ?? []);
  if (peak === undefined) return undefined;
  return { rate: peak.median, of: 'the matrix instructions on registers' };
}

function share(kernel: KernelFigures, limit: Limit): string {
  const percent = ((100 * rateOf(kernel)) / limit.rate).toFixed(1);
  return `${kernel.kernel}: ${percent} % of the limit by ${limit.of}`;
}

function vendorLine(vendor: VendorResult): string {
  if ('absent' in vendor) {
    return `limit    no int8 product of the maker's library to compare with: ${vendor.absent}`;
  }
  const { library, products, hashesPerSecond } = vendor;
  const shown = products
    .map(({ size, way, macsPerSecond }) => {
      const tops = ((2 * macsPerSecond) / 1e12).toFixed(1);
      return `${size}³ ${tops} TOPS (${way})`;
    })
    .join(', ');
  return `limit    ${hashesPerSecond.toFixed(0)} H/s if a hash were its products alone, by ${library}: ${shown}`;
}

function rateOf({ samples }: KernelFigures): number {
  return spreadOf(samples.map(({ searchRate }) => searchRate))?.median ?? 0;
}

function cell(value: number | string): string {
  if (typeof value === 'string') return value.padStart(11);
  const digits = value >= 1000 || Number.isInteger(value) ? 0 : 2;
  return value.toFixed(digits).padStart(11);
}
