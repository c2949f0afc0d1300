import { describe, expect, it } from 'vitest';
import { type Asked, type AskOptions, askProcess } from '../../drivers/process/ask-process.ts';
import type { GpuNews, GpuQuestion } from '../../drivers/webgpu/node/gpu-news.ts';
import type { GpuScript } from '../support/scripted-gpu.ts';

const script = new URL('../support/scripted-gpu.ts', import.meta.url);

function ask(
  text: GpuScript,
  options: Partial<AskOptions<GpuQuestion>> = {},
): Promise<Asked<GpuNews>> {
  const env = { SCRIPTED_GPU: JSON.stringify(text) };
  return askProcess({ script, question: ['glass'], limitMs: 10_000, env, ...options });
}

describe('a process that is asked', () => {
  const adapters = [{ name: 'A' }, { name: 'B' }];

  it('gets the question, tells all there is, and is gone', async () => {
    const { news, ...end } = await ask({ adapters });
    expect(news.map(({ kind }) => kind)).toEqual(['package', 'adapters', 'adapter', 'adapter']);
    expect(news[1]).toMatchObject({ targets: [{ backend: 'glass' }, { backend: 'glass' }] });
    expect(end).toEqual({ crash: undefined, isLate: false, lines: [] });
  });

  it('leaves what it told before it crashed, and what it printed', async () => {
    const { news, ...end } = await ask({ adapters, crashAt: 'B' });
    expect(news.map(({ kind }) => kind)).toEqual(['package', 'adapters', 'adapter']);
    const lines = ['a driver crashed'];
    expect(end).toEqual({ crash: 'SIGSEGV: a driver crashed', isLate: false, lines });
  });

  it('leaves out what it always prints', async () => {
    const { crash, lines } = await ask({ adapters, crashAt: 'B' }, { chatter: /^a driver/ });
    expect([crash, lines]).toEqual(['SIGSEGV', []]);
  });

  it('is not waited for when it hangs', async () => {
    const { crash, isLate } = await ask({ list: 'hang' }, { limitMs: 400 });
    expect([crash, isLate]).toEqual([undefined, true]);
  });

  it('may throw, or not be there', async () => {
    expect((await ask({ list: 'throw' })).crash).toBe('the binding does not like this');
    const missing = new URL('./no-such-program.ts', import.meta.url);
    expect((await ask({}, { script: missing })).crash).toMatch(/^exit code 1: /);
  });
});
