import { describe, expect, it } from 'vitest';
import { PROGRESS, ROWDATA } from '../../firmware-bridge/events.ts';
import type { Frame } from '../../firmware-bridge/frame.ts';
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import {
  ABORT_ANSWER,
  GOLDEN_EPOCH,
  JOB,
  JOB_ANSWER,
  ROWS_ANSWER,
  SELFTEST,
  SET,
} from '../../firmware-bridge/messages.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { createBoardRig, statusOf } from '../support/board-rig.ts';
import { settle } from '../support/fake-clock.ts';
import { outcomeOf } from '../support/outcome.ts';

const EPOCH = 0x0102_0304;
describe('Board.identify', () => {
  it('says HELLO and takes longer frames if the board does', async () => {
    const { board, peer } = await createBoardRig([2, 4, 3, 0, 0, 0, 3, 2, 0, 8]);
    expect(board.identity).toMatchObject({ firmware: '1.2.3', maxFrame: 2048 });
    expect(board.maxRows).toBe(7);
    const request = { epoch: EPOCH, jobId: 1, row0: 0, n: 7, headerHash: new Uint8Array(32) };
    const rows = new Uint8Array(7 * 256).fill(9);
    peer.on('ROWS', (frame) => {
      peer.answer(frame, ROWS_ANSWER.encode(request));
      peer.event('ROWDATA', ROWDATA.encode({ ...request, rows }));
      return undefined;
    });
    expect(await board.rows(request)).toEqual(rows);
    peer.onHello([2, 4, 1, 0, 0, 0]);
    expect(await board.hello()).toBe(board.identity);
    expect(board.identity).toMatchObject({ maxFrame: 1100, modes: { rows: false } });
  });
});

describe('jobs', () => {
  const job = {
    epoch: EPOCH,
    jobId: 3,
    preimage: Uint8Array.from({ length: 136 }, (_, i) => i),
    nonceOffset: 128,
    nonceStart: (1n << 64n) - 5n,
    count: 5,
    target: (1n << 255n) | 1n,
  };

  it('go out with their place, target and preimage', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('JOB', () => JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 2 }));
    expect(await board.job({ ...job, place: 'update' })).toBe(2);
    await board.job({ ...job, place: 'replace' });
    const [update, replace] = peer.requests.map(({ payload }) => JOB.decode(payload));
    const { target, ...rest } = job;
    expect(update).toEqual({ ...rest, flags: 2, preimageLength: 136, target: update!.target });
    expect([update!.target[0], update!.target[31]]).toEqual([Number(target & 255n), 0x80]);
    expect(replace!.flags).toBe(1);
  });

  it('of a header hash are one hash, in place of all others, that is no share', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('JOB', () => JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 0 }));
    const headerHash = new Uint8Array(32).fill(8);
    await board.hashJob(EPOCH, 3, headerHash);
    expect(JOB.decode(peer.requests[0]!.payload)).toEqual({
      epoch: EPOCH,
      jobId: 3,
      flags: 5,
      nonceOffset: 0,
      preimageLength: 32,
      count: 1,
      nonceStart: 0n,
      target: new Uint8Array(32),
      preimage: headerHash,
    });
    await expect(board.hashJob(EPOCH, 3, new Uint8Array(31))).rejects.toThrow(
      new RangeError('"headerHash" expected 32 bytes, got 31'),
    );
  });

  it('are malformed if the answer is about another', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('JOB', () => JOB_ANSWER.encode({ epoch: EPOCH, jobId: 4, ahead: 0 }));
    await expect(board.job({ ...job, place: 'update' })).rejects.toThrow(
      'expected job id 3, got 4',
    );
    await expect(
      board.job({ ...job, place: 'update', preimage: new Uint8Array(257) }),
    ).rejects.toThrow(new RangeError('"preimage" expected at most 256 bytes, got 257'));
    await expect(board.job({ ...job, place: 'update', target: 1n << 256n })).rejects.toThrow(
      RangeError,
    );
  });

  it('can be waited for as a hash, even if its end gets lost', async () => {
    const { board, peer, clock } = await createBoardRig();
    const digest = new Uint8Array(32).fill(0xab);
    const done = { epoch: EPOCH, jobId: 3, shares: 0, nextNonce: 1n, hashes: 1, reason: 0, digest };
    let given = 0;
    peer.on('JOB', (frame) => {
      peer.answer(frame, JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 0 }));
      if (++given === 2) peer.event('DONE', PROGRESS.encode(done));
      return undefined;
    });
    const jobs = [3, 3, 0xffff];
    peer.on('STATUS', () => statusOf('HASHING', jobs.shift() ?? 0xffff));
    const call = outcomeOf(board.hash(EPOCH, 3, new Uint8Array(32)));
    await settle();
    peer.event('DONE', PROGRESS.encode({ ...done, jobId: 2 }));
    await clock.advance(1999);
    expect(given).toBe(1);
    await clock.advance(1);
    expect(call.value).toEqual(digest);
  });

  it.each([
    [0, 2, 'wrong end of a job: expected 1 hash, got 2 hashes'],
    [1, 0, 'the board ended the job: it was aborted'],
    [2, 0, 'the board ended the job: another job took its place'],
    [3, 0, 'the board ended the job: it got another seed'],
    [4, 0, 'the board ended the job: it is too hot'],
    [5, 0, 'the board ended the job: a fault of its own'],
    [77, 0, 'the board ended the job: reason 77'],
    [255, 0, 'the board ended the job: reason 255'],
  ])('waited for as a hash tell how they ended: %i, %i', async (reason, hashes, message) => {
    const { board, peer } = await createBoardRig();
    const digest = new Uint8Array(32);
    peer.on('JOB', (frame) => {
      peer.answer(frame, JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 0 }));
      const done = { epoch: EPOCH, jobId: 3, shares: 0, nextNonce: 1n, hashes, reason, digest };
      peer.event('DONE', PROGRESS.encode(done));
      return undefined;
    });
    await expect(board.hash(EPOCH, 3, new Uint8Array(32))).rejects.toThrow(message);
  });

  it('waited for as a hash tell how far they are, and end with a board that falls silent', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('JOB', () => JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 0 }));
    let product = 0;
    peer.on('STATUS', () => {
      product += 50;
      // It dies within the hash.
      return product > 150 ? undefined : statusOf('HASHING', 3, { product });
    });
    const heard: unknown[] = [];
    const onStatus = ({ job }: BoardStatus, stillMs: number): void => {
      heard.push([job?.product, stillMs]);
    };
    const call = outcomeOf(board.hash(EPOCH, 3, new Uint8Array(32), { onStatus }));
    await clock.advance(2600);
    expect(heard).toEqual([
      [50, 0],
      [100, 0],
      [150, 0],
    ]);
    expect(call.error).toMatchObject({ detail: { code: 'silent', request: 'STATUS' } });
    expect(clock.sleeping).toBe(0);
  });

  it('waited for as a hash end when their product never moves, and by the signal', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('JOB', () => JOB_ANSWER.encode({ epoch: EPOCH, jobId: 3, ahead: 0 }));
    peer.on('STATUS', () => statusOf('HASHING', 3, { product: 9 }));
    const headerHash = new Uint8Array(32);
    const stuck = outcomeOf(board.hash(EPOCH, 3, headerHash, { patienceMs: 5000 }));
    await clock.advance(5500);
    expect(stuck.error).toMatchObject({
      detail: { code: 'stuck', request: 'JOB', state: 'HASHING', afterMs: 5000 },
    });
    const abort = new AbortController();
    const aborted = outcomeOf(board.hash(EPOCH, 3, headerHash, { signal: abort.signal }));
    await clock.advance(60_000);
    expect(aborted).toEqual({});
    abort.abort('enough');
    await settle();
    expect(aborted.error).toBe('enough');
    expect(clock.sleeping).toBe(0);
  });

  it('end by ABORT, one or all', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('ABORT', ({ payload }) =>
      ABORT_ANSWER.encode({ jobId: payload[0]! | (payload[1]! << 8), count: 2 }),
    );
    expect(await board.abort(3)).toBe(2);
    expect(await board.abort()).toBe(2);
    expect(peer.requests.map(({ payload }) => [...payload])).toEqual([
      [3, 0, 0, 0],
      [255, 255, 0, 0],
    ]);
  });
});

describe('self-tests', () => {
  const echo =
    (...result: number[]) =>
    ({ payload }: Frame): Uint8Array =>
      SELFTEST.encode({ kind: payload[0]!, data: Uint8Array.from(result) });

  it('ask for a golden row, and wait while its seed is derived', async () => {
    const { board, peer, clock } = await createBoardRig();
    peer.on('SELFTEST', echo());
    peer.on('STATUS', () => statusOf('DERIVING'));
    const call = outcomeOf(board.goldenRow(0x0506, 99));
    await clock.advance(5000);
    peer.on('STATUS', () => statusOf('HOT'));
    await clock.advance(5000);
    expect(peer.names.filter((name) => name === 'SELFTEST')).toHaveLength(1);
    expect(peer.requests[0]!.payload).toEqual(Uint8Array.of(0, 0, 0, 0, 6, 5, 99, 0));
    const row = Uint8Array.from({ length: 256 }, (_, i) => i);
    const event = { epoch: GOLDEN_EPOCH, jobId: 0x0506, row0: 99, n: 1, rows: row };
    peer.event('ROWDATA', ROWDATA.encode(event));
    await settle();
    expect(call.value).toEqual(row);
    await expect(board.goldenRow(1, 256)).rejects.toBeInstanceOf(RangeError);
    await expect(board.goldenRow(65_536, 1)).rejects.toBeInstanceOf(RangeError);
  });

  it('send dot products as they are, and read the sum', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SELFTEST', echo(0x34, 0x92, 0, 0));
    const [a, b] = [new Int8Array(256).fill(-128), new Int8Array(256).fill(127)];
    expect(await board.dot(a, b)).toBe(0x9234);
    expect(peer.requests[0]!.payload).toEqual(
      concatBytes(Uint8Array.of(1, 0, 0, 0), new Uint8Array(a), new Uint8Array(b)),
    );
    await expect(board.dot(a.subarray(1), b)).rejects.toThrow('"a" expected 256 bytes, got 255');
  });

  it('read the digests of finish and header', async () => {
    const { board, peer } = await createBoardRig();
    const digest = Array.from({ length: 32 }, (_, i) => i);
    peer.on('SELFTEST', echo(...digest, 9));
    expect([...(await board.finish(0xfedc_ba98))]).toEqual(digest);
    expect([...(await board.header(Uint8Array.of(7)))]).toEqual(digest);
    expect(peer.requests.map(({ payload }) => [...payload])).toEqual([
      [2, 0, 0, 0, 0x98, 0xba, 0xdc, 0xfe],
      [3, 0, 0, 0, 7],
    ]);
    await expect(board.finish(0)).rejects.toBeInstanceOf(RangeError);
    await expect(board.header(new Uint8Array(257))).rejects.toBeInstanceOf(RangeError);
  });

  it('are malformed if the answer is of another kind or too short', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SELFTEST', echo(1, 2, 3));
    await expect(board.finish(1)).rejects.toThrow('expected 32 bytes of result, got 3');
    peer.on('SELFTEST', () => new Uint8Array(40));
    await expect(board.finish(1)).rejects.toThrow('expected kind 2, got 0');
  });
});

describe('settings and the rest', () => {
  const now = { mask: 0, duty: 80, identify: 1, soft: 701, hard: -5 };

  it('change what is given and tell what is', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SET', () => SET.encode(now));
    const settings = { duty: 80, softC: 70.1, hardC: -0.5, identify: true };
    expect(await board.set({})).toEqual(settings);
    await board.set({ duty: 50, identify: false });
    await board.set({ softC: 60.04, hardC: 90 });
    expect(peer.requests.map(({ payload }) => SET.decode(payload))).toEqual([
      { mask: 0, duty: 0, identify: 0, soft: 0, hard: 0 },
      { mask: 5, duty: 50, identify: 0, soft: 0, hard: 0 },
      { mask: 2, duty: 0, identify: 0, soft: 600, hard: 900 },
    ]);
  });

  it('keep the limit that is not given', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('SET', () => SET.encode(now));
    await board.set({ hardC: 99 });
    expect(peer.requests.map(({ payload }) => SET.decode(payload))).toEqual([
      { mask: 0, duty: 0, identify: 0, soft: 0, hard: 0 },
      { mask: 2, duty: 0, identify: 0, soft: 701, hard: 990 },
    ]);
    await expect(board.set({ duty: 300 })).rejects.toBeInstanceOf(RangeError);
  });

  it('read the status', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('STATUS', () => statusOf('HOT'));
    expect(await board.status()).toMatchObject({ state: 'HOT', duty: 100 });
    peer.on('STATUS', () => new Uint8Array(47));
    await expect(board.status()).rejects.toThrow('malformed answer to STATUS');
  });

  it('compare what PING brings back', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('PING', ({ payload }) => payload);
    await board.ping();
    await board.ping(new Uint8Array(64));
    expect(peer.requests.map(({ payload }) => payload.length)).toEqual([8, 64]);
    await expect(board.ping(new Uint8Array(65))).rejects.toBeInstanceOf(RangeError);
    peer.on('PING', () => Uint8Array.of(1, 3));
    await expect(board.ping(Uint8Array.of(1, 2))).rejects.toThrow(
      'wrong echo of PING: expected 0102, got 0103',
    );
  });

  it('reboot into either program', async () => {
    const { board, peer } = await createBoardRig();
    peer.on('REBOOT', ({ payload }) => payload);
    await board.reboot('application');
    await board.reboot('boot-loader');
    expect(peer.requests.map(({ payload }) => payload[0])).toEqual([0, 1]);
    peer.on('REBOOT', (frame) => peer.nak(frame, 'RANGE'));
    await expect(board.reboot('boot-loader')).rejects.toThrow(
      'the board refused REBOOT: RANGE (0)',
    );
  });
});
