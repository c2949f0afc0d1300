/**
 * The firmware's protocol core: fuzzed in memory, and as a program behind a socket, frame by frame and byte
 * by byte. What it computes is compared with stored vectors and with the reference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkpointsCrc, checkpointsOf } from '../../firmware-bridge/checkpoints.ts';
import * as ev from '../../firmware-bridge/events.ts';
import { encodeFrame } from '../../firmware-bridge/frame.ts';
import * as m from '../../firmware-bridge/messages.ts';
import { slipEncode } from '../../firmware-bridge/slip.ts';
import { decodeHeader, headerPreimage } from '../../src/chain/header.ts';
import { finishHash } from '../../src/tensority/reference.ts';
import { summedRows } from '../../src/tensority/rows.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { seededRandom } from '../support/random.ts';
import { repoRoot } from '../support/repo-files.ts';
import { powGroup } from '../tensority/vectors.ts';
import { FirmwareBuild, NativeBoard, type RawLine, whyNoFirmware } from './native-board.ts';

const BUILD_MS = 120_000;
const EPOCH = 7;
const NONE = new Uint8Array();
const EASY = new Uint8Array(32).fill(0xff);
const IMPOSSIBLE = new Uint8Array(32);

/** Mainnet's block 123, which mining has found. */
const [block] = JSON.parse(readFileSync(join(repoRoot, 'test/vectors/block_headers.json'), 'utf8'))
  .mainnet as [{ header_hex: string; seed: string; hash: string }];
const { header } = decodeHeader(hexToBytes(block.header_hex, 'header_hex'));
const preimage = headerPreimage(header);
const { seed, vectors } = powGroup(block.seed);
const found = vectors.find(({ name }) => name === block.hash)!;
const foundPow = hexToBytes(found.powHash, 'powHash', 32);

const missing = whyNoFirmware();
let build: FirmwareBuild;
let table: MatrixTable;
let board: NativeBoard;
let line: RawLine;

beforeAll(() => {
  if (missing !== undefined) return;
  build = new FirmwareBuild('native', 'fuzz');
  table = buildMatrixTable(seed);
}, BUILD_MS);
afterAll(() => build?.remove());
beforeEach((ctx) => {
  if (missing !== undefined) ctx.skip(missing);
});
afterEach(async () => {
  await line?.close();
  await board?.stop();
});

/** A board that is there and has answered HELLO. */
async function start(...args: readonly string[]): Promise<m.HelloAnswer> {
  board = new NativeBoard(build, ...args);
  line = await board.line();
  return m.HELLO_ANSWER.decode(await line.answer('HELLO', new Uint8Array(8).fill(0xc0)));
}

async function startWithSeed(...args: readonly string[]): Promise<void> {
  await start(...args);
  await line.answer('SEED', m.SEED.encode({ epoch: EPOCH, flags: 0, seed }));
  await line.eventOf('SEED_READY');
}

async function status(): Promise<m.StatusAnswer> {
  return m.STATUS_ANSWER.decode(await line.answer('STATUS', NONE));
}

/** Asks until it is so. */
async function statusWhen(is: (status: m.StatusAnswer) => boolean): Promise<m.StatusAnswer> {
  for (;;) {
    const now = await status();
    if (is(now)) return now;
  }
}

function job(fields: Partial<m.JobRequest>): Uint8Array {
  return m.JOB.encode({
    epoch: EPOCH,
    jobId: 1,
    flags: m.JOB_FLAGS.REPLACE,
    nonceOffset: 128,
    preimageLength: fields.preimage?.length ?? preimage.length,
    count: 1000,
    nonceStart: 5n,
    target: IMPOSSIBLE,
    preimage,
    ...fields,
  });
}

const update = (jobId: number): Uint8Array => job({ jobId, flags: m.JOB_FLAGS.UPDATE });

async function give(request: Uint8Array): Promise<number> {
  return m.JOB_ANSWER.decode(await line.answer('JOB', request)).ahead;
}

function rows(fields: Partial<m.RowsRequest> = {}): Uint8Array {
  const headerHash = found.headerHash;
  return m.ROWS.encode({ epoch: EPOCH, jobId: 40, row0: 253, n: 3, headerHash, ...fields });
}

async function nakOf(
  name: m.RequestName | number,
  payload: Uint8Array,
): Promise<string | undefined> {
  return (await line.ask(name, payload)).nak;
}

const settings = (fields: Partial<m.Settings>): Uint8Array =>
  m.SET.encode({ mask: 0, duty: 0, identify: 0, soft: 0, hard: 0, ...fields });

const abort = (jobId: number): Uint8Array => m.ABORT.encode({ jobId });

describe('the protocol core of the firmware', () => {
  it.each([1, 2, 3, 4])('stays usable after a storm of frames (seed %i)', (seed) => {
    expect(build.run('fuzz', `${seed}`, '4000')).toMatch(/^seed \d+, 4000 rounds: .* jobs done/);
  });
});

describe('frames', () => {
  it('tells what it is, and that it has started', async () => {
    const uid = '000102030405060708090a0b';
    const hello = await start('--uid', uid);
    expect(hello).toMatchObject({ lowestVersion: 1, highestVersion: 1, boardId: 4 });
    expect(bytesToHex(hello.nonce)).toBe('c0'.repeat(8));
    expect(bytesToHex(hello.uid)).toBe(uid);
    expect(hello.buildId).not.toBe(0);
    const name = new TextEncoder().encode('native');
    expect(bytesToHex(hello.tlvs)).toMatch(new RegExp(`0706${bytesToHex(name)}$`));
    expect(bytesToHex(hello.tlvs)).toContain('03024c04040102');
  });

  it('reads a frame that comes byte by byte, and two at once', async () => {
    await start();
    const bytes = line.bytes('PING', Uint8Array.of(0xc0, 0xdb, 1));
    for (const byte of bytes) {
      line.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytesToHex((await line.reply()).payload)).toBe('c0db01');
    const both = concatBytes(line.bytes('PING', NONE), line.bytes('PING', Uint8Array.of(2)));
    line.send(both);
    expect((await line.reply()).payload).toHaveLength(0);
    expect(bytesToHex((await line.reply()).payload)).toBe('02');
  });

  it('survives a flood of garbage and counts it', async () => {
    await start();
    const random = seededRandom(1);
    // Without ENDs one stretch, with them many; answers to what looks like frames are right frames.
    line.send(Uint8Array.from({ length: 50_000 }, () => 0xc1 + Math.floor(random() * 63)));
    line.send(Uint8Array.from({ length: 200_000 }, () => Math.floor(random() * 256)));
    line.send(Uint8Array.of(0xc0));
    const ping = line.bytes('PING', Uint8Array.of(9));
    line.send(ping);
    let reply = await line.reply();
    while (reply.nak !== undefined) {
      expect(reply.nak).toMatch(/^BAD_CRC 0$/);
      reply = await line.reply();
    }
    expect(bytesToHex(reply.payload)).toBe('09');
    const { crcErrors, otherErrors } = await status();
    expect(crcErrors).toBeGreaterThan(100);
    expect(otherErrors).toBeGreaterThan(100);
  });

  it('says what is wrong with a frame', async () => {
    await start();
    const broken = line.bytes('PING', Uint8Array.of(1, 2));
    broken[9]! ^= 1;
    line.send(broken);
    expect(await line.reply()).toMatchObject({ nak: 'BAD_CRC 0', seq: line.seq });
    expect(await nakOf('ABORT', NONE)).toBe('BAD_LEN 4');
    expect(await nakOf('PING', new Uint8Array(65))).toBe('BAD_LEN 64');
    expect(await nakOf('JOB', job({}).subarray(0, -1))).toBe('BAD_LEN 192');
    expect(await nakOf('SELFTEST', Uint8Array.of(1, 0, 0, 0, 5))).toBe('BAD_LEN 516');
    expect(await nakOf(0x7f, NONE)).toBe('UNKNOWN_TYPE 0');
    const other = await line.ask('PING', NONE, { version: 2 });
    expect(other).toMatchObject({ nak: 'BAD_VERSION 257', seq: line.seq });
  });

  it('says BAD_LEN to a frame that is longer than its header says', async () => {
    await start();
    const frame = encodeFrame(m.TYPES.PING, 500, Uint8Array.of(1, 2));
    const view = new DataView(frame.buffer);
    view.setUint16(6, 1, true);
    view.setUint32(10, crc32(frame.subarray(0, 10)), true);
    line.send(slipEncode(frame));
    expect(await line.reply()).toMatchObject({ nak: 'BAD_LEN 1', seq: 500 });
  });

  it('does not answer answers, nor frames that are too long', async () => {
    await start();
    line.send(line.bytes(0xa3, NONE));
    line.send(line.bytes(0xff, new Uint8Array(8)));
    line.send(line.bytes('PING', new Uint8Array(1089)));
    expect(await line.answer('PING', Uint8Array.of(3))).toEqual(Uint8Array.of(3));
    expect((await status()).otherErrors).toBe(3);
  });
});

describe('seqs', () => {
  it('answers a repetition alike without doing it again, and drops an older request', async () => {
    await startWithSeed();
    expect(await give(job({}))).toBe(0);
    const second = await line.ask('JOB', update(2));
    const { seq } = line;
    expect(await line.ask('JOB', update(2), { seq, flags: 1 })).toEqual(second);
    expect((await status()).waiting).toBe(1);
    line.send(line.bytes('PING', Uint8Array.of(1), { seq: seq - 1 }));
    expect((await line.ask('PING', Uint8Array.of(2), { seq: seq + 2 })).payload[0]).toBe(2);
  });

  it('drops a late copy of the HELLO before the last', async () => {
    await start();
    const nonce = (byte: number): Uint8Array => new Uint8Array(8).fill(byte);
    const copy = line.bytes('HELLO', nonce(1));
    line.send(copy);
    await line.reply();
    await line.answer('HELLO', nonce(2));
    const { seq } = line;
    line.send(copy);
    // That would be behind its seq, had it been taken; and repeated, it would be answered.
    expect(await line.answer('PING', Uint8Array.of(3))).toEqual(Uint8Array.of(3));
    expect(line.seq).toBe(seq + 1);
  });

  it('takes any seq behind a HELLO with a new nonce, and numbers events on', async () => {
    await start();
    const old = new Uint8Array(8).fill(0xc0);
    line.send(line.bytes('HELLO', old, { seq: 40_000 }));
    const anew = await line.ask('HELLO', new Uint8Array(8), { seq: 30_000 });
    expect(anew).toMatchObject({ seq: 30_000, nak: undefined });
    expect(await line.answer('PING', NONE)).toHaveLength(0);
    line.send(line.bytes('SEED', m.SEED.encode({ epoch: EPOCH, flags: 0, seed })));
    // Event 0 is FAULT, at its start: perhaps before anyone listened.
    expect(await line.eventOf('SEED_READY')).toMatchObject({ seq: 1 });
  });
});

describe('seeds', () => {
  it('derives checkpoints, and the same seed only once', async () => {
    await start();
    const request = m.SEED.encode({ epoch: EPOCH, flags: 0, seed });
    const first = m.SEED_ANSWER.decode(await line.answer('SEED', request));
    expect(first).toEqual({ epoch: EPOCH, state: m.SEED_STATES.DERIVING });
    const ready = await line.eventOf('SEED_READY');
    expect(ready).toMatchObject({ epoch: EPOCH, crc: checkpointsCrc(checkpointsOf(table)) });
    await give(job({}));
    const again = m.SEED_ANSWER.decode(await line.answer('SEED', request));
    expect(again.state).toBe(m.SEED_STATES.READY);
    expect(await line.eventOf('DONE')).toMatchObject({ reason: ev.DONE_REASONS.SEED });
    expect(await line.event()).toMatchObject({ event: 'SEED_READY', crc: ready.crc, ms: ready.ms });
    expect(await nakOf('SEED', m.SEED.encode({ epoch: 0, flags: 0, seed }))).toBe('RANGE 0');
    expect(await nakOf('JOB', job({ epoch: 3 }))).toBe(`WRONG_EPOCH ${EPOCH}`);
  });

  it('is sent the checkpoints where it cannot derive them', async () => {
    await start('--no-derive');
    expect(await nakOf('JOB', job({}))).toBe('NO_SEED 0');
    expect(await nakOf('SELFTEST', Uint8Array.of(0, 0, 0, 0, 1, 0, 5, 0))).toBe('RANGE 0');
    const request = m.SEED.encode({ epoch: EPOCH, flags: 0, seed });
    const answer = m.SEED_ANSWER.decode(await line.answer('SEED', request));
    expect(answer.state).toBe(m.SEED_STATES.SEND_CHECKPOINTS);
    expect((await status()).state).toBe(m.STATES.WAITING_FOR_CHECKPOINTS);
    expect(await nakOf('SELFTEST', Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0))).toMatch(/^BUSY \d+$/);
    expect(await nakOf('JOB', job({}))).toBe('NO_SEED 0');
    const all = checkpointsOf(table);
    const piece = (index: number, n: number): Uint8Array =>
      m.CKPT.encode({
        epoch: EPOCH,
        index,
        n,
        checkpoints: all.subarray(index * 128, (index + n) * 128),
      });
    expect(await nakOf('CKPT', piece(0, 2).subarray(0, -1))).toBe('BAD_LEN 264');
    const beyond = piece(0, 2);
    beyond[4] = 127;
    expect(await nakOf('CKPT', beyond)).toBe('RANGE 5');
    // From the end, and one of them twice.
    expect(m.CKPT_ANSWER.decode(await line.answer('CKPT', piece(126, 2))).received).toBe(2);
    for (let index = 119; index >= 0; index -= 7) await line.answer('CKPT', piece(index, 7));
    const ready = await line.eventOf('SEED_READY');
    expect(ready.crc).toBe(checkpointsCrc(all));
    expect(await nakOf('CKPT', piece(0, 1))).toMatch(/^BUSY \d+$/);
    await line.answer('ROWS', rows());
    const data = await line.eventOf('ROWDATA');
    expect(bytesToHex(data.rows)).toBe(bytesToHex(summedRows(found.headerHash, table, 253, 3)));
  });
});

describe('jobs', () => {
  it('finds the nonce of block 123, and the target is the highest hash that is a share', async () => {
    await startWithSeed();
    const nonceStart = header.nonce - 1n;
    await give(job({ nonceStart, count: 2, target: foundPow }));
    const share = await line.eventOf('SHARE');
    expect(share).toMatchObject({ epoch: EPOCH, jobId: 1, index: 0, nonce: header.nonce });
    expect(bytesToHex(share.digest)).toBe(found.powHash);
    const done = await line.eventOf('DONE');
    expect(done).toMatchObject({ reason: ev.DONE_REASONS.COMPLETE, shares: 1, hashes: 2 });
    expect(done.nextNonce).toBe(header.nonce + 1n);
    expect(bytesToHex(done.digest)).toBe(found.powHash);

    const below = foundPow.slice();
    below[0]!--;
    const flags = m.JOB_FLAGS.UPDATE | m.JOB_FLAGS.HEADER_HASH;
    await give(job({ flags, count: 1, target: below, preimage: found.headerHash }));
    const missed = await line.eventOf('DONE');
    expect(missed).toMatchObject({ reason: ev.DONE_REASONS.COMPLETE, shares: 0, nextNonce: 6n });
    expect(bytesToHex(missed.digest)).toBe(found.powHash);
    expect((await status()).hashes).toBe(3);
  });

  it('hashes up to the last nonce, with each a share of an easy target', async () => {
    await startWithSeed();
    await give(job({ nonceStart: 2n ** 64n - 2n, count: 2, target: EASY }));
    for (const index of [0, 1]) {
      const nonce = 2n ** 64n - 2n + BigInt(index);
      expect(await line.eventOf('SHARE')).toMatchObject({ index, nonce });
    }
    expect(await line.eventOf('DONE')).toMatchObject({ shares: 2, nextNonce: 0n });
    expect(await nakOf('JOB', job({ nonceStart: 2n ** 64n - 2n, count: 3 }))).toBe('RANGE 16');
  });

  it('tells how far it is, with the hash of the last nonce', async () => {
    await startWithSeed();
    await give(job({ nonceStart: header.nonce, count: 1000 }));
    // After its first hash, and then four times a second.
    const first = await line.eventOf('PROGRESS');
    const nextNonce = header.nonce + 1n;
    const reason = ev.DONE_REASONS.RUNNING;
    expect(first).toMatchObject({
      epoch: EPOCH,
      jobId: 1,
      shares: 0,
      reason,
      nextNonce,
      hashes: 1,
    });
    expect(bytesToHex(first.digest)).toBe(found.powHash);
    expect((await line.eventOf('PROGRESS')).nextNonce).toBeGreaterThan(nextNonce);
    await line.answer('ABORT', abort(m.ALL_JOBS));
  });

  it('replaces, queues, is busy, and ends what it is told to', async () => {
    await startWithSeed();
    const row = await give(job({ jobId: 1 }));
    expect([row, await give(update(2))]).toEqual([0, 1]);
    expect(await nakOf('JOB', update(3))).toMatch(/^BUSY [1-9]\d*$/);
    expect(await give(job({ jobId: 4 }))).toBe(0);
    for (const jobId of [1, 2]) {
      expect(await line.eventOf('DONE')).toMatchObject({ jobId, reason: ev.DONE_REASONS.REPLACED });
    }
    await give(update(5));
    await statusWhen(({ jobId, product }) => jobId === 4 && product > 0);
    expect(m.ABORT_ANSWER.decode(await line.answer('ABORT', abort(9))).count).toBe(0);
    expect(m.ABORT_ANSWER.decode(await line.answer('ABORT', abort(4))).count).toBe(1);
    const done = await line.eventOf('DONE');
    expect(done).toMatchObject({ jobId: 4, reason: ev.DONE_REASONS.ABORTED });
    expect(done.nextNonce).toBe(5n + BigInt(done.hashes));
    expect(await statusWhen(({ product }) => product > 0)).toMatchObject({ jobId: 5, waiting: 0 });
    expect(m.ABORT_ANSWER.decode(await line.answer('ABORT', abort(m.ALL_JOBS))).count).toBe(1);
    expect(await line.eventOf('DONE')).toMatchObject({ jobId: 5, reason: ev.DONE_REASONS.ABORTED });
    expect(await status()).toMatchObject({ state: m.STATES.IDLE, jobId: m.ALL_JOBS });
  });

  it.each<[string, Partial<m.JobRequest>]>([
    ['RANGE 4', { jobId: m.ALL_JOBS }],
    ['RANGE 6', { flags: 0 }],
    ['RANGE 6', { flags: 3 }],
    ['RANGE 8', { nonceOffset: 129 }],
    ['RANGE 10', { preimage: new Uint8Array(257) }],
    ['RANGE 10', { flags: 5, count: 1 }],
    ['RANGE 12', { count: 0 }],
    ['RANGE 12', { flags: 5, preimage: new Uint8Array(32) }],
  ])('refuses with %s a job of %o', async (nak, fields) => {
    await startWithSeed();
    expect(await nakOf('JOB', job(fields))).toBe(nak);
    expect((await status()).state).toBe(m.STATES.IDLE);
  });

  it('makes rows while a job waits, and goes on with it', async () => {
    await startWithSeed();
    await give(job({}));
    await statusWhen(({ product }) => product > 2);
    line.send(concatBytes(line.bytes('ROWS', rows()), line.bytes('ROWS', rows({ jobId: 41 }))));
    expect((await line.reply()).nak).toBeUndefined();
    expect((await line.reply()).nak).toMatch(/^BUSY \d+$/);
    const data = await line.eventOf('ROWDATA');
    expect(data).toMatchObject({ epoch: EPOCH, jobId: 40, row0: 253, n: 3 });
    expect(bytesToHex(data.rows)).toBe(bytesToHex(summedRows(found.headerHash, table, 253, 3)));
    expect(await status()).toMatchObject({ state: m.STATES.HASHING, jobId: 1 });

    line.send(concatBytes(line.bytes('ROWS', rows({ jobId: 42 })), line.bytes('ABORT', abort(42))));
    expect((await line.reply()).type).toBe(m.TYPES.ROWS | m.ANSWER);
    expect(m.ABORT_ANSWER.decode((await line.reply()).payload).count).toBe(0);
    expect(await nakOf('ROWS', rows({ row0: 254 }))).toBe('RANGE 7');
    await line.answer('ROWS', rows({ row0: 0, n: 1 }));
    expect(await line.eventOf('ROWDATA')).toMatchObject({ jobId: 40, row0: 0 });
  });
});

describe('the board', () => {
  it('throttles above the soft limit, ends its jobs above the hard one, with hysteresis', async () => {
    const file = join(build.directory, 'temperature');
    const heat = (celsius: string): Promise<m.StatusAnswer> => {
      writeFileSync(file, celsius);
      return statusWhen(({ temperature }) => temperature === Math.round(Number(celsius) * 10));
    };
    writeFileSync(file, '40');
    await startWithSeed('--temperature-file', file);
    await line.answer('SET', settings({ mask: 3, duty: 80, soft: 600, hard: 700 }));
    await give(job({}));
    expect((await heat('60.1')).duty).toBe(40);
    expect((await heat('55.1')).duty).toBe(40);
    expect((await heat('55')).duty).toBe(80);
    expect((await heat('70.5')).state).toBe(m.STATES.HOT);
    expect(await line.eventOf('DONE')).toMatchObject({ jobId: 1, reason: ev.DONE_REASONS.HOT });
    expect(await line.eventOf('FAULT')).toMatchObject({ fault: ev.FAULTS.HOT, temperature: 705 });
    expect(await nakOf('JOB', job({}))).toBe('HOT 705');
    expect(await nakOf('ROWS', rows())).toBe('HOT 705');
    expect(await nakOf('SELFTEST', Uint8Array.of(0, 0, 0, 0, 1, 0, 5, 0))).toBe('HOT 705');
    expect(await nakOf('SELFTEST', Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0))).toMatch(/^BUSY \d+$/);
    // A sensor that fails does not cool it.
    writeFileSync(file, 'none');
    const without = await statusWhen(({ temperature }) => temperature === m.NO_TEMPERATURE);
    expect(without).toMatchObject({ state: m.STATES.HOT, duty: 40 });
    expect((await heat('66')).state).toBe(m.STATES.HOT);
    await heat('65.5');
    expect(await nakOf('JOB', job({}))).toBe('HOT 655');
    await heat('64.9');
    expect(await give(job({}))).toBe(0);
    expect(await nakOf('SET', settings({ mask: 2, soft: 700, hard: 700 }))).toBe('RANGE 4');
  });

  it('rests by its duty and listens meanwhile', async () => {
    await startWithSeed();
    expect((await status()).temperature).toBe(m.NO_TEMPERATURE);
    expect(await nakOf('SET', settings({ mask: 1 }))).toBe('RANGE 1');
    const answer = await line.answer('SET', settings({ mask: 5, duty: 1, identify: 1 }));
    expect(m.SET.decode(answer)).toMatchObject({ duty: 1, identify: 1 });
    await give(job({ count: 1 }));
    await statusWhen(({ product }) => product > 0);
    await line.answer('ROWS', rows());
    await line.eventOf('ROWDATA');
    // At full duty the rows of four slices take as long as several products.
    expect((await status()).product).toBeLessThan(8);
    await line.answer('SET', settings({ mask: 1, duty: 100 }));
    expect(await line.eventOf('DONE')).toMatchObject({
      reason: ev.DONE_REASONS.COMPLETE,
      hashes: 1,
    });
  });

  it('changes the rate, and goes back if nothing comes at the new one', async () => {
    await start('--bauds');
    const baud = (rate: number, fallbackMs: number): Uint8Array =>
      m.BAUD.encode({ rate, fallbackMs });
    expect(await nakOf('BAUD', baud(1200, 300))).toBe('RANGE 0');
    await line.answer('BAUD', baud(460_800, 50));
    await board.printed('rate 460800');
    await board.printed('rate 115200');
    // The same request once more: its answer may have been lost.
    const { seq } = line;
    const again = await line.ask('BAUD', baud(460_800, 60_000), { seq, flags: 1 });
    expect(again).toMatchObject({ seq, nak: undefined });
    await board.printed('rate 460800', 2);
    expect(await line.answer('PING', NONE)).toHaveLength(0);
    // Kept now: a repetition gets its answer and changes nothing, and a restart goes back.
    await line.answer('REBOOT', new Uint8Array(4));
    await board.printed('rate 115200', 2);
    expect(await line.answer('BAUD', baud(115_200, 50))).toHaveLength(8);
  });

  it('shows what its kernel makes of a self-test', async () => {
    await startWithSeed();
    const selftest = async (kind: number, data: Uint8Array): Promise<Uint8Array> => {
      const answer = await line.answer('SELFTEST', m.SELFTEST.encode({ kind, data }));
      return m.SELFTEST.decode(answer).data;
    };
    const ofAll = (a: number, b: number): Uint8Array => {
      const data = new Int8Array(512).fill(a, 0, 256).fill(b, 256);
      return new Uint8Array(data.buffer);
    };
    for (const [a, b] of [
      [-128, -128],
      [-128, 127],
      [127, 127],
    ] as const) {
      const value = new DataView((await selftest(1, ofAll(a, b))).buffer).getUint16(0, true);
      expect(value, `${a} · ${b}`).toBe((256 * a * b) & 0xffff);
    }
    const sum = new Uint8Array(65_536);
    let x = 0x1234_5678;
    for (let i = 0; i < sum.length; i++) {
      sum[i] = x;
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    const finished = await selftest(2, Uint8Array.of(0x78, 0x56, 0x34, 0x12));
    expect(bytesToHex(finished)).toBe(bytesToHex(finishHash(sum)));
    expect(bytesToHex(await selftest(3, preimage))).toBe(bytesToHex(sha3(preimage)));
    expect(await nakOf('SELFTEST', Uint8Array.of(4, 0, 0, 0))).toBe('RANGE 0');
    // What stands behind is ignored.
    const more = Uint8Array.of(0x78, 0x56, 0x34, 0x12, 9, 9);
    expect(bytesToHex(await selftest(2, more))).toBe(bytesToHex(finishHash(sum)));
    const longer = concatBytes(ofAll(127, 127), Uint8Array.of(1));
    expect(bytesToHex(await selftest(1, longer))).toBe('00010000');

    await give(job({}));
    await selftest(0, Uint8Array.of(3, 0, 200, 0, 7));
    expect(await line.eventOf('DONE')).toMatchObject({ reason: ev.DONE_REASONS.SEED });
    const golden = await line.eventOf('ROWDATA');
    expect(golden).toMatchObject({ epoch: m.GOLDEN_EPOCH, jobId: 3, row0: 200 });
    const zeros = new Uint8Array(32);
    const expected = summedRows(zeros, buildMatrixTable(zeros), 200, 1);
    expect(bytesToHex(golden.rows)).toBe(bytesToHex(expected));
    expect(await status()).toMatchObject({ state: m.STATES.IDLE, epoch: 0 });
  });

  it('starts anew, goes on after a disconnect, and takes its socket away', async () => {
    await startWithSeed();
    expect(await nakOf('REBOOT', Uint8Array.of(1, 0, 0, 0))).toBe('RANGE 0');
    await line.answer('REBOOT', new Uint8Array(4));
    const started = await line.event();
    expect(started).toMatchObject({ event: 'FAULT', fault: ev.FAULTS.STARTED, seq: 0 });
    expect(await status()).toMatchObject({ epoch: 0, restarts: 1 });
    await line.answer('SEED', m.SEED.encode({ epoch: EPOCH, flags: 0, seed }));
    await line.eventOf('SEED_READY');
    line.send(line.bytes('PING', NONE).subarray(0, 5));
    await line.close();
    line = await board.line();
    await line.answer('HELLO', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    expect(await status()).toMatchObject({ epoch: EPOCH, otherErrors: 1 });
    expect(await board.stop()).toBe(0);
    expect(board.hasSocket).toBe(false);
  });

  it('refuses arguments that it does not know, and a path that is taken', async () => {
    await start();
    const [status, words] = build.fails('board-native', board.path);
    expect([status, words]).toEqual([1, `board-native: ${board.path}: Address already in use\n`]);
    expect((await line.answer('PING', Uint8Array.of(1)))[0]).toBe(1);
    const file = join(build.directory, 'taken');
    writeFileSync(file, 'kept');
    expect(build.fails('board-native', file)[0]).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('kept');
    for (const args of [[], ['--uid', '00'], ['a', 'b'], ['--what'], ['a', '--uid']]) {
      expect(build.fails('board-native', ...args), args.join(' ')).toEqual([
        2,
        expect.stringContaining('usage: board-native <socket>'),
      ]);
    }
  });
});
