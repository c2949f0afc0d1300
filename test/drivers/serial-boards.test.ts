/** Which board is which: boards that are unplugged, change their names, or say the same UID. In virtual time. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import type { SimulatedBoard } from '../../firmware-bridge/sim/simulated-board.ts';
import { ID, OPEN, PATH, Ports, port, USB } from '../support/serial-ports.ts';

const PATHS = [PATH, '/dev/ttyUSB1', '/dev/ttyUSB2'] as const;
const IDS = PATHS.map((path) => `serial:${path}`);
const [A, B] = ['0a'.repeat(12), '0b'.repeat(12)] as const;
const ZEROS = '00'.repeat(12);

/** Boards, and who keeps them open as a miner does: opens, waits until one is lost, and waits for it. */
class Bench {
  readonly ports: Ports = new Ports();
  readonly boards: readonly SimulatedBoard[];
  readonly failures: string[] = [];
  /** UIDs of the devices that are open, by their ids. */
  readonly open = new Map<string, string>();
  readonly notices: string[] = [];
  readonly #usb: readonly Partial<PortInfo>[];
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];

  /** Boards at the first of `PATHS`, behind adapters of one kind unless it is said otherwise. */
  constructor(uids: readonly string[], usb: readonly Partial<PortInfo>[] = []) {
    this.#usb = usb;
    this.boards = uids.map((uid, i) => this.ports.add(PATHS[i] ?? '', { uid }));
    this.#list();
  }

  /** Puts each board where it is to be; undefined is nowhere. */
  plug(...paths: readonly (string | undefined)[]): void {
    for (const board of this.boards) board.unplug();
    for (const [i, path] of paths.entries()) if (path !== undefined) this.boards[i]?.plug(path);
    this.#list();
  }

  keep(...ids: readonly string[]): void {
    for (const id of ids) this.#loops.push(this.#keep(id));
  }

  async end(): Promise<void> {
    this.#stop.abort(new Error('the end'));
    await this.ports.run(Promise.all(this.#loops));
    for (const board of this.boards) board.close();
  }

  /** Which board is open under each id. */
  get state(): readonly (string | undefined)[] {
    return IDS.slice(0, this.boards.length).map((id) => this.open.get(id));
  }

  #list(): void {
    this.ports.listed = this.boards.flatMap((board, i) =>
      board.port === undefined ? [] : [port(board.port, this.#usb[i] ?? USB)],
    );
  }

  async #keep(id: string): Promise<void> {
    const { signal } = this.#stop;
    const { driver } = this.ports;
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve());
    });
    while (!signal.aborted) {
      try {
        const device = await driver.open(id, { ...OPEN, signal });
        device.onNotice?.((text) => this.notices.push(text));
        this.open.set(id, /UID (\w+)/.exec(device.info.details?.[0] ?? '')?.[1] ?? '');
        await Promise.race([device.lost, stopped]);
        this.open.delete(id);
        await device.close();
      } catch (error) {
        this.failures.push((error as Error).message);
      }
      if (!signal.aborted) await driver.returns?.(id, signal);
    }
  }
}

let bench: Bench;
afterEach(() => bench.end());

/** Two boards that are open, each under its own name. */
async function two(uids: readonly string[], usb?: readonly Partial<PortInfo>[]): Promise<Bench> {
  bench = new Bench(uids, usb);
  bench.keep(IDS[0]!, IDS[1]!);
  await bench.ports.clock.advance(2000);
  expect(bench.state).toEqual(uids);
  bench.plug();
  await bench.ports.clock.advance(3000);
  expect(bench.state).toEqual([undefined, undefined]);
  bench.ports.opened.length = 0;
  return bench;
}

describe('two boards whose adapters are alike', () => {
  it('are told apart when they come back with their names exchanged', async () => {
    const { ports } = await two([A, B]);
    bench.plug(PATHS[1], PATHS[0]);
    await ports.clock.advance(4000);
    expect(bench.state).toEqual([A, B]);
    expect(ports.opened.length, 'openings, each of which resets a board').toBeLessThanOrEqual(4);
  });

  it('are told apart when the second comes back first, under the name of the first', async () => {
    const { ports } = await two([A, B]);
    bench.plug(undefined, PATHS[0]);
    await ports.clock.advance(30_000);
    expect(bench.state).toEqual([undefined, B]);
    expect(ports.opened.length).toBeLessThanOrEqual(4);
    bench.boards[0]?.plug(PATHS[1]);
    ports.listed = [port(PATHS[0], USB), port(PATHS[1], USB)];
    await ports.clock.advance(2500);
    expect(bench.state).toEqual([A, B]);
    expect(ports.opened.length).toBeLessThanOrEqual(6);
  });

  it('are not opened again and again while one is away and another has its name', async () => {
    const { ports } = await two([A, B]);
    bench.plug(undefined, PATHS[0]);
    await ports.clock.advance(5000);
    ports.opened.length = 0;
    await ports.clock.advance(300_000);
    expect(ports.opened).toEqual([]);
    expect(bench.failures.at(-1)).toMatch(/^no such device: serial:\/dev\/ttyUSB0: /);
  });

  it('say who has their port', async () => {
    const { ports } = await two([A, B]);
    bench.plug(undefined, PATHS[0]);
    await ports.clock.advance(5000);
    expect(bench.state).toEqual([undefined, B]);
    await expect(ports.run(ports.driver.open(ID, OPEN))).rejects.toThrow(
      `no such device: ${ID}: its port is used by ${IDS[1]}`,
    );
    const failures = bench.failures.length;
    await ports.clock.advance(30_000);
    expect(bench.failures.length, 'tries, though that port is not free').toBe(failures);
  });

  it('are looked for where another is looked for as well, once that has been there', async () => {
    const { ports } = await two([A, B]);
    await bench.end();
    bench.plug(PATHS[1], PATHS[0]);
    bench.boards[0]!.script.silent = 'always';
    const opening = IDS.slice(0, 2).map((id) => ports.driver.open(id, OPEN));
    await ports.clock.advance(500);
    bench.boards[0]!.script.silent = 'no';
    const devices = await ports.run(Promise.all(opening));
    expect(devices.map(({ info }) => info.details?.[0]?.slice(-A.length))).toEqual([A, B]);
    await ports.run(Promise.all(devices.map((device) => device.close())));
  });

  it('are not mistaken for a stranger at the port where one of them was last', async () => {
    const { ports } = await two([A, B]);
    bench.plug(PATHS[2], PATHS[1]);
    await ports.clock.advance(3000);
    expect(bench.state).toEqual([A, B]);
    bench.plug(undefined, PATHS[1]);
    await ports.clock.advance(3000);
    const stranger = ports.add(PATHS[2], { uid: '0c'.repeat(12) });
    ports.listed = [port(PATHS[1], USB), port(PATHS[2], USB)];
    await ports.clock.advance(3000);
    expect(bench.state).toEqual([undefined, B]);
    expect(bench.failures.at(-1)).toContain(`another board is at ${PATHS[2]}: UID 0c0c`);
    stranger.close();
  });

  it('are found where both are opened at once, and each looks first where the other is', async () => {
    const { ports } = await two([A, B]);
    await bench.end();
    bench.plug(PATHS[1], PATHS[0]);
    const devices = await ports.run(
      Promise.all([ports.driver.open(IDS[0]!, OPEN), ports.driver.open(IDS[1]!, OPEN)]),
    );
    expect(devices.map(({ info }) => info.details?.[0]?.slice(-A.length))).toEqual([A, B]);
    await ports.run(Promise.all(devices.map((device) => device.close())));
  });
});

describe('a UID that several boards say', () => {
  it('tells nothing: both are used, each at its port, and people hear of it', async () => {
    const { ports } = await two([A, A]);
    expect(bench.notices).toContain(
      `another board has its UID ${A}: it is known by its port ${PATHS[1]} alone`,
    );
    bench.plug(PATHS[0], PATHS[1]);
    await ports.clock.advance(2000);
    expect(bench.state).toEqual([A, A]);
    expect(ports.opened).toEqual(expect.arrayContaining([...PATHS.slice(0, 2)]));
    expect(ports.opened).toHaveLength(2);
  });

  it('is seen to be that also where the other board is not open', async () => {
    bench = new Bench([A, A]);
    const { ports } = bench;
    await ports.run((await ports.run(ports.driver.open(IDS[0]!, OPEN))).close());
    const second = await ports.run(ports.driver.open(IDS[1]!, OPEN));
    expect(second.info.details?.[0]).toContain(A);
    const first = await ports.run(ports.driver.open(IDS[0]!, OPEN));
    expect(ports.opened.slice(-2)).toEqual([PATHS[1], PATHS[0]]);
    await ports.run(Promise.all([first.close(), second.close()]));
  });

  it('is none if it is all zeros: such boards are not looked for at the ports of others', async () => {
    const { ports } = await two([ZEROS, ZEROS]);
    bench.plug(undefined, PATHS[1]);
    await ports.clock.advance(5000);
    expect(bench.state).toEqual([undefined, ZEROS]);
    bench.plug(undefined, PATHS[2]);
    ports.opened.length = 0;
    await ports.clock.advance(20_000);
    expect(bench.state).toEqual([undefined, undefined]);
    expect(ports.opened).not.toContain(PATHS[2]);
  });

  it('does not matter where adapters have numbers of their own', async () => {
    const usb = ['17', '18'].map((serialNumber) => ({ ...USB, serialNumber }));
    const { ports } = await two([ZEROS, ZEROS], usb);
    bench.plug(PATHS[1], PATHS[0]);
    await ports.clock.advance(3000);
    expect(bench.state).toEqual([ZEROS, ZEROS]);
    expect(ports.opened).toHaveLength(2);
    bench.boards[0]?.unplug();
    await ports.clock.advance(1000);
    expect(bench.open.has(IDS[0]!), 'the first board was at the second name').toBe(false);
    expect(bench.open.has(IDS[1]!)).toBe(true);
  });
});

describe('the adapter of another board', () => {
  it('is left alone, though it is at the port of the id', async () => {
    const usb = ['17', '18'].map((serialNumber) => ({ ...USB, serialNumber }));
    const { ports } = await two([A, B], usb);
    await bench.end();
    bench.plug(undefined, PATHS[0]);
    ports.opened.length = 0;
    await expect(ports.run(ports.driver.open(ID, OPEN))).rejects.toMatchObject({
      detail: { code: 'not-found' },
    });
    expect(ports.opened).not.toContain(PATHS[0]);
  });
});

describe('a board that is away', () => {
  it('is not waited for under a name that is no address, but until the end', async () => {
    bench = new Bench([A]);
    const { clock, driver } = bench.ports;
    const abort = new AbortController();
    let isOver = false;
    const waiting = driver.returns?.('serial:nonsense', abort.signal).then(() => {
      isOver = true;
    });
    await clock.advance(20_000);
    expect(isOver).toBe(false);
    abort.abort();
    await waiting;
    expect(isOver).toBe(true);
    await driver.returns?.('serial:nonsense', abort.signal);
    expect(clock.sleeping).toBe(0);
  });

  it('is tried less often where its port is there and says that it is not', async () => {
    bench = new Bench([A]);
    const { ports } = bench;
    ports.failures.set(PATH, { code: 'no-such-port', port: PATH });
    bench.keep(ID);
    await ports.clock.advance(60_000);
    expect(ports.opened.length).toBeLessThanOrEqual(30);
    ports.failures.clear();
    await ports.clock.advance(3000);
    expect(bench.state).toEqual([A]);
  });

  it('costs a list of ports a second with all others, and later one in two', async () => {
    const { ports } = await two([A, B]);
    ports.lists = 0;
    await ports.clock.advance(10_000);
    expect(ports.lists).toBeLessThanOrEqual(11);
    expect(ports.lists).toBeGreaterThanOrEqual(9);
    await ports.clock.advance(60_000);
    ports.lists = 0;
    await ports.clock.advance(60_000);
    expect(ports.lists).toBeLessThanOrEqual(31);
    bench.plug(PATHS[2], PATHS[1]);
    await ports.clock.advance(5000);
    expect(bench.state).toEqual([A, B]);
  });
});
