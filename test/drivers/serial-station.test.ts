/** A station with a simulated board: what costs the board its work, what does not, and when it is lost. */
import { describe, expect, it } from 'vitest';
import type { DriverError } from '../../drivers/driver.ts';
import { connectBoard } from '../../drivers/serial/open-board.ts';
import { Station } from '../../drivers/serial/station.ts';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { LinkError, type NakName } from '../../firmware-bridge/errors.ts';
import { TYPES } from '../../firmware-bridge/messages.ts';
import {
  SimulatedBoard,
  type SimulatedBoardOptions,
} from '../../firmware-bridge/sim/simulated-board.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { standInRows } from '../support/simulated-rig.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';

const SEED = new Uint8Array(32).fill(0xa1);

class StationRig {
  readonly clock = new FakeClock();
  readonly board: SimulatedBoard;
  /** What was done, in order: the names of requests, and resets. Repetitions are left out. */
  readonly acts: string[] = [];
  lost: DriverError | undefined;
  /** The job that the board is believed to be at. */
  job: number | undefined;
  station!: Station;

  private constructor(options: SimulatedBoardOptions) {
    this.board = new SimulatedBoard(options, {
      tables: standInTable,
      hasher: new StandInHasher(),
      clock: this.clock,
      rows: standInRows,
    });
  }

  static async open(options: SimulatedBoardOptions = {}, rowMs?: number): Promise<StationRig> {
    const rig = new StationRig(options);
    const { clock } = rig;
    const line = { clock, openPort: async () => rig.#watched(rig.board.connect()) };
    rig.station = new Station(await connectBoard('simulated', undefined, line), {
      clock,
      reconnect: (signal) => {
        rig.acts.push('reopen');
        return connectBoard('simulated', undefined, line, signal);
      },
      settings: () => ({ duty: 100 }),
      runningJob: () => rig.job,
      rowMs,
      onLost: (error) => {
        rig.lost = error;
      },
      onWrong: (wrong) => expect.fail(wrong.actual),
      onNotice: () => {},
    });
    const loaded = rig.station.load(5, await standInTable(SEED));
    await clock.advance(2000);
    await loaded;
    rig.station.saw(await rig.station.board.status());
    rig.acts.length = 0;
    return rig;
  }

  /** Until nothing is done any more. */
  async settle(mostMs = 60_000): Promise<void> {
    for (let ms = 0; ms < mostMs && !this.station.isReady && !this.station.isOver; ms += 50) {
      await this.clock.advance(50);
    }
  }

  async end(): Promise<void> {
    this.station.close();
    await this.station.board.link.close();
    this.board.close();
    await this.clock.advance(0);
    expect(this.clock.sleeping, 'sleeps left behind').toBe(0);
  }

  #watched(port: BytePort): BytePort {
    const { acts } = this;
    return {
      name: port.name,
      get byteMs() {
        return port.byteMs;
      },
      closed: port.closed,
      onBytes: (listener) => port.onBytes(listener),
      close: () => port.close(),
      write: (bytes) => {
        // Behind the first C0: version, type, flags.
        const name = Object.entries(TYPES).find(([, type]) => type === bytes[2])?.[0];
        if (bytes[3] === 0) acts.push(name ?? '?');
        return port.write(bytes);
      },
      ...(port.setBaud && { setBaud: (rate: number) => port.setBaud!(rate) }),
      ...(port.resetLines && {
        resetLines: async () => {
          acts.push('reset');
          await port.resetLines?.();
        },
      }),
    };
  }
}

function refused(nak: NakName): LinkError {
  return new LinkError({ code: 'refused', request: 'ROWS', nak, detail: 850 });
}

describe('Station, after a silence', () => {
  it('keeps the work of a board that was at it all the time', async () => {
    const rig = await StationRig.open();
    const { generation } = rig.station;
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(2500);
    expect(rig.acts).toContain('HELLO');
    rig.board.script.silent = 'no';
    await rig.settle();
    expect(rig.station.isReady).toBe(true);
    expect(rig.station.generation).toBe(generation);
    expect(rig.acts).not.toContain('SEED');
    await rig.end();
  });

  it.each([
    ['started anew', async (rig: StationRig) => rig.board.restart()],
    [
      'started anew, and has the same seed',
      async (rig: StationRig) => {
        rig.board.restart();
        const { board } = rig.station;
        const status = board.status.bind(board);
        board.status = async (signal) => ({ ...(await status(signal)), epoch: 5 });
      },
    ],
    [
      'is at another job',
      async (rig: StationRig) => {
        rig.job = 77;
      },
    ],
  ])('gives up the work of one that %s', async (_, happens) => {
    const rig = await StationRig.open();
    const { generation } = rig.station;
    await rig.clock.advance(5000);
    rig.station.saw(await rig.station.board.status());
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(1000);
    await happens(rig);
    await rig.clock.advance(1000);
    rig.board.script.silent = 'no';
    await rig.settle();
    expect(rig.station.isReady).toBe(true);
    expect(rig.station.generation).toBeGreaterThan(generation);
    await rig.end();
  });

  it('tells a board that said meanwhile that it started anew', async () => {
    const rig = await StationRig.open();
    const { generation } = rig.station;
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(100);
    // The PING that is under way will be answered all the same.
    rig.board.script.silent = 'no';
    rig.board.restart();
    await rig.settle();
    expect(rig.acts).toContain('SEED');
    expect(rig.station.generation).toBeGreaterThan(generation);
    await rig.end();
  });
});

describe('Station, of a board that starts anew in every hash', () => {
  it('is over after a dozen, though the board moves between them', async () => {
    const rig = await StationRig.open();
    let restarts = 0;
    for (; restarts < 60 && !rig.station.isOver; restarts++) {
      rig.board.restart();
      await rig.clock.advance(1000);
      rig.station.stirred();
    }
    expect(restarts).toBe(13);
    expect(rig.lost?.message).toMatch(/expected hashes, got none, whatever it is told/);
    await rig.end();
  });

  it('goes on for as long as there are hashes between them', async () => {
    const rig = await StationRig.open();
    for (let restarts = 0; restarts < 40; restarts++) {
      rig.board.restart();
      await rig.clock.advance(1000);
      if (restarts % 10 === 9) rig.station.moved();
    }
    expect(rig.station.isOver).toBe(false);
    await rig.end();
  });

  it('tries stronger means on one that gets stuck in every hash, and ends', async () => {
    const rig = await StationRig.open();
    for (let i = 0; i < 30 && !rig.station.isOver; i++) {
      rig.station.trouble('stuck');
      await rig.settle();
      rig.station.stirred();
    }
    expect(rig.acts.filter((act) => act === 'reset')).toHaveLength(3);
    expect(rig.acts.filter((act) => act === 'reopen')).toHaveLength(3);
    expect(rig.lost?.detail.code).toBe('lost');
    await rig.end();
  });
});

describe('Station, when a request is refused', () => {
  it.each(['HOT', 'BUSY'] as const)('does nothing about %s', async (nak) => {
    const rig = await StationRig.open();
    for (let i = 0; i < 30; i++) rig.station.failed(refused(nak));
    expect(rig.station.isReady).toBe(true);
    await rig.clock.advance(1000);
    expect(rig.acts).toEqual([]);
    await rig.end();
  });

  it.each(['BAD_CRC', 'BAD_LEN'] as const)('takes %s for a bad line', async (nak) => {
    const rig = await StationRig.open();
    const { generation } = rig.station;
    for (let i = 0; i < 20; i++) {
      rig.station.failed(refused(nak));
      await rig.settle();
    }
    // Twenty at once are a bad moment of the line, not a board that is lost.
    expect(rig.station.isReady).toBe(true);
    expect(rig.station.generation).toBe(generation);
    expect(rig.acts.slice(0, 3)).toEqual(['PING', 'PING', 'PING']);
    await rig.clock.advance(30_000);
    rig.station.failed(refused(nak));
    expect(rig.lost?.message).toContain(nak);
    await rig.end();
  });

  it.each(['NO_SEED', 'WRONG_EPOCH'] as const)('tells a board anew that says %s', async (nak) => {
    const rig = await StationRig.open();
    const { generation } = rig.station;
    rig.station.failed(refused(nak));
    expect(rig.station.isReady).toBe(false);
    await rig.settle();
    expect(rig.acts[0]).toBe('HELLO');
    expect(rig.station.generation).toBeGreaterThan(generation);
    await rig.end();
  });

  it('loses the board by what it said last', async () => {
    const rig = await StationRig.open();
    for (let i = 0; i < 30 && !rig.station.isOver; i++) {
      rig.station.failed(refused('NO_SEED'));
      await rig.settle();
    }
    expect(rig.lost?.message).toBe('device lost: the board refused ROWS: NO_SEED (850)');
    await rig.end();
  });

  it('waits for a board that is too hot for its seed', async () => {
    const rig = await StationRig.open();
    rig.board.script.refusals.set('SEED', { nak: 'HOT', detail: 900, times: 1e9 });
    rig.board.restart();
    await rig.clock.advance(120_000);
    expect(rig.station.isOver).toBe(false);
    expect(rig.station.silentMs).toBe(0);
    expect(rig.acts).not.toContain('reset');
    rig.board.script.refusals.clear();
    await rig.settle();
    expect(rig.station.isReady).toBe(true);
    await rig.end();
  });

  it('gets over a STATUS that is refused', async () => {
    const rig = await StationRig.open();
    rig.board.script.refusals.set('STATUS', { nak: 'BUSY', detail: 50, times: 1e9 });
    rig.board.restart();
    await rig.clock.advance(0);
    expect(rig.station.isReady).toBe(false);
    await rig.settle();
    expect(rig.station.isReady).toBe(true);
    expect(rig.acts).not.toContain('reopen');
    await rig.end();
  });
});

describe('Station, on a slow line', () => {
  it('says HELLO before it resets the board, and resets it before it opens the port again', async () => {
    const rig = await StationRig.open({ bauds: [9600] });
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(60_000);
    const [hello, reset, reopen] = ['HELLO', 'reset', 'reopen'].map((act) => rig.acts.indexOf(act));
    expect(hello).toBeGreaterThan(-1);
    expect(reset).toBeGreaterThan(hello!);
    expect(reopen).toBeGreaterThan(reset!);
    // More than one try of each: a request takes 7.5 s.
    expect(rig.acts.slice(0, reset).filter((act) => act === 'HELLO').length).toBeGreaterThan(1);
    await rig.end();
  });

  it('resets nothing for a silence of 10 s', async () => {
    const rig = await StationRig.open({ bauds: [9600] });
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(10_000);
    rig.board.script.silent = 'no';
    await rig.settle();
    expect(rig.station.isReady).toBe(true);
    expect(rig.acts).not.toContain('reset');
    await rig.end();
  });
});

describe('Station, as to signs of life', () => {
  it('counts the time since the last, and none while it puts the board in order', async () => {
    const rig = await StationRig.open();
    rig.station.alive();
    await rig.clock.advance(7000);
    expect(rig.station.silentMs).toBe(7000);
    rig.station.stirred();
    expect(rig.station.silentMs).toBe(0);
    await rig.clock.advance(3000);
    rig.board.script.silent = 'always';
    rig.station.trouble('silent');
    await rig.clock.advance(20_000);
    expect(rig.station.silentMs).toBe(0);
    await rig.end();
  });

  it('puts a board in order by ever stronger means whose derivation never ends, and ends', async () => {
    const rig = await StationRig.open({}, 100);
    rig.board.script.deriveMs = 1e9;
    rig.board.restart();
    await rig.clock.advance(59_000);
    expect(rig.acts).not.toContain('reset');
    expect(rig.station.silentMs).toBe(0);
    await rig.clock.advance(61_000);
    expect(rig.acts).toContain('reset');
    expect(rig.acts).not.toContain('reopen');
    expect(rig.station.silentMs).toBe(0);
    await rig.clock.advance(80_000);
    expect(rig.acts).toContain('reopen');
    expect(rig.lost?.message).toMatch(/^device lost: the board is stuck in SEED/);
    await rig.end();
  });

  it('lets a slow board derive for as long as its row makes likely', async () => {
    const rig = await StationRig.open({}, 15_000);
    rig.board.script.deriveMs = 130_000;
    rig.board.restart();
    await rig.clock.advance(129_000);
    expect(rig.station.isReady).toBe(false);
    await rig.clock.advance(3000);
    expect(rig.station.isReady).toBe(true);
    expect(rig.acts).not.toContain('reset');
    await rig.end();
  });
});
