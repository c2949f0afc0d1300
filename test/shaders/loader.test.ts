import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readShaderFile } from '../../drivers/webgpu/node/shader-files.ts';
import { loadShader, type ProgramName, SHADER_FILES } from '../../shaders/index.ts';

const FOLDER = new URL('../../shaders/', import.meta.url);

describe('shader loader', () => {
  it('names every shader of the folder, and no other', () => {
    const present = readdirSync(FOLDER).filter((name) => name.endsWith('.wgsl'));
    expect(SHADER_FILES).toEqual(present.sort());
  });

  it('puts the own file first, then what it shares, then the constants', async () => {
    const asked: string[] = [];
    const read = async (name: string): Promise<string> => {
      asked.push(name);
      return `// ${name}`;
    };
    const text = await loadShader('finish', { ROWS: 64, COMPONENT: 'f16' }, read);
    expect(asked[0]).toBe('finish.wgsl');
    expect(text.split('\n')).toEqual([
      ...asked.map((name) => `// ${name}`),
      'const ROWS = 64;',
      'alias COMPONENT = f16;',
    ]);
  });

  it('reads in Node every file that a program is made of', async () => {
    const programs = SHADER_FILES.map((name) => name.slice(0, -'.wgsl'.length));
    const texts = await Promise.all(SHADER_FILES.map(readShaderFile));
    for (const [i, text] of texts.entries()) expect(text, programs[i]).toMatch(/fn |^alias /m);
    const headers = await loadShader('headers', {}, readShaderFile);
    expect(headers).toContain('fn hash_headers');
    expect(headers).toContain('fn keccak_f');
  });

  it('rejects with what reading rejects with', async () => {
    const reason = new Error('no such file');
    const read = (name: string): Promise<string> =>
      name === 'keccak.wgsl' ? Promise.reject(reason) : Promise.resolve('');
    await expect(loadShader('headers', {}, read)).rejects.toBe(reason);
  });

  it('knows nothing but the files of its programs', async () => {
    await expect(readShaderFile('../package.json.wgsl')).rejects.toThrow(/ENOENT/);
    const unknown = 'product' as ProgramName;
    await expect(loadShader(unknown, {}, readShaderFile)).rejects.toBeInstanceOf(TypeError);
  });
});
