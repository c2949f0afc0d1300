/**
 * From a device id to a device: the port where its board is, the board tested and set. Apart from the
 * driver, so that who only lists devices need not load what works with one.
 */
import type { Board } from '../../firmware-bridge/board.ts';
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import { type BoardCheck, checkBoard } from '../../firmware-bridge/self-check.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import type { TableProvider } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import type { Clock } from '../../src/util/clock.ts';
import { type DeviceInfo, DriverError, type OpenOptions } from '../driver.ts';
import type { Boards, KnownBoard } from './boards.ts';
import { SerialDevice } from './device.ts';
import { isAway, isNoSuchPort, openingError } from './driver-errors.ts';
import type { HeatLimits } from './heat.ts';
import {
  checkModes,
  connectBoard,
  type LineParts,
  raiseRate,
  rateOf,
  setIfItCan,
} from './open-board.ts';
import type { PortLists } from './port-lists.ts';
import { SharedRehasher } from './rehash.ts';

/** What it takes from outside; the first four have defaults. */
export interface OpenerParts extends Partial<Pick<LineParts, 'openPort'>> {
  readonly tables?: TableProvider | undefined;
  /** What a board has to pass before it is a device. */
  readonly check?: typeof checkBoard | undefined;
  /** Makes the hasher that checks what boards claim. */
  readonly openHasher?: (() => BatchHasher) | undefined;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly boards: Boards;
  readonly lists: PortLists;
}

export class Opener {
  readonly #limits: HeatLimits;
  readonly #line: LineParts;
  readonly #random: () => number;
  readonly #boards: Boards;
  readonly #lists: PortLists;
  readonly #tables: TableProvider;
  readonly #check: typeof checkBoard;
  readonly #rehasher: SharedRehasher;

  constructor(limits: HeatLimits, parts: OpenerParts) {
    this.#limits = limits;
    this.#line = { openPort: parts.openPort ?? openPort, clock: parts.clock };
    this.#random = parts.random;
    this.#boards = parts.boards;
    this.#lists = parts.lists;
    this.#tables = parts.tables ?? (async (seed) => buildMatrixTable(seed));
    this.#check = parts.check ?? checkBoard;
    this.#rehasher = new SharedRehasher(parts.openHasher);
  }

  /** `onClosed`: the device is closed, and its port with it. */
  async open(
    known: KnownBoard,
    { signal, intensity: duty = 100 }: OpenOptions,
    onClosed: () => void,
  ): Promise<SerialDevice> {
    const board = await this.#find(known, signal);
    try {
      checkModes(board);
      await this.#raise(known, board, signal);
      await this.#checkHeat(board, signal);
      const { identity } = board;
      const check = await this.#check(board, {
        tables: this.#tables,
        random: this.#random,
        clock: this.#line.clock,
        ...(signal && { signal }),
      });
      await setIfItCan(board, { duty, ...this.#limits }, signal);
      const rehash = this.#rehasher.acquire();
      const info = infoOf(known, board, check);
      return new SerialDevice(
        { info, limits: this.#limits, duty, rowMs: check.rowMs, notices: this.#notices(known) },
        {
          board,
          rehash,
          makeRows: summedRows,
          clock: this.#line.clock,
          random: this.#random,
          reconnect: (stop) => this.#reconnect(known, identity.uid, stop),
          onClosed: async () => {
            onClosed();
            await this.#rehasher.release();
          },
        },
      );
    } catch (error) {
      await board.link.close();
      throw error;
    }
  }

  /** Whether something listens at the address of a socket. */
  async answers(known: KnownBoard, signal: AbortSignal): Promise<boolean> {
    try {
      const port = await this.#line.openPort(known.path, { signal });
      await port.close();
      return true;
    } catch {
      return false;
    }
  }

  /** The board of this id, wherever it is now; its port is claimed. */
  async #find(known: KnownBoard, signal: AbortSignal | undefined): Promise<Board> {
    const isPort = known.address.kind === 'serial';
    const search: Search = {
      known,
      ports: isPort ? await this.#lists.ports() : [],
      paths: [],
      seen: new Set(),
      isAmbiguous: false,
      failure: undefined,
      signal,
    };
    known.tried.clear();
    search.paths.push(...this.#boards.candidates(known, search.ports));
    // It grows while it is gone through.
    for (const path of search.paths) {
      const board = await this.#look(path, search);
      if (board !== undefined) return board;
    }
    if (search.isAmbiguous) return this.#find(known, signal);
    const { id } = known;
    const user = this.#boards.userOf(known);
    const isUnanswered = search.failure === undefined || isNoSuchPort(search.failure);
    if (user === undefined || !isUnanswered) {
      throw search.failure ?? new DriverError({ code: 'not-found', id });
    }
    const reason = `its port is used by ${user.id}`;
    throw new DriverError({ code: 'not-found', id, reason });
  }

  /** The board, if it is at that port. */
  async #look(path: string, search: Search): Promise<Board | undefined> {
    const { known, ports, signal } = search;
    const boards = this.#boards;
    if (!(await boards.claim(path, known, signal))) return undefined;
    let isFound = false;
    try {
      const board = await connectBoard(path, known.rate, this.#line, signal);
      known.tried.add(path);
      isFound = this.#isIts(path, board.identity.uid, search);
      if (isFound) {
        const port = ports.find((each) => each.path === path);
        boards.learn(known, path, board.identity.uid, port);
        return board;
      }
      await board.link.close();
    } catch (error) {
      signal?.throwIfAborted();
      if (!isAway(error)) known.tried.add(path);
      const isOwn = path === known.path || path === known.ownPath;
      if (search.failure === undefined || (isOwn && isNoSuchPort(search.failure))) {
        search.failure = error;
      }
    } finally {
      if (!isFound) boards.release(known);
    }
    return undefined;
  }

  /** Whether it is the board that is looked for. If it is another one, that is kept in mind. */
  #isIts(path: string, uid: string, search: Search): boolean {
    const { known, ports, paths, seen } = search;
    const boards = this.#boards;
    if (seen.has(uid) && boards.share(uid)) search.isAmbiguous = true;
    seen.add(uid);
    const owner = boards.ownerOf(uid, known, ports);
    const port = ports.find((each) => each.path === path);
    if (owner === undefined && boards.recognises(known, uid, path, port)) return true;
    const whose = owner === undefined ? '' : `, that of ${owner.id}`;
    const reason = `another board is at ${path}: UID ${uid}${whose}`;
    search.failure ??= new DriverError({ code: 'not-found', id: known.id, reason });
    if (owner === undefined) return false;
    // Have the two changed places, or do both have that UID?
    const isThere = ports.some((each) => each.path === owner.path);
    if (isThere && !paths.includes(owner.path)) paths.push(owner.path);
    return false;
  }

  /** The same board again, after its port was closed. */
  async #reconnect(known: KnownBoard, uid: string, signal: AbortSignal): Promise<Board> {
    const { clock } = this.#line;
    const since = clock.now();
    try {
      const board = await connectBoard(known.path, known.rate, this.#line, signal);
      if (board.identity.uid === uid) await this.#raise(known, board, signal);
      return board;
    } catch (error) {
      throw openingError(known.id, error, clock.now() - since);
    }
  }

  /** Closes the board's port when it fails. */
  async #raise(known: KnownBoard, board: Board, signal: AbortSignal | undefined): Promise<void> {
    try {
      const failed = await raiseRate(board, (rate) => known.badRates.has(rate), signal);
      for (const rate of failed) known.badRates.add(rate);
      known.rate = rateOf(board);
    } catch (error) {
      await board.link.close();
      throw error;
    }
  }

  async #checkHeat(board: Board, signal: AbortSignal | undefined): Promise<void> {
    const { temperatureC } = await board.status(signal);
    const { softC, hardC } = this.#limits;
    if (temperatureC === undefined || temperatureC < hardC) return;
    const reason = `too hot: ${temperatureC} °C, the limit is ${hardC}; below ${softC} it is welcome`;
    throw new DriverError({ code: 'lost', reason });
  }

  /** What people should hear of a board that is open now. */
  #notices({ uid, ownPath }: KnownBoard): readonly string[] {
    if (uid === undefined || !this.#boards.isShared(uid)) return [];
    return [`another board has its UID ${uid}: it is known by its port ${ownPath} alone`];
  }
}

/** One board looked for. */
interface Search {
  readonly known: KnownBoard;
  readonly ports: readonly PortInfo[];
  /** Where it may be. */
  readonly paths: string[];
  /** The UIDs of those that were there. */
  readonly seen: Set<string>;
  /** Two of them have the same, which was not known before. */
  isAmbiguous: boolean;
  /** What says most about why it was not found. */
  failure: unknown;
  readonly signal: AbortSignal | undefined;
}

function infoOf(known: KnownBoard, board: Board, check: BoardCheck): DeviceInfo {
  const { name, firmware, buildId, uid } = board.identity;
  const rate = rateOf(board);
  return {
    id: known.id,
    name,
    kernel: `firmware ${firmware}`,
    tableSlots: 1,
    rollsNonce: true,
    details: [
      `firmware ${firmware} (build ${buildId}), UID ${uid}`,
      ...(rate === undefined ? [] : [`${rate} baud`]),
      `self-test: golden ${check.golden} in ${Math.round(check.rowMs)} ms`,
    ],
  };
}
