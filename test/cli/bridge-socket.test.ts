import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { takeSocketPlace } from '../../src/cli/bridge-socket.ts';
import { InputError } from '../../src/util/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'sockets-'));
const servers: Server[] = [];
let made = 0;

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

const place = (): string => join(folder, `${made++}.sock`);

async function listenAt(path: string): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

async function expectRefused(text: string, message: string): Promise<void> {
  const error: unknown = await takeSocketPlace(text).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect(`${error}`).toContain(message);
}

describe('the place of a socket', () => {
  it('is one board’s at a time', async () => {
    const path = place();
    const first = await takeSocketPlace(path);
    expect(first.path).toBe(path);
    await expectRefused(path, 'socket: expected a path that no other program uses');
    first.release();
    const second = await takeSocketPlace(path);
    first.release();
    await expectRefused(path, 'no other program uses');
    second.release();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('is free when whoever had it was killed', async () => {
    const path = place();
    const pid = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' });
    writeFileSync(`${path}.lock`, pid);
    (await takeSocketPlace(path)).release();
  });

  it('is cleared of a socket that nobody listens at, as one that was killed leaves', async () => {
    const path = place();
    // A server that is killed leaves its socket.
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(path)).toBe(true);
    const taken = await takeSocketPlace(path);
    expect(existsSync(path)).toBe(false);
    taken.release();
  });

  it('is not taken from who listens there', async () => {
    const path = place();
    await listenAt(path);
    await expectRefused(path, 'no other program uses');
    expect(existsSync(path)).toBe(true);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('is none where it cannot be', async () => {
    const file = place();
    writeFileSync(file, 'text');
    await expectRefused(file, 'a path that is not there yet');
    expect(existsSync(file)).toBe(true);
    await expectRefused('', 'socket: expected the path of a socket, got an empty text');
    await expectRefused(join(folder, 'a,b.sock'), 'a path without a comma');
    await expectRefused(join(folder, 'nothing', 'b.sock'), 'a path in a folder that is there');
    await expectRefused(join(file, 'b.sock'), 'a path in a folder that is there');
    await expectRefused(join(folder, 'x'.repeat(100)), 'at most 107 bytes');
    mkdirSync(join(folder, 'folder'));
    await expectRefused(join(folder, 'folder'), 'a path that is not there yet');
  });
});
