/** Ports behind sockets, on the loopback interface and in a temporary folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { PortError } from '../../firmware-bridge/errors.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import { FakeClock } from '../support/fake-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'port-socket-'));
afterAll(() => rmSync(folder, { recursive: true }));

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

let sockets = 0;

/** A server, its address, and the sockets that have connected to it. */
async function listen(kind: 'tcp' | 'unix') {
  const connected: Socket[] = [];
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    connected.push(socket);
  });
  const path = join(folder, `${sockets++}.sock`);
  await new Promise<void>((resolve) => {
    if (kind === 'unix') server.listen(path, resolve);
    else server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  closing.push(() => {
    for (const socket of connected) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const text =
    typeof address === 'string' ? `unix:${path}` : `tcp://127.0.0.1:${address?.port ?? 0}`;
  const peer = () => until(() => connected[0]);
  return { address: text, path, server, connected, peer };
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await nextTurn();
  }
}

async function open(address: string, parts: { clock?: FakeClock; writeMs?: number } = {}) {
  const { clock, ...options } = parts;
  const port = await openPort(address, options, clock === undefined ? {} : { clock });
  closing.push(() => port.close());
  return port;
}

function hear(port: BytePort): number[] {
  const heard: number[] = [];
  port.onBytes((bytes) => void heard.push(...bytes));
  return heard;
}

async function portError(work: Promise<unknown>): Promise<PortError['detail']> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PortError);
  return (error as PortError).detail;
}

const KINDS = process.platform === 'win32' ? (['tcp'] as const) : (['tcp', 'unix'] as const);

describe.each(KINDS)('a port behind a %s socket', (kind) => {
  it('carries bytes both ways', async () => {
    const { address, peer } = await listen(kind);
    const port = await open(address);
    expect(port.name).toBe(address);
    expect(port.byteMs).toBe(0);
    expect([port.setBaud, port.resetLines]).toEqual([undefined, undefined]);
    const got: number[] = [];
    (await peer()).on('data', (bytes) => got.push(...bytes));
    await port.write(Uint8Array.of(1, 2));
    await port.write(Uint8Array.of(3));
    await until(() => (got.length === 3 ? got : undefined));
    expect(got).toEqual([1, 2, 3]);
    const heard = hear(port);
    (await peer()).write(Buffer.from([4, 5]));
    await until(() => (heard.length === 2 ? heard : undefined));
    expect(heard).toEqual([4, 5]);
  });

  it('keeps what comes before anybody listens', async () => {
    const { address, peer } = await listen(kind);
    const port = await open(address);
    const there = await peer();
    await new Promise<void>((resolve) => there.end(Buffer.from([1, 2, 3]), resolve));
    expect((await port.closed)?.detail.code).toBe('gone');
    expect(hear(port)).toEqual([1, 2, 3]);
  });

  it('is gone when the other side closes, and takes no more', async () => {
    const { address, peer } = await listen(kind);
    const port = await open(address);
    (await peer()).end();
    const gone = { code: 'gone', port: address, reason: 'closed by the other side' };
    expect((await port.closed)?.detail).toEqual(gone);
    expect(await portError(port.write(Uint8Array.of(1)))).toEqual(gone);
    await port.close();
    expect((await port.closed)?.detail).toEqual(gone);
  });

  it('waits until the bytes are taken, and gives up when nobody takes them', async () => {
    const { address, peer } = await listen(kind);
    const clock = new FakeClock();
    const port = await open(address, { clock, writeMs: 50 });
    const there = await peer();
    there.pause();
    let settled = false;
    // More than both sides' buffers hold.
    const big = port.write(new Uint8Array(24 * 1024 * 1024)).finally(() => {
      settled = true;
    });
    const small = portError(port.write(Uint8Array.of(1)));
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(settled).toBe(false);
    const late = portError(big);
    await clock.advance(50);
    expect(await late).toEqual({ code: 'write-timeout', port: address, afterMs: 50 });
    expect(await small).toMatchObject({ code: 'write-timeout' });
    // Nor does what waits hold up the end.
    await port.close();
    expect(await port.closed).toBeUndefined();
    expect(clock.sleeping).toBe(0);
  });

  it('closes once, and what was written before still arrives', async () => {
    const { address, peer } = await listen(kind);
    const port = await open(address);
    const got: number[] = [];
    const ended = new Promise<void>((resolve) => {
      void peer().then((there) => there.on('data', (b) => got.push(...b)).once('end', resolve));
    });
    await port.write(Uint8Array.of(7, 8));
    await Promise.all([port.close(), port.close()]);
    await ended;
    expect(got).toEqual([7, 8]);
    expect(await port.closed).toBeUndefined();
    expect(await portError(port.write(Uint8Array.of(1)))).toEqual({
      code: 'gone',
      port: address,
      reason: 'closed',
    });
  });
});

describe('a port behind a socket', () => {
  it('tells of a connection that is cut off', async () => {
    const { address, peer } = await listen('tcp');
    const port = await open(address);
    (await peer()).resetAndDestroy();
    const reason = 'cut off by the other side';
    expect((await port.closed)?.detail).toEqual({ code: 'gone', port: address, reason });
  });

  it('says when nobody listens', async () => {
    const { address, server } = await listen('tcp');
    await new Promise((resolve) => server.close(resolve));
    expect(await portError(openPort(address))).toEqual({
      code: 'failed',
      port: address,
      reason: "connection refused: is the board's server running?",
    });
  });

  it('says when there is no such socket', async () => {
    const address = `unix:${folder}/nobody`;
    expect(await portError(openPort(address))).toEqual({ code: 'no-such-port', port: address });
  });

  it('gives a server up that does not answer in time', async () => {
    const { address } = await listen('tcp');
    // Time is over before the loop turns once, which connecting needs.
    const clock = { now: () => 0, sleep: async () => {} };
    expect(await portError(openPort(address, { connectMs: 700 }, { clock }))).toEqual({
      code: 'failed',
      port: address,
      reason: 'no answer within 700 ms',
    });
  });

  it('leaves no timer behind when it is connected', async () => {
    const { address } = await listen('tcp');
    const clock = new FakeClock();
    await open(address, { clock });
    expect(clock.sleeping).toBe(0);
  });

  it('is let go of when the signal aborts', async () => {
    const { address, connected } = await listen('tcp');
    const stop = new AbortController();
    const reason = new Error('enough');
    const opening = openPort(address, { signal: stop.signal });
    stop.abort(reason);
    await expect(opening).rejects.toBe(reason);
    await expect(openPort(address, { signal: stop.signal })).rejects.toBe(reason);
    for (const socket of connected)
      if (!socket.closed) await new Promise((r) => socket.once('close', r));
    const used = new AbortController();
    const port = await openPort(address, { signal: used.signal });
    closing.push(() => port.close());
    used.abort();
    await port.write(Uint8Array.of(1));
  });
});
