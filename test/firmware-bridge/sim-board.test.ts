import { describe, expect, it } from 'vitest';
import { LinkError, PortError } from '../../firmware-bridge/errors.ts';
import { DONE_REASONS } from '../../firmware-bridge/events.ts';
import { encodeFrame } from '../../firmware-bridge/frame.ts';
import {
  ABORT,
  ABORT_ANSWER,
  ALL_JOBS,
  BAUD,
  CKPT,
  CKPT_ANSWER,
  JOB_ANSWER,
  JOB_FLAGS,
  NO_TEMPERATURE,
  REBOOT,
  ROWS,
  SEED,
  SEED_ANSWER,
  SELFTEST,
  SELFTESTS,
  SET,
  STATES,
} from '../../firmware-bridge/messages.ts';
import { slipEncode } from '../../firmware-bridge/slip.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { settle } from '../support/fake-clock.ts';
import {
  hashOfNonce,
  jobOf,
  NO_HASH,
  SEED_A,
  SimulatedRig,
  standInRows,
} from '../support/simulated-rig.ts';
import { standInHash, standInTable } from '../support/stand-in-hasher.ts';

const HEADER_HASH = new Uint8Array(32).fill(3);

/** The NAK that a request is refused with. */
async function refusal(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LinkError) || error.detail.code !== 'refused') return error;
  return [error.detail.nak, error.detail.detail];
}

describe('SimulatedBoard: mining', () => {
  it('says who it is', async () => {
    const rig = new SimulatedRig({ uid: '0102030405060708090a0b0c', bauds: [115_200, 921_600] });
    const answer = await rig.run(rig.link.hello());
    expect(answer.boardId).toBe(5);
    expect(bytesToHex(answer.uid)).toBe('0102030405060708090a0b0c');
    expect(bytesToHex(answer.tlvs)).toContain('050800c2010000100e00');
  });

  it('hashes a job: shares with their hashes, progress, the end', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    expect(rig.of('SEED_READY')).toMatchObject([{ epoch: 1, ms: 50 }]);
    expect(JOB_ANSWER.decode(await rig.ask('JOB', jobOf()))).toEqual({
      epoch: 1,
      jobId: 1,
      ahead: 0,
    });
    await rig.clock.advance(1000);
    const shares = rig.of('SHARE');
    expect(shares.map((share) => [share.index, share.nonce])).toEqual([
      [0, 0n],
      [1, 1n],
      [2, 2n],
      [3, 3n],
    ]);
    for (const share of shares) expect(share.digest).toEqual(hashOfNonce(share.nonce));
    expect(rig.of('PROGRESS')).toMatchObject([{ nextNonce: 1n, shares: 1, hashes: 1 }]);
    expect(rig.of('DONE')).toMatchObject([
      { jobId: 1, reason: DONE_REASONS.COMPLETE, nextNonce: 4n, hashes: 4, shares: 4 },
    ]);
    expect(rig.of('DONE')[0]!.digest).toEqual(hashOfNonce(3n));
    expect(rig.clock.sleeping).toBe(0);
  });

  it('reports no nonce that does not meet the target', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf({ target: NO_HASH, count: 3 }));
    await rig.clock.advance(1000);
    expect(rig.of('SHARE')).toEqual([]);
    expect(rig.of('DONE')).toMatchObject([{ shares: 0, hashes: 3 }]);
  });

  it('ends a range at 2^64', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf({ nonceStart: (1n << 64n) - 2n, count: 2 }));
    await rig.clock.advance(1000);
    expect(rig.of('DONE')).toMatchObject([{ nextNonce: 0n, hashes: 2 }]);
  });

  it('holds jobs in a queue, replaces them, and says what became of each', async () => {
    const rig = new SimulatedRig({ queue: 2 });
    await rig.seed();
    const update = { flags: JOB_FLAGS.UPDATE, count: 100, target: NO_HASH };
    await rig.ask('JOB', jobOf({ ...update, jobId: 1 }));
    expect(JOB_ANSWER.decode(await rig.ask('JOB', jobOf({ ...update, jobId: 2 }))).ahead).toBe(1);
    expect(await refusal(rig.ask('JOB', jobOf({ ...update, jobId: 3 })))).toEqual(['BUSY', 50]);
    await rig.ask('JOB', jobOf({ jobId: 4 }));
    expect(rig.of('DONE').map((done) => [done.jobId, done.reason])).toEqual([
      [1, DONE_REASONS.REPLACED],
      [2, DONE_REASONS.REPLACED],
    ]);
    await rig.seed(2, new Uint8Array(32));
    expect(rig.of('DONE').at(-1)).toMatchObject({ jobId: 4, reason: DONE_REASONS.SEED });
  });

  it('aborts one job or all, in the midst of a hash', async () => {
    const rig = new SimulatedRig();
    rig.board.script.msPerHash = 10_000;
    await rig.seed();
    for (const jobId of [1, 2, 3]) {
      await rig.ask('JOB', jobOf({ jobId, flags: JOB_FLAGS.UPDATE }));
    }
    await rig.clock.advance(5000);
    expect(await rig.status()).toMatchObject({ jobId: 1, waiting: 2, state: STATES.HASHING });
    const one = ABORT_ANSWER.decode(await rig.ask('ABORT', ABORT.encode({ jobId: 1 })));
    expect(one).toEqual({ jobId: 1, count: 1 });
    expect(await rig.status()).toMatchObject({ jobId: 2, waiting: 1 });
    const rest = ABORT_ANSWER.decode(await rig.ask('ABORT', ABORT.encode({ jobId: ALL_JOBS })));
    expect(rest.count).toBe(2);
    expect(rig.of('DONE').map((done) => [done.jobId, done.reason, done.hashes])).toEqual([
      [1, 1, 0],
      [2, 1, 0],
      [3, 1, 0],
    ]);
    expect(await rig.status()).toMatchObject({ jobId: ALL_JOBS, state: STATES.IDLE });
    expect(rig.clock.sleeping).toBe(0);
  });

  it('shows the product that it is at, which stands still when it is stuck', async () => {
    const rig = new SimulatedRig();
    rig.board.script.msPerHash = 10_000;
    await rig.seed();
    await rig.ask('JOB', jobOf());
    await rig.clock.advance(5000);
    const { product } = await rig.status();
    expect(product).toBeGreaterThan(120);
    expect(product).toBeLessThan(136);
    rig.board.script.stuck = 'until-restart';
    await rig.clock.advance(250);
    const stuck = await rig.status();
    await rig.clock.advance(60_000);
    expect(await rig.status()).toMatchObject({ product: stuck.product, hashes: 0 });
    rig.board.restart();
    await rig.seed();
    await rig.ask('JOB', jobOf());
    await rig.clock.advance(11_000);
    expect(await rig.status()).toMatchObject({ hashes: 1 });
  });

  it('makes rows between two pieces of a hash, which goes on', async () => {
    const rig = new SimulatedRig();
    rig.board.script.msPerHash = 1000;
    rig.board.script.msPerRow = 100;
    await rig.seed();
    await rig.ask('JOB', jobOf({ count: 1 }));
    await rig.clock.advance(300);
    const rows = { epoch: 1, jobId: 9, row0: 254, n: 2, headerHash: HEADER_HASH };
    await rig.ask('ROWS', ROWS.encode(rows));
    expect((await rig.status()).state).toBe(STATES.ROWS);
    await rig.clock.advance(200);
    expect(rig.of('ROWDATA')).toEqual([
      {
        event: 'ROWDATA',
        epoch: 1,
        jobId: 9,
        row0: 254,
        n: 2,
        rows: standInRows(HEADER_HASH, await standInTable(SEED_A), 254, 2),
      },
    ]);
    // 300 ms of the hash before the rows: it ends 700 ms after them.
    await rig.clock.advance(600);
    expect(rig.of('DONE')).toEqual([]);
    await rig.clock.advance(200);
    expect(rig.of('DONE')).toMatchObject([{ reason: DONE_REASONS.COMPLETE }]);
  });

  it('forgets rows that are aborted', async () => {
    const rig = new SimulatedRig();
    rig.board.script.msPerRow = 1000;
    await rig.seed();
    const rows = { epoch: 1, jobId: 9, row0: 0, n: 1, headerHash: HEADER_HASH };
    await rig.ask('ROWS', ROWS.encode(rows));
    const answer = ABORT_ANSWER.decode(await rig.ask('ABORT', ABORT.encode({ jobId: 9 })));
    expect(answer.count).toBe(0);
    await rig.clock.advance(5000);
    expect(rig.of('ROWDATA')).toEqual([]);
  });

  it('takes a header hash for a job, and hashes it once', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    const flags = JOB_FLAGS.REPLACE | JOB_FLAGS.HEADER_HASH;
    await rig.ask('JOB', jobOf({ flags, preimage: HEADER_HASH, count: 1 }));
    await rig.clock.advance(200);
    expect(rig.of('SHARE')).toMatchObject([{ digest: standInHash(SEED_A, HEADER_HASH) }]);
    expect(rig.of('DONE')).toMatchObject([{ hashes: 1 }]);
  });

  it('does not derive the same seed under the same epoch again', async () => {
    const rig = new SimulatedRig();
    rig.board.script.deriveMs = 2000;
    await rig.seed(7);
    await rig.clock.advance(2000);
    const seed = { epoch: 7, flags: 0, seed: SEED_A };
    expect(SEED_ANSWER.decode(await rig.ask('SEED', SEED.encode(seed))).state).toBe(2);
    expect(rig.of('SEED_READY')).toHaveLength(2);
    const other = SEED.encode({ ...seed, epoch: 8 });
    expect(SEED_ANSWER.decode(await rig.ask('SEED', other)).state).toBe(0);
    expect((await rig.status()).state).toBe(STATES.DERIVING);
  });

  it('takes checkpoints where it cannot derive, and computes with what it was given', async () => {
    const rig = new SimulatedRig();
    rig.board.script.derives = false;
    const seed = SEED.encode({ epoch: 1, flags: 0, seed: SEED_A });
    for (const first of [0, 1]) {
      expect(SEED_ANSWER.decode(await rig.ask('SEED', seed)).state).toBe(first === 0 ? 1 : 2);
      if (first === 1) break;
      expect((await rig.status()).state).toBe(STATES.WAITING_FOR_CHECKPOINTS);
      for (let index = 0; index < 128; index += 8) {
        const checkpoints = new Uint8Array(8 * 128);
        const part = CKPT.encode({ epoch: 1, index, n: 8, checkpoints });
        const answer = CKPT_ANSWER.decode(await rig.ask('CKPT', part));
        expect(answer.received).toBe(index + 8);
      }
      await rig.clock.advance(10);
      // The CRC-32 of 16 KiB of zeros: the stand-in's table.
      expect(rig.of('SEED_READY')).toMatchObject([{ crc: 0xab54d286 }]);
    }
    await rig.ask('SEED', SEED.encode({ epoch: 2, flags: 0, seed: SEED_A }));
    for (let index = 0; index < 128; index += 8) {
      const checkpoints = new Uint8Array(8 * 128).fill(index === 64 ? 1 : 0);
      await rig.ask('CKPT', CKPT.encode({ epoch: 2, index, n: 8, checkpoints }));
    }
    await rig.clock.advance(10);
    expect(rig.of('SEED_READY').at(-1)!.crc).not.toBe(0xab54d286);
    await rig.ask('JOB', jobOf({ epoch: 2, count: 1 }));
    await rig.clock.advance(100);
    expect(rig.of('SHARE')[0]!.digest).not.toEqual(hashOfNonce(0n));
  });
});

describe('SimulatedBoard: requests', () => {
  it('answers a repetition with the same answer, without doing it again', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    const port = rig.board.connect();
    const frames: string[] = [];
    port.onBytes((bytes) => frames.push(bytesToHex(bytes)));
    const job = slipEncode(encodeFrame(0x10, 77, jobOf({ flags: JOB_FLAGS.UPDATE })));
    await port.write(job);
    await port.write(job);
    await settle();
    expect(frames).toHaveLength(2);
    expect(frames[0]).toBe(frames[1]);
    await rig.clock.advance(2000);
    expect(rig.board.hashes).toBe(4);
    // A copy of an older request, and then the next one.
    await port.write(slipEncode(encodeFrame(0x23, 76, Uint8Array.of(1))));
    await settle();
    const before = frames.length;
    await port.write(slipEncode(encodeFrame(0x23, 78, Uint8Array.of(2))));
    await settle();
    expect(frames.slice(before)).toHaveLength(1);
    expect(frames.at(-1)).toContain('01a300004e00010002');
  });

  it('takes any seq from a host that has started anew: HELLO with a new nonce', async () => {
    const rig = new SimulatedRig();
    for (let i = 0; i < 5; i++) await rig.ask('PING');
    const link = rig.connect();
    await rig.run(link.hello());
    await rig.ask('PING', Uint8Array.of(9));
    expect(link.stats.repeats).toBe(0);
  });

  it.each([
    ['no seed', 'JOB', jobOf(), ['NO_SEED', 0]],
    ['an unknown epoch', 'JOB', jobOf({ epoch: 3 }), ['WRONG_EPOCH', 1]],
    ['no place', 'JOB', jobOf({ flags: 0 }), ['RANGE', 6]],
    ['two places', 'JOB', jobOf({ flags: 3 }), ['RANGE', 6]],
    ['the id of all jobs', 'JOB', jobOf({ jobId: 0xffff }), ['RANGE', 4]],
    ['a nonce outside', 'JOB', jobOf({ nonceOffset: 33 }), ['RANGE', 8]],
    ['a long preimage', 'JOB', jobOf({ preimage: new Uint8Array(257) }), ['RANGE', 10]],
    ['a preimage that is cut', 'JOB', jobOf({ preimageLength: 41 }), ['BAD_LEN', 97]],
    ['no nonces', 'JOB', jobOf({ count: 0 }), ['RANGE', 12]],
    ['more than 2^64', 'JOB', jobOf({ nonceStart: (1n << 64n) - 3n }), ['RANGE', 16]],
    ['half a job', 'JOB', new Uint8Array(20), ['BAD_LEN', 56]],
    ['epoch 0', 'SEED', new Uint8Array(40), ['RANGE', 0]],
    ['a rate that it has not', 'BAUD', BAUD.encode({ rate: 300, fallbackMs: 1 }), ['RANGE', 0]],
    ['no boot loader', 'REBOOT', REBOOT.encode({ target: 1 }), ['RANGE', 0]],
    ['a long ping', 'PING', new Uint8Array(65), ['BAD_LEN', 64]],
    ['an unknown test', 'SELFTEST', Uint8Array.of(9, 0, 0, 0), ['RANGE', 0]],
    ['no vectors', 'SELFTEST', Uint8Array.of(1, 0, 0, 0), ['BAD_LEN', 516]],
  ] as const)('refuses %s', async (title, name, payload, expected) => {
    const rig = new SimulatedRig();
    if (title !== 'no seed') await rig.seed();
    expect(await refusal(rig.ask(name, payload))).toEqual(expected);
  });

  it('refuses rows that no frame holds, or that there are not', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    for (const [row0, n] of [
      [0, 5],
      [0, 0],
      [254, 3],
    ] as const) {
      const rows = ROWS.encode({ epoch: 1, jobId: 1, row0, n, headerHash: HEADER_HASH });
      expect(await refusal(rig.ask('ROWS', rows)), `${row0} ${n}`).toEqual(['RANGE', 7]);
    }
  });

  it('answers its self-test', async () => {
    const rig = new SimulatedRig();
    const ask = async (kind: number, data: Uint8Array): Promise<Uint8Array> =>
      SELFTEST.decode(await rig.ask('SELFTEST', SELFTEST.encode({ kind, data }))).data;
    const vectors = new Uint8Array(512).fill(0x80);
    expect(await ask(SELFTESTS.DOT, vectors)).toEqual(Uint8Array.of(0, 0, 0, 0));
    vectors.fill(127, 256);
    // 256 · −128 · 127 modulo 2^16.
    expect(await ask(SELFTESTS.DOT, vectors)).toEqual(Uint8Array.of(0, 0x80, 0, 0));
    expect(await ask(SELFTESTS.HEADER, HEADER_HASH)).toEqual(sha3(HEADER_HASH));
    const finish = await ask(SELFTESTS.FINISH, Uint8Array.of(1, 0, 0, 0));
    expect(finish).toHaveLength(32);
    expect(await ask(SELFTESTS.FINISH, Uint8Array.of(2, 0, 0, 0))).not.toEqual(finish);
  });

  it('makes a golden row, and has no seed afterwards', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf());
    const data = Uint8Array.of(5, 0, 200, 0);
    await rig.ask('SELFTEST', SELFTEST.encode({ kind: SELFTESTS.GOLDEN_ROW, data }));
    await rig.clock.advance(100);
    expect(rig.of('DONE')).toMatchObject([{ reason: DONE_REASONS.SEED }]);
    expect(rig.of('ROWDATA')).toMatchObject([{ epoch: 0xffff_ffff, jobId: 5, row0: 200, n: 1 }]);
    expect((await rig.status()).epoch).toBe(0);
  });

  it('asks for a repetition of what is damaged, and counts it', async () => {
    const rig = new SimulatedRig();
    const port = rig.board.connect();
    const frames: string[] = [];
    port.onBytes((bytes) => frames.push(bytesToHex(bytes)));
    const frame = encodeFrame(0x23, 5, Uint8Array.of(1, 2, 3));
    frame[9]! ^= 0xff;
    await port.write(slipEncode(frame));
    await port.write(slipEncode(Uint8Array.of(1, 2, 3)));
    await port.write(new TextEncoder().encode('AT\r\n'));
    await settle();
    expect(frames).toHaveLength(1);
    expect(frames[0]).toContain('01ff0000050008000500012300000000');
    rig.connect();
    expect(await rig.status()).toMatchObject({ crcErrors: 1, otherErrors: 2 });
  });

  it('changes its rate, and goes back where nothing valid comes', async () => {
    const rig = new SimulatedRig({ bauds: [115_200, 921_600] });
    const { port } = rig.link;
    const request = BAUD.encode({ rate: 921_600, fallbackMs: 500 });
    await rig.ask('BAUD', request);
    await port.setBaud?.(921_600);
    await rig.ask('PING');
    await rig.clock.advance(2000);
    await rig.ask('PING');
    expect(rig.link.stats.repeats).toBe(0);

    rig.board.script.badRates.add(115_200);
    await rig.ask('BAUD', BAUD.encode({ rate: 115_200, fallbackMs: 500 }));
    await port.setBaud?.(115_200);
    await expect(rig.ask('PING')).rejects.toMatchObject({ detail: { code: 'silent' } });
    await port.setBaud?.(921_600);
    await rig.ask('PING');
    expect(rig.clock.sleeping).toBe(0);
  });
});

describe('SimulatedBoard: heat', () => {
  it('halves its duty above the soft limit until it is 5 °C cooler', async () => {
    const rig = new SimulatedRig();
    rig.board.script.msPerHash = 100;
    await rig.seed();
    await rig.ask('SET', SET.encode({ mask: 3, duty: 50, identify: 0, soft: 600, hard: 800 }));
    await rig.ask('JOB', jobOf({ count: 1000, target: NO_HASH }));
    await rig.clock.advance(2000);
    expect(await rig.status()).toMatchObject({ duty: 50, hashes: 10, temperature: 400 });
    rig.board.script.temperatureC = 61;
    await rig.clock.advance(400);
    const { hashes } = await rig.status();
    await rig.clock.advance(4000);
    expect((await rig.status()).hashes - hashes).toBe(10);
    const hashesIn4s = async (): Promise<number> => {
      await rig.clock.advance(500);
      const before = (await rig.status()).hashes;
      await rig.clock.advance(4000);
      return (await rig.status()).hashes - before;
    };
    rig.board.script.temperatureC = 56;
    expect(await hashesIn4s()).toBe(10);
    rig.board.script.temperatureC = 55;
    expect(await hashesIn4s()).toBe(20);
  });

  it('ends its jobs above the hard limit, and refuses others until it is cooler', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf({ count: 1000, target: NO_HASH }));
    rig.board.script.temperatureC = 96;
    await rig.clock.advance(300);
    expect(rig.of('DONE')).toMatchObject([{ reason: DONE_REASONS.HOT }]);
    expect(rig.of('FAULT')).toMatchObject([{ fault: 2, temperature: 960 }]);
    expect(await refusal(rig.ask('JOB', jobOf()))).toEqual(['HOT', 960]);
    expect((await rig.status()).state).toBe(STATES.HOT);
    rig.board.script.temperatureC = 70;
    await rig.ask('JOB', jobOf());
  });

  it('has no temperature without a sensor, and no limits then', async () => {
    const rig = new SimulatedRig({ hasSensor: false });
    rig.board.script.temperatureC = 200;
    await rig.seed();
    await rig.ask('JOB', jobOf());
    expect(await rig.status()).toMatchObject({ temperature: NO_TEMPERATURE, state: 2 });
  });
});

describe('SimulatedBoard: what boards do wrong', () => {
  it('lies in rows, hashes, nonces and progress, and still hashes the truth', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    rig.board.script.lies.add('digests');
    await rig.ask('JOB', jobOf({ count: 1 }));
    await rig.clock.advance(100);
    const wrong = hashOfNonce(0n);
    wrong[0]! ^= 1;
    expect(rig.of('SHARE')[0]!.digest).toEqual(wrong);
    expect(rig.of('DONE')[0]!.digest).toEqual(wrong);

    rig.board.script.lies.clear();
    rig.board.script.lies.add('nonce');
    await rig.ask('JOB', jobOf({ jobId: 2, count: 2, target: NO_HASH }));
    await rig.clock.advance(200);
    expect(rig.of('SHARE').slice(1)).toMatchObject([{ jobId: 2, nonce: 0n, digest: NO_HASH }]);
    expect(rig.of('DONE')[1]).toMatchObject({ shares: 1 });

    rig.board.script.lies.clear();
    rig.board.script.lies.add('progress');
    const before = rig.board.hashes;
    await rig.ask('JOB', jobOf({ jobId: 3, count: 25, target: NO_HASH }));
    await rig.clock.advance(1000);
    expect(rig.of('DONE')[2]).toMatchObject({ hashes: 25, nextNonce: 25n });
    expect(rig.board.hashes - before).toBe(3);

    rig.board.script.lies.add('rows');
    const rows = { epoch: 1, jobId: 9, row0: 0, n: 1, headerHash: HEADER_HASH };
    await rig.ask('ROWS', ROWS.encode(rows));
    await rig.clock.advance(100);
    const truth = standInRows(HEADER_HASH, await standInTable(SEED_A), 0, 1);
    const told = rig.of('ROWDATA')[0]!.rows;
    expect(told).not.toEqual(truth);
    expect(told.slice(1)).toEqual(truth.slice(1));
  });

  it('lies about its checkpoints and in its self-test', async () => {
    const rig = new SimulatedRig();
    rig.board.script.lies.add('crc').add('dot').add('header').add('finish');
    await rig.seed();
    expect(rig.of('SEED_READY')[0]!.crc).toBe(0xab54d287);
    const header = SELFTEST.encode({ kind: SELFTESTS.HEADER, data: HEADER_HASH });
    expect(SELFTEST.decode(await rig.ask('SELFTEST', header)).data).not.toEqual(sha3(HEADER_HASH));
    const dot = SELFTEST.encode({ kind: SELFTESTS.DOT, data: new Uint8Array(512) });
    expect(SELFTEST.decode(await rig.ask('SELFTEST', dot)).data[0]).toBe(1);
  });

  it('is silent, for a while or for ever', async () => {
    const rig = new SimulatedRig();
    rig.board.script.silent = 'until-restart';
    await expect(rig.ask('PING')).rejects.toMatchObject({ detail: { code: 'silent' } });
    await rig.link.port.resetLines?.();
    await rig.ask('PING');
    rig.board.script.silent = 'always';
    await rig.link.port.resetLines?.();
    await expect(rig.ask('PING')).rejects.toMatchObject({ detail: { code: 'silent' } });
  });

  it('speaks another version, which its HELLO tells', async () => {
    const rig = new SimulatedRig();
    rig.board.script.versions = [2, 3];
    const version = { detail: { code: 'version', lowest: 2, highest: 3 } };
    await expect(rig.run(rig.link.hello())).rejects.toMatchObject(version);
    await expect(rig.ask('PING')).rejects.toMatchObject(version);
  });

  it('refuses what it is told to refuse, so often', async () => {
    const rig = new SimulatedRig();
    rig.board.script.refusals.set('STATUS', { nak: 'FAULT', detail: 7, times: 1 });
    expect(await refusal(rig.ask('STATUS'))).toEqual(['FAULT', 7]);
    await rig.ask('STATUS');
  });

  it('forgets everything when it starts anew, and says so', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf({ count: 1000 }));
    rig.board.restart();
    await settle();
    expect(rig.of('FAULT')).toMatchObject([{ fault: 1 }]);
    expect(rig.log.at(-1)).toMatch(/^bytom-tensority \d/);
    expect(await rig.status()).toMatchObject({ epoch: 0, restarts: 1, hashes: 0, jobId: ALL_JOBS });
    await rig.ask('REBOOT', REBOOT.encode({ target: 0 }));
    expect(await rig.status()).toMatchObject({ restarts: 2 });
    expect(rig.clock.sleeping).toBe(0);
  });

  it('loses its seed when its memory has changed', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.ask('JOB', jobOf({ count: 1000 }));
    rig.board.corruptSeed();
    await settle();
    expect(rig.of('DONE')).toMatchObject([{ reason: DONE_REASONS.FAULT }]);
    expect(rig.of('FAULT')).toMatchObject([{ fault: 3 }]);
    expect(await refusal(rig.ask('JOB', jobOf()))).toEqual(['NO_SEED', 0]);
  });

  it('is in fault when its hasher fails', async () => {
    const rig = new SimulatedRig();
    await rig.seed();
    await rig.hasher.close();
    await rig.ask('JOB', jobOf());
    await rig.clock.advance(200);
    expect(rig.of('DONE')).toMatchObject([{ reason: DONE_REASONS.FAULT }]);
    expect(rig.log).toEqual(['hasher lost: it was closed']);
    expect((await rig.status()).state).toBe(STATES.FAULT);
    expect(await refusal(rig.ask('JOB', jobOf()))).toEqual(['FAULT', 16]);
  });

  it('is unplugged and plugged in again under another name', async () => {
    const rig = new SimulatedRig({ port: '/dev/ttyX0' });
    await rig.seed();
    await rig.ask('JOB', jobOf({ count: 1000 }));
    rig.board.unplug();
    const gone = await rig.link.closed;
    expect(gone?.detail).toEqual({ code: 'gone', port: '/dev/ttyX0', reason: 'unplugged' });
    await expect(rig.ask('PING')).rejects.toBeInstanceOf(PortError);
    expect(() => rig.board.connect()).toThrow('/dev/ttyX0: no such port');
    expect(rig.clock.sleeping).toBe(0);
    rig.board.plug('/dev/ttyX3');
    const link = rig.connect();
    expect(link.port.name).toBe('/dev/ttyX3');
    expect(await rig.status()).toMatchObject({ epoch: 0, restarts: 0 });
  });

  it('serves one line at a time', async () => {
    const rig = new SimulatedRig();
    const first = rig.link;
    rig.connect();
    expect((await first.closed)?.detail.code).toBe('gone');
    await rig.ask('PING');
  });

  it('refuses a UID that is none', () => {
    expect(() => new SimulatedRig({ uid: '01' })).toThrow('uid');
  });

  it('gives any bytes that a line can give', async () => {
    const rig = new SimulatedRig();
    rig.board.noise(Uint8Array.of(0xc0, 1, 2, 0xdb, 0xff, 0xc0));
    rig.board.say('hello');
    await settle();
    expect(rig.log).toEqual(['hello']);
    expect(rig.link.stats.garbage).toBe(4);
  });
});
