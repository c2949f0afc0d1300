/** The built `bytom-node`: what it says to wrong command lines, files and data directories. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { metaKey } from '../../src/store/layout.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { encodeU32 } from '../../src/store/records.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { ChainRig } from '../support/chain-rig.ts';
import { repoRoot } from '../support/repo-files.ts';
import { chainLines, decodeAll, knownHasher, solonetChain } from '../support/solonet-chain.ts';
import { expectRefusal, NodeProcess, runNode } from './node-process.ts';
import { expectSuccess, jsonOf } from './program-process.ts';

const vector = solonetChain();
const lines = vector.blocks.map(({ raw_block }) => raw_block);

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** A new data directory, as options. */
function fresh(): [string, string, string, string] {
  return ['--network', 'solonet', '--data', join(folder, `data-${count++}`)];
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Blocks `from` … `to` of the chain, one a line. */
const blocks = (from: number, to: number): string => chainLines(vector, from, to);

describe('help', () => {
  it('fits 100 columns, that of the commands too, and names the commands', async () => {
    for (const command of [[], ['run'], ['import'], ['export'], ['verify-chain'], ['status']]) {
      const help = await runNode([...command, '--help']);
      expectSuccess(help);
      expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
      if (command.length > 0) continue;
      expect(help.stdout).toMatch(
        /\n {2}run .*\n {2}import .*\n {2}export .*\n {2}verify-chain .*\n {2}status .*\n {2}keys /,
      );
    }
  });

  it('and version need nothing else to be right', async () => {
    const { version } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as {
      version: string;
    };
    const ended = await runNode(['--version'], { env: { BYTOM_NODE_DATA: '/no/such/folder' } });
    expectSuccess(ended);
    expect(ended.stdout).toBe(`${version}\n`);
  });
});

describe('a wrong command line', () => {
  const refusals: readonly (readonly [args: readonly string[], code: number, text: string])[] = [
    [['sync'], 2, "unknown command 'sync' (there are: run, import, export, verify-chain, status, "],
    [['import'], 2, "missing required argument 'file'"],
    [['import', 'a', 'b'], 2, "too many arguments for 'import'"],
    [['status', '--network', 'main'], 2, 'network: expected mainnet, testnet (or wisdom) or solo'],
    [['status', '--threads', '1'], 2, "unknown option '--threads'"],
    [['--threads', '1', 'status'], 2, "option '--threads' has no meaning for status"],
    [['export', 'f', '--from', '-1'], 2, 'from: expected a whole number from 0, got "-1"'],
    [['export', '-', '--json'], 2, '--json has no place'],
    [['import', '--kernel', 'avx', 'f'], 2, 'kernel: expected one of '],
  ];

  it.each(refusals)('%j ends with %i and one line: %s', async (args, code, text) => {
    // Whatever gets past the options must not find the data of whoever runs the tests.
    const ended = await runNode(args, { env: { XDG_DATA_HOME: join(folder, 'home') } });
    expectRefusal(ended, code, text);
    expect(ended.stdout).toBe('');
  });

  it('may come from the environment', async () => {
    const env = { BYTOM_NODE_NETWORK: 'sol' };
    expectRefusal(await runNode(['status'], { env }), 2, 'network: expected mainnet');
  });

  it('with a device that is not there ends with 3, and stores nothing', async () => {
    const path = file('one.txt', blocks(1, 1));
    const ended = await runNode([...fresh(), 'import', path, '--device', 'gpu0']);
    expectRefusal(ended, 3, 'no such device: gpu0 (there are: cpu');
  });
});

describe('a file that cannot be imported', () => {
  const cut = gzipSync(blocks(0, 100)).subarray(0, 1000);
  const cases: readonly (readonly [name: string, path: () => string, text: string])[] = [
    ['is missing', () => join(folder, 'none'), 'none: cannot be read: ENOENT'],
    ['is a folder', () => folder, 'cannot be read: it is a directory'],
    ['is empty', () => file('empty', ''), 'empty: holds no blocks'],
    ['is an empty archive', () => file('empty.gz', gzipSync('')), 'holds no blocks'],
    ['is a program', () => process.execPath, 'got byte 0x02 at position 4'],
    ['is other JSON', () => join(repoRoot, 'tsconfig.json'), 'got JSON without an array'],
    ['ends too early', () => file('cut.gz', cut), 'gzip: unexpected end of file'],
  ];

  it.each(cases)('%s: exit code 1', async (_, path, text) => {
    const ended = await runNode([...fresh(), 'import', path()]);
    expect(ended.stderr).toContain(text);
    expect(ended.stderr).toMatch(/^bytom-node: [^\n]+\n$/);
    expect(ended.code).toBe(1);
  });

  it('of another network is refused at once, with what to do', async () => {
    const { mainnet } = JSON.parse(
      readFileSync(join(repoRoot, 'test/vectors/genesis.json'), 'utf8'),
    ) as { mainnet: { raw_block: string } };
    const ended = await runNode([...fresh(), 'import', file('main', mainnet.raw_block)]);
    expect(ended.stderr).toContain('line 1 is of mainnet, genesis a75483474799');
    expect(ended.stderr).toContain('this is solonet, genesis ce4fe9431cd0');
    expect(ended.stderr).toContain('--network');
    expect(ended.code).toBe(1);
  });

  it('leaves a summary behind, with what could be imported', async () => {
    const data = fresh();
    const path = file('some.txt', `${blocks(1, 3)}zz\n${lines[4]!.slice(0, -4)}\n${blocks(4, 5)}`);
    const ended = await runNode([...data, 'import', path, '--json']);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toContain(
      'block refused at "line 4" problem "hex: expected an even number',
    );
    expect(ended.stdout).toContain('block refused at "line 5" height 4 hash ');
    expect(jsonOf(ended)).toMatchObject({ height: 5, blocks: 5, transactions: 5, refused: 2 });
    expect(Object.keys(jsonOf(ended))).toEqual([
      'height',
      'hash',
      'blocks',
      'transactions',
      'seconds',
      'refused',
    ]);
  });

  it('with a bad block in the middle: it is named, what follows has no parent', async () => {
    // Another second: another hash, which has no proof of work.
    const { header, transactions } = decodeBlock(hexToBytes(lines[3]!, 'block'));
    const later = { ...header, timestamp: header.timestamp + 1 };
    const bad = bytesToHex(encodeBlock({ header: later, transactions }));
    const path = file('bad.txt', `${blocks(1, 2)}${bad}\n${blocks(5, 7)}`);
    const ended = await runNode([...fresh(), 'import', path, '--json']);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(
      /block refused at "line 3" height 3 hash [0-9a-f]{64} rule proof-of-work /,
    );
    expect(ended.stdout).toContain('blocks without a parent blocks 3 first "line 4" height 5');
    expect(jsonOf(ended)).toMatchObject({ height: 2, blocks: 2, refused: 1, orphans: 3 });
  });

  it('because what comes before is missing ends it after 257 blocks', async () => {
    const ended = await runNode([
      ...fresh(),
      'import',
      file('late.txt', blocks(500, 900)),
      '--json',
    ]);
    expect(ended.stderr).toContain(
      'stopped: 257 blocks in a row could not be attached to the chain, which ends at height 0; ' +
        'the first is line 1, height 500.',
    );
    expect(ended.code).toBe(1);
    expect(jsonOf(ended)).toMatchObject({ height: 0, blocks: 0, orphans: 257 });
  });
});

describe('a data directory', () => {
  it('is made for its owner alone', async () => {
    const home = join(folder, 'made');
    const env = { XDG_DATA_HOME: home };
    const args = ['import', file('two.txt', blocks(0, 2)), '--network', 'solonet'];
    expectSuccess(await runNode(args, { env }));
    const status = await runNode(['status', '--network', 'solonet', '--json'], { env });
    expectSuccess(status);
    const data = join(home, 'bytom-tensority', 'solonet');
    expect(jsonOf(status)).toMatchObject({ network: 'solonet', data, height: 2, blocks: 3 });
    const { mode } = statSync(data);
    expect(mode & 0o777).toBe(0o700);
  });

  it('that is not there is not made by those that only read', async () => {
    const data = fresh();
    for (const command of [['status'], ['verify-chain'], ['export', '-']]) {
      const ended = await runNode([...data, ...command]);
      expectRefusal(ended, 1, 'no chain in this data directory yet');
    }
    expect(readdirSync(folder)).not.toContain(data[3].split('/').at(-1));
  });

  it('that cannot be made is named', async () => {
    const path = join(file('no-folder', ''), 'data');
    const args = ['--network', 'solonet', '--data', path];
    const ended = await runNode([...args, 'import', file('three.txt', blocks(0, 3))]);
    expectRefusal(ended, 1, `${path}: ENOTDIR`);
  });

  it('of another network, a newer program, or nothing of ours is refused', async () => {
    const data = fresh();
    const path = file('four.txt', blocks(0, 2));
    expectSuccess(await runNode([...data, 'import', path]));
    const other = await runNode(['--data', data[3], 'status', '--network', 'testnet']);
    expectRefusal(other, 1, 'holds the chain of solonet');
    const kv = LmdbKv.open(data[3]);
    kv.write([{ key: metaKey('schema'), value: encodeU32(99) }]);
    await kv.close();
    for (const command of [['status'], ['import', path]]) {
      expectRefusal(await runNode([...data, ...command]), 1, 'written with schema 99');
    }
    const foreign = fresh();
    mkdirSync(foreign[3]);
    writeFileSync(join(foreign[3], 'data.mdb'), 'this is no database'.repeat(1000));
    for (const command of [['import', path], ['status']]) {
      expectRefusal(await runNode([...foreign, ...command]), 1, 'damaged at data.mdb');
    }
  });

  it('in use is refused to a second writer, and can be read beside it', async () => {
    const data = fresh();
    const args = [...data, 'import', '-'];
    const first = new NodeProcess(args, { input: blocks(0, 5), keepInput: true });
    await first.line(/ start /);
    const second = await runNode([...data, 'import', file('five.txt', blocks(0, 3))]);
    expectRefusal(second, 1, 'in use by process ');
    expectSuccess(await runNode([...data, 'status']));
    const { code, stdout, stderr } = await first.interrupt();
    expect([code, stderr]).toEqual([130, '']);
    expect(stdout).toContain('interrupted at height 5');
    expectSuccess(await runNode([...data, 'import', file('six.txt', blocks(0, 6))]));
  });

  it('on a full disk: one line, exit code 1, and nothing is lost', async (ctx) => {
    if (process.platform === 'win32') ctx.skip('no file size limits here');
    const { directory, height } = await storeAboutToGrow();
    const data = ['--network', 'solonet', '--data', directory];
    const { size } = statSync(join(directory, 'data.mdb'));
    // In units of 512 bytes. Without the trap, a signal would end the process.
    const limit = `trap '' XFSZ; ulimit -f ${size / 512}; exec "$@"`;
    const path = file('rest.txt', blocks(0, height + CHUNK));
    const full = await runNode([...data, 'import', path], { through: ['sh', '-c', limit, 'sh'] });
    expect(full.stderr).toMatch(/^bytom-node: [^\n]*no space left[^\n]*\n$/);
    expect(full.code).toBe(1);
    const kept = jsonOf(await runNode([...data, 'status', '--json']))['height'];
    expect(kept).toBeGreaterThanOrEqual(height);
    expect(kept).toBeLessThan(height + CHUNK);
    const again = await runNode([...data, 'import', path, '--json']);
    expectSuccess(again);
    expect(jsonOf(again)).toMatchObject({ height: height + CHUNK });
  });

  it('that there is no room for is not begun', async (ctx) => {
    if (process.platform === 'win32') ctx.skip('no file size limits here');
    const limit = `trap '' XFSZ; ulimit -f 100; exec "$@"`;
    const data = fresh();
    const args = [...data, 'import', file('small.txt', blocks(0, 3))];
    const full = await runNode(args, { through: ['sh', '-c', limit, 'sh'] });
    expectRefusal(full, 1, 'no space left');
    expectSuccess(await runNode(args));
  });
});

/** Blocks that are imported at once in the test of a full disk. */
const CHUNK = 40;

/** A stored chain whose file must grow for the next blocks; their proofs of work are known. */
async function storeAboutToGrow(): Promise<{ directory: string; height: number }> {
  const directory = join(folder, 'growing');
  const before = join(folder, 'before');
  const all = decodeAll(vector);
  const sizeOf = (): number => statSync(join(directory, 'data.mdb')).size;
  await openRig(directory).close();
  for (let height = 0; height + CHUNK < all.length; height += CHUNK) {
    const size = sizeOf();
    rmSync(before, { recursive: true, force: true });
    cpSync(directory, before, { recursive: true });
    const rig = openRig(directory);
    await rig.submitAll(all.slice(height + 1, height + CHUNK + 1));
    await rig.close();
    if (sizeOf() > size) return { directory: before, height };
  }
  throw new Error('the file did not grow');
}

function openRig(directory: string): ChainRig {
  return new ChainRig({ hasher: knownHasher(vector), kv: LmdbKv.open(directory) });
}
