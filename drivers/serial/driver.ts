/**
 * Boards on serial ports, and behind TCP and unix sockets, that speak TSP/1
 * (firmware-bridge/PROTOCOL.md). Each open board is a device of its own; they share nothing but the
 * thread that checks their claims. What works with an open board is loaded when the first one is opened.
 */
import { access } from 'node:fs/promises';
import { listPorts } from '../../firmware-bridge/list-ports.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import {
  type Device,
  type Driver,
  DriverError,
  type DriverKind,
  type Enumeration,
  type OpenOptions,
} from '../driver.ts';
import { Boards, type KnownBoard } from './boards.ts';
import { isAway, openingError } from './driver-errors.ts';
import { DEFAULT_LIMITS, type HeatLimits } from './heat.ts';
import { listSerial, mayWantPorts } from './listing.ts';
import type { Opener, OpenerParts } from './opening.ts';
import { type ListPorts, PortLists } from './port-lists.ts';

export interface SerialOptions {
  readonly limits?: HeatLimits;
}

/** Everything that a driver takes from outside; all of it has defaults. */
export interface SerialParts extends Partial<Omit<OpenerParts, 'boards' | 'lists'>> {
  readonly listPorts?: ListPorts;
  /** Whether there is such a file. */
  readonly exists?: (path: string) => Promise<boolean>;
}

/** How often a port that is away is looked for by its name; a board should be back within 5 s. */
const PORT_POLL_MS = 500;
/** The same for one that seemed to be back and was not: a port that is there and has no device behind it. */
const LONGEST_POLL_MS = 2500;
/** How many times it may seem so before it is looked for less often. */
const MISSES = 3;
/** How old a list may be that shows it under another name; and when it has been away for long. */
const LIST_MS = 1000;
const LATE_LIST_MS = 2000;
const LONG_MS = 60_000;
const SOCKET_POLL_MS = 1000;

export function createSerialDriver(options: SerialOptions = {}, parts: SerialParts = {}): Driver {
  return new SerialDriver(options, parts);
}

class SerialDriver implements Driver {
  readonly kind: DriverKind = 'serial';
  readonly #limits: HeatLimits;
  readonly #parts: SerialParts;
  readonly #clock: Clock;
  readonly #listPorts: ListPorts;
  readonly #lists: PortLists;
  readonly #exists: (path: string) => Promise<boolean>;
  readonly #boards: Boards = new Boards();
  #opener: Promise<Opener> | undefined;

  constructor(options: SerialOptions, parts: SerialParts) {
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#listPorts = parts.listPorts ?? listPorts;
    this.#lists = new PortLists(this.#listPorts, this.#clock);
    this.#exists = parts.exists ?? fileExists;
  }

  async enumerate(selection?: string): Promise<Enumeration> {
    // Who has a port, and whether the package is there to open it with, takes longer to find out.
    const list = await this.#listPorts({ isBrief: true });
    const isWanted = mayWantPorts(list, selection);
    return listSerial(isWanted ? await this.#listPorts({}) : list, selection);
  }

  async open(id: string, options: OpenOptions): Promise<Device> {
    const since = this.#clock.now();
    let known: KnownBoard | undefined;
    try {
      options.signal?.throwIfAborted();
      const board = this.#boards.of(id);
      if (board.isOpen) throw new DriverError({ code: 'busy', id });
      known = board;
      board.isOpen = true;
      const device = await this.#open(board, options);
      board.misses = 0;
      return device;
    } catch (error) {
      if (known !== undefined) {
        if (isAway(error)) {
          known.tried.delete(known.path);
          known.misses++;
        }
        this.#free(known);
      }
      options.signal?.throwIfAborted();
      throw openingError(id, error, this.#clock.now() - since);
    }
  }

  /**
   * When there is a port that may be the board's and that was not there when it was last tried. A socket
   * where nobody was is tried.
   */
  async returns(id: string, signal: AbortSignal): Promise<void> {
    const board = this.#known(id);
    // What is no address, and what is wrong with a server, is not to be found out by looking again.
    const isSocket = board !== undefined && board.address.kind !== 'serial';
    if (board === undefined || (isSocket && board.tried.has(board.path))) return aborted(signal);
    const since = this.#clock.now();
    const portMs = Math.min(
      LONGEST_POLL_MS,
      PORT_POLL_MS * 2 ** Math.max(0, board.misses - MISSES),
    );
    while (!signal.aborted) {
      await this.#clock.sleep(isSocket ? SOCKET_POLL_MS : portMs, signal);
      if (signal.aborted) return;
      const isLate = this.#clock.now() - since >= LONG_MS;
      const isBack = isSocket
        ? await (await this.#load()).answers(board, signal)
        : await this.#isBack(board, isLate ? LATE_LIST_MS : LIST_MS);
      if (isBack) return;
    }
  }

  #known(id: string): KnownBoard | undefined {
    try {
      return this.#boards.of(id);
    } catch {
      return undefined;
    }
  }

  async #open(known: KnownBoard, options: OpenOptions): Promise<Device> {
    const opener = await this.#load();
    const device = await opener.open(known, options, () => this.#free(known));
    void device.lost.then((error) => {
      if (isAway(error)) known.tried.delete(known.path);
    });
    return device;
  }

  #free(known: KnownBoard): void {
    known.isOpen = false;
    this.#boards.release(known);
  }

  #load(): Promise<Opener> {
    this.#opener ??= import('./opening.ts').then(({ Opener }) => {
      const [clock, boards, lists] = [this.#clock, this.#boards, this.#lists];
      const random = this.#parts.random ?? Math.random;
      return new Opener(this.#limits, { ...this.#parts, clock, random, boards, lists });
    });
    return this.#opener;
  }

  async #isBack(board: KnownBoard, maxAgeMs: number): Promise<boolean> {
    const ports = await this.#lists.ports(maxAgeMs);
    const listed = new Set(ports.map(({ path }) => path));
    // A port that has another name than the list has for it, such as a link to it, is looked for as well.
    const isThere = async (path: string): Promise<boolean> =>
      path.startsWith('/') ? this.#exists(path) : listed.has(path);
    for (const path of board.tried) if (!(await isThere(path))) board.tried.delete(path);
    for (const path of this.#boards.candidates(board, ports)) {
      if (!board.tried.has(path) && (await isThere(path))) return true;
    }
    return false;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

async function fileExists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
