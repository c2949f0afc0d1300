/** Serial ports as the driver of boards sees them, with simulated boards at them, in virtual time. */
import type { Driver } from '../../drivers/driver.ts';
import { createSerialDriver } from '../../drivers/serial/driver.ts';
// The driver loads it when it opens something, which takes more than virtual time.
import '../../drivers/serial/opening.ts';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { PortError, type PortErrorDetail } from '../../firmware-bridge/errors.ts';
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import {
  SimulatedBoard,
  type SimulatedBoardOptions,
} from '../../firmware-bridge/sim/simulated-board.ts';
import { FakeClock } from './fake-clock.ts';
import { seededRandom } from './random.ts';
import { StandInHasher, standInTable } from './stand-in-hasher.ts';

export const OPEN = { batchMs: 50 };
export const PATH = '/dev/ttyUSB0';
export const ID = `serial:${PATH}`;
export const USB = { vendorId: '1a86', productId: '7523' };

/** Ports with boards at them, or without. */
export class Ports {
  readonly clock: FakeClock = new FakeClock();
  readonly boards: SimulatedBoard[] = [];
  listed: PortInfo[] = [];
  problem: string | undefined;
  /** What opening a port fails with, by path. */
  readonly failures = new Map<string, PortErrorDetail>();
  /** Paths in the order of their opening. */
  readonly opened: string[] = [];
  /** Changes a port that was opened. */
  wrap: (opened: BytePort) => BytePort = (opened) => opened;
  /** How often the ports were listed. */
  lists = 0;
  onList: (isBrief: boolean) => void = () => {};
  /** Tables that were asked for. */
  tables = 0;
  readonly driver: Driver;

  /** `isChecked` false: boards are taken as they are, for the real check takes a tenth of a second. */
  constructor(isChecked = false) {
    const { clock } = this;
    this.driver = createSerialDriver(
      {},
      {
        clock,
        random: seededRandom(3),
        tables: (seed) => {
          this.tables++;
          return standInTable(seed);
        },
        ...(!isChecked && {
          check: async () => ({ dotProducts: 0, golden: 'row', rowMs: 0 }),
        }),
        openHasher: () => new StandInHasher(),
        openPort: async (path) => this.#open(path),
        exists: async (path) => this.#at(path) !== undefined,
        listPorts: async ({ isBrief }) => {
          this.lists++;
          this.onList(isBrief === true);
          const { problem } = this;
          return { ports: this.listed, ...(problem !== undefined && !isBrief && { problem }) };
        },
      },
    );
  }

  add(port: string, options: SimulatedBoardOptions = {}): SimulatedBoard {
    const board = new SimulatedBoard(
      { port, ...options },
      { tables: standInTable, hasher: new StandInHasher(), clock: this.clock },
    );
    this.boards.push(board);
    return board;
  }

  #at(path: string): SimulatedBoard | undefined {
    return this.boards.find((board) => board.port === path);
  }

  async #open(path: string): Promise<BytePort> {
    this.opened.push(path);
    const failure = this.failures.get(path);
    if (failure !== undefined) throw new PortError(failure);
    const board = this.#at(path);
    if (board === undefined) throw new PortError({ code: 'no-such-port', port: path });
    return this.wrap(board.connect());
  }

  async run<T>(call: Promise<T>, mostMs = 60_000): Promise<T> {
    let isEnded = false;
    const end = (): void => {
      isEnded = true;
    };
    call.then(end, end);
    for (let ms = 0; !isEnded && ms < mostMs; ms += 50) await this.clock.advance(50);
    if (!isEnded) throw new Error(`no end within ${mostMs} ms of virtual time`);
    return call;
  }
}

export function port(path: string, more: Partial<PortInfo> = {}): PortInfo {
  return { path, access: 'ok', ...more };
}
