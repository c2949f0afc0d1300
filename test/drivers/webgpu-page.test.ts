/** The parts of the GPU page that need no document. */
import { describe, expect, it } from 'vitest';
import type { KernelReport } from '../../drivers/kernel-choice.ts';
import type { Capabilities } from '../../drivers/webgpu/engine/variants.ts';
import {
  adapterAbilities,
  adapterFacts,
  adapterName,
  findAdapter,
} from '../../drivers/webgpu/web/adapter.ts';
import { readPageOptions } from '../../drivers/webgpu/web/options.ts';
import { niceCeiling, RateHistory } from '../../drivers/webgpu/web/rates.ts';
import {
  msText,
  type PageReport,
  rateText,
  reportJson,
  reportText,
} from '../../drivers/webgpu/web/report.ts';
import type { RunOutcome } from '../../drivers/webgpu/web/run.ts';

describe('the options in the address', () => {
  it('are ten seconds of everything, on demand, if there are none', () => {
    expect(readPageOptions('')).toEqual({
      kernel: undefined,
      goal: { kind: 'time', ms: 10_000 },
      startsAtOnce: false,
      problems: [],
    });
  });

  it('choose the length, the kernel and the start', () => {
    const options = readPageOptions('?run&kernel=dp4a-64&hashes=2');
    expect(options).toEqual({
      kernel: 'dp4a-64',
      goal: { kind: 'hashes', hashes: 2 },
      startsAtOnce: true,
      problems: [],
    });
    expect(readPageOptions('?seconds=30').goal).toEqual({ kind: 'time', ms: 30_000 });
  });

  it.each([
    ['?hashes=0', 'hashes: expected a whole number from 1'],
    ['?hashes=1e3', 'got "1e3"'],
    ['?seconds=3601', 'from 1 to 3600, got "3601"'],
    ['?seconds=', 'seconds: expected'],
    ['?seconds=5&hashes=5', 'exclude each other'],
    ['?kernal=x', 'kernal: no such option'],
    [`?${'x'.repeat(500)}`, `${'x'.repeat(40)}…: no such`],
  ])('are named if they cannot be: %s', (query, text) => {
    const { problems } = readPageOptions(query);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(text);
  });
});

describe('the speed over time', () => {
  it('is that of the last second, or of the last batch if it took longer', () => {
    const history = new RateHistory();
    for (const [elapsedMs, hashes] of [
      [250, 25],
      [500, 50],
      [1250, 200],
      [5250, 240],
    ] as const) {
      history.add({ fraction: 0, elapsedMs, hashes });
    }
    expect(history.points).toEqual([
      { seconds: 0.25, hashesPerSecond: 100 },
      { seconds: 0.5, hashesPerSecond: 100 },
      // Since 250 ms.
      { seconds: 1.25, hashesPerSecond: 175 },
      { seconds: 5.25, hashesPerSecond: 10 },
    ]);
  });

  it('has no point twice at one time', () => {
    const history = new RateHistory();
    history.add({ fraction: 0, elapsedMs: 1000, hashes: 10 });
    history.add({ fraction: 0, elapsedMs: 1000, hashes: 20 });
    history.add({ fraction: 0, elapsedMs: 2000, hashes: 30 });
    expect(history.points.map(({ seconds }) => seconds)).toEqual([1, 2]);
    expect(history.points[1]?.hashesPerSecond).toBe(10);
  });

  it.each([
    [0, 1],
    [0.17, 0.2],
    [1, 1],
    [1.1, 2],
    [2.2, 2.5],
    [31, 50],
    [99_000, 100_000],
    [0.30000000000000004, 0.5],
    [1.0000000000000002, 1],
  ])('stands on a scale that ends at a round number: %f at %f', (value, ceiling) => {
    expect(niceCeiling(value)).toBeCloseTo(ceiling, 12);
  });
});

const KERNELS: readonly KernelReport[] = [
  { kernel: 'int8-matrix-64', outcome: 'unsupported', reason: 'needs matrix units' },
  { kernel: 'dp4a-64', outcome: 'timed', msPerHash: 0.02134 },
  { kernel: 'dp4a-32', outcome: 'wrong', reason: 'expected aa, got bb' },
];
const MEASURED: RunOutcome = {
  kind: 'measured',
  kernel: 'dp4a-64',
  hashes: 468_500,
  seconds: 10.0031234567,
  hashesPerSecond: 46_835.37,
  checksum: '8fa3',
  fractionOfPeak: 0.5731,
};
const REPORT: PageReport = {
  version: '1.2.3',
  time: '2030-01-02T03:04:05.000Z',
  adapter: {
    name: 'nvidia ampere',
    vendor: 'nvidia',
    architecture: 'ampere',
    device: '',
    description: '',
    isSoftware: false,
  },
  browser: 'Mozilla/5.0',
  kernels: KERNELS,
  outcome: MEASURED,
  wasHidden: false,
};

describe('the report', () => {
  it('is text for people', () => {
    expect(reportText(REPORT).split('\n')).toEqual([
      'Tensority on a GPU, in a page of bytom-tensority 1.2.3, 2030-01-02T03:04:05.000Z',
      'GPU: nvidia ampere',
      'Browser: Mozilla/5.0',
      'int8-matrix-64  not supported: needs matrix units',
      'dp4a-64         exact, 0.0213 ms a hash',
      'dp4a-32         wrong: expected aa, got bb',
      'Self-test: passed with kernel dp4a-64',
      'Benchmark: 46,835 H/s with kernel dp4a-64',
      '468500 hashes in 10.003 s, every one checked, checksum 8fa3',
      "57.3 % of the peak of this kernel's instructions, measured in this run",
      '',
    ]);
  });

  it('is JSON for tools, with all of it', () => {
    const parsed = JSON.parse(reportJson(REPORT)) as PageReport;
    expect(parsed).toEqual({ ...REPORT, outcome: { ...MEASURED, seconds: 10.00312 } });
  });

  it('tells of a software adapter, and of a page in the background', () => {
    const adapter = { ...REPORT.adapter, isSoftware: true };
    const text = reportText({ ...REPORT, adapter, wasHidden: true });
    expect(text).toContain('\nGPU: nvidia ampere (software)\n');
    expect(text).toContain('\nThe page was in the background');
  });

  const others: readonly (readonly [RunOutcome, string])[] = [
    [{ kind: 'unsupported', missing: 'a kernel' }, 'No kernel can run on this GPU: a kernel.'],
    [
      { kind: 'wrong', phase: 'kernels', expected: 'aa', actual: 'bb' },
      'This GPU computed a wrong hash: expected aa, got bb.',
    ],
    [{ kind: 'lost', phase: 'benchmark', reason: 'reset' }, 'The GPU was lost: reset.'],
    [{ kind: 'failed', phase: 'kernels', reason: 'no "x" here. ' }, 'The run failed: no "x" here.'],
    [{ kind: 'stopped', phase: 'benchmark' }, 'The run was stopped.'],
  ];

  it.each(others)('has no figure without a measurement: %o', (outcome, line) => {
    const text = reportText({ ...REPORT, outcome });
    expect(text.trimEnd().split('\n').at(-1)).toBe(line);
    expect(text).not.toContain('H/s');
  });

  it('shows as many digits as say something', () => {
    expect([0.06051, 0.214, 21.4, 214.06, 46_835.4].map(rateText)).toEqual([
      '0.0605 H/s',
      '0.214 H/s',
      '21.40 H/s',
      '214.1 H/s',
      '46,835 H/s',
    ]);
    expect([0.02134, 5.5, 99.94, 4123.4].map(msText)).toEqual(['0.0213', '5.50', '99.9', '4123']);
  });
});

const INFO = {
  vendor: 'google',
  architecture: 'swiftshader',
  device: '',
  description: '',
} as GPUAdapterInfo;
const CAPABILITIES: Capabilities = {
  features: new Set(['subgroups']),
  languageFeatures: new Set(['packed_4x8_integer_dot_product']),
  limits: {
    maxComputeWorkgroupStorageSize: 32_768,
    maxComputeInvocationsPerWorkgroup: 256,
    maxStorageBufferBindingSize: 2 ** 31 - 4,
  },
  subgroupMinSize: 4,
  subgroupMaxSize: 4,
  matrixConfigs: [],
  isSoftware: true,
};

describe('the GPU in words', () => {
  it('has the best name that the browser gives', () => {
    expect(adapterName(INFO)).toBe('google swiftshader');
    expect(adapterName({ ...INFO, device: '0x1234' })).toBe('0x1234');
    const description = 'NVIDIA H200';
    expect(adapterName({ ...INFO, device: '0x1234', description })).toBe(description);
    const none = { ...INFO, vendor: '', architecture: '' };
    expect(adapterName(none)).toBe('a GPU that the browser does not name');
  });

  it('has its sizes in plain units, and nothing twice', () => {
    const facts = adapterFacts(INFO, CAPABILITIES);
    expect(facts.map(({ label, value }) => `${label}: ${value}`)).toEqual([
      'Name: google swiftshader',
      'Kind: software: the processor plays a GPU',
      'Shared memory of a workgroup: 32 KiB',
      'Threads in a workgroup: up to 256',
      'Largest block of memory: 2 GiB',
    ]);
    const named = adapterFacts({ ...INFO, description: 'SwiftShader' }, CAPABILITIES);
    expect(named.slice(0, 3)).toEqual([
      { label: 'Name', value: 'SwiftShader' },
      { label: 'Maker', value: 'google' },
      { label: 'Family', value: 'swiftshader' },
    ]);
  });

  it('says what it can and what it cannot', () => {
    const has = (capabilities: Capabilities) =>
      adapterAbilities(capabilities).map((ability) => ability.has);
    expect(has(CAPABILITIES)).toEqual([true, true, false, false]);
    const matrixConfigs = [
      { componentType: 'i8', resultComponentType: 'i32', M: 16, N: 16, K: 32 },
    ];
    const features = new Set(['chromium-experimental-subgroup-matrix', 'shader-f16']);
    const able = { ...CAPABILITIES, features, matrixConfigs };
    expect(has(able)).toEqual([true, false, true, true]);
    expect(adapterAbilities(able)[2]?.note).toBe('i8 to i32 16×16×32');
    const subgroups = (subgroupMinSize: number, subgroupMaxSize: number) =>
      adapterAbilities({ ...CAPABILITIES, subgroupMinSize, subgroupMaxSize })[1]?.note;
    expect(subgroups(32, 32)).toBe('of 32 threads');
    expect(subgroups(8, 32)).toBe('of 8 to 32 threads');
    expect(subgroups(0, 0)).toBe('threads that run in step');
  });
});

describe('the search for a GPU', () => {
  /** A root object whose answers are these, in this order. */
  const gpu = (...answers: readonly (GPUAdapter | null | Error)[]) => {
    const asked: (GPURequestAdapterOptions | undefined)[] = [];
    const root = {
      wgslLanguageFeatures: new Set<string>(),
      requestAdapter: async (options?: GPURequestAdapterOptions) => {
        const answer = answers[asked.push(options) - 1];
        if (answer instanceof Error) throw answer;
        return answer ?? null;
      },
    } as unknown as GPU;
    return { root, asked };
  };
  const adapter = { info: INFO, limits: {}, features: new Set() } as unknown as GPUAdapter;

  it('tells an open connection from a browser without WebGPU', async () => {
    expect(await findAdapter(undefined, false)).toEqual({ kind: 'insecure' });
    expect(await findAdapter(undefined, true)).toEqual({ kind: 'no-webgpu' });
  });

  it('takes a real one, and one in software only if there is none', async () => {
    const real = gpu(adapter);
    expect(await findAdapter(real.root, true)).toMatchObject({ kind: 'found', adapter });
    expect(real.asked).toHaveLength(1);
    const software = gpu(null, adapter);
    expect(await findAdapter(software.root, true)).toMatchObject({ kind: 'found', adapter });
    expect(software.asked[1]).toEqual({ forceFallbackAdapter: true });
  });

  it('says that there is none, and why if the browser does', async () => {
    expect(await findAdapter(gpu(null, null).root, true)).toEqual({ kind: 'no-adapter' });
    expect(await findAdapter(gpu(new Error('blocked')).root, true)).toEqual({
      kind: 'no-adapter',
      reason: 'blocked',
    });
  });
});
