/** What a process of this driver tells when it is asked what there is. */
import { cpus } from 'node:os';
import { clip } from '../../src/util/errors.ts';
import type { DeviceInfo } from '../driver.ts';
import type { Asked } from '../process/ask-process.ts';
import type { ListedTarget, ProcessListing } from '../process/process-driver.ts';
import { threadsFor } from '../threads.ts';
import { TABLE_SLOTS } from './hasher.ts';
import { MODES, type Mode, packageProblem } from './package.ts';

export type GpujsNews =
  | {
      readonly kind: 'package';
      readonly version: string;
      /** What it says it can compute with here. */
      readonly modes: readonly Mode[];
    }
  | { readonly kind: 'problem'; readonly isMissing: boolean; readonly problem: string };

/** What an opening needs to know. */
export interface GpujsTarget {
  /** Default: one for each core. */
  readonly threads: number | undefined;
}

/** To be changed with anything that could make another mode the faster one. */
const KERNELS = 1;

/** The one device there is, or why there is none. */
export function listingOf(
  { news, crash, isLate }: Asked<GpujsNews>,
  limitMs: number,
  threads?: number,
): ProcessListing<GpujsTarget> {
  for (const heard of news) {
    if (heard.kind === 'package') return { targets: [targetOf(heard, threads)] };
    const unavailable = packageProblem(heard.isMissing, clip(heard.problem, 160));
    return { targets: [], unavailable };
  }
  const reason = isLate
    ? `did not load within ${Math.round(limitMs / 1000)} s`
    : `took its process down when it was loaded: ${clip(crash ?? '', 160)}`;
  return { targets: [], unavailable: `the npm package gpu.js ${reason}` };
}

function targetOf(
  { version, modes }: Extract<GpujsNews, { readonly kind: 'package' }>,
  threads: number | undefined,
): ListedTarget<GpujsTarget> {
  const count = threadsFor(threads);
  const info: DeviceInfo = {
    id: 'gpujs',
    name: `gpu.js ${version}, ${count} thread${count === 1 ? '' : 's'}`,
    tableSlots: TABLE_SLOTS,
    rollsNonce: false,
    threads: count,
    processor: 'cpu',
    isLastResort: true,
    details: [
      'last resort: computes on the cores of the cpu, and much slower than the device cpu',
      `modes: ${modes.join(', ')} (not here: ${MODES.filter((mode) => !modes.includes(mode)).join(', ') || 'none'})`,
    ],
  };
  const machine = [process.arch, cpus()[0]?.model.trim() ?? ''];
  const program = [`gpu.js ${version}`, `node ${process.versions.node}`, `kernels ${KERNELS}`];
  return {
    info,
    target: { threads },
    choiceKey: async (intensity) => {
      const lanes = `${threadsFor(threads, intensity)} threads`;
      return [...program, ...machine, lanes, modes.join(',')].join(' | ');
    },
  };
}
