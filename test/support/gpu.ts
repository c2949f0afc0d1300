/**
 * A real WebGPU device for tests, through npm `webgpu`. Only with TEST_WEBGPU=1, which says that the
 * machine has a Vulkan adapter (a software one will do); then a missing adapter is a failure.
 */
import type { TestContext } from 'vitest';
import { readShaderFile } from '../../drivers/webgpu/node/shader-files.ts';
import { loadShader, type ProgramName, type ShaderConstants } from '../../shaders/index.ts';

export interface TestGpu {
  /** Kept referenced: the process crashes if it is collected while a device lives. */
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly device: GPUDevice;
}

let opened: Promise<TestGpu> | undefined;

/** The GPU, opened once per test file with all that kernels can use of it; or the test is skipped. */
export async function gpuOrSkip(ctx: Pick<TestContext, 'skip'>): Promise<TestGpu> {
  if (process.env['TEST_WEBGPU'] !== '1') {
    ctx.skip('TEST_WEBGPU=1 is not set: needs a Vulkan adapter');
  }
  opened ??= openGpu(['enable-dawn-features=allow_unsafe_apis']);
  return opened;
}

/** What kernels can make use of. */
const FEATURES = ['subgroups', 'shader-f16', 'chromium-experimental-subgroup-matrix'];

/** Opens an adapter with Dawn's `options`, like `backend=null`, and a device with every limit it has. */
export async function openGpu(options: readonly string[]): Promise<TestGpu> {
  const { create } = await import('webgpu');
  const gpu = create([...options]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('there is no WebGPU adapter');
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') requiredLimits[name] = value;
  }
  const requiredFeatures = FEATURES.filter((name) =>
    adapter.features.has(name),
  ) as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  return { gpu, adapter, device };
}

export interface ProgramRun {
  readonly program: ProgramName;
  readonly constants?: ShaderConstants;
  /** Applied to the joined text, for tests that replace what the device lacks. */
  readonly rewrite?: (text: string) => string;
  readonly entry: string;
  readonly workgroups: readonly [x: number, y?: number];
  /** By binding: a buffer, or bytes that one is made of. */
  readonly bindings: readonly (GPUBuffer | ArrayBufferView<ArrayBuffer>)[];
  /** Bindings that are uniforms; the others are storage. */
  readonly uniforms?: readonly number[];
}

/** Runs one program once and waits for its end. Rejects with the compiler's or the device's message. */
export async function runProgram(test: TestGpu, run: ProgramRun): Promise<void> {
  const compiled = await compileProgram(test, run);
  await compiled.dispatch(run.workgroups, run.bindings);
}

export interface CompiledProgram {
  /** Runs once and waits; the result is how long that took, in ms. */
  dispatch(workgroups: ProgramRun['workgroups'], bindings: ProgramRun['bindings']): Promise<number>;
}

export async function compileProgram(
  { device }: TestGpu,
  run: Pick<ProgramRun, 'program' | 'constants' | 'rewrite' | 'entry' | 'uniforms'>,
): Promise<CompiledProgram> {
  const text = await loadShader(run.program, run.constants ?? {}, readShaderFile);
  const code = run.rewrite?.(text) ?? text;
  const pipeline = await checked(device, () =>
    device.createComputePipelineAsync({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code }), entryPoint: run.entry },
    }),
  );
  return {
    dispatch: async ([x, y = 1], bindings) => {
      const owned: GPUBuffer[] = [];
      const entries = bindings.map((resource, binding) => {
        if (!ArrayBuffer.isView(resource)) return { binding, resource: { buffer: resource } };
        const buffer = createBuffer(device, resource, run.uniforms?.includes(binding) ?? false);
        owned.push(buffer);
        return { binding, resource: { buffer } };
      });
      const started = performance.now();
      await checked(device, async () => {
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(
          0,
          device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
        );
        pass.dispatchWorkgroups(x, y);
        pass.end();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
      });
      for (const buffer of owned) buffer.destroy();
      return performance.now() - started;
    },
  };
}

/** A storage (or uniform) buffer: of these bytes, or of so many zero bytes. Can be copied from. */
export function createBuffer(
  device: GPUDevice,
  content: ArrayBufferView<ArrayBuffer> | number,
  isUniform = false,
): GPUBuffer {
  const size = typeof content === 'number' ? content : content.byteLength;
  // GPUBufferUsage is a global of pages only: COPY_SRC 4, COPY_DST 8, UNIFORM 64, STORAGE 128.
  const buffer = device.createBuffer({ size, usage: (isUniform ? 64 : 128) | 8 | 4 });
  if (typeof content !== 'number') device.queue.writeBuffer(buffer, 0, content);
  return buffer;
}

/** Reads `bytes` bytes (all by default) of a buffer back. */
export async function readBuffer(
  device: GPUDevice,
  buffer: GPUBuffer,
  bytes = buffer.size,
): Promise<Uint8Array<ArrayBuffer>> {
  // MAP_READ 1, COPY_DST 8.
  const staging = device.createBuffer({ size: bytes, usage: 1 | 8 });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const copy = new Uint8Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return copy;
}

/** Runs `work` and throws what the device found wrong with it. */
async function checked<T>(device: GPUDevice, work: () => Promise<T>): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  const result = await work().catch((error: unknown) => error as Error);
  const errors = [await device.popErrorScope(), await device.popErrorScope()];
  const failure = errors.find((error) => error !== null) ?? (result instanceof Error && result);
  if (failure) throw new Error(failure.message);
  return result as T;
}
