import { describe, expect, it } from 'vitest';
import { listingProblem, providerDevices } from '../../drivers/onnx/providers.ts';

const backends = (...names: string[]): { name: string; isInstalled: boolean }[] =>
  names.map((name) => ({ name, isInstalled: true }));
const ids = (...names: string[]): string[] =>
  providerDevices('1.30.0', backends(...names)).devices.map(
    ({ provider, info }) => `${info.id} ${provider}`,
  );

describe('the providers of ONNX Runtime', () => {
  it('have the same ids wherever they are, in whatever order they are listed', () => {
    expect(ids('cpu', 'webgpu', 'cuda')).toEqual(['onnx0 cpu', 'onnx1 webgpu', 'onnx2 cuda']);
    expect(ids('coreml', 'cpu')).toEqual(['onnx0 cpu', 'onnx5 coreml']);
    expect(ids('qnn', 'dml', 'tensorrt')).toEqual(['onnx3 tensorrt', 'onnx4 dml', 'onnx6 qnn']);
  });

  it('that are not known come last, once each', () => {
    expect(ids('rocm', 'cpu', 'rocm', 'xnnpack')).toEqual([
      'onnx0 cpu',
      'onnx7 rocm',
      'onnx8 xnnpack',
    ]);
  });

  it('tell their processor only where it is known', () => {
    const { devices } = providerDevices('1.30.0', backends('cpu', 'cuda'), 3);
    const [cpu, cuda] = devices.map(({ info }) => info);
    expect(cpu).toMatchObject({
      name: 'ONNX Runtime 1.30.0, CPU',
      processor: 'cpu',
      threads: 3,
      tableSlots: 2,
      rollsNonce: false,
    });
    expect(cuda?.name).toBe('ONNX Runtime 1.30.0, CUDA');
    expect(cuda).not.toHaveProperty('processor');
    expect(cuda?.details?.[0]).toMatch(/does not tell which processor .* by name only/);
  });

  it('whose library is missing are no devices but a line that says how to get it', () => {
    const listed = [
      ...backends('cpu'),
      { name: 'cuda', isInstalled: false },
      { name: 'tensorrt', isInstalled: false },
    ];
    const { devices, unavailable } = providerDevices('1.30.0', listed);
    expect(devices.map(({ info }) => info.id)).toEqual(['onnx0']);
    expect(unavailable).toMatch(
      /^the libraries of CUDA and TensorRT are not installed: `npm explore onnxruntime-node .*` downloads/,
    );
    expect(providerDevices('1.30.0', backends('cpu')).unavailable).toBeUndefined();
  });
});

describe('why ONNX Runtime has no device', () => {
  const platform = 'linux-x64';
  const why = (problem: string, isMissing = false): string =>
    listingProblem({ platform, problem: { problem, isMissing } });

  it('is that the package is missing', () => {
    expect(why("Cannot find package 'onnxruntime-node'", true)).toBe(
      'the npm package onnxruntime-node is not installed; it is optional, and `npm install onnxruntime-node` brings it',
    );
  });

  it('is that the package has no program for this platform', () => {
    const text =
      "Cannot find module '../bin/napi-v6/linux/riscv64/onnxruntime_binding.node'\nRequire stack: …";
    expect(why(text)).toBe('the npm package onnxruntime-node has no program for linux-x64');
  });

  it('is that the system is too old for it', () => {
    const text = "/lib/libm.so.6: version `GLIBC_2.38' not found (required by libonnxruntime.so.1)";
    expect(why(text)).toBe(
      'the npm package onnxruntime-node needs GLIBC 2.38, which this system is too old for',
    );
  });

  it('is what the loader says, in one line', () => {
    expect(why('libonnxruntime.so.1: file too short\nand more')).toBe(
      'the npm package onnxruntime-node does not load: libonnxruntime.so.1: file too short and more',
    );
  });

  it('is that it crashed, or did not answer', () => {
    expect(listingProblem({ platform, crash: 'SIGSEGV: last words' })).toBe(
      'ONNX Runtime crashed when it was loaded: SIGSEGV: last words',
    );
    expect(listingProblem({ platform, lateMs: 15_000 })).toBe(
      'ONNX Runtime did not answer within 15 s',
    );
  });
});
