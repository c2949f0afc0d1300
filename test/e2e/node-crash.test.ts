/**
 * `kill -9` during an import, over and over: the data directory must always open, hold the chain as it
 * was after some block, and come to the same tip and unspent outputs in the end. `CRASH_RUNS`, 20 by
 * default, is how often the quick program is killed; the real one half as often.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeBlock } from '../../src/chain/block.ts';
import type { UtxoView } from '../../src/chain/utxo.ts';
import { connectBlock } from '../../src/consensus/utxo-rules.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { UtxoOverlay } from '../../src/store/utxo-overlay.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { openStore } from '../support/chain-rig.ts';
import { repoRoot } from '../support/repo-files.ts';
import { solonetChain } from '../support/solonet-chain.ts';
import { NodeProcess, runNode } from './node-process.ts';
import { expectSuccess, lastLine } from './program-process.ts';

const RUNS = Number(process.env['CRASH_RUNS'] ?? 20);
const REAL_RUNS = Math.ceil(RUNS / 2);
const LIMIT = { timeout: 120_000 + 20_000 * RUNS };

const vector = solonetChain();
/** The unspent outputs after each block, as `count digest`. */
const coinsAt = coinHistory();

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-crash-'));
afterAll(() => rmSync(folder, { recursive: true }));

function coinHistory(): readonly string[] {
  const nothing: UtxoView = { get: () => undefined };
  const coins = new UtxoOverlay(nothing);
  const ids = new Map<string, Uint8Array>();
  return vector.blocks.map(({ raw_block, status_fail }) => {
    const block = decodeBlock(hexToBytes(raw_block, 'raw_block'));
    const failed = block.transactions.map((_, i) => status_fail.includes(i));
    const change = new UtxoOverlay(coins);
    connectBlock(block, failed, change);
    for (const [id, utxo] of change.changes()) {
      if (utxo === undefined) {
        coins.remove(id);
        ids.delete(bytesToHex(id));
      } else {
        coins.put(id, utxo);
        ids.set(bytesToHex(id), id);
      }
    }
    return `${ids.size} ${digestOf([...ids.keys()])}`;
  });
}

function digestOf(ids: readonly string[]): string {
  return bytesToHex(sha3(hexToBytes(ids.toSorted().join(''), 'ids')));
}

/** Opens what a killed process left behind, and returns the height it is at. */
async function inspect(directory: string): Promise<number> {
  const store = openStore(LmdbKv.open(directory));
  try {
    const { height, hash } = store.tip();
    expect(bytesToHex(hash)).toBe(vector.blocks[height]!.hash);
    const { count, digest } = store.utxoSummary();
    expect(`${count} ${bytesToHex(digest)}`, `at height ${height}`).toBe(coinsAt[height]);
    for (const at of [0, height >> 1, height]) {
      expect(bytesToHex(store.mainHash(at)!)).toBe(vector.blocks[at]!.hash);
      expect(bytesToHex(store.blockBytes(store.mainHash(at)!)!)).toBe(vector.blocks[at]!.raw_block);
    }
    return height;
  } finally {
    await store.close();
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('an import that is killed', () => {
  it(
    `${RUNS} times, with a flush every few blocks, loses nothing that was written`,
    LIMIT,
    async () => {
      const script = join(repoRoot, 'test/support/import-known.ts');
      const best = vector.best_height;
      let directory = '';
      let height = best;
      let kills = 0;
      let whole = 0;
      while (kills < RUNS || height < best) {
        if (height === best) {
          directory = join(folder, `known-${whole}`);
          height = 0;
        }
        const flushBlocks = 1 + Math.floor(Math.random() * 30);
        const child = spawn(process.execPath, [script, directory, `${flushBlocks}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
          timeout: 60_000,
        });
        const exited = once(child, 'exit');
        await nextLine(child);
        // The last ones may come to the end.
        if (kills < RUNS) {
          await pause(Math.random() * 400);
          child.kill('SIGKILL');
          kills++;
        }
        await exited;
        const before = height;
        height = await inspect(directory);
        expect(height).toBeGreaterThanOrEqual(before);
        if (height === best) whole++;
      }
      expect(whole).toBeGreaterThan(0);
      expect(coinsAt[best]).toBe(`${vector.utxo_count_at_best} ${vector.utxo_digest_at_best}`);
    },
  );

  it(`${REAL_RUNS} times, as users run it, is resumed to the same end`, LIMIT, async () => {
    const best = 200;
    const path = join(folder, 'blocks.txt');
    const lines = vector.blocks.slice(0, best + 1).map(({ raw_block }) => raw_block);
    writeFileSync(path, `${lines.join('\n')}\n`);
    let directory = '';
    let height = best;
    for (let kills = 0; kills < REAL_RUNS; kills++) {
      if (height === best) {
        directory = join(folder, `real-${kills}`);
        height = 0;
      }
      const args = ['--network', 'solonet', '--data', directory];
      const running = new NodeProcess([...args, 'import', path, '--json']);
      // From the opening of the store on.
      await running.line(/ device /);
      await pause(Math.random() * 3000);
      running.signal('SIGKILL');
      await running.ended;
      const before = height;
      height = await inspect(directory);
      expect(height).toBeGreaterThanOrEqual(before);
    }
    const args = ['--network', 'solonet', '--data', directory];
    const ended = await runNode([...args, 'import', path, '--json']);
    expectSuccess(ended);
    expect(JSON.parse(lastLine(ended))).toMatchObject({
      height: best,
      hash: vector.blocks[best]!.hash,
    });
    expect(await inspect(directory)).toBe(best);
  });
});

async function nextLine(child: ChildProcess): Promise<void> {
  const lines = createInterface({ input: child.stdout! });
  await Promise.race([once(lines, 'line'), once(child, 'exit')]);
}
