/**
 * ONNX Runtime: `onnx0` is its CPU provider, `onnx1` WebGPU, `onnx2` CUDA, and so on. Each open device
 * lives in a process of its own, and so does the search for them.
 */
import { availableParallelism } from 'node:os';
import { moduleBeside } from '../../src/util/module-beside.ts';
import type { Driver } from '../driver.ts';
import { askProcess } from '../process/ask-process.ts';
import {
  type ListedTarget,
  ProcessDriver,
  type ProcessListing,
  type TuningOptions,
} from '../process/process-driver.ts';
import { choiceKey } from './choice-key.ts';
import type { OnnxTarget } from './open-onnx.ts';
import { listingProblem, providerDevices, type RuntimeNews } from './providers.ts';
import { type OnnxOption, parseOnnxOptions } from './session-settings.ts';

export interface OnnxDriverOptions extends TuningOptions {
  /** Lanes of the CPU provider; default one for each core. */
  readonly threads?: number;
  /** Settings of providers and sessions, as `parseOnnxOptions` reads them. */
  readonly options?: readonly string[];
}

export interface OnnxDriverParts {
  /** What runs in the processes. */
  readonly script?: URL;
  /** Silence of a process with something to do, after which it is killed. */
  readonly silenceMs?: number;
  /** How long the runtime may take to say what there is. */
  readonly listMs?: number;
}

const SILENCE_MS = 30_000;
const LIST_MS = 15_000;
/** What the WebGPU provider prints whenever it is used. */
const CHATTER = /artificially reduced/;

/** The program; the same text from the sources and in what is built. */
const ONNX_PROCESS = moduleBeside(import.meta.url, './onnx-process');

/** Throws an `InputError` for an option that nothing would read. */
export function createOnnxDriver(
  options: OnnxDriverOptions = {},
  parts: OnnxDriverParts = {},
): Driver {
  const { threads, options: texts = [], ...tuning } = options;
  const { script = ONNX_PROCESS, silenceMs = SILENCE_MS, listMs = LIST_MS } = parts;
  const parsed = parseOnnxOptions(texts);
  return new ProcessDriver<OnnxTarget>(tuning, {
    kind: 'onnx',
    script,
    silenceMs,
    chatter: CHATTER,
    list: () => list(script, listMs, { threads, options: parsed }),
  });
}

async function list(
  script: URL,
  limitMs: number,
  { threads, options }: { threads: number | undefined; options: readonly OnnxOption[] },
): Promise<ProcessListing<OnnxTarget>> {
  const { news, crash, isLate } = await askProcess<null, RuntimeNews>({
    script,
    question: null,
    limitMs,
    chatter: CHATTER,
  });
  const found = news.find((each) => each.kind === 'runtime');
  if (found === undefined) {
    const problem = news.find((each) => each.kind === 'problem');
    const platform = `${process.platform}-${process.arch}`;
    const lateMs = isLate ? limitMs : undefined;
    return { targets: [], unavailable: listingProblem({ platform, problem, crash, lateMs }) };
  }
  const { version, backends } = found;
  const { devices, ...rest } = providerDevices(
    version,
    backends,
    threads ?? availableParallelism(),
  );
  const targets = devices.map(({ provider, info }): ListedTarget<OnnxTarget> => {
    const target: OnnxTarget = { provider, options, threads };
    return { info, target, choiceKey: async (intensity) => choiceKey(version, target, intensity) };
  });
  return { targets, ...rest };
}
