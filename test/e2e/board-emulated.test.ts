/**
 * The firmware itself on emulated processors, and as a program of the host: it boots, answers, computes
 * what it must, and survives bad lines; and no process outlives its test.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import type { Board } from '../../firmware-bridge/board.ts';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { checkBoard } from '../../firmware-bridge/self-check.ts';
import {
  EmulatorError,
  type MachineName,
  startMachine,
} from '../../firmware-bridge/sim/emulator.ts';
import { type FaultyPort, faultyPort } from '../../firmware-bridge/sim/line-faults.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { badLine } from '../support/bad-lines.ts';
import { EmulatedBoards, needMachine } from '../support/emulated-board.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import { seededRandom } from '../support/random.ts';
import { repoRoot } from '../support/repo-files.ts';

const UID = '00112233445566778899aabb';
const MACHINES: readonly (readonly [MachineName, boardId: number, name: RegExp])[] = [
  ['native', 4, /native/],
  ['virt', 1, /virt/],
  ['mps2-an385', 2, /mps2-an385/],
  ['mps2-an505', 3, /mps2-an505/],
];

interface Vector {
  readonly seed: string;
  readonly header_hash: string;
  readonly result: string;
}
const vectors = JSON.parse(readFileSync(join(repoRoot, 'test/vectors/tensority.json'), 'utf8')) as {
  readonly cases: readonly Vector[];
};

const tables = new TableCache({ capacity: 4 }, { build: buildMatrixTable });
const tableOf = (seed: Uint8Array): Promise<MatrixTable> => tables.get(seed);

/** Hashes the header of a known hash, under its seed. */
async function hashOf(board: Board, vector: Vector, epoch: number): Promise<string> {
  await board.seed(epoch, await tableOf(hexToBytes(vector.seed, 'seed')));
  const headerHash = hexToBytes(vector.header_hash, 'header_hash');
  return bytesToHex(await board.hash(epoch, epoch, headerHash));
}

const boards = new EmulatedBoards();

describe.each(MACHINES)('the firmware on %s', (machine, boardId, name) => {
  it('says who it is, and computes a row of the golden hash', async (ctx) => {
    needMachine(ctx, machine);
    const board = await boards.connect(await boards.start(machine, { uid: UID }));
    expect(board.identity).toMatchObject({
      boardId,
      name: expect.stringMatching(name),
      uid: UID,
      modes: { hash: true, rows: true, ckpt: true },
    });
    const check = await checkBoard(board, { tables: tableOf });
    expect(check).toMatchObject({ golden: 'row', dotProducts: expect.any(Number) });
    expect(check.dotProducts).toBeGreaterThan(5);
    expect(await board.status()).toMatchObject({ state: 'IDLE', crcErrors: 0, otherErrors: 0 });
  });

  it('tells its log, and starts anew when it is told to', async (ctx) => {
    needMachine(ctx, machine);
    const board = await boards.connect(await boards.start(machine));
    const log: string[] = [];
    board.link.onLog((line) => log.push(line));
    const started = board.link.event((event) =>
      event.event === 'FAULT' && event.fault === 1 ? event : undefined,
    );
    await board.reboot('application');
    await started;
    expect(log.join('\n')).toMatch(name);
    expect((await board.hello()).uid).toBe('0'.repeat(24));
    expect((await board.status()).restarts).toBe(1);
  });
});

describe('hashes of the firmware', () => {
  it('are those that are known, on the host', async (ctx) => {
    needMachine(ctx, 'native');
    const board = await boards.connect(await boards.start('native'));
    expect(vectors.cases.length).toBeGreaterThan(3);
    for (const [i, vector] of vectors.cases.slice(0, 4).entries()) {
      expect(await hashOf(board, vector, i + 1), vector.header_hash).toBe(vector.result);
    }
  });

  it('are those that are known, on virt', async (ctx) => {
    needMachine(ctx, 'virt');
    const board = await boards.connect(await boards.start('virt'));
    const vector = vectors.cases[0]!;
    expect(await hashOf(board, vector, 1)).toBe(vector.result);
  });

  it('are right on a board that is sent its checkpoints', async (ctx) => {
    needMachine(ctx, 'native');
    const running = await boards.start('native', { arguments: ['--no-derive'] });
    const board = await boards.connect(running);
    const vector = vectors.cases[0]!;
    expect(await hashOf(board, vector, 1)).toBe(vector.result);
  });
});

describe.each(['native', 'virt'] as const)('a machine that is killed: %s', (machine) => {
  it('takes its line with it in the midst of a job, and works when it is started again', async (ctx) => {
    needMachine(ctx, machine);
    const running = await boards.start(machine);
    const board = await boards.connect(running);
    const table = await tableOf(new Uint8Array(32).fill(1));
    await board.seed(1, table);
    const range = { nonceOffset: 128, nonceStart: 0n, count: 1_000_000, target: 0n };
    const preimage = new Uint8Array(136);
    await board.job({ epoch: 1, jobId: 1, place: 'replace', preimage, ...range });
    expect((await board.status()).state).toBe('HASHING');
    running.kill();
    expect(await board.link.closed).toMatchObject({ detail: { code: 'gone' } });
    await expect(board.ping()).rejects.toMatchObject({ detail: { code: 'gone' } });
    expect(await running.ended).toContain('SIGKILL');

    const again = await boards.connect(await boards.start(machine));
    await again.seed(2, table);
    const headerHash = new Uint8Array(32).fill(2);
    const rows = await again.rows({ epoch: 2, jobId: 1, row0: 77, n: 1, headerHash });
    expect(rows).toEqual(summedRows(headerHash, table, 77, 1));
  });
});

/** Time of a conversation over a bad line. */
const BAD_MS = 3000;

describe.each([
  ['native', 6],
  ['virt', 2],
] as const)('%s behind bad lines', (machine, seeds) => {
  it('computes nothing wrong, and works when the line is good again', async (ctx) => {
    needMachine(ctx, machine);
    const running = await boards.start(machine);
    const vector = vectors.cases[1]!;
    const table = await tableOf(hexToBytes(vector.seed, 'seed'));
    const headerHash = hexToBytes(vector.header_hash, 'header_hash');
    const rows = summedRows(headerHash, table, 3, 4);
    let faults = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const random = seededRandom(seed);
      const plan = badLine(random);
      const lines: FaultyPort[] = [];
      const board = await boards.connect(running, (port) => {
        const line = faultyPort(port, { faults: plan, random, clock: systemClock });
        line.isGood = true;
        lines.push(line);
        return line;
      });
      let jobId = 0;
      /** Everything that has a right answer, in turn. */
      const work = async (epoch: number, signal?: AbortSignal): Promise<void> => {
        await board.seed(epoch, table, { signal });
        const request = { epoch, row0: 3, n: 4, headerHash };
        expect(await board.rows({ ...request, jobId: jobId++ }, { signal })).toEqual(rows);
        // A whole hash takes an emulated processor longer than all the rest.
        if (machine !== 'native') return;
        const digest = await board.hash(epoch, jobId++, headerHash, { signal });
        expect(bytesToHex(digest)).toBe(vector.result);
      };
      for (const line of lines) line.isGood = false;
      const signal = AbortSignal.timeout(BAD_MS);
      while (!signal.aborted) await heard(() => work(2 * seed, signal), signal);
      for (const line of lines) line.isGood = true;
      faults += lines.reduce((sum, line) => sum + line.faults, 0);
      await work(2 * seed + 1);
      await board.link.close();
    }
    expect(faults).toBeGreaterThan(10 * seeds);
  });
});

describe('startMachine', () => {
  it('says in one line why a machine does not start', async (ctx) => {
    needMachine(ctx, 'native');
    const start = boards.start('native', { arguments: ['--nonsense'] });
    const error: unknown = await start.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EmulatorError);
    expect(`${error}`).toMatch(/native does not start: it ended: exit code 2: .*unknown argument/);
    expect(`${error}`).not.toContain('\n');
  });

  it('says in one line why the firmware does not build', async (ctx) => {
    needMachine(ctx, 'native');
    const directory = join(boards.directory, 'broken');
    const failureOf = (where: string): Promise<unknown> =>
      startMachine('native', { directory: where }).catch((reason: unknown) => reason);
    vi.stubEnv('CC', 'false');
    const error = await failureOf(directory).finally(() => vi.unstubAllEnvs());
    expect(error).toBeInstanceOf(EmulatorError);
    expect(`${error}`).toMatch(/firmware of native does not build: exit code 2: .*make: \*\*\*/);
    expect(`${error}`).not.toContain('\n');
    writeFileSync(join(directory, 'build'), '');
    const other = await failureOf(join(directory, 'build', 'below'));
    expect(other).toMatchObject({ detail: { code: 'start', machine: 'native' } });
  });

  it('takes no socket of another machine, and leaves it alone', async (ctx) => {
    needMachine(ctx, 'native');
    const socket = join(boards.directory, 'ours.sock');
    const running = await boards.start('native', { socket });
    const start = boards.start('native', { socket });
    await expect(start).rejects.toThrow(`${socket}: in use by another program`);
    await (await boards.connect(running)).ping();
    await running.stop();
    expect(existsSync(socket)).toBe(false);
  });

  it('builds in a folder with a space, more than once at a time', async (ctx) => {
    needMachine(ctx, 'native');
    const directory = join(boards.directory, 'with a space');
    const started = await Promise.all([
      boards.start('native', { directory }),
      boards.start('native', { directory }),
    ]);
    expect(new Set(started.map(({ image }) => image)).size).toBe(1);
    for (const each of started) await (await boards.connect(each)).ping();
  });

  it('ends with its signal, during the build and afterwards', async (ctx) => {
    needMachine(ctx, 'native');
    const before = childrenOf(process.pid);
    const stop = new AbortController();
    const directory = join(boards.directory, 'aborted');
    const starting = startMachine('native', { directory, signal: stop.signal });
    await sleep(100);
    stop.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    const later = new AbortController();
    const running = await boards.start('native', { signal: later.signal });
    later.abort();
    expect(await running.ended).toContain('SIGKILL');
    await until(() => childrenOf(process.pid).every((pid) => before.includes(pid)));
  });

  it('leaves nothing behind when the program that started it is killed', async (ctx) => {
    needMachine(ctx, 'native');
    const module = pathToFileURL(join(repoRoot, 'firmware-bridge/sim/emulator.ts')).href;
    const script = `
      const { startMachine } = await import(${JSON.stringify(module)});
      const running = await startMachine('native', { directory: ${JSON.stringify(boards.directory)} });
      console.log(running.pid);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const pid = await new Promise<number>((resolve) => {
      child.stdout.once('data', (bytes: Buffer) => resolve(Number(bytes)));
    });
    expect(isRunning(pid)).toBe(true);
    child.kill('SIGKILL');
    await until(() => !isRunning(pid));
  });
});

/** Until it is done, or a request or an event got lost too often, or the signal aborts. */
async function heard(call: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await call();
  } catch (error) {
    const isUnheard = error instanceof LinkError && error.detail.code !== 'wrong';
    if (!isUnheard && error !== signal.reason) throw error;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isSo(); i++) await sleep(20);
  expect(isSo()).toBe(true);
}
