/** Serial ports over the mock of the package; a pseudo-terminal has its test in e2e/serial-port.test.ts. */
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PortError } from '../../firmware-bridge/errors.ts';
import { type OpenPortOptions, openPort } from '../../firmware-bridge/port.ts';
import { permissionAdvice } from '../../firmware-bridge/port-permission.ts';
import type { SerialPackage, SerialSettings } from '../../firmware-bridge/serial-package.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { hasPackage, skipWithout } from '../support/optional-packages.ts';

skipWithout('serialport');
const { SerialPortMock } = hasPackage('serialport')
  ? await import('serialport')
  : ({} as typeof import('serialport'));
type Mock = InstanceType<typeof SerialPortMock>;

const folder = mkdtempSync(join(tmpdir(), 'port-serial-'));
afterAll(() => rmSync(folder, { recursive: true }));

let ports = 0;

/** A port of the mock that nobody else has, and what opens it. */
function mockPort(more: { readonly open?: (mock: Mock) => void } = {}) {
  const path = `/dev/mock${ports++}`;
  SerialPortMock.binding.createPort(path, { echo: false, record: true });
  const clock = new FakeClock();
  const streams: Mock[] = [];
  const settings: SerialSettings[] = [];
  const kept: string[] = [];
  const serial: SerialPackage = {
    create: (options) => {
      settings.push(options);
      const stream = new SerialPortMock(options);
      stream.once('open', () => more.open?.(stream));
      streams.push(stream);
      return stream;
    },
    list: () => SerialPortMock.list(),
    keepLines: async (name) => {
      kept.push(name);
    },
  };
  const open = (options: OpenPortOptions = {}) =>
    openPort(path, options, { clock, loadSerial: async () => serial });
  return { path, clock, streams, settings, kept, open, mock: () => streams[0]!.port! };
}

async function portError(work: Promise<unknown>): Promise<PortError['detail']> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PortError);
  return (error as PortError).detail;
}

describe('a serial port', () => {
  it('opens locked, at 115200 8N1, and leaves the lines alone', async () => {
    const { path, open, mock, kept, streams } = mockPort({
      open: (stream) => {
        stream.port!.set = () => Promise.reject(new Error('a line was touched'));
      },
    });
    const port = await open();
    expect(mock().openOptions).toMatchObject({
      baudRate: 115_200,
      dataBits: 8,
      parity: 'none',
      stopBits: 1,
      lock: true,
      hupcl: false,
      rtscts: false,
    });
    expect(kept).toEqual([path]);
    expect(port.name).toBe(path);
    expect(port.byteMs).toBeCloseTo(0.0868, 4);
    await port.close();
    expect(streams[0]!.isOpen).toBe(false);
  });

  it('keeps what comes before anybody listens, in order', async () => {
    const { open, mock } = mockPort();
    const port = await open();
    mock().emitData(Buffer.from([1, 2]));
    await settle();
    mock().emitData(Buffer.from([3]));
    await settle();
    const heard: number[] = [];
    port.onBytes((bytes) => {
      expect(Buffer.isBuffer(bytes)).toBe(false);
      heard.push(...bytes);
    });
    mock().emitData(Buffer.from([4]));
    await settle();
    expect(heard).toEqual([1, 2, 3, 4]);
    await port.close();
  });

  it('writes a copy, in order', async () => {
    const { open, mock } = mockPort();
    const port = await open();
    const bytes = Uint8Array.of(1, 2);
    const first = port.write(bytes);
    bytes.fill(9);
    await Promise.all([first, port.write(new Uint8Array(0)), port.write(Uint8Array.of(3))]);
    expect([...mock().recording]).toEqual([1, 2, 3]);
    await port.close();
  });

  it('is open once', async () => {
    const { path, open } = mockPort();
    const port = await open();
    expect(await portError(open())).toEqual({ code: 'in-use', port: path });
    await port.close();
    await (await open()).close();
  });

  it('names both lines when it resets the board, and ends with both of them up', async () => {
    const { open, mock, clock } = mockPort();
    const port = await open();
    const set: unknown[] = [];
    mock().set = async (lines) => {
      set.push({ dtr: lines.dtr, rts: lines.rts });
    };
    const reset = port.resetLines!();
    await settle();
    expect(set).toEqual([{ dtr: false, rts: true }]);
    await clock.advance(100);
    await reset;
    expect(set).toEqual([
      { dtr: false, rts: true },
      { dtr: true, rts: true },
    ]);
    await port.close();
    expect(await portError(port.resetLines!())).toMatchObject({ code: 'gone' });
  });

  it('has no reset where there are no lines', async () => {
    const { open } = mockPort({
      open: (stream) => {
        const text = 'Error: Inappropriate ioctl for device, cannot get';
        stream.port!.get = () => Promise.reject(new Error(text));
      },
    });
    const port = await open();
    expect(port.resetLines).toBeUndefined();
    await port.close();
  });

  it('changes its rate', async () => {
    const { open, mock } = mockPort();
    const port = await open({ baudRate: 9_600 });
    await port.setBaud!(1_000_000);
    expect(port.byteMs).toBe(0.01);
    expect((await mock().getBaudRate()).baudRate).toBe(1_000_000);
    await port.close();
    expect(await portError(port.setBaud!(9_600))).toMatchObject({ code: 'gone' });
  });

  it('says so when the system, or the chip, does not do a rate', async () => {
    const { path, open, mock } = mockPort();
    const port = await open();
    mock().getBaudRate = async () => ({ baudRate: 921_600 });
    const reason = 'it does not do 3000000 baud: it is at 921600 now';
    expect(await portError(port.setBaud!(3_000_000))).toEqual({
      code: 'failed',
      port: path,
      reason,
    });
    mock().update = () => Promise.reject(new Error('Error: Invalid argument setting it'));
    expect(await portError(port.setBaud!(3_000_000))).toEqual({
      code: 'failed',
      port: path,
      reason: 'Invalid argument setting it',
    });
    expect(port.byteMs).toBeCloseTo(0.0868, 4);
    await expect(port.setBaud!(0)).rejects.toThrow(RangeError);
    await port.close();
  });

  it('does not stay open at a rate that nobody asked for', async () => {
    const { path, open, streams } = mockPort({
      open: (stream) => {
        stream.port!.getBaudRate = async () => ({ baudRate: 9_600 });
      },
    });
    const reason = 'it does not do 115200 baud: it is at 9600 now';
    expect(await portError(open())).toEqual({ code: 'failed', port: path, reason });
    expect(streams[0]!.isOpen).toBe(false);
  });

  it('gives up a write that nobody takes, after the time of what waits and some more', async () => {
    const { path, open, mock, clock } = mockPort();
    const port = await open({ baudRate: 10_000, writeMs: 50 });
    mock().write = () => new Promise(() => {});
    const first = portError(port.write(new Uint8Array(10)));
    const second = portError(port.write(new Uint8Array(10)));
    await clock.advance(69);
    expect(clock.sleeping).toBe(2);
    await clock.advance(1);
    expect(await first).toEqual({ code: 'write-timeout', port: path, afterMs: 70 });
    await clock.advance(20);
    expect(await second).toEqual({ code: 'write-timeout', port: path, afterMs: 90 });
    let flushes = 0;
    mock().flush = async () => {
      flushes++;
    };
    await port.close();
    expect(flushes, 'the system must not wait for them').toBe(1);
  });

  it('leaves no timer behind a write', async () => {
    const { open, clock } = mockPort();
    const port = await open();
    await port.write(Uint8Array.of(1));
    expect(clock.sleeping).toBe(0);
    await port.close();
  });

  it('is gone when it is unplugged, and so are the writes that wait', async () => {
    const { path, open, streams, mock, clock } = mockPort();
    const port = await open();
    mock().write = () => new Promise(() => {});
    const write = portError(port.write(Uint8Array.of(1)));
    streams[0]!._disconnected(new Error('bad file descriptor'));
    const reason = 'unplugged, or its other side has hung up';
    expect((await port.closed)?.detail).toEqual({ code: 'gone', port: path, reason });
    expect(await write).toEqual({ code: 'gone', port: path, reason });
    expect(await portError(port.write(Uint8Array.of(2)))).toMatchObject({ code: 'gone' });
    expect(clock.sleeping).toBe(0);
    await port.close();
    expect((await port.closed)?.detail.code).toBe('gone');
  });

  it('keeps no bytes for a port that the system is still closing', async () => {
    const { open, streams, mock, clock } = mockPort();
    const port = await open();
    mock().close = () => new Promise(() => {});
    streams[0]!._disconnected(new Error('bad file descriptor'));
    expect(await portError(port.write(Uint8Array.of(1)))).toMatchObject({ code: 'gone' });
    expect(clock.sleeping).toBe(0);
    await port.close();
  });

  it('is gone when a write fails, without an error that nobody handles', async () => {
    const { open, mock, streams } = mockPort();
    const port = await open();
    mock().write = () => Promise.reject(new Error('EIO: i/o error, write'));
    expect(await portError(port.write(Uint8Array.of(1)))).toMatchObject({ code: 'gone' });
    expect((await port.closed)?.detail.code).toBe('gone');
    await settle();
    expect(streams[0]!.isOpen).toBe(false);
  });

  it('closes once, and tells the writes that wait', async () => {
    const { path, open, mock } = mockPort();
    const port = await open();
    mock().write = () => new Promise(() => {});
    const write = portError(port.write(Uint8Array.of(1)));
    await Promise.all([port.close(), port.close()]);
    await port.close();
    expect(await port.closed).toBeUndefined();
    expect(await write).toEqual({ code: 'gone', port: path, reason: 'closed' });
    expect(await portError(port.write(Uint8Array.of(1)))).toMatchObject({ reason: 'closed' });
  });
});

describe('a serial port that does not open', () => {
  /** A port whose opening ends with this text of the package. */
  function failing(path: string, text: string): Promise<PortError['detail']> {
    const serial: SerialPackage = {
      create: (options) => {
        const open = () => Promise.reject(new Error(text));
        const stream = new SerialPortMock(options);
        stream.settings.binding = { ...SerialPortMock.binding, open };
        return stream;
      },
      list: async () => [],
      keepLines: async () => {},
    };
    return portError(openPort(path, {}, { loadSerial: async () => serial }));
  }

  it.each([
    ['Error: No such file or directory, cannot open /dev/x', { code: 'no-such-port' }],
    ['Error: No such device or address, cannot open /dev/x', { code: 'no-such-port' }],
    ['Error: No such device, cannot open /dev/x', { code: 'no-such-port' }],
    ['Opening COM3: File not found', { code: 'no-such-port' }],
    ['Error Resource temporarily unavailable Cannot lock port', { code: 'in-use' }],
    ['Error: Device or resource busy, cannot open /dev/x', { code: 'in-use' }],
    ['Opening COM3: Access denied', { code: 'in-use' }],
    [
      'Error: Inappropriate ioctl for device setting custom baud rate of 115200',
      { code: 'failed', reason: 'no serial port' },
    ],
    [
      'Error: Input/output error, cannot open /dev/x',
      { code: 'failed', reason: 'Input/output error, cannot open /dev/x' },
    ],
  ])('says why: %s', async (text, detail) => {
    expect(await failing('/dev/x', text)).toEqual({ port: '/dev/x', ...detail });
  });

  it.each(['Permission denied', 'Operation not permitted'])('advises on "%s"', async (why) => {
    const path = join(folder, 'only-mine');
    writeFileSync(path, '', { mode: 0o600 });
    expect(await failing(path, `Error: ${why}, cannot open ${path}`)).toEqual({
      code: 'no-permission',
      port: path,
      advice: `only its owner may use it: see ls -l ${path}`,
    });
  });

  it.skipIf(process.platform === 'win32')('names the group that may use the port', async () => {
    const path = join(folder, 'of-a-group');
    writeFileSync(path, '', { mode: 0o600 });
    const { gid, uid } = statSync(path);
    const groups = join(folder, 'group');
    writeFileSync(groups, `root:x:0:\ndialout:x:${gid === 0 ? 20 : gid}:${uid}\n`);
    if (gid === 0) chownSync(path, uid, 20);
    chmodSync(path, 0o660);
    expect(await permissionAdvice(path, groups)).toBe(
      'add yourself to the group dialout: sudo usermod -aG dialout $USER, and log in anew',
    );
    chmodSync(path, 0o600);
    expect(await permissionAdvice(path, groups)).toMatch(/^only its owner/);
    expect(await permissionAdvice(join(folder, 'none'), groups)).toMatch(/^only its owner/);
  });

  it.each([
    [
      Object.assign(new Error("Cannot find package 'serialport' imported from x"), {
        code: 'ERR_MODULE_NOT_FOUND',
      }),
      'it is not installed, and `npm install serialport` brings it',
    ],
    [
      new Error('No native build was found\nfor arch=sparc'),
      'it does not load: No native build was found for arch=sparc',
    ],
  ])('tells of the package: %s', async (error, reason) => {
    const opening = openPort('COM3', {}, { loadSerial: () => Promise.reject(error) });
    expect(await portError(opening)).toEqual({ code: 'no-package', port: 'COM3', reason });
  });

  it('is let go of when the signal aborts, and closed when it opens after all', async () => {
    const { open, streams, path } = mockPort();
    const { binding } = SerialPortMock;
    const stop = new AbortController();
    const opening = open({ signal: stop.signal });
    await settle();
    const late = await opening;
    await late.close();
    const reason = new Error('enough');
    const again = open({ signal: stop.signal });
    stop.abort(reason);
    await expect(again).rejects.toBe(reason);
    await settle();
    expect(streams.map((stream) => stream.isOpen)).toEqual([false, false]);
    // Nor is it locked any more.
    await (await binding.open({ path, baudRate: 9_600 })).close();
    await expect(open({ signal: stop.signal })).rejects.toBe(reason);
    expect(streams.length).toBe(2);
  });

  it('refuses what is no address, and what is no rate', async () => {
    await expect(openPort('ttyUSB0')).rejects.toThrow(/^port: expected a port: .*, got "ttyUSB0"$/);
    await expect(mockPort().open({ baudRate: 1.5 })).rejects.toThrow(RangeError);
  });
});
