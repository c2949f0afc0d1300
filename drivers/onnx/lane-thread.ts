/** The program of a lane's thread: does what it is told, in order, on a lane of its own. */
import { parentPort } from 'node:worker_threads';
import { errorText } from '../../src/util/errors.ts';
import { LocalLane } from './lane.ts';
import type { LaneReply, LaneRequest } from './lane-messages.ts';
import { loadRuntime, type OnnxRuntime } from './runtime.ts';

const port = parentPort;
if (port === null) throw new Error('lane-thread runs as a worker thread only');

const lane = new LocalLane(load);

port.on('message', (request: LaneRequest) => {
  void answer(request).then((reply) => port.postMessage(reply));
});

async function answer(request: LaneRequest): Promise<LaneReply> {
  const { id } = request;
  try {
    switch (request.kind) {
      case 'open':
        await lane.open(request.plan);
        break;
      case 'run':
        await lane.run(request.matrices, request.memory, request.intensity);
        break;
      case 'record':
        await lane.record(request.plan, request.matrices, request.filePrefix);
        break;
    }
    return { id };
  } catch (error) {
    return { id, failure: errorText(error) };
  }
}

async function load(): Promise<OnnxRuntime> {
  const loaded = await loadRuntime();
  if (loaded.runtime === undefined) throw new Error(loaded.problem);
  return loaded.runtime;
}
