/**
 * GPUs through WebGPU: `gpu0`, `gpu1`, … Each open one lives in a process of its own, and so does the
 * search for them: the native code of a GPU's driver is not to be trusted with a miner's life.
 */

import { moduleBeside } from '../../../src/util/module-beside.ts';
import type { DeviceInfo, Driver } from '../../driver.ts';
import {
  type ListedTarget,
  ProcessDriver,
  type ProcessListing,
  type TuningOptions,
} from '../../process/process-driver.ts';
import { choiceKey } from './choice-key.ts';
import { CHATTER } from './dawn.ts';
import { type EnumerateOptions, enumerateGpus } from './enumerate.ts';
import type { AdapterFacts, AdapterTarget } from './gpu-news.ts';
import type { ReachableGpu } from './gpu-order.ts';

export type WebGpuDriverOptions = TuningOptions;

export interface WebGpuDriverParts {
  /** What runs in the GPU processes. */
  readonly script?: URL;
  /** Silence of a process with something to do, after which it is killed. */
  readonly silenceMs?: number;
  /** How long the drivers of the GPUs may take to say what there is. */
  readonly listMs?: number;
}

/** The program; the same text from the sources and in what is built. */
const GPU_PROCESS = moduleBeside(import.meta.url, './gpu-process');
const SILENCE_MS = 30_000;
const LIST_MS = 15_000;

export function createWebGpuDriver(
  options: WebGpuDriverOptions = {},
  parts: WebGpuDriverParts = {},
): Driver {
  const { script = GPU_PROCESS, silenceMs = SILENCE_MS, listMs: limitMs = LIST_MS } = parts;
  return new ProcessDriver<AdapterTarget>(options, {
    kind: 'webgpu',
    script,
    silenceMs,
    chatter: CHATTER,
    list: () => list({ script, limitMs }),
  });
}

async function list(options: EnumerateOptions): Promise<ProcessListing<AdapterTarget>> {
  const { gpus, ...more } = await enumerateGpus(options);
  return { targets: gpus.map(targetOf), ...more };
}

function targetOf(gpu: ReachableGpu, index: number): ListedTarget<AdapterTarget> {
  const { facts, env } = gpu;
  const { backend, name } = facts;
  return {
    info: infoOf(gpu, index),
    target: { backend, name },
    env,
    choiceKey: () => choiceKey(facts),
  };
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
