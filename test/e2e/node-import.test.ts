/** The built `bytom-node` on a chain of the reference node: in, out again, and checked. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chainLines, SOLONET_CHAIN_FILE, solonetChain } from '../support/solonet-chain.ts';
import { expectRefusal, NodeProcess, runNode } from './node-process.ts';
import { expectSuccess, jsonOf, lastLine } from './program-process.ts';

const vector = solonetChain();
const lines = vector.blocks.map(({ raw_block }) => raw_block);

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-import-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SHORT = 40;
/** A data directory with the first blocks, for tests that only read. */
const short = dataOptions('short');

/** All of the proofs of work, with other tests on the machine. */
const WHOLE_CHAIN = { timeout: 900_000 };
const LONG = { limitMs: 890_000 };

beforeAll(async () => {
  expectSuccess(await runNode([...short, 'import', file('short.txt', blocks(0, SHORT))]));
});

function dataOptions(name: string): readonly [string, string, string, string] {
  return ['--network', 'solonet', '--data', join(folder, name)];
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Blocks `from` … `to` of the chain, one a line. */
const blocks = (from: number, to: number): string => chainLines(vector, from, to);

describe('the whole chain', () => {
  const data = dataOptions('whole');

  it('is imported, every check on, to the tip of the reference', WHOLE_CHAIN, async () => {
    const ended = await runNode([...data, 'import', SOLONET_CHAIN_FILE, '--json'], LONG);
    expectSuccess(ended);
    expect(Object.keys(jsonOf(ended))).toEqual([
      'height',
      'hash',
      'blocks',
      'transactions',
      'seconds',
    ]);
    expect(jsonOf(ended)).toMatchObject({
      height: vector.best_height,
      hash: vector.best_hash,
      blocks: 2030,
      transactions: 2287,
    });
  });

  it('is verified, to the unspent outputs of the reference', WHOLE_CHAIN, async () => {
    const ended = await runNode([...data, 'verify-chain', '--json'], LONG);
    expectSuccess(ended);
    expect(lastLine(ended)).toBe(
      JSON.stringify({
        height: vector.best_height,
        hash: vector.best_hash,
        utxoCount: vector.utxo_count_at_best,
        utxoDigest: vector.utxo_digest_at_best,
      }),
    );
  });

  it('is exported as it was imported, byte for byte', async () => {
    const plain = join(folder, 'whole.txt');
    const ended = await runNode([...data, 'export', plain, '--json']);
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({ height: 2030, hash: vector.best_hash, blocks: 2031 });
    expect(readFileSync(plain, 'utf8') === blocks(0, 2030)).toBe(true);
    const packed = join(folder, 'whole.txt.gz');
    expectSuccess(await runNode([...data, 'export', packed]));
    expect(gunzipSync(readFileSync(packed)).toString() === blocks(0, 2030)).toBe(true);
  });

  it('is skipped quickly when it is imported again', async () => {
    const ended = await runNode([...data, 'import', join(folder, 'whole.txt.gz'), '--json']);
    expectSuccess(ended);
    expect(ended.stdout).toContain('0 new blocks with 0 transactions, 2031 known');
    expect(jsonOf(ended)).toMatchObject({ height: 2030, blocks: 0, transactions: 0 });
  });

  it('is told about by status', async () => {
    const ended = await runNode([...data, 'status', '--json']);
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({
      network: 'solonet',
      schema: 1,
      height: 2030,
      hash: vector.best_hash,
      timestamp: 1529164813,
      blocks: 2031,
      utxoCount: 3041,
      totalWork: 40718,
    });
    const text = await runNode([...data, 'status']);
    expect(text.stdout).toMatch(
      /^network {5}solonet\n.*\nheight {6}2030 \(2031 blocks\)\ntip .*\n/,
    );
    expect(text.stdout).toContain('2018-06-16T16:00:13Z');
  });
});

describe('an import', () => {
  it('takes lines, gzip and standard input alike', async () => {
    const text = blocks(0, 5);
    const json = JSON.stringify(lines.slice(0, 6));
    const results = new Set<string>();
    for (const [name, content] of [
      ['a.txt', text],
      ['b.any', gzipSync(text)],
      ['c.txt', json],
      ['d.txt', JSON.stringify({ steps: lines.slice(0, 6).map((raw_block) => ({ raw_block })) })],
    ] as const) {
      const ended = await runNode([
        ...dataOptions(`of-${name}`),
        'import',
        file(name, content),
        '--json',
      ]);
      expectSuccess(ended);
      const { seconds: _, ...rest } = jsonOf(ended);
      results.add(JSON.stringify(rest));
    }
    const piped = await runNode([...dataOptions('piped'), 'import', '-', '--json'], {
      input: gzipSync(text),
    });
    const { seconds: _, ...rest } = jsonOf(piped);
    results.add(JSON.stringify(rest));
    expect([...results]).toEqual([
      JSON.stringify({ height: 5, hash: vector.blocks[5]!.hash, blocks: 5, transactions: 5 }),
    ]);
  });

  it('that is interrupted keeps what it has, says where, and is resumed', async () => {
    const data = dataOptions('interrupted');
    const path = file('long.txt', blocks(0, 400));
    const running = new NodeProcess([...data, 'import', path, '--json']);
    await running.line(/ start /);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const ended = await running.interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ended.ms).toBeLessThan(10_000);
    const { height, blocks: stored } = jsonOf(ended) as { height: number; blocks: number };
    expect(stored).toBe(height);
    expect(height).toBeGreaterThan(0);
    expect(height).toBeLessThan(400);
    expect(ended.stdout).toContain(`interrupted at height ${height}\n`);
    const status = await runNode([...data, 'status', '--json']);
    expect(jsonOf(status)).toMatchObject({ height });
    const rest = file('rest.txt', blocks(0, height + 3));
    const resumed = await runNode([...data, 'import', rest, '--json']);
    expectSuccess(resumed);
    expect(jsonOf(resumed)).toMatchObject({ height: height + 3, blocks: 3 });
  });

  it('stops when nobody reads what it says, and keeps what it has', async () => {
    const data = dataOptions('unread');
    const bad = 'zz\n'.repeat(200);
    const path = file('unread.txt', `${blocks(0, 3)}${bad}${blocks(4, 300)}`);
    const running = new NodeProcess([...data, 'import', path]);
    running.stopReading();
    const { code } = await running.ended;
    expect(code).toBe(130);
    expect(jsonOf(await runNode([...data, 'status', '--json']))['height']).toBeLessThan(300);
  });

  it('takes blocks in any order', async () => {
    const shuffled = lines.slice(1, 12).toReversed().join('\n');
    const path = file('reversed.txt', shuffled);
    const ended = await runNode([...dataOptions('reversed'), 'import', path, '--json']);
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({ height: 11, blocks: 11 });
  });
});

describe('an export', () => {
  it('can be imported again', async () => {
    const path = join(folder, 'again.txt.gz');
    expectSuccess(await runNode([...short, 'export', path]));
    const ended = await runNode([...dataOptions('again'), 'import', path, '--json']);
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({ height: SHORT, blocks: SHORT });
  });

  it('writes a part of the chain, also to standard output', async () => {
    const args = ['--from', '7', '--to', '9'];
    const ended = await runNode([...short, 'export', '-', ...args]);
    expectSuccess(ended);
    expect(ended.stdout).toBe(blocks(7, 9));
    const one = await runNode([...short, 'export', '-', '--from', `${SHORT}`]);
    expect(one.stdout).toBe(blocks(SHORT, SHORT));
  });

  it('refuses heights that there are not', async () => {
    const path = join(folder, 'none.txt');
    const to = await runNode([...short, 'export', path, '--to', '41']);
    expectRefusal(to, 2, 'to: expected a height up to that of the tip, 40, got 41');
    const from = await runNode([...short, 'export', path, '--from', '9', '--to', '8']);
    expectRefusal(from, 2, 'from: expected a height up to 8, got 9');
    expect(existsSync(path)).toBe(false);
  });

  it('replaces a file only if it is told to', async () => {
    const path = file('there.txt', 'mine');
    expectRefusal(await runNode([...short, 'export', path]), 1, 'is there already; --force');
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expectSuccess(await runNode([...short, 'export', path, '--force', '--to', '2']));
    expect(readFileSync(path, 'utf8')).toBe(blocks(0, 2));
  });

  it('that cannot be written says so and leaves nothing behind', async (ctx) => {
    expectRefusal(await runNode([...short, 'export', folder]), 1, 'is a directory');
    const nowhere = join(folder, 'no', 'file');
    expectRefusal(await runNode([...short, 'export', nowhere]), 1, 'cannot be written: ENOENT');
    if (!existsSync('/dev/full')) ctx.skip('no /dev/full here');
    expectRefusal(await runNode([...short, 'export', '/dev/full']), 1, 'written: ENOSPC');
    const limit = `trap '' XFSZ; ulimit -f 8; exec "$@"`;
    const before = readdirSync(folder);
    const through = ['sh', '-c', limit, 'sh'];
    const full = await runNode([...short, 'export', join(folder, 'full.txt')], { through });
    expectRefusal(full, 1, 'full.txt: cannot be written: EFBIG');
    expect(readdirSync(folder)).toEqual(before);
  });

  it('ends quietly when its reader does', async () => {
    const running = new NodeProcess([...short, 'export', '-']);
    running.stopReading();
    const { code, stderr } = await running.ended;
    expect(stderr).toBe('');
    expect([0, 130]).toContain(code);
  });
});
