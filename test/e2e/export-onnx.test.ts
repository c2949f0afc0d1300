/** What `bytom-miner export-onnx` writes computes a block's PoW hash, used as the program says. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SELF_TEST_SEARCH } from '../../drivers/selftest.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { onnxRuntime, WHY_NO_ONNX_RUNTIME } from '../support/onnx-runtime.ts';
import { expectRefusal, runMiner } from './miner-process.ts';
import { expectSuccess, jsonOf } from './program-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'export-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Block 123 of mainnet. */
const HEADER_HASH = '531e1ebdd6f38924bfdd86331bc1286b1626da0d0b5b6f6da233a2d054d7f041';

describe('export-onnx', () => {
  it('writes a network that computes the hash', async (ctx) => {
    const file = join(folder, 'hash.onnx');
    const ended = await runMiner(['export-onnx', file]);
    expectSuccess(ended);
    expect(ended.stdout).toMatch(/^\S+hash\.onnx: hash, integer form, opset 18, IR version 8, /);
    expect(readdirSync(folder)).toEqual(['hash.onnx']);

    if (onnxRuntime === undefined) ctx.skip(WHY_NO_ONNX_RUNTIME);
    const { InferenceSession, Tensor } = onnxRuntime!;
    const session = await InferenceSession.create(file);
    const { words } = await session.run({
      matrices: new Tensor('uint8', matrices(), [256, 256, 256]),
      sequences: new Tensor('int32', sequences(), [1, 4, 32]),
    });
    await session.release();
    const bytes = Buffer.alloc(256);
    for (const [j, word] of (words!.data as Uint32Array).entries())
      bytes.writeUInt32LE(word, 4 * j);
    expect(sha3(bytes).toString('hex')).toBe(SELF_TEST_SEARCH.powHash);
  });

  it('gives the same bytes on standard output', async () => {
    const file = join(folder, 'chain.onnx');
    const args = ['--part', 'chain', '--form', 'float', '--chains', '2'];
    const ended = await runMiner(['export-onnx', ...args, '--json', file]);
    expectSuccess(ended);
    const { bytes, output } = jsonOf(ended);
    expect(output).toMatchObject({ name: 'end', type: 'int8', shape: [2, 256, 256] });
    const written = readFileSync(file);
    expect(bytes).toBe(written.length);
    // Not read here: what a process says is kept as text.
    const summed = await runMiner(['export-onnx', ...args, '-'], {
      through: ['sh', '-c', '"$@" | sha256sum', 'sh'],
    });
    expectSuccess(summed);
    expect(summed.stdout).toContain(createHash('sha256').update(written).digest('hex'));
  });

  it('writes test data that the network agrees with, under a real and an extreme table', async (ctx) => {
    const data = join(folder, 'data');
    for (const [shape, args] of [
      ['words', ['--hashes', '2', '--form', 'unsigned']],
      ['sum', ['--finish', 'sum', '--form', 'float']],
      ['end', ['--part', 'chain', '--chains', '5']],
    ] as const) {
      const file = join(folder, `${shape}.onnx`);
      expectSuccess(await runMiner(['export-onnx', ...args, '--force', '--test-data', data, file]));
      if (onnxRuntime === undefined) ctx.skip(WHY_NO_ONNX_RUNTIME);
      const { InferenceSession, Tensor } = onnxRuntime!;
      const session = await InferenceSession.create(file);
      const [matricesPort, sequencesPort] = session.inputMetadata;
      for (const name of ['test_data_set_0', 'test_data_set_1']) {
        // The entries are what each file ends with.
        const read = (tensor: string, bytes: number): Uint8Array =>
          Uint8Array.from(readFileSync(join(data, name, `${tensor}.pb`)).subarray(-bytes));
        const dims = (port: unknown): number[] => [...(port as { shape: number[] }).shape];
        const chains = dims(sequencesPort).reduce((product, size) => product * size, 1) / 32;
        const outputs = await session.run({
          matrices: new Tensor('uint8', read('input_0', 2 ** 24), dims(matricesPort)),
          sequences: new Tensor(
            'int32',
            new Int32Array(read('input_1', 128 * chains).buffer),
            dims(sequencesPort),
          ),
        });
        const { buffer, byteLength } = outputs[shape]!.data as Int32Array;
        const got = new Uint8Array(buffer, 0, byteLength);
        expect(Buffer.compare(got, read('output_0', byteLength)), `${shape}, ${name}`).toBe(0);
      }
      await session.release();
    }
    const again = await runMiner(['export-onnx', join(folder, 'x.onnx'), '--test-data', data]);
    expectRefusal(again, 1, 'test_data_set_0: is there already');
    expect(readdirSync(folder)).not.toContain('x.onnx');
  });

  it('replaces nothing by itself, and says so in one line', async () => {
    const file = join(folder, 'twice.onnx');
    expectSuccess(await runMiner(['export-onnx', file, '--finish', 'sum']));
    const before = readFileSync(file);
    expectRefusal(await runMiner(['export-onnx', file]), 1, 'is there already; --force replaces');
    expect(readFileSync(file)).toEqual(before);
    expectSuccess(await runMiner(['export-onnx', '--force', file]));
    expect(readFileSync(file)).not.toEqual(before);
  });

  it('refuses what it cannot do, in one line', async () => {
    for (const [args, code, text] of [
      [[], 2, "missing required argument 'file'"],
      [['x.onnx', '--chains', '4'], 2, '--chains goes with --part chain'],
      [['x.onnx', '--hashes', 'many'], 2, 'hashes: expected a whole number from 1 to 1024'],
      [['-', '--json'], 2, '--json has no place'],
      [[folder], 1, 'is a directory'],
      [[join(folder, 'none', 'x.onnx')], 1, 'cannot be written'],
    ] as const) {
      expectRefusal(await runMiner(['export-onnx', ...args]), code, text);
    }
  });
});

/** The table of the seed with the top bit of each byte flipped. */
function matrices(): Uint8Array {
  const { data } = buildMatrixTable(hexToBytes(SELF_TEST_SEARCH.seed, 'seed', 32));
  return Uint8Array.from(data, (entry) => (entry & 0xff) ^ 0x80);
}

/** Of each slice the SHA3-256 of its 8 bytes of the header hash. */
function sequences(): Int32Array {
  const header = Buffer.from(HEADER_HASH, 'hex');
  return Int32Array.from(
    [0, 1, 2, 3].flatMap((slice) => [...sha3(header.subarray(8 * slice, 8 * slice + 8))]),
  );
}

function sha3(bytes: Uint8Array): Buffer {
  return createHash('sha3-256').update(bytes).digest();
}
