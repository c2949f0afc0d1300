import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KernelChoices } from '../../drivers/process/kernel-choices.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-kernels-'));
afterAll(() => rmSync(folder, { recursive: true }));

const choice = { kernel: 'dp4a-64', msPerHash: 0.25, avoid: ['f32-16'] };
const failure = { wrong: 'expected 00, got 01', kernel: 'f32-32', avoid: ['f32-16'] };

describe('the remembered kernels', () => {
  it('are there again in the next process, in a folder that is made for them', async () => {
    const path = join(folder, 'new', 'deep', 'kernels.json');
    await new KernelChoices(path).put('gpu | 1.0', choice);
    expect(await new KernelChoices(path).get('gpu | 1.0')).toEqual(choice);
    expect(await new KernelChoices(path).get('gpu | 1.1'), 'another driver').toBeUndefined();
  });

  it('give way to the word that all were wrong, and that to the next choice', async () => {
    const path = join(folder, 'wrong.json');
    await new KernelChoices(path).put('gpu', choice);
    await new KernelChoices(path).put('gpu', failure);
    const again = new KernelChoices(path);
    expect(await again.get('gpu')).toEqual(failure);
    await again.put('gpu', choice);
    expect(await again.get('gpu')).toEqual(choice);
  });

  it('of several devices stand side by side, written at the same time', async () => {
    const path = join(folder, 'several.json');
    const choices = new KernelChoices(path);
    const keys = ['a', 'b', '__proto__', 'c'];
    await Promise.all(keys.map((key) => choices.put(key, { ...choice, kernel: `for ${key}` })));
    await choices.put('b', { ...choice, kernel: 'another' });
    const kernels = await Promise.all(keys.map(async (key) => (await choices.get(key))?.kernel));
    expect(kernels).toEqual(['for a', 'another', 'for __proto__', 'for c']);
  });

  const broken: readonly (readonly [name: string, text: string])[] = [
    ['nothing', ''],
    ['half a file', '{"format":1,"choices":{"gpu":{"kernel":"dp4a-64","msPer'],
    ['another format', '{"format":2,"choices":{"gpu":{"kernel":"x","msPerHash":1,"avoid":[]}}}'],
    ['no object', '[1]'],
    ['no choices', '{"format":1,"choices":7}'],
    ['a choice without a kernel', '{"format":1,"choices":{"gpu":{"msPerHash":1,"avoid":[]}}}'],
    [
      'a speed that is none',
      '{"format":1,"choices":{"gpu":{"kernel":"x","msPerHash":0,"avoid":[]}}}',
    ],
    [
      'a way of being wrong that is none',
      '{"format":1,"choices":{"gpu":{"kernel":"x","wrong":1,"avoid":[]}}}',
    ],
    ['a failure of no kernel', '{"format":1,"choices":{"gpu":{"wrong":"x","avoid":[]}}}'],
    ['no list', '{"format":1,"choices":{"gpu":{"kernel":"x","msPerHash":1,"avoid":"y"}}}'],
  ];

  it.each(broken)(
    'are forgotten if the file holds %s, and are there after the next choice',
    async (name, text) => {
      const path = join(folder, `broken ${name}.json`);
      writeFileSync(path, text);
      const choices = new KernelChoices(path);
      expect(await choices.get('gpu')).toBeUndefined();
      await choices.put('gpu', choice);
      expect(await choices.get('gpu')).toEqual(choice);
    },
  );

  it('that cannot be kept reject, and what is there stays', async () => {
    const path = join(folder, 'a-file');
    writeFileSync(path, 'not a folder');
    const choices = new KernelChoices(join(path, 'kernels.json'));
    await expect(choices.put('gpu', choice)).rejects.toThrow();
    expect(await choices.get('gpu')).toBeUndefined();
    expect(readFileSync(path, 'utf8')).toBe('not a folder');
  });

  it('need no file', async () => {
    const choices = new KernelChoices(undefined);
    await choices.put('gpu', choice);
    expect(await choices.get('gpu')).toBeUndefined();
  });
});
