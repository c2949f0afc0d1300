/**
 * What the driver remembers of its boards, by device id, and who has which port. A board is known by its
 * UID, and on USB by its adapter's serial number, where these are unlike those of others; else by its port. One
 * that comes back under another name is found there, and another one that took its name is not taken
 * for it.
 */
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import {
  type PortAddress,
  parsePortAddress,
  portAddressText,
} from '../../firmware-bridge/port-address.ts';
import { untilAbort } from '../../src/util/abort.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';

export const ID_PREFIX = 'serial:';

export interface KnownBoard {
  /** One for each address, however that was written. */
  readonly id: string;
  readonly address: PortAddress;
  /** The port that the id names. */
  readonly ownPath: string;
  /** Where it was last: its own path, or where it turned up again. */
  path: string;
  /** Of the chip, in hex, as the board says it; undefined before it was first open. */
  uid: string | undefined;
  usb: UsbPort | undefined;
  rate: number | undefined;
  /** Rates that did not work. */
  readonly badRates: Set<number>;
  /** Ports that are there and were tried: without a change there it is of no use to try again. */
  readonly tried: Set<string>;
  /** How many times in a row it was to be opened and was not there. */
  misses: number;
  /** Open, or being opened. */
  isOpen: boolean;
}

type UsbPort = Pick<PortInfo, 'vendorId' | 'productId' | 'serialNumber'>;

/** Who has a port open. */
interface Holder {
  readonly board: KnownBoard;
  /** It is the board of that id; before, it is only looked whether it is. */
  isKnown: boolean;
  /** Resolves when that has been seen, one way or the other. */
  readonly seen: Deferred<void>;
}

const NO_UID = /^0*$/;

export class Boards {
  readonly #boards = new Map<string, KnownBoard>();
  readonly #holders = new Map<string, Holder>();
  /** UIDs that several boards have: they tell nothing. */
  readonly #shared = new Set<string>();

  /** Throws `InputError` if the id is no address. */
  of(id: string): KnownBoard {
    const address = parsePortAddress(id, 'device');
    const path = portAddressText(address);
    const known = this.#boards.get(path);
    if (known !== undefined) return known;
    const board: KnownBoard = {
      id: `${ID_PREFIX}${path}`,
      address,
      ownPath: path,
      path,
      uid: undefined,
      usb: undefined,
      rate: undefined,
      badRates: new Set(),
      tried: new Set(),
      misses: 0,
      isOpen: false,
    };
    this.#boards.set(path, board);
    return board;
  }

  /**
   * Where the board may be, of its own ports and those that there are: where its adapter is, where it was
   * last, where its id says, then at any port of the same kind; not where another open board is.
   */
  candidates(board: KnownBoard, ports: readonly PortInfo[]): readonly string[] {
    const { usb, path, ownPath } = board;
    if (board.address.kind !== 'serial') return [ownPath];
    const alike = ports.filter((port) => isSame(usb, port));
    // One of several equal adapters is found by the UID of what is behind it, or not at all.
    const isFound = alike.length === 1 && usb?.serialNumber !== undefined;
    const others = isFound || this.#isUnique(board.uid) ? alike.map((port) => port.path) : [];
    const paths = isFound ? [...others, path, ownPath] : [path, ownPath, ...others];
    return [...new Set(paths)].filter((each) => {
      const holder = this.#holders.get(each);
      if (holder?.isKnown === true && holder.board !== board) return false;
      return !this.#hasOtherAdapter(board, each, ports);
    });
  }

  /** Who has the board's own port open, of the others. */
  userOf(board: KnownBoard): KnownBoard | undefined {
    const holder = this.#holders.get(board.ownPath);
    return holder?.isKnown === true && holder.board !== board ? holder.board : undefined;
  }

  /**
   * Takes a port to look who is there, once those have looked that are about it. False if an open board
   * has it. Rejects with the signal's reason.
   */
  async claim(path: string, board: KnownBoard, signal: AbortSignal | undefined): Promise<boolean> {
    for (;;) {
      const holder = this.#holders.get(path);
      if (holder === undefined) break;
      if (holder.isKnown) return false;
      await untilAbort(holder.seen.promise, signal);
    }
    this.#holders.set(path, { board, isKnown: false, seen: createDeferred() });
    return true;
  }

  /** The board has none of its ports any more. */
  release(board: KnownBoard): void {
    for (const [path, holder] of this.#holders) {
      if (holder.board !== board) continue;
      this.#holders.delete(path);
      holder.seen.resolve();
    }
  }

  /**
   * Whose the board is that says this UID, of the others: then it is not that of this id. If it is open
   * at a port that is there, two have that UID, and it tells nothing from now on.
   */
  ownerOf(uid: string, board: KnownBoard, ports: readonly PortInfo[]): KnownBoard | undefined {
    if (!this.#isUnique(uid) || board.address.kind !== 'serial') return undefined;
    const isThere = (path: string): boolean =>
      ports.length === 0 || ports.some((port) => port.path === path);
    const owners = [...this.#boards.values()].filter(
      (other) => other !== board && other.uid === uid && other.address.kind === 'serial',
    );
    const isOpen = owners.some(
      ({ path }) => this.#holders.get(path)?.isKnown === true && isThere(path),
    );
    if (isOpen) this.share(uid);
    return isOpen ? undefined : owners[0];
  }

  /** Several boards have this UID. False if that tells nothing new. */
  share(uid: string): boolean {
    if (!this.#isUnique(uid)) return false;
    this.#shared.add(uid);
    return true;
  }

  isShared(uid: string): boolean {
    return this.#shared.has(uid);
  }

  /** True if what is at `path` and says this UID, which is nobody else's, is the board of this id. */
  recognises(board: KnownBoard, uid: string, path: string, port: PortInfo | undefined): boolean {
    const { ownPath } = board;
    // Whoever put another board at the port that they named wants it to be used.
    if (board.uid === uid || path === ownPath || board.address.kind !== 'serial') return true;
    if (this.#isUnique(board.uid)) return false;
    const isAdapter = port?.serialNumber !== undefined && isSame(board.usb, port);
    return path === board.path || isAdapter;
  }

  /** The board is at `path`, which it has claimed. */
  learn(board: KnownBoard, path: string, uid: string, port: PortInfo | undefined): void {
    if (board.uid !== uid) board.badRates.clear();
    board.path = path;
    board.uid = uid;
    if (port !== undefined) {
      const { vendorId, productId, serialNumber } = port;
      board.usb = {
        ...(vendorId !== undefined && { vendorId }),
        ...(productId !== undefined && { productId }),
        ...(serialNumber !== undefined && { serialNumber }),
      };
    }
    const holder = this.#holders.get(path);
    if (holder?.board !== board) return;
    holder.isKnown = true;
    holder.seen.resolve();
  }

  #isUnique(uid: string | undefined): boolean {
    return uid !== undefined && !NO_UID.test(uid) && !this.#shared.has(uid);
  }

  /** At that port is the adapter of another board: to open it would only disturb that. */
  #hasOtherAdapter(board: KnownBoard, path: string, ports: readonly PortInfo[]): boolean {
    const port = ports.find((each) => each.path === path);
    if (port?.serialNumber === undefined || isSame(board.usb, port)) return false;
    if (ports.filter((each) => isSame(port, each)).length > 1) return false;
    return [...this.#boards.values()].some((other) => other !== board && isSame(other.usb, port));
  }
}

/** The same USB ids, and the same serial number where there is one. */
function isSame(usb: UsbPort | undefined, port: UsbPort): boolean {
  if (usb?.vendorId === undefined) return false;
  return (
    usb.vendorId === port.vendorId &&
    usb.productId === port.productId &&
    usb.serialNumber === port.serialNumber
  );
}
