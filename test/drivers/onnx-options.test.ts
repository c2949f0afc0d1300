import { describe, expect, it } from 'vitest';
import { parseOnnxOptions, settingsFor } from '../../drivers/onnx/session-settings.ts';
import { InputError } from '../../src/util/errors.ts';

const strict = { hasFallback: false };
const settings = (provider: string, ...texts: string[]): Readonly<Record<string, unknown>> =>
  settingsFor(provider, strict, parseOnnxOptions(texts));

describe('options of ONNX Runtime', () => {
  it('are values of the type that the runtime wants', () => {
    expect(
      parseOnnxOptions([
        'session.intraOpNumThreads=2',
        'session.enableMemPattern=false',
        'session.executionMode=parallel',
        'session.disable_prepacking=1',
        'cuda.deviceId=1',
        'webgpu.enableRobustness=true',
        'webgpu.validationMode=full',
        'webgpu.forceCpuNodeNames=["a","b=c"]',
      ]).map(({ scope, key, value }) => [scope, key, value]),
    ).toEqual([
      ['session', 'intraOpNumThreads', 2],
      ['session', 'enableMemPattern', false],
      ['session', 'executionMode', 'parallel'],
      ['session', 'disable_prepacking', '1'],
      ['cuda', 'deviceId', 1],
      ['webgpu', 'enableRobustness', true],
      ['webgpu', 'validationMode', 'full'],
      ['webgpu', 'forceCpuNodeNames', ['a', 'b=c']],
    ]);
  });

  it.each([
    ['deviceId=1', /expected key=value with session, cpu, webgpu, .* or qnn and a dot before it/],
    ['gpu.deviceId=1', /expected key=value with session, cpu, /],
    ['cuda.deviceId', /expected key=value with session, cpu, /],
    ['cuda.deviceid=1', /expected one of cuda\.deviceId, got "cuda\.deviceid=1"/],
    ['cuda.toString=1', /expected one of cuda\.deviceId/],
    ['cpu.useArena=true', /expected another provider, as cpu has no options/],
    ['cuda.deviceId=first', /expected a whole number after the =/],
    ['cuda.deviceId=', /expected a whole number after the =/],
    ['cuda.deviceId=-1', /expected a whole number after the =/],
    ['session.intraOpNumThreads=1.5', /expected a whole number after the =/],
    ['session.executionMode=both', /expected sequential or parallel after the =/],
    ['session.graphOptimizationLevel=', /expected disabled, basic, .* or all after the =/],
    ['session.logVerbosityLevel=1', /expected one of session\.intraOpNumThreads, /],
    ['webgpu.enableRobustness=1', /expected true or false after the =/],
    ['webgpu.forceCpuNodeNames=a', /expected a list of texts like \["a","b"\] after the =/],
    ['session.IntraOpNumThreads=1', /expected one of session\.intraOpNumThreads, .* lower case/],
    ['session.disable_cpu_ep_fallback=0', /another key than disable_cpu_ep_fallback/],
    ['session.optimizedModelFilePath=x', /another key than optimizedModelFilePath/],
    ['session.extra={}', /another key than extra/],
  ])('refuse %s in one line that says what was expected', (text, message) => {
    const parse = (): unknown => parseOnnxOptions([text]);
    expect(parse).toThrow(InputError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/\n/);
  });

  it('hold once for each key, as the last one says', () => {
    const texts = ['cuda.deviceId=1', 'session.logId=a', 'cuda.deviceId=2'];
    const values = parseOnnxOptions(texts).map(({ key, value }) => [key, value]);
    expect(values).toEqual([
      ['deviceId', 2],
      ['logId', 'a'],
    ]);
  });

  it('that are named like what every object has are entries of ONNX Runtime', () => {
    const { extra, ...others } = settings('cpu', 'session.constructor=1');
    expect(extra).toEqual({ session: { constructor: '1' } });
    expect(Object.hasOwn(others, 'constructor')).toBe(false);
  });

  it('go to their provider and to no other', () => {
    const texts = ['webgpu.validationMode=full', 'cuda.deviceId=1'];
    expect(settings('webgpu', ...texts)).toMatchObject({
      executionProviders: [{ name: 'webgpu', validationMode: 'full' }],
    });
    expect(settings('cuda', ...texts)).toMatchObject({
      executionProviders: [{ name: 'cuda', deviceId: 1 }],
    });
    expect(settings('cpu', ...texts)['executionProviders']).toEqual([{ name: 'cpu' }]);
  });

  it('replace the settings of a session', () => {
    expect(settings('cpu')).toMatchObject({ intraOpNumThreads: 1, logSeverityLevel: 3 });
    const own = settings('cpu', 'session.intraOpNumThreads=2', 'session.set_denormal_as_zero=1');
    expect(own['intraOpNumThreads']).toBe(2);
    expect(own['extra']).toMatchObject({ session: { set_denormal_as_zero: '1' } });
  });
});

describe('settings of a session', () => {
  it('forbid the CPU to help out, except for kernels that say so', () => {
    expect(settings('webgpu')['extra']).toEqual({ session: { disable_cpu_ep_fallback: '1' } });
    expect(settingsFor('webgpu', { hasFallback: true }, [])['extra']).toEqual({ session: {} });
    expect(settings('cpu')['extra']).toEqual({ session: {} });
  });
});
