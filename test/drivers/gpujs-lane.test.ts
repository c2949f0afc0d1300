/** A lane on the calling thread and one on its own, each with a real kernel. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { type Lane, LocalLane, ThreadLane } from '../../drivers/gpujs/lane.ts';
import { openChainKernel } from '../../drivers/gpujs/modes.ts';
import { loadGpujs, type Mode, missingFor } from '../../drivers/gpujs/package.ts';
import { skipWithout } from '../support/optional-packages.ts';

skipWithout('gpu.js');
const table = extremeTable();
const NAMES = Uint8Array.of(5, 6);
/** Some hundred milliseconds or more. */
const LONG = Uint8Array.from({ length: 32 }, (_v, i) => i);
const never = new AbortController().signal;
const lanes: Lane[] = [];

afterEach(async () => {
  await Promise.all(lanes.splice(0).map((lane) => lane.close()));
});

async function localLane(): Promise<Lane> {
  const loaded = await loadGpujs();
  if (loaded.gpujs === undefined) throw new Error(loaded.problem);
  return new LocalLane(await openChainKernel('webasm', loaded.gpujs));
}

async function open(kind: 'local' | 'thread'): Promise<Lane> {
  const lane =
    kind === 'local' ? await localLane() : await ThreadLane.open({ mode: 'webasm' satisfies Mode });
  lanes.push(lane);
  await lane.load(0, table.data);
  return lane;
}

describe.each(['local', 'thread'] as const)('a %s lane', (kind) => {
  it('computes what its kernel computes', async () => {
    const [first, second] = [await open(kind), await open('local')];
    const [end] = await first.run(0, [NAMES], never);
    const [same] = await second.run(0, [NAMES], never);
    expect(Buffer.from(end!.buffer).equals(Buffer.from(same!.buffer))).toBe(true);
  });

  it('ends a run that is aborted with the reason, lets others run meanwhile, and goes on', async () => {
    const lane = await open(kind);
    const abort = new AbortController();
    const run = lane.run(0, [LONG], abort.signal);
    await sleep(10);
    abort.abort(new Error('no longer wanted'));
    await expect(run).rejects.toBe(abort.signal.reason);
    await expect(lane.run(0, [NAMES], abort.signal)).rejects.toBe(abort.signal.reason);
    expect(await lane.run(0, [NAMES], never)).toHaveLength(1);
  });

  it('rejects what is pending when it is closed, and what comes after that', async () => {
    const lane = await open(kind);
    const run = lane.run(0, [LONG], never).catch((error: unknown) => error);
    await sleep(10);
    await lane.close();
    await lane.close();
    expect(await run).toEqual(new Error('closed'));
    await expect(lane.run(0, [NAMES], never)).rejects.toThrow('closed');
  });
});

describe('a thread lane', () => {
  it('rejects with the reason if its kernel cannot be made', async (ctx) => {
    const { gpujs } = await loadGpujs();
    if (missingFor('headlessgl', gpujs!) === undefined) ctx.skip('every mode runs here');
    await expect(ThreadLane.open({ mode: 'headlessgl' })).rejects.toThrow('headlessgl');
  });
});
