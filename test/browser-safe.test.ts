/**
 * What is said to run in a page runs where there is nothing of Node: a process of its own forgets
 * Node's globals, loads every such file and reads a block. `layers.test.ts` sees imports, not globals.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeBlock } from '../src/chain/block.ts';
import { bytesToHex, hexToBytes } from '../src/util/bytes.ts';
import { BROWSER_SAFE } from './support/browser-safe.ts';
import { repoFiles, repoRoot } from './support/repo-files.ts';
import { solonetChain } from './support/solonet-chain.ts';

/** What the script below finds out. */
interface Found {
  readonly loaded: readonly string[];
  readonly failed: readonly (readonly [path: string, error: string])[];
  readonly hash: string;
  readonly ids: readonly string[];
  readonly calls: readonly string[];
}

const files = repoFiles().filter(
  (path) => path.endsWith('.ts') && BROWSER_SAFE.some((place) => path.startsWith(place)),
);
const rawBlock = solonetChain().blocks.at(-1)!.raw_block;

const LOAD = `
  // Kept for the loader and the answer; the files under test find none of it.
  const { stdout } = process;
  const { files, root, rawBlock, engineHex } = JSON.parse(process.argv.at(-1));
  const NodeBuffer = Buffer;
  const calls = [];
  for (const name of ['Buffer', 'process', 'global', 'setImmediate', 'clearImmediate']) {
    delete globalThis[name];
  }
  delete Uint8Array.fromHex;
  delete Uint8Array.prototype.toHex;
  if (engineHex) {
    Uint8Array.fromHex = (hex) => (calls.push('fromHex'), new Uint8Array(NodeBuffer.from(hex, 'hex')));
    Uint8Array.prototype.toHex = function () {
      calls.push('toHex');
      return NodeBuffer.from(this).toString('hex');
    };
  }
  const loaded = [];
  const failed = [];
  for (const path of files) {
    try {
      await import(root + path);
      loaded.push(path);
    } catch (error) {
      failed.push([path, String(error)]);
    }
  }
  const { bytesToHex, hexToBytes } = await import(root + 'src/util/bytes.ts');
  const { decodeBlock } = await import(root + 'src/chain/block.ts');
  calls.length = 0;
  const { hash, transactions } = decodeBlock(hexToBytes(rawBlock.toUpperCase(), 'block'));
  const ids = transactions.map(({ id }) => bytesToHex(id));
  stdout.write(JSON.stringify({ loaded, failed, hash: bytesToHex(hash), ids, calls }));
`;

function withoutNode(engineHex: boolean): Found {
  const root = pathToFileURL(join(repoRoot, '/')).href;
  const given = JSON.stringify({ files, root, rawBlock, engineHex });
  const args = ['--input-type=module', '--eval', LOAD, '--', given];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the process without Node's globals: ${stderr}`);
  return JSON.parse(stdout) as Found;
}

describe.each([
  ['and no hex in the engine either', false],
  ['with an engine that knows hex', true],
])('without the globals of Node, %s', (_name, engineHex) => {
  let found: Found;
  beforeAll(() => {
    found = withoutNode(engineHex);
  });

  it('every file of the list loads', () => {
    expect(files).toContain('src/chain/tx-codec.ts');
    expect(found.failed).toEqual([]);
    expect(found.loaded).toEqual(files);
  });

  it('a block has the same hash and the same ids', () => {
    const block = decodeBlock(hexToBytes(rawBlock, 'block'));
    expect(block.transactions.length).toBeGreaterThan(0);
    expect(found.hash).toBe(bytesToHex(block.hash));
    expect(found.ids).toEqual(block.transactions.map(({ id }) => bytesToHex(id)));
  });

  it('the engine does what it can', () => {
    const hexes = found.ids.length + 1;
    expect(found.calls).toEqual(engineHex ? ['fromHex', ...Array(hexes).fill('toHex')] : []);
  });
});
