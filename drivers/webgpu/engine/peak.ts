/**
 * What a kernel's multiply-accumulates alone would allow on a GPU: a loop on registers, without memory
 * and without barriers.
 */
import { MACS_PER_HASH } from '../../../src/tensority/params.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { errorText } from '../../../src/util/errors.ts';
import type { GpuLink } from './gpu-link.ts';
import { BufferUsage, createBuffers, MAP_READ } from './memory.ts';
import { bindGroup, type ProgramCompiler } from './programs.ts';
import type { PeakProgram } from './variants.ts';

export interface PeakParts {
  readonly link: GpuLink;
  readonly compiler: ProgramCompiler;
  readonly clock: Clock;
}

/** Enough for every multiprocessor of a large GPU, many times over. */
const MOST_WORKGROUPS = 16_384;
/** A run long enough that its start and its end do not count. */
const RUN_MS = 150;
const RUNS = 4;

/** Hashes per second. Takes a second or so, and the GPU must have nothing else to do. */
export async function measurePeak(peak: PeakProgram, parts: PeakParts): Promise<number> {
  const { link, compiler, clock } = parts;
  const { device } = link;
  const { outBytesPerWorkgroup, macsPerWorkgroup } = peak;
  const pipeline = await compiler.program(peak.program, 'measure_peak', peak.constants);
  const most = Math.min(
    MOST_WORKGROUPS,
    device.limits.maxComputeWorkgroupsPerDimension,
    Math.floor(device.limits.maxStorageBufferBindingSize / outBytesPerWorkgroup),
  );
  const [out, staging] = await createBuffers(device, [
    { size: most * outBytesPerWorkgroup, usage: BufferUsage.STORAGE | BufferUsage.COPY_SRC },
    { size: 4, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST },
  ]);
  const group = bindGroup(device, pipeline, [out!]);
  /** Milliseconds of so many dispatches of so many workgroups. */
  const run = async (workgroups: number, dispatches: number): Promise<number> => {
    const started = clock.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(workgroups);
    pass.end();
    // A copy of what was computed, so that its end is the end of the work.
    encoder.copyBufferToBuffer(out!, 0, staging!, 0, 4);
    device.queue.submit([encoder.finish()]);
    try {
      await staging!.mapAsync(MAP_READ);
    } catch (error) {
      link.fail(`the peak cannot be measured: ${errorText(error)}`, { cause: error });
    }
    link.gone.throwIfAborted();
    staging!.unmap();
    return clock.now() - started;
  };
  try {
    let [workgroups, dispatches] = [1, 1];
    for (let ms = await run(1, 1); ms < RUN_MS; ms = await run(workgroups, dispatches)) {
      if (2 * workgroups <= most) workgroups *= 2;
      else dispatches *= 2;
    }
    let best = 0;
    for (let i = 0; i < RUNS; i++) {
      const ms = await run(workgroups, dispatches);
      best = Math.max(best, (workgroups * dispatches * macsPerWorkgroup) / ms);
    }
    return (1000 * best) / MACS_PER_HASH;
  } finally {
    out?.destroy();
    staging?.destroy();
  }
}
