import { describe, expect, it } from 'vitest';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { Board } from '../../firmware-bridge/board.ts';
import { checkpointsCrc, checkpointsOf } from '../../firmware-bridge/checkpoints.ts';
import { PROGRESS, ROWDATA, SEED_READY } from '../../firmware-bridge/events.ts';
import { Link } from '../../firmware-bridge/link.ts';
import {
  GOLDEN_EPOCH,
  JOB,
  JOB_ANSWER,
  SEED,
  SEED_ANSWER,
  SELFTEST,
  SELFTESTS,
} from '../../firmware-bridge/messages.ts';
import { checkBoard } from '../../firmware-bridge/self-check.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import { openSliceRunner } from '../../src/tensority/slice-runner.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import type { Clock } from '../../src/util/clock.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { createBoardRig, statusOf } from '../support/board-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { seededRandom } from '../support/random.ts';
import { ScriptedBoard } from '../support/scripted-board.ts';

const table: MatrixTable = { seed: new Uint8Array(32), data: extremeTable().data };
const [HASH_ONLY, HASH_AND_ROWS] = [1, 3];
const rowsKnown = new Map<number, Uint8Array>();

/** What a right board answers to a self-test, each computed in another way than the check does. */
const right = {
  dot: (a: Int8Array, b: Int8Array): number => {
    let sum = 0n;
    for (let k = 0; k < 256; k++) sum += BigInt(a[k]!) * BigInt(b[k]!);
    return Number(BigInt.asUintN(16, sum));
  },
  finish: (start: number): Uint8Array => {
    let x = BigInt(start);
    const sum = Uint8Array.from({ length: 65_536 }, () => {
      const byte = Number(x & 255n);
      x ^= BigInt.asUintN(32, x << 13n);
      x ^= x >> 17n;
      x ^= BigInt.asUintN(32, x << 5n);
      return byte;
    });
    return finishHash(sum);
  },
  header: (preimage: Uint8Array): Uint8Array => sha3(preimage),
  row: (row: number): Uint8Array => {
    const known = rowsKnown.get(row) ?? summedRows(new Uint8Array(32), table, row, 1);
    rowsKnown.set(row, known);
    return known;
  },
  hash: (headerHash: Uint8Array): Uint8Array => {
    const run = openSliceRunner(table);
    const sum = new Uint8Array(65_536);
    for (let slice = 0; slice < 4; slice++) {
      run(sliceSequence(headerHash, slice)).forEach((value, i) => {
        sum[i]! += value;
      });
    }
    return finishHash(sum);
  },
};

/** Checks a board that computes like this, at the pace of 1 ms a self-test. */
async function check(
  modes: number,
  changes: Partial<typeof right> = {},
  refuses: readonly number[] = [],
  refusedAt = 0,
): Promise<Awaited<ReturnType<typeof checkBoard>>> {
  const computes = { ...right, ...changes };
  const clock = new FakeClock();
  let elapsedMs = 0;
  const peer = new ScriptedBoard();
  peer.onHello([2, 4, modes, 0, 0, 0]);
  peer.on('SELFTEST', (frame) => {
    const { kind, data } = SELFTEST.decode(frame.payload);
    if (refuses.includes(kind)) return peer.nak(frame, 'RANGE', refusedAt);
    elapsedMs++;
    const answer = (bytes: Uint8Array): Uint8Array => SELFTEST.encode({ kind, data: bytes });
    if (kind === SELFTESTS.DOT) {
      const values = new Int8Array(data);
      const sum = computes.dot(values.subarray(0, 256), values.subarray(256));
      return answer(Uint8Array.of(sum & 255, sum >> 8, 0, 0));
    }
    const view = new DataView(data.buffer, data.byteOffset);
    if (kind === SELFTESTS.FINISH) return answer(computes.finish(view.getUint32(0, true)));
    if (kind === SELFTESTS.HEADER) return answer(computes.header(data));
    const [jobId, row0] = [view.getUint16(0, true), data[2]!];
    peer.answer(frame, answer(new Uint8Array(0)));
    const golden = { epoch: GOLDEN_EPOCH, jobId, row0, n: 1, rows: computes.row(row0) };
    peer.event('ROWDATA', ROWDATA.encode(golden));
    return undefined;
  });
  peer.on('SEED', (frame) => {
    const { epoch } = SEED.decode(frame.payload);
    peer.answer(frame, SEED_ANSWER.encode({ epoch, state: 2 }));
    const crc = checkpointsCrc(checkpointsOf(table));
    peer.event('SEED_READY', SEED_READY.encode({ epoch, crc, ms: 1 }));
    return undefined;
  });
  peer.on('JOB', (frame) => {
    const { epoch, jobId, preimage } = JOB.decode(frame.payload);
    peer.answer(frame, JOB_ANSWER.encode({ epoch, jobId, ahead: 0 }));
    const digest = computes.hash(preimage);
    const done = { epoch, jobId, shares: 0, nextNonce: 1n, hashes: 1, reason: 0, digest };
    peer.event('DONE', PROGRESS.encode(done));
    return undefined;
  });
  const board = await Board.identify(new Link(peer.port, { clock }));
  const seeds: Uint8Array[] = [];
  const tables = async (seed: Uint8Array): Promise<MatrixTable> => {
    seeds.push(seed);
    return table;
  };
  const watch: Clock = { now: () => elapsedMs, sleep: async () => {} };
  const result = await checkBoard(board, { tables, random: seededRandom(4), clock: watch });
  expect(seeds).toEqual([new Uint8Array(32)]);
  return result;
}

describe('checkBoard', () => {
  it('passes a board that computes right, and says how long it took', async () => {
    const result = await check(HASH_AND_ROWS);
    expect(result).toMatchObject({ golden: 'row', dotProducts: 11, dotMs: 11, finishMs: 1 });
    expect(result).toMatchObject({ headerMs: 5, rowMs: 1 });
  });

  it('has a board without rows hash instead', async () => {
    const result = await check(HASH_ONLY);
    expect(result).toMatchObject({ golden: 'hash', dotProducts: 11 });
  });

  it('leaves out the self-tests that a board does not have', async () => {
    const { DOT, FINISH, HEADER } = SELFTESTS;
    const result = await check(HASH_AND_ROWS, {}, [DOT, FINISH, HEADER]);
    expect(result).toEqual({ dotProducts: 0, golden: 'row', rowMs: 1 });
    // Something in the request other than its kind.
    await expect(check(HASH_AND_ROWS, {}, [FINISH], 4)).rejects.toThrow('SELFTEST: RANGE (4)');
    await expect(check(HASH_AND_ROWS, {}, [SELFTESTS.GOLDEN_ROW])).rejects.toThrow(
      'the board refused SELFTEST: RANGE (0)',
    );
  });

  it.each([
    [
      'a sum that saturates at 16 bits',
      {
        dot: (a: Int8Array, b: Int8Array): number => {
          let sum = 0;
          for (let k = 0; k < 256; k++) {
            sum = Math.max(-0x8000, Math.min(0x7fff, sum + a[k]! * b[k]!));
          }
          return sum & 0xffff;
        },
      },
      'wrong dot product (−128 · −128): expected 0, got 32767',
    ],
    [
      'pairs that saturate, as in x86 kernels',
      {
        dot: (a: Int8Array, b: Int8Array): number => {
          let sum = 0;
          for (let k = 0; k < 256; k += 2) {
            sum += Math.min(0x7fff, a[k]! * b[k]! + a[k + 1]! * b[k + 1]!);
          }
          return sum & 0xffff;
        },
      },
      'wrong dot product (−128 · −128): expected 0, got 65408',
    ],
    [
      'a lane that is left out',
      { dot: (a: Int8Array, b: Int8Array): number => right.dot(a.with(9, 0), b) },
      'wrong dot product (−128 · −128): expected 0, got 49152',
    ],
    [
      'operands without their signs',
      {
        dot: (a: Int8Array, b: Int8Array): number =>
          a.reduce((sum, value, k) => sum + (value & 255) * (b[k]! & 255), 0) & 0xffff,
      },
      'wrong dot product',
    ],
    [
      'two lanes exchanged in one operand',
      {
        dot: (a: Int8Array, b: Int8Array): number => right.dot(a.with(3, a[7]!).with(7, a[3]!), b),
      },
      'wrong dot product (random)',
    ],
    [
      'a finish from another start',
      { finish: (start: number): Uint8Array => right.finish((start ^ 1) >>> 0) },
      'from byte 0: expected ',
    ],
    [
      'a SHA3 that forgets its padding at 136 bytes',
      {
        header: (bytes: Uint8Array): Uint8Array =>
          right.header(bytes.length === 136 ? bytes.subarray(1) : bytes),
      },
      'wrong SHA3-256 of 136 bytes, from byte ',
    ],
    [
      'a row with its last byte wrong',
      { row: (row: number): Uint8Array => right.row(row).with(255, right.row(row)[255]! ^ 0x80) },
      ', from byte 255: expected ',
    ],
  ])('rejects %s', async (_name, changes, text) => {
    await expect(check(HASH_AND_ROWS, changes)).rejects.toMatchObject({
      detail: { code: 'wrong' },
      message: expect.stringContaining(text),
    });
  });

  it.each([
    ['row', HASH_AND_ROWS],
    ['hash', HASH_ONLY],
  ])(
    'gives up on a board that never ends its golden %s, telling of its looks',
    async (_name, modes) => {
      const { board, peer, clock } = await createBoardRig([2, 4, modes, 0, 0, 0]);
      peer.on('SELFTEST', (frame) =>
        frame.payload[0] === SELFTESTS.GOLDEN_ROW
          ? SELFTEST.encode({ kind: SELFTESTS.GOLDEN_ROW, data: new Uint8Array(0) })
          : peer.nak(frame, 'RANGE', 0),
      );
      peer.on('SEED', ({ payload }) =>
        SEED_ANSWER.encode({ epoch: SEED.decode(payload).epoch, state: 0 }),
      );
      peer.on('STATUS', () => statusOf('DERIVING'));
      let looks = 0;
      const onStatus = (): void => {
        looks++;
      };
      const wait = { onStatus, patienceMs: 2000 };
      const call = outcomeOf(checkBoard(board, { tables: async () => table, clock, ...wait }));
      await clock.advance(2500);
      expect(call.error).toMatchObject({ detail: { code: 'stuck', state: 'DERIVING' } });
      expect(looks).toBe(5);
      expect(clock.sleeping).toBe(0);
    },
  );

  it('rejects a hash that is wrong', async () => {
    const hash = (headerHash: Uint8Array): Uint8Array => right.hash(headerHash).with(31, 1);
    await expect(check(HASH_ONLY, { hash })).rejects.toThrow(/^wrong PoW hash of .*, from byte 31/);
  });
});
