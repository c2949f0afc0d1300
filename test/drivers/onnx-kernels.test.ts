import { afterEach, describe, expect, it, vi } from 'vitest';
import { choiceKey } from '../../drivers/onnx/choice-key.ts';
import { familyOf, kernelNamed, kernelsFor } from '../../drivers/onnx/kernels.ts';
import { parseOnnxOptions } from '../../drivers/onnx/session-settings.ts';

describe('the kernels of ONNX Runtime', () => {
  it('are few chains on the CPU, and floats only if nothing else is right', () => {
    const kernels = kernelsFor('cpu');
    expect(kernels.map(({ name }) => name)).toContain('fused-2');
    expect(kernels.filter(({ isSpare }) => isSpare).map(({ name }) => name)).toEqual([
      'fused-unsigned-2',
      'unsigned-2',
      'float-4',
    ]);
    expect(kernels.every(({ hashes, finish }) => hashes === 1 && finish === 'words')).toBe(true);
  });

  it('ask for nothing that the WebGPU provider lacks, unless their name says so', () => {
    for (const { name, form, isUnrolled, hasFallback, finish } of kernelsFor('webgpu')) {
      expect([form, finish], name).toEqual(['float', 'sum']);
      expect(isUnrolled || hasFallback, name).toBe(true);
      expect(name.endsWith('+cpu'), name).toBe(hasFallback);
    }
  });

  it.each(['webgpu', 'cuda', 'tensorrt', 'dml', 'coreml', 'qnn', 'new'])(
    'of %s use the CPU last',
    (provider) => {
      const kernels = kernelsFor(provider);
      const first = kernels.findIndex(({ hasFallback }) => hasFallback);
      expect(first).toBeGreaterThan(0);
      expect(kernels.slice(first).every(({ hasFallback }) => hasFallback)).toBe(true);
      expect(new Set(kernels.map(({ name }) => name)).size).toBe(kernels.length);
    },
  );

  it('can be asked for by any name that makes sense', () => {
    expect(kernelNamed('float-128-unrolled+cpu', 'webgpu')).toMatchObject({
      form: 'float',
      group: 128,
      hashes: 32,
      isUnrolled: true,
      hasFallback: true,
      finish: 'sum',
    });
    expect(kernelNamed('integer-1', 'cpu')).toMatchObject({ group: 1, hashes: 1 });
    for (const name of ['integer-3', 'integer-6', 'float-0', 'float-9999', 'half-4', 'float']) {
      expect(kernelNamed(name, 'cpu'), name).toBeUndefined();
    }
    expect(kernelNamed('float-4+cpu', 'cpu')).toBeUndefined();
  });

  it('are of one family if they differ in the number of chains only', () => {
    const family = (name: string): string => familyOf(kernelNamed(name, 'webgpu')!);
    expect(family('float-16-unrolled')).toBe(family('float-64-unrolled'));
    expect(family('float-16-unrolled')).not.toBe(family('float-16-unrolled+cpu'));
    expect(family('float-4')).not.toBe(family('integer-4'));
  });
});

describe('the key of a choice', () => {
  const target = { provider: 'cpu', options: parseOnnxOptions([]), threads: 2 };
  const key = choiceKey('1.30.0', target);

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('changes with the version, the provider, the lanes, and the options that count', () => {
    const keys = [
      key,
      choiceKey('1.30.1', target),
      choiceKey('1.30.0', { ...target, provider: 'cuda' }),
      choiceKey('1.30.0', { ...target, threads: 3 }),
      choiceKey('1.30.0', target, 50),
      choiceKey('1.30.0', { ...target, options: parseOnnxOptions(['session.logSeverityLevel=2']) }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('stays the same otherwise', () => {
    const options = parseOnnxOptions(['cuda.deviceId=1']);
    expect(choiceKey('1.30.0', { ...target, options })).toBe(key);
    const twice = parseOnnxOptions(['session.logId=a', 'session.logId=b']);
    const once = parseOnnxOptions(['session.logId=b']);
    expect(choiceKey('1.30.0', { ...target, options: twice })).toBe(
      choiceKey('1.30.0', { ...target, options: once }),
    );
    expect(choiceKey('1.30.0', { ...target, threads: 4 }, 50)).toBe(key);
  });

  it('changes with the platform, and with what picks the chip of another provider', () => {
    expect(key).toContain(`${process.platform} ${process.arch} `);
    const cuda = { ...target, provider: 'cuda' };
    const before = choiceKey('1.30.0', cuda);
    expect(choiceKey('1.30.0', cuda, 50)).toBe(before);
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '1');
    expect(choiceKey('1.30.0', cuda)).not.toBe(before);
    expect(choiceKey('1.30.0', target)).toBe(key);
  });
});
