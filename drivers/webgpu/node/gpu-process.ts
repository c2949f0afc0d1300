/**
 * The program of a GPU process: lists the adapters of this machine or opens one. A crash of native code
 * ends this process, and nothing else.
 */
import { buildMatrixTable } from '../../../src/tensority/table-builder.ts';
import { DriverError } from '../../driver.ts';
import {
  type OpenedDevice,
  type OpenHooks,
  type OpenRequest,
  runChild,
} from '../../process/child-main.ts';
import { openGpuDevice } from '../engine/open-gpu.ts';
import { loadDawn } from './dawn.ts';
import type { AdapterTarget, GpuNews, GpuQuestion } from './gpu-news.ts';
import { listAdapters } from './list-adapters.ts';
import { readShaderFile } from './shader-files.ts';

/** Whatever comes of a root object dies with it, so it is held for as long as this process lives. */
let root: GPU | undefined;

runChild({ list, open });

async function list(backends: GpuQuestion, tell: (news: GpuNews) => void): Promise<void> {
  const loaded = await loadDawn();
  if (loaded.dawn === undefined) {
    tell({ kind: 'package', problem: loaded.problem, isMissing: loaded.isMissing });
    return;
  }
  tell({ kind: 'package' });
  await listAdapters(loaded.dawn, backends, tell);
}

async function open(
  { target, ...settings }: OpenRequest<AdapterTarget>,
  hooks: OpenHooks,
): Promise<OpenedDevice> {
  const loaded = await loadDawn();
  if (loaded.dawn === undefined) {
    throw new DriverError({ code: 'unsupported', missing: loaded.problem });
  }
  root = loaded.dawn.create(target);
  // Rejects where there are others, and comes to null where there is none.
  const adapter = await root.requestAdapter().catch(() => null);
  if (adapter === null) throw new DriverError({ code: 'not-found', id: settings.info.id });
  return openGpuDevice(adapter, {
    ...settings,
    ...hooks,
    gpu: root,
    read: readShaderFile,
    tables: async (seed) => buildMatrixTable(seed),
  });
}
