/**
 * A simulated board as an open device in virtual time, with hashes and rows that cost nothing. The
 * host judges them by the same stand-ins.
 */
import { expect } from 'vitest';
import { DriverError, type SearchResult, type Work } from '../../drivers/driver.ts';
import { SerialDevice } from '../../drivers/serial/device.ts';
import { DEFAULT_LIMITS } from '../../drivers/serial/heat.ts';
import { connectBoard } from '../../drivers/serial/open-board.ts';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import {
  SimulatedBoard,
  type SimulatedBoardOptions,
} from '../../firmware-bridge/sim/simulated-board.ts';
import { preimageHash } from '../../src/chain/header.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { writeU64 } from '../../src/util/bytes.ts';
import { FakeClock } from './fake-clock.ts';
import { seededRandom } from './random.ts';
import { standInRows } from './simulated-rig.ts';
import { StandInHasher, standInHash, standInTable } from './stand-in-hasher.ts';

export const SEED: Uint8Array = new Uint8Array(32).fill(0xa1);
export const ANY: bigint = (1n << 256n) - 1n;
/** One hash in four. */
export const EASY: bigint = 1n << 254n;

export interface SerialRigOptions extends SimulatedBoardOptions {
  /** Puts something between the board and the host. */
  readonly wrap?: (port: BytePort, clock: FakeClock) => BytePort;
  /** Nobody listens to its notices. */
  readonly isUnheard?: boolean;
}

/** Loses whole frames of some types, in either direction. Each is written at once, which is relied on. */
export function losingPort(port: BytePort, isLost: (type: number) => boolean): BytePort {
  const typeOf = (bytes: Uint8Array): number => {
    // Behind the delimiter and the version; C0 and DB are escaped.
    const escaped = bytes[2] === 0xdb ? bytes[3] : undefined;
    if (escaped === undefined) return bytes[2] ?? -1;
    return escaped === 0xdc ? 0xc0 : 0xdb;
  };
  return Object.assign(Object.create(port) as BytePort, {
    onBytes: (listener: (bytes: Uint8Array) => void) =>
      port.onBytes((bytes) => {
        if (!isLost(typeOf(bytes))) listener(bytes);
      }),
    write: async (bytes: Uint8Array) => {
      if (!isLost(typeOf(bytes))) await port.write(bytes);
    },
  });
}

export class SerialRig {
  readonly clock: FakeClock = new FakeClock();
  readonly board: SimulatedBoard;
  readonly notices: string[] = [];
  /** How often the port was opened. */
  openings = 0;
  /** Hashes that the host computed again. */
  rehashes = 0;
  /** Rows of audits that the host computed again. */
  rowsMade = 0;
  /** What the host's hasher fails with. */
  rehashError: Error | undefined;
  isClosed = false;
  device!: SerialDevice;

  constructor(options: SerialRigOptions = {}) {
    const { wrap: _wrap, isUnheard: _isUnheard, ...board } = options;
    this.board = new SimulatedBoard(board, {
      tables: standInTable,
      hasher: new StandInHasher(),
      clock: this.clock,
      rows: standInRows,
    });
  }

  /** Opens the board and gives it a seed. */
  static async open(options: SerialRigOptions = {}): Promise<SerialRig> {
    const rig = new SerialRig(options);
    const { clock } = rig;
    const openPort = async (): Promise<BytePort> => {
      rig.openings++;
      const port = rig.board.connect();
      return options.wrap?.(port, clock) ?? port;
    };
    const line = { openPort, clock };
    const board = await rig.run(connectBoard('simulated', undefined, line));
    rig.device = new SerialDevice(
      {
        info: { id: 'serial:sim', name: 'Simulated board', tableSlots: 1, rollsNonce: true },
        limits: DEFAULT_LIMITS,
        duty: 100,
      },
      {
        board,
        clock,
        random: seededRandom(7),
        rehash: async (table, headerHash) => {
          rig.rehashes++;
          if (rig.rehashError !== undefined) throw rig.rehashError;
          return standInHash(table.seed, headerHash);
        },
        makeRows: (...of) => {
          rig.rowsMade++;
          return standInRows(...of);
        },
        reconnect: (signal) => connectBoard('simulated', undefined, line, signal),
        onClosed: async () => {
          rig.isClosed = true;
        },
      },
    );
    if (options.isUnheard !== true) rig.device.onNotice((text) => rig.notices.push(text));
    await rig.run(rig.device.loadSeed(SEED, await standInTable(SEED)));
    return rig;
  }

  /** What a call comes to, while virtual time passes. */
  async run<T>(call: Promise<T>, mostMs = 120_000): Promise<T> {
    let isEnded = false;
    const end = (): void => {
      isEnded = true;
    };
    call.then(end, end);
    for (let ms = 0; !isEnded && ms < mostMs; ms += 20) await this.clock.advance(20);
    if (!isEnded) throw new Error(`no end within ${mostMs} ms of virtual time`);
    return call;
  }
}

export function workOf(target: bigint, fill = 7): Work {
  const preimage = new Uint8Array(136).fill(fill);
  return { jobId: 'job', generation: 1, preimage, seed: SEED, target };
}

/** The nonces of a range that meet a target, by the stand-in's hash. */
export function goodNonces(work: Work, start: bigint, count: number): bigint[] {
  const preimage = work.preimage.slice();
  return Array.from({ length: count }, (_, i) => start + BigInt(i)).filter((nonce) => {
    writeU64(preimage, 128, nonce);
    return meetsTarget(standInHash(work.seed, preimageHash(preimage)), work.target);
  });
}

export const never = (): AbortSignal => new AbortController().signal;

/** What a search comes to that is aborted after `ms`, or what it fails with. */
export async function mine(
  rig: SerialRig,
  ms: number,
  target = EASY,
): Promise<SearchResult | unknown> {
  const abort = new AbortController();
  const range = { start: 0n, count: 2 ** 40 };
  const search = rig.device.search(workOf(target), range, abort.signal).catch((e: unknown) => e);
  await rig.clock.advance(ms);
  abort.abort();
  return rig.run(search);
}

/** The code of a `DriverError`. */
export function codeOf(end: unknown): string | undefined {
  return end instanceof DriverError ? end.detail.code : undefined;
}

/** Closes the device; nothing of it may go on. */
export async function end(rig: SerialRig): Promise<void> {
  await rig.run(rig.device.close());
  expect(rig.isClosed).toBe(true);
  rig.board.close();
  await rig.clock.advance(0);
  expect(rig.clock.sleeping, 'sleeps that outlive the device').toBe(0);
}
