/** The driver: how it opens, how it finds boards again. All on simulated ports in virtual time. */
import { describe, expect, it } from 'vitest';
import { createDeviceDoor } from '../../drivers/open.ts';
import { ID, OPEN, PATH, Ports, port, USB } from '../support/serial-ports.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

describe('the serial driver opens', () => {
  it('a board that is right, and tells what it is', async () => {
    const ports = new Ports(true);
    ports.add(PATH, { name: 'Test board', bauds: [115_200] });
    const device = await ports.run(ports.driver.open(ID, OPEN));
    expect(device.info).toMatchObject({
      id: ID,
      name: 'Test board',
      kernel: 'firmware 0.1.0',
      rollsNonce: true,
      tableSlots: 1,
    });
    expect(device.info.details?.slice(0, 2)).toEqual([
      'firmware 0.1.0 (build 00000000), UID 53494d000000000000000001',
      '115200 baud',
    ]);
    await expect(ports.driver.open(ID, OPEN)).rejects.toMatchObject({ detail: { code: 'busy' } });
    await ports.run(device.close());
    const again = await ports.run(ports.driver.open(ID, OPEN));
    await ports.run(again.close());
  });

  it.each([
    [{ code: 'no-such-port', port: PATH }, 'not-found', `no such device: ${ID}: no such port`],
    [{ code: 'in-use', port: PATH }, 'busy', `device ${ID} is in use`],
    [
      { code: 'no-permission', port: PATH, advice: 'join the group dialout' },
      'unsupported',
      `device not supported: ${PATH}: no permission; join the group dialout`,
    ],
    [
      { code: 'failed', port: PATH, reason: 'out of memory' },
      'lost',
      `device lost: ${PATH}: out of memory`,
    ],
  ] as const)('no port that fails with %j', async (failure, code, text) => {
    const ports = new Ports();
    ports.failures.set(PATH, failure);
    const opening = ports.driver.open(ID, OPEN);
    await expect(ports.run(opening)).rejects.toMatchObject({ detail: { code } });
    await expect(opening).rejects.toThrow(text);
  });

  it.each([
    ['dot', 'self-test', /^self-test failed: expected .*dot/],
    ['finish', 'self-test', /^self-test failed: expected .*finish/i],
    ['header', 'self-test', /^self-test failed: expected /],
    ['rows', 'self-test', /^self-test failed: expected .*row/],
  ] as const)('no board whose %s is wrong', async (lie, code, text) => {
    const ports = new Ports(true);
    const board = ports.add(PATH);
    board.script.lies.add(lie);
    const opening = ports.driver.open(ID, OPEN);
    await expect(ports.run(opening)).rejects.toMatchObject({ detail: { code } });
    await expect(opening).rejects.toThrow(text);
    expect(ports.clock.sleeping, 'closed again').toBe(0);
  });

  it('no board of another protocol, and none that is silent', async () => {
    const ports = new Ports();
    const board = ports.add(PATH);
    board.script.versions = [2, 3];
    await expect(ports.run(ports.driver.open(ID, OPEN))).rejects.toThrow(
      'device not supported: the board speaks TSP 2 to 3, this program TSP 1',
    );
    board.script.versions = [1, 1];
    board.script.silent = 'always';
    const opening = ports.driver.open(ID, OPEN);
    await expect(ports.run(opening)).rejects.toMatchObject({ detail: { code: 'timeout' } });
  });

  it('no port with something else behind it, and says what comes from there', async () => {
    const ports = new Ports();
    const board = ports.add(PATH, { bauds: [115_200] });
    board.script.badRates.add(115_200);
    const opening = ports.driver.open(ID, OPEN);
    opening.catch(() => undefined);
    for (let i = 0; i < 20; i++) {
      board.noise(Uint8Array.of(0x80, 0x81, 0xc0, 0xfe, 0xff, 0xc0));
      await ports.clock.advance(300);
    }
    await expect(ports.run(opening)).rejects.toThrow(/bytes of garbage/);
  });

  it('no board that is too hot', async () => {
    const ports = new Ports();
    ports.add(PATH).script.temperatureC = 91;
    await expect(ports.run(ports.driver.open(ID, OPEN))).rejects.toThrow(
      'device lost: too hot: 91 °C, the limit is 85',
    );
  });

  it('a board that needs two seconds to start', async () => {
    const ports = new Ports();
    const board = ports.add(PATH);
    board.script.silent = 'always';
    const opening = ports.driver.open(ID, OPEN);
    await ports.clock.advance(2000);
    board.script.silent = 'no';
    const device = await ports.run(opening);
    await ports.run(device.close());
  });

  it.each([
    ['its rate is raised', 2],
    ['it is asked for its temperature', 1],
  ])('nothing for who does not wait while %s', async (_, bauds) => {
    const ports = new Ports();
    const board = ports.add(PATH, { bauds: [115_200, 921_600].slice(0, bauds) });
    let writes = 0;
    ports.wrap = (opened) => {
      const write = opened.write.bind(opened);
      opened.write = (bytes) => {
        // HELLO alone is answered.
        if (++writes > 1) board.script.silent = 'always';
        return write(bytes);
      };
      return opened;
    };
    const abort = new AbortController();
    const reason = new Error('stopped');
    const opening = ports.driver.open(ID, { ...OPEN, signal: abort.signal });
    opening.catch(() => undefined);
    await ports.clock.advance(100);
    expect(writes).toBe(2);
    abort.abort(reason);
    const began = ports.clock.now();
    await expect(ports.run(opening)).rejects.toBe(reason);
    expect(ports.clock.now() - began).toBeLessThanOrEqual(50);
    await ports.clock.advance(0);
    expect(ports.clock.sleeping).toBe(0);
  });

  it('with the tables that it was given, one for each test of a board', async () => {
    const ports = new Ports(true);
    for (const path of [PATH, '/dev/ttyUSB1']) {
      ports.add(path, { uid: path === PATH ? '0a'.repeat(12) : '0b'.repeat(12) });
      const device = await ports.run(ports.driver.open(`serial:${path}`, OPEN));
      await ports.run(device.close());
    }
    expect(ports.tables).toBe(2);
  });

  it('one port under all of its names', async () => {
    const ports = new Ports();
    ports.add('COM3');
    const device = await ports.run(ports.driver.open('serial:com3', OPEN));
    expect(device.info.id).toBe('serial:COM3');
    await expect(ports.driver.open('serial:COM3', OPEN)).rejects.toMatchObject({
      detail: { code: 'busy' },
    });
    await ports.run(device.close());
  });

  it('nothing for who does not wait', async () => {
    const ports = new Ports();
    ports.add(PATH).script.silent = 'always';
    const abort = new AbortController();
    const reason = new Error('stopped');
    const opening = ports.driver.open(ID, { ...OPEN, signal: abort.signal });
    opening.catch(() => undefined);
    await ports.clock.advance(300);
    abort.abort(reason);
    await expect(ports.run(opening)).rejects.toBe(reason);
    await ports.clock.advance(0);
    expect(ports.clock.sleeping).toBe(0);
  });
});

describe('the rate of a line', () => {
  const bauds = [115_200, 921_600, 2_000_000];

  it('is the highest that works', async () => {
    const ports = new Ports();
    ports.add(PATH, { bauds });
    const device = await ports.run(ports.driver.open(ID, OPEN));
    expect(device.info.details).toContain('2000000 baud');
    await ports.run(device.close());
  });

  it('is a lower one where the highest does not work, which is not tried again', async () => {
    const ports = new Ports();
    const board = ports.add(PATH, { bauds });
    board.script.badRates.add(2_000_000);
    const device = await ports.run(ports.driver.open(ID, OPEN));
    expect(device.info.details).toContain('921600 baud');
    await ports.run(device.close());
    const began = ports.clock.now();
    const again = await ports.run(ports.driver.open(ID, OPEN));
    expect(ports.clock.now() - began).toBeLessThan(1000);
    await ports.run(again.close());
  });

  it('is found where an earlier program left the board at another', async () => {
    const ports = new Ports();
    const board = ports.add(PATH, { bauds, hasResetLines: false });
    const device = await ports.run(ports.driver.open(ID, OPEN));
    // It is not heard, so that the board stays where it is.
    board.script.silent = 'always';
    await ports.run(device.close());
    board.script.silent = 'no';
    const again = await ports.run(ports.driver.open(ID, OPEN));
    expect(again.info.details).toContain('2000000 baud');
    await ports.run(again.close());
  });
});

describe('a board that was unplugged', () => {
  /** How long it takes until the device is back, in ms. */
  async function returned(ports: Ports, happens: () => void): Promise<number> {
    const abort = new AbortController();
    const back = ports.driver.returns?.(ID, abort.signal).then(() => ports.clock.now());
    await ports.clock.advance(3000);
    const began = ports.clock.now();
    happens();
    const ms = (await ports.run(back ?? Promise.reject(new Error('no returns')))) - began;
    abort.abort();
    return ms;
  }

  it('is told to be back as soon as its port is there', async () => {
    const ports = new Ports();
    const board = ports.add(PATH);
    const device = await ports.run(ports.driver.open(ID, OPEN));
    board.unplug();
    expect(await ports.run(device.lost)).toMatchObject({ detail: { code: 'lost' } });
    await ports.run(device.close());
    expect(await returned(ports, () => board.plug())).toBeLessThanOrEqual(500);
    await ports.run((await ports.run(ports.driver.open(ID, OPEN))).close());
  });

  it('is told to be back also if it was away for so short that nobody saw it', async () => {
    const ports = new Ports();
    const board = ports.add(PATH);
    const device = await ports.run(ports.driver.open(ID, OPEN));
    board.unplug();
    board.plug();
    await ports.run(device.lost);
    await ports.run(device.close());
    const { signal } = new AbortController();
    await ports.run(ports.driver.returns?.(ID, signal) ?? Promise.reject(new Error('none')), 1000);
    await ports.run((await ports.run(ports.driver.open(ID, OPEN))).close());
  });

  it('is found under another name by its serial number', async () => {
    const ports = new Ports();
    const usb = { ...USB, serialNumber: '17' };
    ports.listed = [port(PATH, usb)];
    const board = ports.add(PATH);
    const device = await ports.run(ports.driver.open(ID, OPEN));
    board.unplug();
    ports.listed = [];
    await ports.run(device.close());
    const ms = await returned(ports, () => {
      board.plug('/dev/ttyUSB5');
      ports.listed = [port('/dev/ttyUSB5', usb)];
    });
    expect(ms).toBeLessThanOrEqual(2000);
    ports.opened.length = 0;
    const again = await ports.run(ports.driver.open(ID, OPEN));
    expect(again.info.id).toBe(ID);
    expect(ports.opened).toEqual(['/dev/ttyUSB5']);
    await ports.run(again.close());
  });

  it('is found under another name by its UID where its adapter has no number', async () => {
    const ports = new Ports();
    ports.listed = [port(PATH, USB)];
    const board = ports.add(PATH, { uid: '0a'.repeat(12) });
    const other = ports.add('/dev/ttyUSB4', { uid: '0b'.repeat(12) });
    const device = await ports.run(ports.driver.open(ID, OPEN));
    board.unplug();
    await ports.run(device.close());
    board.plug('/dev/ttyUSB5');
    ports.listed = [port('/dev/ttyUSB4', USB), port('/dev/ttyUSB5', USB)];
    const again = await ports.run(ports.driver.open(ID, OPEN));
    expect(again.info.details?.[0]).toContain('0a'.repeat(12));
    await ports.run(again.close());
    other.close();
  });

  it('is not mistaken for another that took its name', async () => {
    const ports = new Ports();
    const [one, two] = ['0a', '0b'].map((digits, i) =>
      ports.add(`/dev/ttyUSB${i}`, { uid: digits.repeat(12) }),
    );
    const ids = [ID, 'serial:/dev/ttyUSB1'];
    for (const id of ids) {
      await ports.run((await ports.run(ports.driver.open(id, OPEN))).close());
    }
    one?.unplug();
    two?.unplug();
    two?.plug(PATH);
    await expect(ports.run(ports.driver.open(ID, OPEN))).rejects.toThrow(
      `no such device: ${ID}: another board is at ${PATH}: UID ${'0b'.repeat(12)}`,
    );
    // A board that nobody knows is one that was put there.
    two?.unplug();
    ports.add(PATH, { uid: '0c'.repeat(12) });
    const device = await ports.run(ports.driver.open(ID, OPEN));
    expect(device.info.details?.[0]).toContain('0c'.repeat(12));
    await ports.run(device.close());
  });

  it('is not looked for by opening a port that is there, whatever is wrong with it', async () => {
    const ports = new Ports();
    const board = ports.add(PATH);
    board.script.lies.add('rows');
    await ports.run(ports.driver.open(ID, OPEN).catch(() => undefined));
    ports.opened.length = 0;
    const abort = new AbortController();
    let isBack = false;
    const back = ports.driver.returns?.(ID, abort.signal).then(() => {
      isBack = !abort.signal.aborted;
    });
    await ports.clock.advance(30_000);
    expect(isBack).toBe(false);
    board.unplug();
    await ports.clock.advance(1000);
    board.plug();
    await ports.clock.advance(1000);
    expect(isBack).toBe(true);
    await back;
    abort.abort();
    expect(ports.opened).toEqual([]);
  });

  it('behind a socket is tried until it answers', async () => {
    const ports = new Ports();
    const id = 'serial:tcp://10.0.0.7:4000';
    const path = 'tcp://10.0.0.7:4000';
    const board = ports.add(path);
    ports.failures.set(path, { code: 'failed', port: path, reason: 'connection refused' });
    await expect(ports.run(ports.driver.open(id, OPEN))).rejects.toThrow(
      `no such device: ${id}: connection refused`,
    );
    const abort = new AbortController();
    const back = ports.driver.returns?.(id, abort.signal) ?? Promise.reject(new Error('none'));
    await ports.clock.advance(5000);
    ports.failures.clear();
    const began = ports.clock.now();
    await ports.run(back);
    expect(ports.clock.now() - began).toBeLessThanOrEqual(1050);
    expect(board.port).toBe(path);
  });

  it('is what the door of devices waits for', async () => {
    const ports = new Ports();
    const door = createDeviceDoor(() => OPEN, {
      drivers: { serial: async () => ports.driver },
      tables: standInTable,
    });
    const { signal } = new AbortController();
    expect(door.returns?.(ID, signal)).toBeUndefined();
    await expect(ports.run(door.open(ID, signal))).rejects.toMatchObject({
      detail: { code: 'not-found' },
    });
    const back = door.returns?.(ID, signal);
    expect(back).toBeInstanceOf(Promise);
    ports.add(PATH);
    await ports.run(back ?? Promise.reject(new Error('none')));
  });
});

describe('several boards', () => {
  it('do not disturb each other', async () => {
    const ports = new Ports();
    const boards = [0, 1, 2].map((i) => ports.add(`/dev/ttyUSB${i}`, { uid: `${i}a`.repeat(12) }));
    const devices = await Promise.all(
      boards.map((_, i) => ports.run(ports.driver.open(`serial:/dev/ttyUSB${i}`, OPEN))),
    );
    const seed = new Uint8Array(32).fill(1);
    const table = await standInTable(seed);
    await Promise.all(devices.map((device) => ports.run(device.loadSeed(seed, table))));
    const work = { jobId: 'j', generation: 1, preimage: new Uint8Array(136), seed, target: -1n };
    const ends = devices.map((device) =>
      device
        .search(work, { start: 0n, count: 100 }, new AbortController().signal)
        .then(({ scanned }) => `${scanned}`)
        .catch((error: Error) => error.message),
    );
    await ports.clock.advance(1000);
    boards[0]?.unplug();
    boards[1]!.script.silent = 'always';
    expect(await ports.run(Promise.all(ends), 120_000)).toEqual([
      'device lost: /dev/ttyUSB0: gone: unplugged',
      expect.stringMatching(/^device lost: no answer for \d+ ms$/),
      '100',
    ]);
    await ports.run(Promise.all(devices.map((device) => device.close())));
  });
});
