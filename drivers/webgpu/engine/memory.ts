/** GPU memory, and being told that there is not enough of it. */
import { CodedError } from '../../../src/util/errors.ts';
import { gpuErrorText } from './gpu-link.ts';

/** `GPUBufferUsage`, which is a global of pages only. */
export const BufferUsage = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
} as const;

/** `GPUMapMode.READ` */
export const MAP_READ = 1;

export interface BufferSpec {
  /** In bytes. */
  readonly size: number;
  readonly usage: number;
}

/** The GPU has no room for so many bytes. */
export class GpuMemoryError extends CodedError<{
  readonly code: 'gpu-memory';
  readonly bytes: number;
  readonly reason: string;
}> {
  constructor(bytes: number, reason: string) {
    super(`no ${bytes} bytes of GPU memory: ${reason}`, { code: 'gpu-memory', bytes, reason });
  }
}

/** All of the buffers, or `GpuMemoryError` and none. */
export async function createBuffers(
  device: GPUDevice,
  specs: readonly BufferSpec[],
): Promise<GPUBuffer[]> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  const buffers = specs.map(({ size, usage }) => device.createBuffer({ size, usage }));
  // Both before the first await: scopes of other calls must not come between.
  const scopes = [device.popErrorScope(), device.popErrorScope()];
  const errors = await Promise.all(scopes);
  const error = errors.find((each) => each !== null) ?? undefined;
  if (error === undefined) return buffers;
  for (const buffer of buffers) buffer.destroy();
  throw new GpuMemoryError(
    specs.reduce((sum, { size }) => sum + size, 0),
    gpuErrorText(error),
  );
}
