import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { FAULT, ROWDATA, SEED_READY } from '../../firmware-bridge/events.ts';
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import {
  CKPT,
  CKPT_ANSWER,
  ROWS,
  ROWS_ANSWER,
  SEED,
  SEED_ANSWER,
  type StateName,
} from '../../firmware-bridge/messages.ts';
import { MATRIX_BYTES, TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { createBoardRig, statusOf } from '../support/board-rig.ts';
import { settle } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';

const EPOCH = 0x0102_0304;
/** Checkpoint i begins with i, 2i and 3i modulo 256; nothing else of the table is looked at. */
const table: MatrixTable = {
  seed: new Uint8Array(32).fill(0xee),
  data: new Int8Array(TABLE_BYTES),
};
for (let i = 0; i < 128; i++) table.data.set([i, 2 * i, 3 * i], 2 * i * MATRIX_BYTES);
const checkpoints = new Uint8Array(16_384);
for (let i = 0; i < 128; i++) checkpoints.set([i, 2 * i, (3 * i) & 255], 128 * i);

const seedAnswer = (state: number, epoch = EPOCH): Uint8Array =>
  SEED_ANSWER.encode({ epoch, state });
const ready = (crc = crc32(checkpoints), epoch = EPOCH): Uint8Array =>
  SEED_READY.encode({ epoch, crc, ms: 321 });
const started = FAULT.encode({ fault: 1, temperature: 0, info: 0 });

describe('Board.seed', () => {
  it('waits for as long as the board derives', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    peer.on('STATUS', () => statusOf('DERIVING'));
    const call = outcomeOf(board.seed(EPOCH, table));
    await clock.advance(20_000);
    expect(call).toEqual({});
    expect(peer.names.filter((name) => name === 'SEED')).toHaveLength(1);
    expect(peer.names.filter((name) => name === 'STATUS')).toHaveLength(40);
    peer.event('SEED_READY', ready(1, EPOCH + 1));
    peer.event('SEED_READY', ready());
    await settle();
    expect(call.value).toEqual({ ms: 321 });
    expect(SEED.decode(peer.requests[0]!.payload)).toEqual({
      epoch: EPOCH,
      flags: 0,
      seed: table.seed,
    });
    expect(clock.sleeping).toBe(0);
  });

  it('takes an event that stands before the answer or right behind it', async () => {
    for (const first of [true, false]) {
      const { board, peer } = await createBoardRig();
      peer.on('SEED', (frame) => {
        if (first) peer.event('SEED_READY', ready());
        peer.answer(frame, seedAnswer(2));
        if (!first) peer.event('SEED_READY', ready());
        return undefined;
      });
      expect(await board.seed(EPOCH, table)).toEqual({ ms: 321 });
    }
  });

  it('sends the checkpoints to a board that asks, as many at once as a frame holds', async () => {
    const { board, peer } = await createBoardRig();
    const received = new Uint8Array(16_384);
    let count = 0;
    peer.on('SEED', () => seedAnswer(1));
    peer.on('CKPT', (frame) => {
      const { index, n, checkpoints: part } = CKPT.decode(frame.payload);
      received.set(part, 128 * index);
      count += n;
      peer.answer(frame, CKPT_ANSWER.encode({ epoch: EPOCH, received: count }));
      if (count === 128) peer.event('SEED_READY', ready(crc32(received)));
      return undefined;
    });
    await board.seed(EPOCH, table);
    expect(received).toEqual(checkpoints);
    // 12 bytes of frame and 8 of CKPT leave room for 8 in 1,100.
    expect(peer.names).toEqual(['SEED', ...new Array(16).fill('CKPT')]);
  });

  it('says how many checkpoints a board has lost', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(1));
    peer.on('CKPT', () => CKPT_ANSWER.encode({ epoch: EPOCH, received: 120 }));
    await expect(board.seed(EPOCH, table)).rejects.toThrow(
      'malformed answer to CKPT: expected number of checkpoints 128, got 120',
    );
  });

  it('asks again when the event got lost', async () => {
    const { board, peer, clock } = await createBoardRig();
    let asked = 0;
    peer.on('SEED', (frame) => {
      peer.answer(frame, seedAnswer(asked++ === 0 ? 0 : 2));
      if (asked === 2) peer.event('SEED_READY', ready());
      return undefined;
    });
    peer.on('STATUS', () => statusOf('IDLE'));
    const call = outcomeOf(board.seed(EPOCH, table));
    await clock.advance(1000);
    expect(call.value).toEqual({ ms: 321 });
    expect(peer.names).toEqual(['SEED', 'STATUS', 'STATUS', 'SEED']);
  });

  it('gives up on a board whose event never comes', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(2));
    peer.on('STATUS', () => statusOf('IDLE'));
    const call = outcomeOf(board.seed(EPOCH, table));
    await clock.advance(4999);
    expect(call).toEqual({});
    await clock.advance(1);
    expect(call.error).toMatchObject({ detail: { code: 'silent', request: 'SEED', tries: 5 } });
    expect(clock.sleeping).toBe(0);
  });

  it('rejects checkpoints that are not those of the table', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SEED', (frame) => {
      peer.answer(frame, seedAnswer(2));
      peer.event('SEED_READY', ready(0xbad));
      return undefined;
    });
    const expected = crc32(checkpoints).toString(16).padStart(8, '0');
    await expect(board.seed(EPOCH, table)).rejects.toThrow(
      `wrong CRC of the checkpoints: expected ${expected}, got 00000bad`,
    );
  });

  it('rejects when the board starts anew, by the signal, and for an answer to another epoch', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    const restarted = outcomeOf(board.seed(EPOCH, table));
    await settle();
    peer.event('FAULT', FAULT.encode({ fault: 2, temperature: 900, info: 0 }));
    await settle();
    expect(restarted).toEqual({});
    peer.event('FAULT', started, 0);
    await settle();
    expect(restarted.error).toEqual(new LinkError({ code: 'restarted', request: 'SEED' }));

    const abort = new AbortController();
    const aborted = outcomeOf(board.seed(EPOCH, table, { signal: abort.signal }));
    await settle();
    abort.abort('enough');
    await settle();
    expect(aborted.error).toBe('enough');
    await expect(board.seed(EPOCH, table, { signal: AbortSignal.abort('early') })).rejects.toBe(
      'early',
    );

    peer.on('SEED', () => seedAnswer(0, 9));
    await expect(board.seed(EPOCH, table)).rejects.toThrow('expected epoch 16909060, got 9');
    expect(clock.sleeping).toBe(0);
  });

  it('tells of each look, and for how long nothing has moved', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    const states: StateName[] = ['DERIVING', 'DERIVING', 'HOT', 'HOT', 'HOT'];
    peer.on('STATUS', () => statusOf(states.shift() ?? 'DERIVING'));
    const heard: [unknown, number][] = [];
    const onStatus = ({ state }: BoardStatus, stillMs: number): void => {
      heard.push([state, stillMs]);
    };
    const call = outcomeOf(board.seed(EPOCH, table, { onStatus }));
    await clock.advance(3000);
    peer.event('SEED_READY', ready());
    await clock.advance(3000);
    expect(call.value).toEqual({ ms: 321 });
    expect(heard).toEqual([
      ['DERIVING', 0],
      ['DERIVING', 500],
      ['HOT', 0],
      ['HOT', 500],
      ['HOT', 1000],
      ['DERIVING', 0],
    ]);
  });

  it('gives up on a board that stays as it is, if it is told for how long to bear that', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    peer.on('STATUS', () => statusOf('DERIVING'));
    const call = outcomeOf(board.seed(EPOCH, table, { patienceMs: 15_000 }));
    await clock.advance(15_499);
    expect(call).toEqual({});
    await clock.advance(1);
    expect((call.error as Error).message).toBe(
      'the board is stuck in SEED: DERIVING, and nothing has changed for 15 s',
    );
    expect(clock.sleeping).toBe(0);
  });

  it('rejects with what a listener of the looks throws', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    peer.on('STATUS', () => statusOf('DERIVING'));
    const onStatus = (): void => {
      throw new RangeError('as arranged');
    };
    const call = outcomeOf(board.seed(EPOCH, table, { onStatus }));
    await clock.advance(500);
    expect(call.error).toEqual(new RangeError('as arranged'));
    expect(clock.sleeping).toBe(0);
  });

  it('rejects with what a poll rejects with', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SEED', () => seedAnswer(0));
    const call = outcomeOf(board.seed(EPOCH, table));
    await clock.advance(1600);
    expect(call.error).toMatchObject({ detail: { code: 'silent', request: 'STATUS' } });
  });
});

describe('Board.rows', () => {
  const request = {
    epoch: EPOCH,
    jobId: 7,
    row0: 250,
    n: 2,
    headerHash: new Uint8Array(32).fill(5),
  };
  const rows = Uint8Array.from({ length: 512 }, (_, i) => i);
  const rowdata = (changes: object = {}): Uint8Array =>
    ROWDATA.encode({ ...request, rows, ...changes });
  const answer = (): Uint8Array => ROWS_ANSWER.encode(request);

  it('resolves with the rows of this request and no other', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('ROWS', answer);
    const call = outcomeOf(board.rows(request));
    await settle();
    for (const changes of [{ epoch: 1 }, { jobId: 8 }, { row0: 0 }]) {
      peer.event('ROWDATA', rowdata(changes));
    }
    peer.event('ROWDATA', rowdata({ n: 1 }));
    await settle();
    expect(call).toEqual({});
    peer.event('ROWDATA', rowdata());
    await settle();
    expect(call.value).toEqual(rows);
    expect(ROWS.decode(peer.requests[0]!.payload)).toEqual(request);
  });

  it('asks again when they got lost, but not while the board is at it', async () => {
    const { board, peer, clock } = await createBoardRig();
    let asked = 0;
    peer.on('ROWS', (frame) => {
      peer.answer(frame, answer());
      if (++asked === 2) peer.event('ROWDATA', rowdata());
      return undefined;
    });
    // Between two products of a job, its rows may not have begun.
    const begun: StateName[] = ['HASHING', 'HASHING', 'HASHING', 'ROWS'];
    const states: StateName[] = [...begun, 'HOT', 'HASHING', 'IDLE', 'IDLE'];
    peer.on('STATUS', () => statusOf(states.shift() ?? 'FAULT'));
    const call = outcomeOf(board.rows(request));
    await clock.advance(4499);
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(call.value).toEqual(rows);
    expect(clock.sleeping).toBe(0);
  });

  it('rejects when the board starts anew', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('ROWS', answer);
    const call = outcomeOf(board.rows(request));
    await settle();
    peer.event('FAULT', started);
    await settle();
    expect((call.error as Error).message).toBe('the board restarted during ROWS');
  });

  it('refuses rows that there are not, or that no frame holds', async () => {
    const { board, peer } = await createBoardRig();
    for (const changes of [{ n: 0 }, { n: 5 }, { row0: 255 }, { row0: -1 }, { n: 1.5 }]) {
      await expect(board.rows({ ...request, ...changes })).rejects.toBeInstanceOf(RangeError);
    }
    expect(peer.requests).toHaveLength(0);
  });
});
