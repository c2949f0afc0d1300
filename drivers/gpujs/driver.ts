/**
 * gpu.js as one device, `gpujs`: exact, everywhere where Node runs, and slow. It lives in a process of its
 * own, as it may load native code (`gl`), and prints what it has to say.
 */

import { moduleBeside } from '../../src/util/module-beside.ts';
import type { Driver } from '../driver.ts';
import { askProcess } from '../process/ask-process.ts';
import { ProcessDriver, type TuningOptions } from '../process/process-driver.ts';
import { type GpujsNews, type GpujsTarget, listingOf } from './listing.ts';

export interface GpuJsDriverOptions extends TuningOptions {
  /** Default: one for each core. */
  readonly threads?: number;
}

export interface GpuJsDriverParts {
  /** What runs in the processes. */
  readonly script?: URL;
  /** Silence of a process with something to do, after which it is killed. */
  readonly silenceMs?: number;
  /** How long the package may take to load when the list is made. */
  readonly listMs?: number;
}

/** The program; the same text from the sources and in what is built. */
const GPUJS_PROCESS = moduleBeside(import.meta.url, './gpujs-process');
const SILENCE_MS = 30_000;
const LIST_MS = 15_000;

export function createGpuJsDriver(
  options: GpuJsDriverOptions = {},
  parts: GpuJsDriverParts = {},
): Driver {
  const { script = GPUJS_PROCESS, silenceMs = SILENCE_MS, listMs: limitMs = LIST_MS } = parts;
  const { threads, ...tuning } = options;
  return new ProcessDriver<GpujsTarget>(tuning, {
    kind: 'gpujs',
    script,
    silenceMs,
    list: async () =>
      listingOf(
        await askProcess<undefined, GpujsNews>({ script, question: undefined, limitMs }),
        limitMs,
        threads,
      ),
  });
}
