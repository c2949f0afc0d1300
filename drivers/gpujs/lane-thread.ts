/** The thread of a `ThreadLane`. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorText } from '../../src/util/errors.ts';
import { LocalLane } from './lane.ts';
import type { LaneReply, LaneRequest, LaneSetup } from './lane-protocol.ts';
import { openChainKernel } from './modes.ts';
import { loadGpujs } from './package.ts';

const port = parentPort;
if (port === null) throw new Error('lane-thread runs as a worker thread only');

const { mode } = workerData as LaneSetup;
const loaded = await loadGpujs();
if (loaded.gpujs === undefined) throw new Error(loaded.problem);
const lane = new LocalLane(await openChainKernel(mode, loaded.gpujs));
const runs = new Map<number, AbortController>();

const reply = (message: LaneReply, transfer: readonly ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

port.on('message', async (request: LaneRequest) => {
  if (request.kind === 'abort') {
    runs.get(request.id)?.abort();
    return;
  }
  const { id } = request;
  try {
    const ends = await serve(request);
    reply(
      { kind: 'done', id, ends },
      ends.map(({ buffer }) => buffer as ArrayBuffer),
    );
  } catch (error) {
    reply({ kind: 'failed', id, reason: errorText(error) });
  }
});
reply({ kind: 'opened', chains: lane.chains });

async function serve(
  request: Exclude<LaneRequest, { readonly kind: 'abort' }>,
): Promise<readonly Int8Array[]> {
  if (request.kind === 'load') {
    await lane.load(request.slot, request.data);
    return [];
  }
  const abort = new AbortController();
  runs.set(request.id, abort);
  try {
    return await lane.run(request.slot, request.sequences, abort.signal);
  } finally {
    runs.delete(request.id);
  }
}
