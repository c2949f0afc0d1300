/**
 * Serial ports over two pseudo-terminals that socat joins, with the real package: what is written at one end is
 * read at the other. They have no lines and no rate; the tests with the mock of the package look after those.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  constants,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { PortError } from '../../firmware-bridge/errors.ts';
import { type OpenPortOptions, openPort } from '../../firmware-bridge/port.ts';
import { hasPackage } from '../support/optional-packages.ts';
import { repoRoot } from '../support/repo-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'serial-port-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hasSocat = spawnSync('socat', ['-V']).error === undefined;
const running: ChildProcess[] = [];
const open: BytePort[] = [];

beforeEach((ctx) => {
  ctx.skip(!hasPackage('serialport'), 'the optional package serialport is not installed');
  ctx.skip(!hasSocat, 'there is no socat');
});

afterEach(async () => {
  for (const port of open.splice(0)) await port.close();
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => child.once('exit', resolve));
    }
  }
});

let pairs = 0;

/** Two pseudo-terminals, each the other's far end. */
async function pair(): Promise<{ a: string; b: string; unplug: () => void }> {
  const [a, b] = [join(folder, `a${pairs}`), join(folder, `b${pairs++}`)];
  const ends = [a, b].map((path) => `pty,raw,echo=0,link=${path}`);
  const socat = spawn('socat', ['-d', '-d', ...ends], { stdio: ['ignore', 'ignore', 'pipe'] });
  running.push(socat);
  let said = '';
  await new Promise<void>((resolve, reject) => {
    socat.stderr.on('data', (text) => {
      said += text;
      if (said.includes('starting data transfer loop')) resolve();
    });
    socat.once('exit', () => reject(new Error(said)));
  });
  return { a, b, unplug: () => void socat.kill('SIGKILL') };
}

async function openOne(path: string, options?: OpenPortOptions): Promise<BytePort> {
  const port = await openPort(path, options);
  open.push(port);
  return port;
}

/** Everything that the port hears. */
function hear(port: BytePort): { bytes: () => Buffer; atLeast: (count: number) => Promise<void> } {
  const pieces: Uint8Array[] = [];
  let count = 0;
  let heard = (): void => {};
  port.onBytes((bytes) => {
    pieces.push(bytes);
    count += bytes.length;
    heard();
  });
  return {
    bytes: () => Buffer.concat(pieces),
    atLeast: async (wanted) => {
      while (count < wanted) {
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}

async function detailOf(work: Promise<unknown>): Promise<PortError['detail']> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PortError);
  return (error as PortError).detail;
}

/** `size` bytes in which every value occurs, and none stands where it stood in the block before. */
function pattern(size: number, step: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i * step + (i >> 8));
}

/** Runs a module text of its own process, which sees `openPort`. */
function run(text: string, before: readonly string[] = []) {
  const source = pathToFileURL(join(repoRoot, 'firmware-bridge/port.ts')).href;
  const script = `import { openPort } from ${JSON.stringify(source)};\n${text}`;
  const [command, ...args] = [...before, process.execPath, '--input-type=module', '-e', script];
  return spawnSync(command!, args, { encoding: 'utf8', timeout: 30_000, cwd: '/' });
}

describe.skipIf(process.platform === 'win32')('a serial port', () => {
  it('carries every byte value, both ways, and what comes before anybody listens', async () => {
    const { a, b } = await pair();
    const [one, two] = [await openOne(a), await openOne(b)];
    expect(one.name).toBe(a);
    const every = pattern(1024, 1);
    await one.write(every);
    await two.write(pattern(512, 3));
    await sleep(50);
    const [there, here] = [hear(two), hear(one)];
    await Promise.all([there.atLeast(1024), here.atLeast(512)]);
    expect(there.bytes().equals(every)).toBe(true);
    expect(here.bytes().equals(pattern(512, 3))).toBe(true);
  });

  it('carries more than any buffer holds, one way and then the other', async () => {
    const { a, b } = await pair();
    const [one, two] = [await openOne(a), await openOne(b)];
    const [here, there] = [hear(one), hear(two)];
    const size = 1_000_000;
    const [out, back] = [pattern(size, 7), pattern(size, 11)];
    await one.write(out);
    await there.atLeast(size);
    await two.write(back);
    await here.atLeast(size);
    expect(there.bytes().equals(out)).toBe(true);
    expect(here.bytes().equals(back)).toBe(true);
  });

  it('carries as much both ways at once: neither waits for the other', async () => {
    const { a, b } = await pair();
    const [one, two] = [await openOne(a), await openOne(b)];
    const [here, there] = [hear(one), hear(two)];
    const size = 300_000;
    const [out, back] = [pattern(size, 13), pattern(size, 17)];
    for (let round = 1; round <= 5; round++) {
      await Promise.all([one.write(out), two.write(back)]);
      await Promise.all([there.atLeast(round * size), here.atLeast(round * size)]);
    }
    expect(there.bytes().equals(Buffer.concat(Array(5).fill(out)))).toBe(true);
    expect(here.bytes().equals(Buffer.concat(Array(5).fill(back)))).toBe(true);
  });

  it('goes on with a write that waited for room when something came in', async () => {
    const { a, b } = await pair();
    const port = await openOne(a);
    const here = hear(port);
    const size = 200_000;
    const out = pattern(size, 19);
    const end = await openFile(b, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    const write = port.write(out);
    // By now nothing goes out any more.
    await sleep(100);
    await end.write(Uint8Array.of(1));
    // Not waited for here: socat may stand in a write of its own until somebody reads.
    const got: Buffer[] = [];
    for (let count = 0; count < size; ) {
      const { bytesRead, buffer } = await end
        .read({ buffer: Buffer.alloc(65_536) })
        .catch(async (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EAGAIN') throw error;
          await sleep(5);
          return { bytesRead: 0, buffer: Buffer.alloc(0) };
        });
      count += bytesRead;
      got.push(buffer.subarray(0, bytesRead));
    }
    await write;
    await here.atLeast(1);
    await end.close();
    expect(Buffer.concat(got).equals(out)).toBe(true);
  });

  it('has no lines to reset a board by, and takes any rate', async () => {
    const { a, b } = await pair();
    const [one, two] = [await openOne(a), await openOne(b)];
    expect(one.resetLines).toBeUndefined();
    await one.setBaud!(921_600);
    await one.setBaud!(250_000);
    expect(one.byteMs).toBe(0.04);
    const there = hear(two);
    await one.write(Uint8Array.of(1, 2, 3));
    await there.atLeast(3);
  });

  it('does not have the system drop DTR when it is closed', async (ctx) => {
    const { a } = await pair();
    const flag = process.platform === 'linux' ? '-F' : '-f';
    const stty = (...args: readonly string[]) =>
      spawnSync('stty', [flag, a, ...args], { encoding: 'utf8' });
    if (stty('hupcl').error !== undefined) return ctx.skip('there is no stty');
    expect(stty('-a').stdout).toMatch(/ hupcl/);
    const port = await openOne(a);
    expect(stty('-a').stdout).toMatch(/-hupcl/);
    await port.setBaud!(9_600);
    await port.close();
    const after = stty('-a').stdout;
    expect(after).toMatch(/-hupcl/);
    expect(after).toMatch(/speed 9600 baud/);
    expect(after).toMatch(/cs8.*-cstopb|-cstopb.*cs8/s);
  });

  it('is locked against a second open, and free after a close', async () => {
    const { a } = await pair();
    const port = await openOne(a);
    expect(await detailOf(openPort(a))).toEqual({ code: 'in-use', port: a });
    const other = run(`
      await openPort(${JSON.stringify(a)}).catch((error) => console.log(error.detail.code));
    `);
    expect(other.stdout, other.stderr).toBe('in-use\n');
    await port.close();
    await openOne(a);
  });

  it('says what is not there, and what is no serial port', async () => {
    const port = join(folder, 'none');
    expect(await detailOf(openPort(port))).toEqual({ code: 'no-such-port', port });
    for (const other of ['/dev/null', folder]) {
      const detail = { code: 'failed', port: other, reason: 'no serial port' };
      expect(await detailOf(openPort(other))).toEqual(detail);
    }
  });

  it('says so when this user may not use it', async (ctx) => {
    const { a } = await pair();
    const device = realpathSync(a);
    chmodSync(device, 0o600);
    chmodSync(folder, 0o755);
    ctx.skip(process.getuid?.() !== 0, 'only root can run something as another user');
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const probe = run('console.log(typeof openPort)', nobody);
    ctx.skip(
      probe.stdout !== 'function\n',
      'another user cannot run setpriv, or cannot read these files',
    );
    const { stdout, stderr } = run(
      `await openPort(${JSON.stringify(device)}).catch((error) => console.log(error.message));`,
      nobody,
    );
    expect(stdout, stderr).toBe(
      `${device}: no permission; only its owner may use it: see ls -l ${device}\n`,
    );
    // As most systems have it, with the group dialout.
    const [, name, gid] = /^(\w+):[^:]*:([1-9]\d*):/m.exec(readFileSync('/etc/group', 'utf8'))!;
    chownSync(device, 0, Number(gid));
    chmodSync(device, 0o660);
    const group = run(
      `await openPort(${JSON.stringify(device)}).catch((error) => console.log(error.message));`,
      nobody,
    );
    expect(group.stdout, group.stderr).toBe(
      `${device}: no permission; add yourself to the group ${name}: ` +
        `sudo usermod -aG ${name} $USER, and log in anew\n`,
    );
    // A socket has the same rules.
    const path = join(folder, 'closed.sock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    chmodSync(path, 0);
    const socket = run(
      `await openPort('unix:${path}').catch((error) => console.log(error.detail.code));`,
      nobody,
    );
    server.close();
    expect(socket.stdout, socket.stderr).toBe('no-permission\n');
  });

  it('is gone when it is unplugged, and takes no more', async () => {
    const { a, b, unplug } = await pair();
    const [one, two] = [await openOne(a), await openOne(b)];
    unplug();
    const gone = {
      code: 'gone',
      port: a,
      reason: 'unplugged, or its other side has hung up',
    };
    expect((await one.closed)?.detail).toEqual(gone);
    expect((await two.closed)?.detail.code).toBe('gone');
    expect(await detailOf(one.write(Uint8Array.of(1)))).toEqual(gone);
    expect(await detailOf(one.setBaud!(9_600))).toEqual(gone);
    await one.close();
  });

  it('is gone when it is unplugged while bytes come in', async () => {
    for (let round = 0; round < 10; round++) {
      const { a, b, unplug } = await pair();
      const [one, two] = [await openOne(a), await openOne(b)];
      const there = hear(two);
      const write = async (): Promise<void> => {
        for (;;) await one.write(pattern(300, round));
      };
      const flood = detailOf(write());
      await there.atLeast(10_000);
      unplug();
      expect((await two.closed)?.detail.code).toBe('gone');
      expect((await flood).code).toBe('gone');
    }
  });

  it('is gone when it is unplugged in the middle of a write', async () => {
    const { a, unplug } = await pair();
    const port = await openOne(a);
    // Nobody reads at the other end: this waits.
    const write = detailOf(port.write(new Uint8Array(1_000_000)));
    await sleep(100);
    unplug();
    expect((await write).code).toBe('gone');
    expect((await port.closed)?.detail.code).toBe('gone');
  });

  it('gives up a write that nobody takes, and closes all the same', async () => {
    const { a } = await pair();
    const port = await openOne(a, { writeMs: 100, baudRate: 4_000_000 });
    const detail = await detailOf(port.write(new Uint8Array(100_000)));
    expect(detail).toEqual({ code: 'write-timeout', port: a, afterMs: 600 });
    await port.close();
    expect(await port.closed).toBeUndefined();
  });

  it('keeps no process alive, neither closed nor unplugged', async () => {
    const { a, b, unplug } = await pair();
    const closed = run(`
      const port = await openPort(${JSON.stringify(a)});
      await port.write(new Uint8Array(10));
      await port.close();
      console.log('closed', await port.closed);
    `);
    expect([closed.stdout, closed.status], closed.stderr).toEqual(['closed undefined\n', 0]);
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { openPort } from ${JSON.stringify(pathToFileURL(join(repoRoot, 'firmware-bridge/port.ts')).href)};
         const port = await openPort(${JSON.stringify(b)});
         console.log('open');
         console.log((await port.closed).detail.code);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    running.push(child);
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
      if (said === 'open\n') unplug();
    });
    const status = await new Promise((resolve) => child.once('exit', resolve));
    expect([said, status]).toEqual(['open\ngone\n', 0]);
  });
});
