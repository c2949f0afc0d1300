/** The compiled programs of a kernel. */
import {
  loadShader,
  type ProgramName,
  type ReadShader,
  type ShaderConstants,
} from '../../../shaders/index.ts';
import { clip, errorText } from '../../../src/util/errors.ts';
import { DriverError } from '../../driver.ts';
import { KernelError } from './kernel-error.ts';
import type { KernelVariant } from './variants.ts';

export interface KernelPrograms {
  readonly variant: KernelVariant;
  readonly headers: GPUComputePipeline;
  readonly sequences: GPUComputePipeline;
  readonly multiply: GPUComputePipeline;
  readonly finish: GPUComputePipeline;
  readonly foldTranspose: GPUComputePipeline;
  readonly pack: GPUComputePipeline;
}

/** Compiles programs, each once: what several kernels share is shared. */
export class ProgramCompiler {
  readonly #device: GPUDevice;
  readonly #read: ReadShader;
  readonly #compiled = new Map<string, Promise<GPUComputePipeline>>();

  constructor(device: GPUDevice, read: ReadShader) {
    this.#device = device;
    this.#read = read;
  }

  /** Rejects with `KernelError` `failed` if one of the programs does not compile here. */
  async kernel(variant: KernelVariant): Promise<KernelPrograms> {
    const { entry, constants } = variant.table;
    const [headers, sequences, multiply, finish, foldTranspose, pack] = await Promise.all([
      this.program('headers', 'hash_headers'),
      this.program('sequences', 'make_sequences'),
      this.program(variant.program, 'multiply', variant.constants),
      this.program('finish', 'finish_hashes'),
      this.program('tables', 'fold_transpose', constants),
      this.program('tables', entry, constants),
    ]);
    return { variant, headers, sequences, multiply, finish, foldTranspose, pack };
  }

  async program(
    program: ProgramName,
    entryPoint: string,
    constants: ShaderConstants = {},
  ): Promise<GPUComputePipeline> {
    const key = JSON.stringify([program, entryPoint, constants]);
    let pipeline = this.#compiled.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(program, entryPoint, constants);
      this.#compiled.set(key, pipeline);
    }
    return pipeline;
  }

  async #compile(
    program: ProgramName,
    entryPoint: string,
    constants: ShaderConstants,
  ): Promise<GPUComputePipeline> {
    const code = await this.#text(program, constants);
    const device = this.#device;
    // A module that is not valid is an error of its own, which must find somebody who listens.
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: program, code });
    const invalid = device.popErrorScope();
    const call = device.createComputePipelineAsync({
      label: `${program} ${entryPoint}`,
      layout: 'auto',
      compute: { module, entryPoint },
    });
    // What the pipeline says of such a module is only that it is not valid.
    const [pipeline, error] = await Promise.allSettled([call, invalid]);
    if (pipeline.status === 'fulfilled') return pipeline.value;
    const moduleError = error.status === 'fulfilled' ? error.value : null;
    const cause: unknown = moduleError ?? pipeline.reason;
    // What follows names the calls that led there.
    const [text = ''] = (moduleError?.message ?? errorText(pipeline.reason)).split('\n - While');
    const reason = `${program} does not compile: ${clip(text.trim(), 300)}`;
    throw new KernelError({ code: 'failed', reason }, { cause });
  }

  async #text(program: ProgramName, constants: ShaderConstants): Promise<string> {
    try {
      return await loadShader(program, constants, this.#read);
    } catch (error) {
      // Not the GPU's fault, and no other kernel will do better.
      const missing = `the shader ${program} cannot be read: ${clip(errorText(error), 200)}`;
      throw new DriverError({ code: 'unsupported', missing }, { cause: error });
    }
  }
}

/** Group 0 of a program: buffer i is binding i. */
export function bindGroup(
  device: GPUDevice,
  pipeline: GPUComputePipeline,
  buffers: readonly GPUBuffer[],
): GPUBindGroup {
  return device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
}
