import { describe, expect, it } from 'vitest';
import {
  inOrder,
  isHidden,
  onlyAt,
  parseLayerList,
  type ReachableGpu,
} from '../../drivers/webgpu/node/gpu-order.ts';
import { parseAdapterList } from '../../drivers/webgpu/node/list-adapters.ts';

const backend = 'vulkan';

describe("Dawn's complaint about an unknown adapter", () => {
  it('holds the list of those there are, in its order and with every character of their names', () => {
    const complaint =
      "Error: no adapter with backend 'vulkan' and name 'zz' found\nAvailable adapters:\n" +
      " * backend: 'vulkan', name: 'SwiftShader Device (Subzero)'\n" +
      " * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'\n" +
      " * backend: 'd3d12', name: 'It's 'quoted''";
    expect(parseAdapterList(complaint)).toEqual([
      { backend, name: 'SwiftShader Device (Subzero)' },
      { backend, name: 'llvmpipe (LLVM 15.0.6, 256 bits)' },
      { backend: 'd3d12', name: "It's 'quoted'" },
    ]);
  });

  it('may hold none', () => {
    expect(parseAdapterList('Error: no suitable backends found\nAvailable adapters:')).toEqual([]);
  });
});

describe("the list of Mesa's layer", () => {
  it('gives names, addresses and which of them are the CPU', () => {
    const lines = [
      'selectable devices:',
      '  GPU 0: 10de:2204 "NVIDIA GeForce RTX 3090" discrete GPU 0000:41:00.0',
      '  GPU 1: 1002:73bf "AMD "Radeon" RX (RADV)" integrated GPU 0000:0c:00.0',
      '  GPU 2: 10005:0 "llvmpipe (LLVM 15.0.6, 256 bits)" CPU 0000:00:00.0',
      'device-select: something else',
    ];
    expect(parseLayerList(lines)).toEqual([
      { name: 'NVIDIA GeForce RTX 3090', isCpu: false, pciBus: '0000:41:00.0' },
      { name: 'AMD "Radeon" RX (RADV)', isCpu: false, pciBus: '0000:0c:00.0' },
      { name: 'llvmpipe (LLVM 15.0.6, 256 bits)', isCpu: true, pciBus: undefined },
    ]);
  });

  it('gives no addresses where no driver tells any', () => {
    expect(parseLayerList(['  GPU 0: 10005:0 "llvmpipe (LLVM 15.0.6, 256 bits)" CPU'])).toEqual([
      { name: 'llvmpipe (LLVM 15.0.6, 256 bits)', isCpu: true, pciBus: undefined },
    ]);
  });

  it('is told to let only one through', () => {
    expect(onlyAt('0000:41:00.0')).toEqual({
      MESA_VK_DEVICE_SELECT: undefined,
      DRI_PRIME: 'pci-0000_41_00_0!',
    });
  });
});

describe('a name', () => {
  it('leads to the first adapter whose name contains it', () => {
    const listed = ['X 3080 Ti', 'X 3080', 'X 3070'].map((name) => ({ backend, name }));
    expect(listed.map((target) => isHidden(target, listed))).toEqual([false, true, false]);
    const other = [...listed].reverse();
    expect(other.map((target) => isHidden(target, other))).toEqual([false, false, false]);
  });
});

describe('the numbers', () => {
  const gpu = (name: string, pciBus?: string, isSoftware = false): ReachableGpu => ({
    facts: {
      backend,
      name,
      vendor: '',
      architecture: '',
      description: '',
      isSoftware,
      workgroupBytes: 0,
      bindingBytes: 0,
      hasSubgroupMatrices: false,
    },
    env: {},
    ...(pciBus === undefined ? {} : { pciBus }),
  });

  it('follow the PCI address, hardware first, whatever the order of the list', () => {
    const gpus = [
      gpu('software', undefined, true),
      gpu('nowhere 1'),
      gpu('late', '0000:c1:00.0'),
      gpu('domain', '0001:01:00.0'),
      gpu('nowhere 2'),
      gpu('early', '0000:0a:00.0'),
    ];
    const names = (all: readonly ReachableGpu[]): string[] => all.map(({ facts }) => facts.name);
    expect(names(inOrder(gpus))).toEqual([
      'early',
      'late',
      'domain',
      'nowhere 1',
      'nowhere 2',
      'software',
    ]);
    expect(names(gpus)[0], 'the list itself').toBe('software');
  });
});
