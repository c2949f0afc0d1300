import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  buildModel,
  type ExportOnnxOptions,
  writeModel,
} from '../../src/cli/export-onnx-command.ts';
import { createMinerProgram } from '../../src/cli/miner-options.ts';
import { ModelFileError } from '../../src/cli/model-file-error.ts';
import { InputError } from '../../src/util/errors.ts';

/** The options that the action gets. */
function optionsOf(...args: readonly string[]): ExportOnnxOptions {
  const found: ExportOnnxOptions[] = [];
  const never = (): Promise<void> => Promise.reject(new TypeError('not this command'));
  const program = createMinerProgram({
    mine: never,
    hash: never,
    verify: never,
    exportOnnx: (options) => {
      found.push(options);
      return Promise.resolve();
    },
  });
  program.parse(['export-onnx', ...args], { from: 'user' });
  return found[0]!;
}

describe('what is exported', () => {
  it('is one hash in integers unless told otherwise', () => {
    const { bytes, result } = buildModel(optionsOf('a.onnx'));
    expect(result).toMatchObject({
      file: 'a.onnx',
      bytes: bytes.length,
      part: 'hash',
      form: 'integer',
      opset: 18,
      irVersion: 8,
      inputs: [
        { name: 'matrices', type: 'uint8', shape: [256, 256, 256] },
        { name: 'sequences', type: 'int32', shape: [1, 4, 32] },
      ],
      output: { name: 'words', type: 'uint32', shape: [1, 64] },
    });
    const same = ['--part=hash', '--form=integer', '--hashes=1', '--finish=words', '--force'];
    expect(buildModel(optionsOf('a.onnx', ...same)).bytes).toEqual(bytes);
  });

  it.each([
    [['--form=float'], 18, 8, [1, 4, 32], { name: 'words', type: 'uint32', shape: [1, 64] }],
    [['--form=fused'], 26, 13, [1, 4, 32], { name: 'words', type: 'uint32', shape: [1, 64] }],
    [
      ['--hashes=3', '--finish=sum'],
      11,
      6,
      [3, 4, 32],
      { name: 'sum', type: 'int8', shape: [3, 256, 256] },
    ],
    [
      ['--form=float', '--finish=sum', '--unrolled'],
      11,
      6,
      [1, 4, 32],
      { name: 'sum', type: 'int32', shape: [1, 256, 256] },
    ],
    [['--part=chain'], 11, 6, [4, 32], { name: 'end', type: 'int8', shape: [4, 256, 256] }],
    [
      ['--part=chain', '--chains=2', '--form=fused'],
      26,
      13,
      [2, 32],
      { name: 'end', type: 'int8', shape: [2, 256, 256] },
    ],
  ] as const)(
    'with %j has the lowest version it can, and says its shapes',
    (args, opset, ir, sequences, output) => {
      const { result } = buildModel(optionsOf('a.onnx', ...args));
      expect(result).toMatchObject({ opset, irVersion: ir, output });
      expect(result.inputs[1]!.shape).toEqual(sequences);
    },
  );

  it('has no loop if that is asked for', () => {
    const text = (...args: readonly string[]): string =>
      Buffer.from(buildModel(optionsOf('a.onnx', ...args)).bytes).toString('latin1');
    expect(text()).toContain('Loop');
    for (const part of ['hash', 'chain']) {
      expect(text('--unrolled', `--part=${part}`)).not.toContain('Loop');
    }
  });

  it('says how to use it, in the file and in lines of 100 columns', () => {
    for (const args of [[], ['--finish=sum', '--form=float'], ['--part=chain']]) {
      const { bytes, text, result } = buildModel(optionsOf('a.onnx', ...args));
      const file = Buffer.from(bytes).toString('utf8');
      expect(result.usage.length).toBeGreaterThan(2);
      for (const line of result.usage) expect(file).toContain(line);
      for (const { doc } of [...result.inputs, result.output]) {
        expect(file).toContain(doc);
        expect(text).toContain(doc);
      }
      expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
      // Nothing is lost where lines are broken.
      const words = (all: string): string => all.replaceAll(/\s+/g, ' ');
      expect(words(text)).toContain(words(result.usage.join(' ')));
    }
  });

  it('cannot have what does not go together', () => {
    for (const [args, message] of [
      [['--chains=4'], '--chains goes with --part chain'],
      [['--part=chain', '--hashes=1'], '--hashes goes with --part hash'],
      [['--part=chain', '--finish=words'], '--finish goes with --part hash'],
    ] as const) {
      expect(() => buildModel(optionsOf('a.onnx', ...args)), message).toThrow(message);
    }
    for (const [arg, message] of [
      ['--part=slice', 'part: expected one of hash, chain, got "slice"'],
      [
        '--form=int8',
        'form: expected one of integer, unsigned, float, fused, fused-unsigned, got "int8"',
      ],
      ['--finish=hash', 'finish: expected one of words, sum, got "hash"'],
      ['--hashes=0', 'hashes: expected a whole number from 1 to 1024, got "0"'],
      ['--chains=4097', 'chains: expected a whole number from 1 to 4096, got "4097"'],
    ] as const) {
      expect(() => optionsOf('a.onnx', arg), message).toThrow(message);
      expect(() => optionsOf('a.onnx', arg), message).toThrow(InputError);
    }
  });
});

describe('the file', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  let folder = '';
  let file = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'export-onnx-'));
    file = join(folder, 'a.onnx');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is written, and nothing is left beside it', async () => {
    await writeModel(file, bytes, false);
    expect([...readFileSync(file)]).toEqual([...bytes]);
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  it('is replaced only by force', async () => {
    writeFileSync(file, 'before');
    const refused = writeModel(file, bytes, false);
    await expect(refused).rejects.toThrow(`${file}: is there already; --force replaces it`);
    await expect(refused).rejects.toBeInstanceOf(ModelFileError);
    expect(readFileSync(file, 'utf8')).toBe('before');
    await writeModel(file, bytes, true);
    expect([...readFileSync(file)]).toEqual([...bytes]);
    expect(readdirSync(folder)).toEqual(['a.onnx']);
  });

  it('that cannot be written is named, with the reason', async () => {
    mkdirSync(file);
    await expect(writeModel(file, bytes, true)).rejects.toThrow(`${file}: is a directory`);
    const nowhere = join(folder, 'none', 'b.onnx');
    await expect(writeModel(nowhere, bytes, false)).rejects.toThrow(
      `${nowhere}: cannot be written: ENOENT`,
    );
  });
});
