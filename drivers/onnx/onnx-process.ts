/**
 * The program of a process of ONNX Runtime: lists its providers or opens a device on one. A crash of
 * native code ends this process, and nothing else.
 */
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { runChild } from '../process/child-main.ts';
import { type OnnxTarget, openOnnxDevice } from './open-onnx.ts';
import type { RuntimeNews } from './providers.ts';
import { loadRuntime } from './runtime.ts';
import { ThreadLane } from './thread-lane.ts';

runChild<null, RuntimeNews, OnnxTarget>({
  list: async (_question, tell) => {
    const loaded = await loadRuntime();
    if (loaded.runtime === undefined) {
      tell({ kind: 'problem', problem: loaded.problem, isMissing: loaded.isMissing });
      return;
    }
    const { version } = loaded.runtime;
    tell({ kind: 'runtime', version, backends: loaded.runtime.backends() });
  },
  open: (request, hooks) =>
    openOnnxDevice(
      { ...request, ...hooks },
      {
        createLane: (index) => new ThreadLane(index),
        tables: async (seed) => buildMatrixTable(seed),
      },
    ),
});
