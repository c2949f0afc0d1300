/** A simulated board in virtual time, with the host's link to it and all that came from it. */

import type { BoardEvent } from '../../firmware-bridge/events.ts';
import { Link, type LinkOptions } from '../../firmware-bridge/link.ts';
import {
  JOB,
  JOB_FLAGS,
  type JobRequest,
  type RequestName,
  SEED,
  STATUS_ANSWER,
  type StatusAnswer,
} from '../../firmware-bridge/messages.ts';
import {
  SimulatedBoard,
  type SimulatedBoardOptions,
} from '../../firmware-bridge/sim/simulated-board.ts';
import type { RowMaker } from '../../firmware-bridge/sim/simulated-processor.ts';
import { concatBytes, writeU64 } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { FakeClock } from './fake-clock.ts';
import { StandInHasher, standInHash, standInTable } from './stand-in-hasher.ts';

export const SEED_A: Uint8Array = new Uint8Array(32).fill(0xa1);
const ANY_HASH: Uint8Array = new Uint8Array(32).fill(0xff);
export const NO_HASH: Uint8Array = new Uint8Array(32);

/** Rows that depend on all they are asked for, and take no time. */
export const standInRows: RowMaker = (headerHash, _table, row0, n) => {
  const out = new Uint8Array(256 * n);
  for (let i = 0; i < out.length; i++) out[i] = headerHash[i % 32]! + row0 + (i >> 8) + i;
  return out;
};

export class SimulatedRig {
  readonly clock: FakeClock = new FakeClock();
  readonly hasher: StandInHasher = new StandInHasher();
  readonly board: SimulatedBoard;
  readonly events: BoardEvent[] = [];
  readonly log: string[] = [];
  link: Link;

  constructor(options: SimulatedBoardOptions = {}, linkOptions: LinkOptions = {}) {
    const { clock, hasher } = this;
    this.board = new SimulatedBoard(options, {
      tables: standInTable,
      hasher,
      clock,
      rows: standInRows,
    });
    this.link = this.connect(linkOptions);
  }

  /** Opens the port anew. */
  connect(linkOptions: LinkOptions = {}): Link {
    const link = new Link(this.board.connect(), { clock: this.clock, ...linkOptions });
    link.onEvent((event) => this.events.push(event));
    link.onLog((line) => this.log.push(line));
    this.link = link;
    return link;
  }

  /** What a call comes to, while virtual time passes. */
  async run<T>(call: Promise<T>, stepMs = 10, mostMs = 60_000): Promise<T> {
    let isEnded = false;
    const end = (): void => {
      isEnded = true;
    };
    call.then(end, end);
    for (let ms = 0; !isEnded && ms < mostMs; ms += stepMs) await this.clock.advance(stepMs);
    if (!isEnded) throw new Error(`no end within ${mostMs} ms of virtual time`);
    return call;
  }

  ask(name: RequestName, payload: Uint8Array = new Uint8Array()): Promise<Uint8Array> {
    return this.run(this.link.request(name, payload));
  }

  async seed(epoch = 1, seed = SEED_A): Promise<void> {
    await this.ask('SEED', SEED.encode({ epoch, flags: 0, seed }));
    await this.clock.advance(this.board.script.deriveMs);
  }

  async status(): Promise<StatusAnswer> {
    return STATUS_ANSWER.decode(await this.ask('STATUS'));
  }

  of<N extends BoardEvent['event']>(name: N): Extract<BoardEvent, { event: N }>[] {
    return this.events.filter((each) => each.event === name) as Extract<BoardEvent, { event: N }>[];
  }
}

/** A job over a 40-byte preimage with its nonce at the end; every hash is a share, unless changed. */
export function jobOf(changes: Partial<JobRequest> = {}): Uint8Array {
  const preimage = changes.preimage ?? new Uint8Array(40).fill(7);
  return JOB.encode({
    epoch: 1,
    jobId: 1,
    flags: JOB_FLAGS.REPLACE,
    nonceOffset: 32,
    preimageLength: preimage.length,
    count: 4,
    nonceStart: 0n,
    target: ANY_HASH,
    preimage,
    ...changes,
  });
}

/** The hash that a true board gives for a nonce of `jobOf`. */
export function hashOfNonce(nonce: bigint, seed: Uint8Array = SEED_A): Uint8Array {
  const preimage = new Uint8Array(40).fill(7);
  writeU64(preimage, 32, nonce);
  const prefix = new TextEncoder().encode('entryid:blockheader:');
  return standInHash(seed, sha3(concatBytes(prefix, sha3(preimage))));
}
