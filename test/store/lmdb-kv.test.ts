import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ChainStore } from '../../src/store/chain-store.ts';
import { LmdbKv, type LmdbKvOptions } from '../../src/store/lmdb-kv.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { StoreError, type StoreErrorDetail } from '../../src/store/store-error.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';
import { describeKeyValueStore } from './kv-suite.ts';
import { plainStep, sampleBlock, sampleNetwork, sampleStatusFail } from './sample-chain.ts';

const CHILD = fileURLToPath(new URL('writer-child.ts', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'bytom-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

const opened: LmdbKv[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(opened.splice(0).map((kv) => kv.close()));
});

let directories = 0;
/** A new data directory. Its name has a dot, which LMDB takes for a file's unless told otherwise. */
function newDirectory(): string {
  return join(folder, `data.${directories++}`);
}

function open(directory: string, options?: LmdbKvOptions): LmdbKv {
  const kv = LmdbKv.open(directory, options);
  opened.push(kv);
  return kv;
}

function put(kv: LmdbKv, key: number, value: string): void {
  kv.write([{ key: Uint8Array.of(key), value: Buffer.from(value) }]);
}

function text(kv: LmdbKv, key: number): string | undefined {
  const value = kv.get(Uint8Array.of(key));
  return value && Buffer.from(value).toString();
}

function refusal(action: () => unknown): StoreErrorDetail {
  try {
    action();
  } catch (error) {
    if (error instanceof StoreError) return error.detail;
    throw error;
  }
  throw new Error('it was not refused');
}

interface Child {
  readonly process: ChildProcess;
  /** The next line of its output; `undefined` at the end. */
  line(): Promise<string | undefined>;
  /** Every line up to the end. */
  rest(): Promise<string[]>;
}

/** Runs `writer-child.ts`; with `blocks`, in a shell that limits its files to so many times 512 bytes. */
function spawnChild(mode: string, directory: string, blocks?: number): Child {
  const shell = `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`;
  const command = [process.execPath, CHILD, mode, directory];
  const [program, ...args] = blocks === undefined ? command : ['sh', '-c', shell, 'sh', ...command];
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string | undefined> => (await lines.next()).value;
  return {
    process: child,
    line,
    rest: async () => {
      const all: string[] = [];
      for (let next = await line(); next !== undefined; next = await line()) all.push(next);
      return all;
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function overwrite(path: string, position: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Uint8Array.of(0x77 & ~8), 0, 1, position);
  closeSync(fd);
}

function clearFirstPage(path: string): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, new Uint8Array(4096), 0, 4096, 0);
  closeSync(fd);
}

describeKeyValueStore('LmdbKv', () => LmdbKv.open(newDirectory()));

describe('LmdbKv', () => {
  it('keeps what was written, in a directory that only its owner may enter', async () => {
    const directory = join(newDirectory(), 'made', 'with its parents');
    const kv = LmdbKv.open(directory);
    put(kv, 1, 'one');
    await kv.close();
    expect(statSync(directory).mode & 0o077).toBe(0);
    expect(text(open(directory), 1)).toBe('one');
  });

  it('keeps no process running, and leaves no lock behind', async () => {
    const directory = newDirectory();
    const child = spawnChild('open', directory);
    const exit = once(child.process, 'exit');
    expect(await child.rest()).toEqual(['open']);
    expect(await exit, 'it was not even closed').toEqual([0, null]);
    const kv = LmdbKv.open(directory);
    expect(readFileSync(join(directory, 'lock.pid'), 'utf8')).toBe(`${process.pid}\n`);
    await kv.close();
    expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'lock', 'lock.mdb']);
  });

  it('is one process’s alone until that ends, even with kill -9', async () => {
    const directory = newDirectory();
    const child = spawnChild('hold', directory);
    expect(await child.line()).toBe('open');
    const detail = refusal(() => LmdbKv.open(directory));
    expect(detail).toEqual({ code: 'locked', directory, pid: child.process.pid });
    expect(new StoreError(detail).message).toBe(
      `${directory}: in use by process ${child.process.pid}; stop it or choose another data directory`,
    );
    await kill(child.process);
    put(open(directory), 1, 'one');
    const late = spawnChild('hold', directory);
    expect(await late.line()).toMatch(
      `error locked: ${directory}: in use by process ${process.pid}`,
    );
  });

  it('opens once in one process, too', async () => {
    const directory = newDirectory();
    const first = LmdbKv.open(directory);
    expect(refusal(() => LmdbKv.open(directory)).code).toBe('locked');
    put(first, 1, 'still open');
    expect(text(first, 1)).toBe('still open');
    await first.close();
    expect(text(open(directory), 1)).toBe('still open');
  });

  it('shows a reader one state, while another process goes on writing', async () => {
    const directory = newDirectory();
    const writer = spawnChild('chain', directory);
    expect(await writer.line()).toBe('open');
    await writer.line();
    const network = sampleNetwork();
    const reader = open(directory, { readOnly: true });
    expect(reader.readOnly).toBe(true);
    expect(() => put(reader, 1, 'x')).toThrow('reading only');
    const store = ChainStore.open(reader, { network });
    const [tip, before] = [store.tip(), store.utxoSummary()];
    for (let flushes = 0; flushes < 20; flushes++) await writer.line();
    const again = ChainStore.open(reader, { network });
    expect(again.tip()).toEqual(tip);
    expect(again.utxoSummary()).toEqual(before);
    await reader.close();
    const later = ChainStore.open(open(directory, { readOnly: true }), { network });
    expect(later.tip().height).toBeGreaterThan(tip.height + 15);
  });

  it('shows a reader one state also beside the writer of its own process, whoever else looks', async () => {
    const directory = newDirectory();
    const keys = Array.from({ length: 500 }, (_, i) => Uint8Array.of(1, i >> 8, i));
    const writeAll = (kv: LmdbKv, tag: number): void =>
      kv.write(keys.map((key) => ({ key, value: new Uint8Array(300).fill(tag) })));
    const writer = open(directory);
    writeAll(writer, 1);
    const reader = open(directory, { readOnly: true });
    expect(reader.get(keys[0]!)![0]).toBe(1);
    await writer.close();
    const next = open(directory);
    const short = LmdbKv.open(directory, { readOnly: true });
    await short.close();
    // LMDB cleans the table of readers if it finds nobody’s lock on it.
    expect(await spawnChild('look', directory).rest()).toEqual(['open']);
    for (let tag = 2; tag < 12; tag++) writeAll(next, tag);
    expect(keys.filter((key) => reader.get(key)!.some((byte) => byte !== 1))).toEqual([]);
  });

  it('takes what a crash leaves of making a database for none', async () => {
    for (const bytes of [1000, 8192, 65_536, 2 << 20]) {
      const directory = newDirectory();
      mkdirSync(directory);
      writeFileSync(join(directory, 'data.mdb'), new Uint8Array(bytes));
      // A reader looks for the lock file first.
      writeFileSync(join(directory, 'lock.mdb'), new Uint8Array(16_384));
      expect(refusal(() => LmdbKv.open(directory, { readOnly: true })).code).toBe('empty');
      const kv = open(directory);
      put(kv, 1, 'one');
      await kv.close();
      expect(text(open(directory), 1), `${bytes}`).toBe('one');
    }
  });

  it('has nothing to show a reader where nothing was written', () => {
    const directory = newDirectory();
    expect(refusal(() => LmdbKv.open(directory, { readOnly: true })).code).toBe('empty');
    expect(existsSync(directory), 'nor does it make anything').toBe(false);
    mkdirSync(directory);
    expect(refusal(() => LmdbKv.open(directory, { readOnly: true })).code).toBe('empty');
    open(directory);
    const reader = open(directory, { readOnly: true });
    const { code } = refusal(() => ChainStore.open(reader, { network: sampleNetwork() }));
    expect(code).toBe('empty');
  });

  it('names what is wrong with a directory that cannot be one', () => {
    const file = newDirectory();
    writeFileSync(file, 'a file');
    const folderForFile = newDirectory();
    mkdirSync(join(folderForFile, 'lock.mdb'), { recursive: true });
    for (const directory of [file, join(file, 'below'), folderForFile]) {
      const detail = refusal(() => LmdbKv.open(directory));
      expect(detail).toMatchObject({ code: 'io', directory });
      expect(new StoreError(detail).message).toMatch(/EEXIST|ENOTDIR|not a file/);
    }
  });

  it.each([
    ['no database', (path: string) => writeFileSync(path, 'no database at all '.repeat(1000))],
    ['cut short', (path: string) => truncateSync(path, 12_288)],
    ['another magic number', (path: string) => overwrite(path, 24)],
    ['another format in its second page', (path: string) => overwrite(path, 4096 + 28)],
    ['no description in its second page', (path: string) => overwrite(path, 4096 + 18)],
    [
      'zeros where there was more than a new one',
      (path: string) => writeFileSync(path, new Uint8Array(5 << 20)),
    ],
    ['a first page of zeros', clearFirstPage],
    ['cut to its first page', (path: string) => truncateSync(path, 4096)],
  ])('says that its file is damaged: %s', async (_name, damage) => {
    const directory = newDirectory();
    const kv = LmdbKv.open(directory);
    const value = new Uint8Array(2000);
    kv.write(Array.from({ length: 100 }, (_, i) => ({ key: Uint8Array.of(i), value })));
    await kv.close();
    damage(join(directory, 'data.mdb'));
    for (const readOnly of [false, true]) {
      const detail = refusal(() => LmdbKv.open(directory, { readOnly }));
      expect(detail).toMatchObject({ code: 'damaged', key: 'data.mdb' });
    }
    expect(refusal(() => LmdbKv.open(directory)).code, 'not locked by the attempt').toBe('damaged');
  });

  it('says that there is no room, keeps what it has, and goes on when there is', async () => {
    const directory = newDirectory();
    const child = spawnChild('fill', directory, 6000);
    const exit = once(child.process, 'exit');
    const [first, ...lines] = await child.rest();
    expect(first).toBe('open');
    expect(await exit).toEqual([0, null]);
    const error = `error no-space: ${directory}: no space left (disk, quota or file size limit); `;
    expect(
      lines.slice(0, 2).every((line) => line.startsWith(error)),
      lines.join('\n'),
    ).toBe(true);
    expect(lines).toHaveLength(4);
    const written = Number(/^wrote (\d+)$/.exec(lines[2]!)![1]);
    expect(written).toBeGreaterThan(3);
    expect(lines[3]).toBe(`holds ${written}`);
    const { size } = statSync(join(directory, 'data.mdb'));
    expect(size % (1 << 20), 'what could be taken of a step is given back').toBe(0);
    const kv = open(directory);
    expect(kv.get(Uint8Array.of(0))).toEqual(Uint8Array.of(written >> 8, written));
    kv.write([{ key: Uint8Array.of(7), value: new Uint8Array(5_000_000) }]);
    expect(kv.get(Uint8Array.of(7))).toHaveLength(5_000_000);
  });

  it('says that there is no room where there was never any', async () => {
    const directory = newDirectory();
    for (const blocks of [1, 3, 40, 100]) {
      const lines = await spawnChild('fill', directory, blocks).rest();
      expect(
        lines.find((line) => line.startsWith('error')),
        `${blocks}`,
      ).toMatch('error no-space: ');
      // A part of either would look like damage next time.
      const lockFile = join(directory, 'lock.mdb');
      if (existsSync(lockFile)) expect(statSync(lockFile).size, `${blocks}`).toBe(16_384);
    }
    put(open(directory), 1, 'now there is');
  });

  it('reopens after kill -9 at any moment with the chain as it was after some block', async () => {
    const directory = newDirectory();
    const network = sampleNetwork();
    const random = seededRandom(9);
    // The same chain, in memory, to know what every height looks like.
    const model = ChainStore.open(new MemoryKv(), { network });
    let block = network.genesis;
    let last = 0;
    for (let run = 0; run < 6; run++) {
      const child = spawnChild('chain', directory);
      expect(await child.line()).toBe('open');
      let flushed = last;
      const stopAfter = Math.floor(random() * 100);
      for (let i = 0; i < stopAfter; i++) {
        flushed = Number(/^flushed (\d+)$/.exec((await child.line())!)![1]);
      }
      await kill(child.process);
      for (const line of await child.rest()) flushed = Number(/\d+$/.exec(line)![0]);

      const kv = LmdbKv.open(directory);
      const store = ChainStore.open(kv, { network });
      const { height, hash } = store.tip();
      expect(height, 'all that was said to be on disk is').toBeGreaterThanOrEqual(flushed);
      while (model.tip().height < height) {
        block = sampleBlock(block);
        const { hash, header } = block;
        const { spent, utxos } = plainStep(header.height);
        model.addBlock(block, { totalWork: 20n, statusFail: sampleStatusFail(block) });
        const connected = [{ hash, height: header.height, spent }];
        model.switchTip({ disconnected: [], connected, utxos });
      }
      expect(bytesToHex(hash), `tip at ${height}`).toBe(bytesToHex(model.tip().hash));
      expect(store.utxoSummary(), `coins at ${height}`).toEqual(model.utxoSummary());
      for (let at = Math.max(0, last - 5); at <= height; at++) {
        const known = model.mainHash(at)!;
        expect(store.mainHash(at)).toEqual(known);
        expect(store.blockBytes(known)).toEqual(model.blockBytes(known));
        expect(store.spentBy(known)).toEqual(model.spentBy(known));
      }
      await kv.close();
      last = height;
    }
    expect(last).toBeGreaterThan(100);
  });
});
