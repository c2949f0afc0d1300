import { describe, expect, it } from 'vitest';
import { type ListingFacts, listingProblem } from '../../drivers/webgpu/node/listing-problem.ts';

/** What Dawn and the loaders print here, as they were seen. */
const NO_DRIVERS = [
  'Warning: vkCreateInstance: Found no drivers!',
  'Warning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER',
];

function problem(facts: Partial<ListingFacts>): string | undefined {
  return listingProblem({
    platform: 'linux-x64',
    env: {},
    package: { kind: 'package' },
    listed: [],
    opened: 0,
    lines: [],
    deniedNodes: [],
    ...facts,
  });
}

describe('why there is no GPU', () => {
  const cases: readonly (readonly [name: string, facts: Partial<ListingFacts>, text: string])[] = [
    [
      'the package is not there',
      { package: { kind: 'package', problem: "Cannot find package 'webgpu'", isMissing: true } },
      'the npm package webgpu is not installed',
    ],
    [
      'glibc is too old',
      {
        package: {
          kind: 'package',
          problem:
            "/lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.38' not found (required by /x/dawn.node)",
        },
        glibc: '2.36',
      },
      'the npm package webgpu needs glibc 2.38, this system has 2.36',
    ],
    [
      'there is no binary for the platform',
      {
        platform: 'linux-riscv64',
        package: {
          kind: 'package',
          problem:
            "Cannot find module '/x/webgpu/dist/linux-riscv64/dawn.node'\nRequire stack:\n- y",
        },
      },
      'the npm package webgpu has no program for linux-riscv64',
    ],
    [
      'the binary is broken',
      { package: { kind: 'package', problem: '/x/dawn.node: invalid ELF header' } },
      'the npm package webgpu does not load: /x/dawn.node: invalid ELF header',
    ],
    [
      'there is no loader',
      {
        lines: [
          "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file: No such file or directory",
        ],
      },
      'no Vulkan loader is installed (libvulkan.so.1; Debian and Ubuntu: libvulkan1)',
    ],
    [
      'the loader is broken',
      { lines: ["Warning: Couldn't load Vulkan: /lib/libvulkan.so.1: file too short"] },
      'the Vulkan loader does not load: /lib/libvulkan.so.1: file too short',
    ],
    ['there is no driver', { lines: NO_DRIVERS }, 'no Vulkan driver is installed'],
    [
      'a variable names a driver that is not there',
      { lines: NO_DRIVERS, env: { VK_ICD_FILENAMES: '/nonexist' } },
      'no Vulkan driver where VK_ICD_FILENAMES says: /nonexist',
    ],
    [
      'two variables do, of which the loader takes the newer one',
      { lines: NO_DRIVERS, env: { VK_DRIVER_FILES: '/a', VK_ICD_FILENAMES: '/b' } },
      'no Vulkan driver where VK_DRIVER_FILES says: /a',
    ],
    [
      "a driver's library is missing",
      {
        lines: [
          'Warning: /x/nolib.so: cannot open shared object file: No such file or directory',
          'Warning: loader_icd_scan: Failed loading library associated with ICD JSON /x/nolib.so. Ignoring this JSON',
          ...NO_DRIVERS,
        ],
        env: { VK_ICD_FILENAMES: '/x/nolib.json' },
      },
      'no Vulkan driver loads: /x/nolib.so: cannot open shared object file',
    ],
    [
      'the drivers find nothing',
      {
        lines: [
          'Error: Loader Message: setup_loader_term_phys_devs:  Failed to detect any valid GPUs in the current config',
          'Warning: vkEnumeratePhysicalDevices',
        ],
      },
      'the Vulkan drivers that are installed find no GPU of theirs',
    ],
    [
      'the drivers find nothing because the user may not look',
      {
        lines: ['Warning: vkEnumeratePhysicalDevices'],
        deniedNodes: ['/dev/dri/renderD128', '/dev/dri/renderD129'],
      },
      'no permission for /dev/dri/renderD128: add the user to the group that it belongs to',
    ],
    [
      'the driver is too old',
      {
        lines: [
          'Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.',
          ' - While initializing adapter (backend=BackendType::Vulkan)',
        ],
      },
      'a GPU cannot be used: its driver lacks what WebGPU needs, Vulkan shaderUniform*ArrayDynamicIndexing; a newer',
    ],
    [
      'nobody knows',
      { lines: ['Warning: something new'] },
      'no GPU was found (linux-x64): Warning: something new',
    ],
    [
      'the drivers hang',
      { lateMs: 15_000 },
      "the GPU's driver did not answer within 15 s when asked",
    ],
    [
      'the driver of one hangs',
      { lateMs: 15_000, listed: ['A', 'B'], opened: 1 },
      "the GPU's driver did not answer within 15 s when asked about B",
    ],
    [
      'a driver crashes',
      { crash: 'SIGSEGV: last words', listed: ['A'], opened: 0 },
      "the GPU's driver crashed when asked about A: SIGSEGV: last words",
    ],
  ];

  it.each(cases)('%s', (_name, facts, text) => {
    const line = problem(facts);
    expect(line).toContain(text);
    expect(line).not.toContain('\n');
    expect(line?.length).toBeLessThan(300);
  });

  it('is nothing where every adapter opens, whatever the drivers printed', () => {
    expect(problem({ listed: ['A', 'B'], opened: 2, lines: ['Warning: chatter'] })).toBeUndefined();
  });

  it('is told beside those that work', () => {
    expect(problem({ listed: ['A', 'B'], opened: 1 })).toBe('of A, B not every one opens');
    const lines = ['Warning: Vulkan x required.', ' - While initializing adapter (backend=y)'];
    expect(problem({ listed: ['A'], opened: 1, lines })).toBe(
      'a GPU is left out: its driver lacks what WebGPU needs, Vulkan x; a newer one may have it',
    );
  });
});
