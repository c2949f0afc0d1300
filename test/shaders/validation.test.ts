/**
 * Every program, for every shape and every tile that a GPU may name, as Dawn's null backend judges it:
 * it compiles and validates as a real one does, subgroup matrices included, but has no GPU and runs
 * nothing. Its workgroups have 16 KiB and 256 threads; what needs more is compiled, but no pipeline made.
 */
import { describe, expect, it, type TestContext } from 'vitest';
import { type KernelVariant, variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { readShaderFile } from '../../drivers/webgpu/node/shader-files.ts';
import { loadShader, type ProgramName, type ShaderConstants } from '../../shaders/index.ts';
import { openGpu, type TestGpu } from '../support/gpu.ts';
import { KNOWN_TILES, matrixGpu } from '../support/gpu-capabilities.ts';

const FAMILIES = ['dp4a', 'f32', 'int8-matrix', 'float-matrix'] as const;
const TABLES = { TILE_N: 16, TILE_K: 32, PER_WORD: 4 };
const WITHOUT_SHAPES: readonly [ProgramName, string, ShaderConstants][] = [
  ['headers', 'hash_headers', {}],
  ['sequences', 'make_sequences', {}],
  ['finish', 'finish_hashes', {}],
  ['tables', 'fold_transpose', TABLES],
  ['tables', 'pack_words', TABLES],
  ['tables', 'pack_tiles', TABLES],
];

let opened: Promise<TestGpu | Error> | undefined;

/** The null device; or the test is skipped, as where the package has no binary for the machine. */
async function nullGpu(ctx: Pick<TestContext, 'skip'>): Promise<GPUDevice> {
  opened ??= openGpu(['backend=null', 'enable-dawn-features=allow_unsafe_apis']).catch(
    (error: unknown) => error as Error,
  );
  const gpu = await opened;
  if (gpu instanceof Error) return ctx.skip(`npm webgpu does not load here: ${gpu.message}`);
  return gpu.device;
}

/** What the compiler and, if a pipeline is wanted, the device have to say against it. */
async function problemsOf(
  device: GPUDevice,
  [program, entryPoint, constants]: readonly [ProgramName, string, ShaderConstants],
  wantsPipeline = true,
): Promise<readonly string[]> {
  const code = await loadShader(program, constants, readShaderFile);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const problems = messages.map(
    ({ type, lineNum, message }) => `${type}: ${message}: ${code.split('\n')[lineNum - 1]}`,
  );
  const error = await device.popErrorScope();
  if (error !== null) problems.push(error.message);
  if (!wantsPipeline || problems.length > 0) return problems;
  return device
    .createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint } })
    .then(
      () => [],
      (reason: unknown) => [String(reason)],
    );
}

function needsNoMore(variant: KernelVariant, device: GPUDevice): boolean {
  return Object.entries(variant.limits).every(
    ([name, least]) => least <= (device.limits[name as keyof GPUSupportedLimits] as number),
  );
}

describe('shaders on the null backend', () => {
  it.for(WITHOUT_SHAPES)('%s %s is valid', async (program, ctx) => {
    const device = await nullGpu(ctx);
    expect(await problemsOf(device, program)).toEqual([]);
  });

  describe.each(FAMILIES)('%s', (family) => {
    const small = { storageBytes: 16_384, threads: 256 };
    const variants = [matrixGpu(KNOWN_TILES, small), matrixGpu(KNOWN_TILES)]
      .flatMap((gpu) => variantsFor(gpu).usable)
      .filter((variant) => variant.family === family);

    it('is valid in every shape and for every tile', async (ctx) => {
      const device = await nullGpu(ctx);
      let pipelines = 0;
      for (const variant of variants) {
        const isSmall = needsNoMore(variant, device);
        const program = [variant.program, 'multiply', variant.constants] as const;
        expect(await problemsOf(device, program, isSmall), variant.name).toEqual([]);
        if (isSmall) pipelines++;
      }
      expect(pipelines, 'shapes that could be made a pipeline of').toBeGreaterThan(0);
    });

    it('has a valid peak program for every tile', async (ctx) => {
      const device = await nullGpu(ctx);
      const peaks = new Map(variants.map(({ peak }) => [JSON.stringify(peak.constants), peak]));
      for (const [name, { program, constants }] of peaks) {
        expect(await problemsOf(device, [program, 'measure_peak', constants]), name).toEqual([]);
      }
    });
  });

  it('hears of a program that is not valid', async (ctx) => {
    const device = await nullGpu(ctx);
    const wrong = { ROWS: 64, TILE_ROWS: 8 };
    expect((await problemsOf(device, ['product-dp4a', 'multiply', wrong])).join()).toMatch(
      /unresolved value 'TILE_WORDS'/,
    );
  });
});
