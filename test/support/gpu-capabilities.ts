/** Made-up GPUs for tests of what may run on them. */
import type { Capabilities, MatrixConfig } from '../../drivers/webgpu/engine/variants.ts';

/** Every limit and feature that a kernel asks about, as WebGPU guarantees it. */
export const PLAIN_GPU: Capabilities = {
  features: new Set(),
  languageFeatures: new Set(['packed_4x8_integer_dot_product']),
  limits: {
    maxComputeWorkgroupStorageSize: 16_384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxStorageBufferBindingSize: 134_217_728,
  },
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  matrixConfigs: [],
  isSoftware: false,
};

/** A GPU with such matrix units and so much workgroup memory. */
export function matrixGpu(
  configs: readonly MatrixConfig[],
  { storageBytes = 49_152, threads = 1024, subgroupMinSize = 32, subgroupMaxSize = 32 } = {},
): Capabilities {
  return {
    ...PLAIN_GPU,
    features: new Set(['subgroups', 'chromium-experimental-subgroup-matrix', 'shader-f16']),
    limits: {
      ...PLAIN_GPU.limits,
      maxComputeWorkgroupStorageSize: storageBytes,
      maxComputeInvocationsPerWorkgroup: threads,
      maxComputeWorkgroupSizeX: threads,
    },
    subgroupMinSize,
    subgroupMaxSize,
    matrixConfigs: configs,
  };
}

/** `tile('i8', 'i32', 16, 16, 32)`. */
export function tile(
  componentType: string,
  resultComponentType: string,
  M: number,
  N: number,
  K: number,
): MatrixConfig {
  return { componentType, resultComponentType, M, N, K };
}

/** Tiles that GPUs are known to name: NVIDIA's, Intel's, AMD's and Apple's. */
export const KNOWN_TILES: readonly MatrixConfig[] = [
  tile('i8', 'i32', 16, 16, 32),
  tile('i8', 'i32', 16, 8, 32),
  tile('i8', 'i32', 8, 16, 32),
  tile('i8', 'i32', 16, 16, 16),
  tile('f16', 'f32', 16, 16, 16),
  tile('f16', 'f32', 16, 8, 16),
  tile('f16', 'f32', 16, 8, 8),
  tile('f16', 'f32', 8, 16, 16),
  tile('f32', 'f32', 8, 8, 8),
];
