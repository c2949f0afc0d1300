/** `bytom-bridge`, built: what it says, what it refuses, and a miner on the board that it simulates. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, type TestContext } from 'vitest';
import { TYPES } from '../../firmware-bridge/messages.ts';
import { type MachineName, machines } from '../../firmware-bridge/sim/emulator.ts';
import { SimulatedBoard } from '../../firmware-bridge/sim/simulated-board.ts';
import { socketLine } from '../../src/cli/bridge-simulated.ts';
import { createTables } from '../../src/cli/devices.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import type { ThreadHasher } from '../../src/tensority/thread-hasher.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import {
  type Ended,
  expectRefusalOf,
  expectSuccess,
  jsonOf,
  ProgramProcess,
} from './program-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'bridge-cli-'));
const running: ProgramProcess[] = [];
const servers: Server[] = [];
const hashers: ThreadHasher[] = [];

afterEach(async () => {
  for (const program of running.splice(0)) {
    program.signal('SIGINT');
    await program.ended;
  }
  for (const server of servers.splice(0)) server.close();
});
afterAll(async () => {
  for (const hasher of hashers) await hasher.close();
  rmSync(folder, { recursive: true });
});

let sockets = 0;
/** Starts a board, and gives the address of its port. */
async function simulate(
  ...args: readonly string[]
): Promise<{ readonly port: string; readonly program: ProgramProcess }> {
  const socket = join(folder, `${sockets++}.sock`);
  const program = new ProgramProcess('bytom-bridge', ['simulate', '--socket', socket, ...args]);
  running.push(program);
  await program.line(/^mine /);
  return { port: `unix:${socket}`, program };
}

function bridge(...args: readonly string[]): Promise<Awaited<ProgramProcess['ended']>> {
  return new ProgramProcess('bytom-bridge', args).ended;
}

/** A server that is no board: it answers whatever comes with these bytes. */
async function impostor(answer: Uint8Array): Promise<string> {
  const path = join(folder, `${sockets++}.sock`);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(answer));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return `unix:${path}`;
}

/** So many shares or more were accepted, and nothing was wrong. */
function expectMined(mined: Ended, shares: number): void {
  expectSuccess(mined);
  const { accepted, ...summary } = jsonOf(mined);
  expect(accepted).toBeGreaterThanOrEqual(shares);
  expect(summary).toMatchObject({ ended: 'shares', rejected: 0, hardwareErrors: 0 });
}

async function skipWithoutMachine(ctx: TestContext, machine: MachineName): Promise<void> {
  const missing = (await machines()).find((each) => each.machine === machine)?.missing;
  if (missing !== undefined) ctx.skip(`${missing} is not installed`);
}

describe('the program', () => {
  it.each(['', 'list', 'attach', 'monitor', 'selftest', 'reset', 'simulate'])(
    'fits 100 columns with its help: %s',
    async (command) => {
      const help = await bridge(...command.split(' ').filter(Boolean), '--help');
      expectSuccess(help);
      expect(help.stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
    },
  );

  it('lists ports, or says that there are none and what to do', async () => {
    const list = await bridge('list');
    expectSuccess(list);
    expect(list.stdout).toMatch(/^\/dev\/|^COM\d|simulate/m);
    const json = jsonOf(await bridge('list', '--json'));
    expect(json['ports']).toBeInstanceOf(Array);
  });

  it.each([
    [['attach', '--port', 'tty'], 2, 'port: expected'],
    [['attach', '--port', '/dev/nothing-there'], 3, '/dev/nothing-there: no such port'],
    [['attach', '--port', 'unix:/nothing/there'], 3, 'unix:/nothing/there: no such port'],
    [['attach', '--port', 'unix:/tmp', '--baud', '7'], 2, 'baud: expected a whole number'],
    [
      ['attach', '--port', 'unix:/tmp/x', '--baud', '9600'],
      2,
      '--baud: unix:/tmp/x is no serial port',
    ],
    [['monitor', '--port', 'tcp://127.0.0.1:9'], 3, 'connection refused'],
    [['simulate', '--socket', ''], 2, 'socket: expected the path of a socket'],
    [['simulate', '--socket', '/nothing/there'], 2, 'socket: expected a path in a folder that is'],
    [['simulate', '--socket', `/tmp/${'x'.repeat(110)}`], 2, 'at most 107 bytes'],
    [['simulate', '--socket', '/tmp/a,b'], 2, 'socket: expected a path without a comma'],
    [['simulate', '--uid', '12'], 2, 'uid: expected 24 hex digits'],
    [['simulate', '--board', 'arduino'], 2, 'board: expected one of virt'],
    [['reset', '--lines', '--boot-loader'], 2, 'cannot be used with'],
    [['fly'], 2, "unknown command 'fly'"],
  ] as const)('refuses %j in one line', async (args, code, message) => {
    expectRefusalOf('bytom-bridge', await bridge(...args), code, message);
  });

  it('shows its help where there is no command', async () => {
    const ended = await bridge();
    expect(ended.code).toBe(2);
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toContain('Usage: bytom-bridge');
    expect(ended.stdout).toContain('simulate [options]');
  });

  it('refuses a socket that is there already', async () => {
    const path = join(folder, 'taken');
    writeFileSync(path, '');
    const refused = await bridge('simulate', '--board', 'simulated', '--socket', path);
    expectRefusalOf('bytom-bridge', refused, 2, 'socket: expected a path that is not there yet');
  });
});

describe('what is no board', () => {
  it('is silent', async () => {
    const refused = await bridge('attach', '--port', await impostor(new Uint8Array()));
    expectRefusalOf('bytom-bridge', refused, 5, 'no answer to HELLO after 3 tries');
  });

  it('is not watched in silence', async () => {
    const port = await impostor(new Uint8Array());
    const refused = await bridge('monitor', '--port', port, '--time-limit', '0.1');
    expectRefusalOf('bytom-bridge', refused, 5, 'no answer to HELLO');
    expect(refused.stdout).toBe('');
  });

  it('talks rubbish', async () => {
    const rubbish = new Uint8Array(300).fill(0x81);
    rubbish[299] = 0xc0;
    const refused = await bridge('attach', '--port', await impostor(rubbish));
    expectRefusalOf('bytom-bridge', refused, 5, 'bytes of garbage: a bad line, another baud rate');
  });
});

interface ScriptedBoard {
  readonly port: string;
  readonly board: SimulatedBoard;
  /** While it is deaf, nothing that is sent arrives. */
  readonly line: { isDeaf: boolean };
  /** Resolves when it has been given a job. */
  readonly job: Promise<void>;
}

/** In this process. */
async function scriptedBoard(): Promise<ScriptedBoard> {
  const hasher = openCpuHasher({ threads: 1 });
  hashers.push(hasher);
  const board = new SimulatedBoard({}, { tables: createTables(), hasher });
  const path = join(folder, `${sockets++}.sock`);
  const state = { isDeaf: false };
  const job = createDeferred<void>();
  const server = createServer((socket) => {
    const line = socketLine(socket);
    board.serve({
      ...line,
      onBytes: (listener) =>
        line.onBytes((bytes) => {
          if (!state.isDeaf) listener(bytes);
          // A link writes a frame at a time: END, version, type.
          if (bytes[2] === TYPES.JOB) job.resolve();
        }),
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { port: `unix:${path}`, board, line: state, job: job.promise };
}

describe('a board that fails', () => {
  it('in the midst of a hash ends attach, whatever has become of it', async () => {
    const failures: readonly (readonly [string, (board: SimulatedBoard) => void])[] = [
      ['the board restarted during JOB', (board) => board.restart()],
      [
        'no answer to',
        (board) => {
          board.script.silent = 'always';
        },
      ],
      ['gone: closed by the other side', (board) => board.unplug()],
    ];
    await Promise.all(
      failures.map(async ([message, fail]) => {
        const { port, board, job } = await scriptedBoard();
        board.script.msPerHash = 1_000_000;
        const program = new ProgramProcess('bytom-bridge', ['attach', '--port', port]);
        await program.line(/^seed /);
        await job;
        fail(board);
        const code = message.startsWith('gone') ? 3 : 5;
        expectRefusalOf('bytom-bridge', await program.ended, code, message);
      }),
    );
  });

  it('is left by attach at an interrupt', async () => {
    const { port, board, job } = await scriptedBoard();
    board.script.msPerHash = 1_000_000;
    const program = new ProgramProcess('bytom-bridge', ['attach', '--port', port]);
    await program.line(/^seed /);
    await job;
    const ended = await program.interrupt();
    expect(ended).toMatchObject({ code: 130, stderr: '' });
    expect(ended.ms).toBeLessThan(2500);
  });

  it('is not called back when it was not reset', async () => {
    const { port, board } = await scriptedBoard();
    // It answers REBOOT, and goes on.
    board.restart = () => {};
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const refused = await bridge('reset', '--port', port);
    expectRefusalOf('bytom-bridge', refused, 5, 'it answers, but was not reset');
  });

  it('comes back, and its monitor has waited', async () => {
    const { port, board, line } = await scriptedBoard();
    const program = new ProgramProcess('bytom-bridge', [
      ...['monitor', '--port', port, '--interval', '0.1'],
    ]);
    running.push(program);
    await program.line(/ idle, /);
    line.isDeaf = true;
    board.unplug();
    board.plug();
    // Long enough for HELLO to go unanswered over the new connection.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    line.isDeaf = false;
    await expect
      .poll(() => program.count(/^board /), { timeout: 10_000 })
      .toBeGreaterThanOrEqual(2);
    const ended = await program.interrupt();
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain('gone: closed by the other side; waiting for it');
    expect(ended.stderr).toContain('no answer to HELLO after 3 tries; waiting for it');
  });
});

describe('a simulated board', () => {
  it('is attached, tested, reset and watched', async () => {
    const { port, program } = await simulate('--board', 'simulated');
    expect(program.lastLine(/^board /)).toContain('simulated in this process');

    const attached = await bridge('attach', '--port', port);
    expectSuccess(attached);
    expect(attached.stdout).toMatch(/^self-test {2}golden row, \d+ dot products/m);
    expect(attached.stdout).toMatch(/^hash {7}[\d.]+ m?s, right: [\d.]+ H\/s$/m);
    expect(attached.stdout).toContain(`bytom-miner --device serial:${port}`);

    const tested = jsonOf(await bridge('selftest', '--port', port, '--hashes', '2', '--json'));
    expect(tested).toMatchObject({
      port,
      check: { golden: 'row' },
      hashMs: [expect.any(Number), expect.any(Number)],
    });

    const reset = await bridge('reset', '--port', port);
    expectSuccess(reset);
    expect(reset.stdout).toContain('is back, firmware');
    expectRefusalOf(
      'bytom-bridge',
      await bridge('reset', '--port', port, '--lines'),
      2,
      'no lines',
    );
    const bootLoader = await bridge('reset', '--port', port, '--boot-loader');
    expectRefusalOf('bytom-bridge', bootLoader, 5, 'the board refused REBOOT: RANGE');

    const watched = await bridge(
      'monitor',
      '--port',
      port,
      '--interval',
      '0.1',
      '--time-limit',
      '1',
    );
    expectSuccess(watched);
    expect(watched.stdout).toMatch(/^[\d:]{8} {2}idle, \d+ hashes, .*up \d+ s$/m);
    const lines = await bridge('monitor', '--port', port, '--time-limit', '0.5', '--json');
    const kinds = lines.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string });
    expect(kinds.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['board', 'status']));
  });

  it('keeps its socket, and takes the place of one that was killed', async () => {
    const socket = join(folder, `${sockets++}.sock`);
    const args = ['simulate', '--board', 'simulated', '--socket', socket];
    const first = new ProgramProcess('bytom-bridge', args);
    running.push(first);
    await first.line(/^mine /);
    expectRefusalOf('bytom-bridge', await bridge(...args), 2, 'a path that no other program uses');
    first.signal('SIGKILL');
    await first.ended;
    expect(existsSync(socket)).toBe(true);
    const second = new ProgramProcess('bytom-bridge', args);
    running.push(second);
    await second.line(/^mine /);
    second.signal('SIGHUP');
    expect((await second.ended).code).toBe(130);
    expect(existsSync(socket)).toBe(false);
    expect(existsSync(`${socket}.lock`)).toBe(false);
  });

  it('mines for the dummy source, and its socket goes with it', async () => {
    const { port, program } = await simulate('--board', 'simulated');
    const args = ['--dummy', '--difficulty', '2', '--shares', '3', '--json'];
    const mined = await new ProgramProcess('bytom-miner', [...args, '--device', `serial:${port}`])
      .ended;
    expectMined(mined, 3);
    const ended = await program.interrupt();
    expect(ended.code).toBe(130);
    expect(existsSync(port.slice('unix:'.length))).toBe(false);
  });
});

describe('the firmware', () => {
  it('as a program of this machine mines', { timeout: 200_000 }, async (ctx) => {
    await skipWithoutMachine(ctx, 'native');
    const { port, program } = await simulate('--board', 'native');
    expect(program.lastLine(/^board /)).toContain('the firmware as a program');
    const args = ['--dummy', '--difficulty', '1', '--shares', '1', '--json'];
    const mined = await new ProgramProcess('bytom-miner', [...args, '--device', `serial:${port}`])
      .ended;
    expectMined(mined, 1);
  });

  it('on an emulated processor finds a share', { timeout: 300_000 }, async (ctx) => {
    await skipWithoutMachine(ctx, 'virt');
    const { port, program } = await simulate();
    expect(program.lastLine(/^board /)).toContain('on an emulated processor');
    const args = ['--dummy', '--difficulty', '1', '--shares', '1', '--json'];
    const mined = await new ProgramProcess('bytom-miner', [...args, '--device', `serial:${port}`], {
      limitMs: 280_000,
    }).ended;
    expectMined(mined, 1);
  });

  it('is left alone in the midst of its build', async (ctx) => {
    await skipWithoutMachine(ctx, 'native');
    const socket = join(folder, `${sockets++}.sock`);
    const program = new ProgramProcess(
      'bytom-bridge',
      ['simulate', '--board', 'native', '--socket', socket],
      { env: { XDG_CACHE_HOME: join(folder, 'a new cache') } },
    );
    await expect
      .poll(() => childrenOf(program.pid!).length, { timeout: 20_000 })
      .toBeGreaterThan(0);
    const ended = await program.interrupt();
    expect(ended).toMatchObject({ code: 130, stdout: '', stderr: '' });
    expect(existsSync(`${socket}.lock`)).toBe(false);
  });

  it('that does not build is replaced by a simulated board', async () => {
    const socket = join(folder, `${sockets++}.sock`);
    const env = { XDG_CACHE_HOME: join(folder, 'no compiler'), CC: 'false', RISCV: 'false-' };
    const program = new ProgramProcess('bytom-bridge', ['simulate', '--socket', socket], { env });
    running.push(program);
    await program.line(/^mine /);
    expect(program.lastLine(/^board /)).toContain('simulated in this process');
    expect(program.lastLine(/^ +not native/)).toMatch(/does not build|which needs/);
  });

  it('ends with the program that booted it, even where that is killed', async (ctx) => {
    await skipWithoutMachine(ctx, 'native');
    const { program } = await simulate('--board', 'native');
    const children = childrenOf(program.pid!);
    expect(children).not.toEqual([]);
    program.signal('SIGKILL');
    await program.ended;
    await expect.poll(() => children.filter(isRunning), { timeout: 20_000 }).toEqual([]);
  });
});
