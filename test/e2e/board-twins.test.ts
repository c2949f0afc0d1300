/**
 * The protocol was written down once and implemented twice for boards: in C for those that are there,
 * in TypeScript for those that are not. Here both get the same requests, right and wrong ones, and have
 * to answer alike, byte by byte.
 */
import { expect, it, onTestFinished } from 'vitest';
import type { BytePort } from '../../firmware-bridge/byte-port.ts';
import { EVENTS, FIRST_EVENT } from '../../firmware-bridge/events.ts';
import {
  decodeFrame,
  encodeFrame,
  FIRST_MAX_FRAME,
  type Frame,
} from '../../firmware-bridge/frame.ts';
import {
  ABORT,
  ALL_JOBS,
  ANSWER,
  BAUD,
  CKPT,
  JOB,
  JOB_FLAGS,
  NAK,
  NAK_NAMES,
  REBOOT,
  ROWS,
  SEED,
  SELFTEST,
  SELFTESTS,
  SET,
  TYPES,
} from '../../firmware-bridge/messages.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import { SimulatedBoard } from '../../firmware-bridge/sim/simulated-board.ts';
import { SlipDecoder, slipEncode } from '../../firmware-bridge/slip.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { u256ToBytes } from '../../src/util/u256.ts';
import { EmulatedBoards, needMachine } from '../support/emulated-board.ts';
import { seededRandom } from '../support/random.ts';

const ROUNDS = 250;
/** For an answer, or for what an answer announces. */
const MOST_MS = 10_000;
const SEED_A = new Uint8Array(32).fill(0xa1);

/** One of the two, by its frames. */
class Twin {
  /** Since the last request. */
  events: Frame[] = [];
  readonly #port: BytePort;
  readonly #awaited = new Set<(frame: Frame) => void>();

  constructor(port: BytePort) {
    this.#port = port;
    const decoder = new SlipDecoder(FIRST_MAX_FRAME, {
      onStretch: (bytes) => {
        const decoded = decodeFrame(bytes);
        if (decoded.ok) this.#take(decoded.frame);
      },
      onText: () => {},
      onGarbage: () => {},
    });
    port.onBytes((bytes) => decoder.push(bytes));
  }

  /** The answer, or the NAK. */
  async ask(type: number, seq: number, payload: Uint8Array): Promise<Frame> {
    const isIts = (frame: Frame): boolean =>
      frame.seq === seq && (frame.type === (type | ANSWER) || frame.type === NAK);
    const answer = this.#next(isIts, `answer to ${type}`);
    this.events = [];
    await this.#port.write(slipEncode(encodeFrame(type, seq, payload)));
    return answer;
  }

  /** Waits for an event, unless it was there already. */
  async until(type: number): Promise<void> {
    if (this.events.some((event) => event.type === type)) return;
    await this.#next((frame) => frame.type === type, `event ${type}`);
  }

  async #next(is: (frame: Frame) => boolean, what: string): Promise<Frame> {
    const found = createDeferred<Frame>();
    const listener = (frame: Frame): void => {
      if (is(frame)) found.resolve(frame);
    };
    const timer = setTimeout(
      () => found.reject(new Error(`${this.#port.name}: no ${what}`)),
      MOST_MS,
    );
    this.#awaited.add(listener);
    return found.promise.finally(() => {
      clearTimeout(timer);
      this.#awaited.delete(listener);
    });
  }

  #take(frame: Frame): void {
    if (frame.type !== NAK && frame.type >= FIRST_EVENT) this.events.push(frame);
    for (const listener of [...this.#awaited]) listener(frame);
  }
}

type Random = () => number;

/** A request that is right, or nearly. */
function makeRequest(random: Random): { readonly type: number; readonly payload: Uint8Array } {
  const below = (n: number): number => Math.floor(random() * n);
  const epoch = 1 + below(2);
  const jobId = below(3);
  const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, () => below(256));
  const makers: readonly (() => readonly [type: number, payload: Uint8Array])[] = [
    () => [TYPES.SEED, SEED.encode({ epoch, flags: 0, seed: SEED_A })],
    () => [TYPES.CKPT, CKPT.encode({ epoch, index: 0, n: 1, checkpoints: bytes(128) })],
    () => [TYPES.JOB, makeJob(epoch, jobId, below)],
    () => [TYPES.JOB, makeJob(epoch, jobId, below)],
    () => {
      const rows = { epoch, jobId, row0: below(255), n: 1 + below(2), headerHash: bytes(32) };
      return [TYPES.ROWS, ROWS.encode(rows)];
    },
    () => [TYPES.ABORT, ABORT.encode({ jobId })],
    () => [TYPES.STATUS, bytes(0)],
    () => {
      const limits = { soft: 500 + below(300), hard: 600 + below(300) };
      return [TYPES.SET, SET.encode({ mask: below(8), duty: 100, identify: below(2), ...limits })];
    },
    () => [TYPES.BAUD, BAUD.encode({ rate: 115_200, fallbackMs: 100 })],
    () => [TYPES.PING, bytes(below(70))],
    () => [TYPES.SELFTEST, SELFTEST.encode({ kind: 0, data: bytes(4) })],
    () => [TYPES.SELFTEST, SELFTEST.encode({ kind: 1, data: bytes(512) })],
    () => [TYPES.SELFTEST, SELFTEST.encode({ kind: 2, data: bytes(4) })],
    () => [TYPES.SELFTEST, SELFTEST.encode({ kind: 3, data: bytes(below(260)) })],
    () => [TYPES.REBOOT, REBOOT.encode({ target: below(3) })],
    () => [0x40 + below(0x40), bytes(below(20))],
  ];
  const [type, payload] = makers[below(makers.length)]!();
  return { type, payload: random() < 0.6 ? payload : spoil(payload, below) };
}

function makeJob(epoch: number, jobId: number, below: (n: number) => number): Uint8Array {
  const isHash = below(3) === 0;
  const preimage = Uint8Array.from({ length: isHash ? 32 : 40 + below(97) }, () => below(256));
  return JOB.encode({
    epoch,
    jobId,
    flags: (below(2) === 0 ? JOB_FLAGS.REPLACE : JOB_FLAGS.UPDATE) | (isHash ? 4 : 0),
    nonceOffset: below(32),
    preimageLength: preimage.length,
    count: isHash ? 1 : 1 + below(3),
    nonceStart: BigInt(below(1000)),
    target: u256ToBytes((1n << 255n) - 1n),
    preimage,
  });
}

function spoil(payload: Uint8Array, below: (n: number) => number): Uint8Array {
  if (below(3) === 0) return payload.slice(0, below(payload.length + 1));
  if (below(3) === 0) return concatBytes(payload, new Uint8Array(1 + below(3)));
  const out = payload.slice();
  // The numbers come first in most of them.
  if (out.length > 0) out[below(Math.min(out.length, 60))] = below(256);
  return out;
}

/** What both have to say alike: not how long they took, nor how long one should wait for them. */
function essence({ type, payload }: Frame): string {
  const bytes = payload.slice();
  if (type === NAK && NAK_NAMES[bytes[2]!] === 'BUSY') bytes.fill(0, 4, 8);
  if (type === EVENTS.SEED_READY) bytes.fill(0, 8, 12);
  if (type === (TYPES.STATUS | ANSWER)) bytes.fill(0, 8, 16);
  return `${type.toString(16)} ${bytesToHex(bytes)}`;
}

/** The event that ends what an accepted request began. */
function endOf(type: number, payload: Uint8Array): number | undefined {
  if (type === TYPES.SEED) return EVENTS.SEED_READY;
  if (type === TYPES.JOB) return EVENTS.DONE;
  if (type === TYPES.REBOOT) return EVENTS.FAULT;
  const isGolden = type === TYPES.SELFTEST && payload[0] === SELFTESTS.GOLDEN_ROW;
  return type === TYPES.ROWS || isGolden ? EVENTS.ROWDATA : undefined;
}

const boards = new EmulatedBoards();

it('the firmware and the simulated board answer alike, and compute alike', async (ctx) => {
  needMachine(ctx, 'native');
  const hasher = openCpuHasher({ threads: 1 });
  onTestFinished(() => hasher.close());
  const tables = new TableCache({ capacity: 4 }, { build: buildMatrixTable });
  const simulated = new SimulatedBoard(
    { queue: 2, hasSensor: false, clockKhz: 0 },
    { tables: (seed) => tables.get(seed), hasher },
  );
  Object.assign(simulated.script, { msPerHash: 0, msPerRow: 0, deriveMs: 0 });
  onTestFinished(() => simulated.close());
  const real = await openPort((await boards.start('native')).address);
  const twins = [new Twin(real), new Twin(simulated.connect())];
  const random = seededRandom(20);
  const answers = new Map<string, number>();
  let seq = 0;
  const ask = (type: number, payload: Uint8Array): Promise<Frame[]> => {
    seq = (seq + 1) & 0xffff;
    return Promise.all(twins.map((twin) => twin.ask(type, seq, payload)));
  };

  for (let round = 0; round < ROUNDS; round++) {
    const { type, payload } = makeRequest(random);
    const name = `${round}: ${type.toString(16)} ${bytesToHex(payload)}`;
    const [first, second] = await ask(type, payload);
    expect(essence(second!), name).toBe(essence(first!));
    const isRefused = first!.type === NAK;
    const kind = isRefused ? `NAK ${NAK_NAMES[first!.payload[2]!]}` : first!.type.toString(16);
    answers.set(kind, (answers.get(kind) ?? 0) + 1);
    const end = isRefused ? undefined : endOf(type, payload);
    if (end === undefined) continue;
    // A count of nonces that became large: nobody waits for them.
    const isLong = type === TYPES.JOB && JOB.decode(payload).count > 4;
    if (isLong) await ask(TYPES.ABORT, ABORT.encode({ jobId: ALL_JOBS }));
    await Promise.all(twins.map((twin) => twin.until(end)));
    if (isLong) continue;
    const [events, same] = twins.map((twin) =>
      twin.events.filter((event) => event.type !== EVENTS.PROGRESS).map(essence),
    );
    expect(same, name).toEqual(events);
  }

  // So that it was about something.
  expect([...answers.keys()].sort()).toEqual(
    [
      ...[TYPES.SEED, TYPES.JOB, TYPES.ROWS, TYPES.ABORT, TYPES.STATUS, TYPES.SET].map(answerOf),
      ...[TYPES.PING, TYPES.SELFTEST, TYPES.REBOOT].map(answerOf),
      ...['BAD_LEN', 'BUSY', 'NO_SEED', 'RANGE', 'UNKNOWN_TYPE', 'WRONG_EPOCH'].map(
        (nak) => `NAK ${nak}`,
      ),
    ].sort(),
  );
});

function answerOf(type: number): string {
  return (type | ANSWER).toString(16);
}
