import { describe, expect, it } from 'vitest';
import { createSilentMeter, type PoolMeter } from '../../../pool/meter.ts';
import { BLOCK_FLAG, decodeHeader, encodeHeader } from '../../../src/chain/header.ts';
import { difficultyToTarget, meetsTarget, targetToWork } from '../../../src/tensority/target.ts';
import { bytesToHex, concatBytes } from '../../../src/util/bytes.ts';
import { u256ToBytes } from '../../../src/util/u256.ts';
import { settle } from '../../support/fake-clock.ts';
import {
  EPOCH_MS,
  findNonce,
  logIn,
  makeTemplate,
  noVerdict,
  sha3Rule,
  shareId,
  startDesk,
  submitOf,
  TestClient,
} from './desk-rig.ts';

const EASY = { startDifficulty: 4n, minDifficulty: 1n } as const;
const accepted = { accepted: true };
const refused = (reason: string): object => ({ accepted: false, reason });

describe('Submissions', () => {
  it('writes a valid share down, then acknowledges it, with the difficulty of its job', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    rig.sink.isHolding = true;
    let answer: unknown;
    void rig.desk.submit(miner.session, submitOf(miner, job, nonce)).then((outcome) => {
      answer = outcome;
    });
    await settle();
    expect(answer).toBeUndefined();
    rig.sink.release();
    await settle();
    expect(answer).toEqual(accepted);
    const id = shareId(job, nonce);
    expect(rig.sink.records).toEqual([
      {
        id,
        timeMs: EPOCH_MS,
        account: 'alice',
        worker: 'rig1',
        difficulty: 4n,
        height: 1000,
        bits: job.template.header.bits,
        powHash: sha3Rule(id, job.template.seed),
        isVerified: true,
        isLate: false,
        isBlock: false,
      },
    ]);
    expect(rig.desk.status()).toMatchObject({ lastShareAt: EPOCH_MS, pendingShares: 0 });
    await rig.desk.close();
  });

  it('refuses in the order of the checks, cheap ones first', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    const old = miner.job;
    rig.feed.set(makeTemplate({ height: 1001 }));
    const { job } = miner;
    const start = job.startNonce;
    await rig.clock.advance(2001);
    const cases: readonly [string, Parameters<typeof submitOf>[3], object][] = [
      ['another id', { workerId: 'bob.rig1', jobId: 'x' }, refused('unauthorized')],
      ['no number', { jobId: 'x1', nonce: 1n << 62n }, refused('bad-submit')],
      ['empty', { jobId: '' }, refused('bad-submit')],
      ['2^64', { jobId: '18446744073709551616' }, refused('bad-submit')],
      ['unknown', { jobId: '18446744073709551615', nonce: 1n << 62n }, refused('job-not-found')],
      ['out of range', { jobId: old.id, nonce: 1n << 62n }, refused('out-of-range')],
      ['bit 63', { nonce: (1n << 63n) | start }, refused('out-of-range')],
      ['old parent', { jobId: old.id }, refused('stale')],
    ];
    for (const [name, changes, expected] of cases) {
      const outcome = await rig.desk.submit(miner.session, submitOf(miner, job, start, changes));
      expect(outcome, name).toMatchObject(expected);
    }
    expect(rig.verification.claims).toEqual([]);
    expect(rig.sink.records).toEqual([]);
    await rig.desk.close();
  });

  it('takes leading zeros of a job id, and closes on a foreign worker id', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const zeros = submitOf(miner, job, nonce, { jobId: `000${job.id}` });
    expect(await rig.desk.submit(miner.session, zeros)).toEqual(accepted);
    const foreign = submitOf(miner, job, nonce, { workerId: 'alice' });
    expect(await rig.desk.submit(miner.session, foreign)).toMatchObject({ close: 'unauthorized' });
    await rig.desk.close();
  });

  it('counts a share once: not while it is on its way, nor after, nor under another login', async () => {
    const rig = startDesk({ ...EASY, graceMs: 1e9 });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const submit = submitOf(miner, job, nonce);
    rig.verification.isHolding = true;
    const first = rig.desk.submit(miner.session, submit);
    expect(await rig.desk.submit(miner.session, submit)).toMatchObject(refused('duplicate'));
    rig.verification.isHolding = false;
    rig.verification.release();
    expect(await first).toEqual(accepted);
    expect(await rig.desk.submit(miner.session, submit)).toMatchObject(refused('duplicate'));
    // The same header with a new job id, as after a change of difficulty.
    rig.feed.set(job.template, false);
    const again = submitOf(miner, miner.job, nonce);
    expect(await rig.desk.submit(miner.session, again)).toMatchObject(refused('duplicate'));
    expect(rig.sink.records.length).toBe(1);
    expect(rig.verification.claims.length).toBe(1);
    await rig.desk.close();
  });

  it('takes 8 digits for the low half where they are no nonce of the range', async () => {
    const rig = startDesk({ ...EASY, serverId: 3 });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const low = nonce - job.startNonce;
    const short = submitOf(miner, job, low, { nonceDigits: 8 });
    const long = submitOf(miner, job, low, { nonceDigits: 9 });
    expect(await rig.desk.submit(miner.session, long)).toMatchObject(refused('out-of-range'));
    expect(await rig.desk.submit(miner.session, short)).toEqual(accepted);
    expect(rig.sink.records[0]?.id).toEqual(shareId(job, nonce));
    await rig.desk.close();
  });

  it('lets shares of the job before count within the grace, as late, and not after it', async () => {
    const counted: string[] = [];
    const meter: PoolMeter = {
      ...createSilentMeter(),
      share: (result, difficulty) => counted.push(`${result} ${difficulty}`),
    };
    const rig = startDesk(EASY, { meter });
    const miner = logIn(rig);
    const old = miner.job;
    const good = (hash: Uint8Array): boolean => meetsTarget(hash, old.target);
    const first = findNonce(old, good);
    const second = findNonce(old, good, first + 1n);
    rig.feed.set(makeTemplate({ height: 1001 }));
    await rig.clock.advance(2000);
    const late = await rig.desk.submit(miner.session, submitOf(miner, old, first));
    expect(late).toEqual(accepted);
    expect(rig.sink.records[0]).toMatchObject({ isLate: true, height: 1000 });
    await rig.clock.advance(1);
    const tooLate = await rig.desk.submit(miner.session, submitOf(miner, old, second));
    expect(tooLate).toMatchObject(refused('stale'));
    expect(counted).toEqual(['late 4', 'stale 4']);
    await rig.desk.close();
  });

  it('keeps jobs of the same parent good, and those of a parent that comes back', async () => {
    const rig = startDesk({ ...EASY, graceMs: 0 });
    const miner = logIn(rig);
    const old = miner.job;
    const good = (hash: Uint8Array): boolean => meetsTarget(hash, old.target);
    const first = findNonce(old, good);
    const second = findNonce(old, good, first + 1n);
    rig.feed.set(makeTemplate({ timestamp: 1_700_000_009 }), false);
    await rig.clock.advance(100_000);
    expect(await rig.desk.submit(miner.session, submitOf(miner, old, first))).toEqual(accepted);
    rig.feed.set(makeTemplate({ height: 1001 }));
    rig.feed.set(makeTemplate({ timestamp: 1_700_000_010 }));
    await rig.clock.advance(1);
    expect(await rig.desk.submit(miner.session, submitOf(miner, old, second))).toEqual(accepted);
    expect(rig.sink.records.map(({ isLate }) => isLate)).toEqual([false, false]);
    await rig.desk.close();
  });

  it('remembers eight jobs of a client, however old they are', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    for (let i = 1; i <= 8; i++) {
      await rig.clock.advance(61_000);
      rig.feed.set(makeTemplate({ timestamp: 1_700_000_000 + i }), false);
    }
    const [first, second] = miner.jobs;
    const nonce = findNonce(second!, (hash) => meetsTarget(hash, second!.target));
    const unknown = await rig.desk.submit(miner.session, submitOf(miner, first!, nonce));
    expect(unknown).toMatchObject(refused('job-not-found'));
    expect(await rig.desk.submit(miner.session, submitOf(miner, second!, nonce))).toEqual(accepted);
    await rig.desk.close();
  });

  it('computes a share whatever is claimed of it: a foreign result costs neither share nor block', async () => {
    const rig = startDesk(EASY, { template: makeTemplate({ target: difficultyToTarget(9n) }) });
    const miner = logIn(rig);
    const { job } = miner;
    const result = new Uint8Array(32).fill(0xff);
    const isBlock = (hash: Uint8Array): boolean => meetsTarget(hash, job.template.target);
    const share = findNonce(job, (hash) => meetsTarget(hash, job.target) && !isBlock(hash));
    const block = findNonce(job, isBlock);
    for (const nonce of [share, block]) {
      const submit = submitOf(miner, job, nonce, { result });
      expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    }
    expect(rig.verification.claims.map(({ claimed }) => claimed)).toEqual([result, result]);
    expect(rig.found.map(({ header }) => header.nonce)).toEqual([block]);
    expect(rig.sink.records.length).toBe(2);
    await rig.desk.close();
  });

  it('hands a block on before it is written, whole if the node told it, and once', async () => {
    const template = makeTemplate({ target: difficultyToTarget(4n) });
    const rest = Uint8Array.of(1, 2, 3);
    const rawBlock = concatBytes(encodeHeader(template.header, BLOCK_FLAG), rest);
    const rig = startDesk(
      { startDifficulty: 1n, minDifficulty: 1n },
      { template: { ...template, rawBlock } },
    );
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, template.target));
    rig.sink.failure = new Error('disk full');
    const submit = submitOf(miner, job, nonce);
    expect(await rig.desk.submit(miner.session, submit)).toEqual(refused('unavailable'));
    expect(rig.found.length).toBe(1);
    const block = rig.found[0]!;
    expect(block).toMatchObject({ account: 'alice', worker: 'rig1', node: 'node-a' });
    expect(block.header).toEqual({ ...template.header, nonce });
    expect(bytesToHex(block.hash)).toBe(bytesToHex(shareId(job, nonce)));
    const { header, flag, bytesRead } = decodeHeader(block.rawBlock!);
    expect({ header, flag }).toEqual({ header: block.header, flag: BLOCK_FLAG });
    expect(block.rawBlock!.subarray(bytesRead)).toEqual(rest);
    // Not acknowledged, so it may come again, and counts then; the block is known.
    rig.sink.failure = undefined;
    expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    expect(rig.sink.records[0]).toMatchObject({ isBlock: true, difficulty: 1n });
    expect(rig.found.length).toBe(1);
    await rig.desk.close();
  });

  it('keeps the share of a block that could not be handed on, and hands it on when it comes again', async () => {
    const rig = startDesk(EASY, { template: makeTemplate({ target: difficultyToTarget(4n) }) });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.template.target));
    rig.foundFailure = new Error('no room');
    rig.sink.failure = new Error('disk full');
    const submit = submitOf(miner, job, nonce);
    expect(await rig.desk.submit(miner.session, submit)).toEqual(refused('unavailable'));
    expect(rig.log.of('block not handed on').length).toBe(1);
    rig.foundFailure = undefined;
    rig.sink.failure = undefined;
    expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    expect(rig.found.length).toBe(1);
    await rig.desk.close();
  });

  it('hands a late block on as well, and one of a client that is gone', async () => {
    const rig = startDesk(EASY, { template: makeTemplate({ target: difficultyToTarget(4n) }) });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.template.target));
    rig.feed.set(makeTemplate({ height: 1001 }));
    rig.verification.isHolding = true;
    const outcome = rig.desk.submit(miner.session, submitOf(miner, job, nonce));
    await settle();
    rig.desk.leave(miner.session);
    rig.verification.release();
    expect(await outcome).toEqual(accepted);
    expect(rig.found.length).toBe(1);
    expect(rig.sink.records[0]).toMatchObject({ isLate: true, isBlock: true });
    await rig.desk.close();
  });

  it('credits a block below the share target with the work of a block', async () => {
    const template = makeTemplate({ target: difficultyToTarget(4n) });
    const rig = startDesk({ startDifficulty: 1_050_000n, capsAtNetwork: false }, { template });
    const miner = logIn(rig);
    const { job } = miner;
    expect(job.difficulty).toBe(1_050_000n);
    const nonce = findNonce(job, (hash) => meetsTarget(hash, template.target));
    expect(await rig.desk.submit(miner.session, submitOf(miner, job, nonce))).toEqual(accepted);
    const { difficulty } = rig.sink.records[0]!;
    expect(difficulty).toBe(targetToWork(template.target));
    await rig.desk.close();
  });

  it('answers that a share is not counted where there is no verdict, and takes it again', async () => {
    const rig = startDesk({ ...EASY, banShares: 2 });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const submit = submitOf(miner, job, nonce);
    rig.verification.failure = noVerdict;
    for (let i = 0; i < 50; i++) {
      expect(await rig.desk.submit(miner.session, submit)).toEqual(refused('unavailable'));
    }
    // One line, not fifty; nobody's fault.
    expect(rig.log.of('shares cannot be verified').length).toBe(1);
    expect(rig.bans.keys).toEqual([]);
    rig.verification.failure = undefined;
    expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    expect(rig.sink.records.length).toBe(1);
    await rig.desk.close();
  });

  it('counts a share that was said to be a block as bad, once that is confirmed', async () => {
    const rig = startDesk(EASY);
    const miner = logIn(rig);
    const { job } = miner;
    let nonce = job.startNonce - 1n;
    const submitGood = async (value: bigint): Promise<void> => {
      nonce = findNonce(job, (hash) => meetsTarget(hash, job.target), nonce + 1n);
      const submit = submitOf(miner, job, nonce, { result: u256ToBytes(value) });
      expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    };
    const { target } = job.template;
    // Only suspected; and no false block, but only a false hash.
    for (let i = 0; i < 20; i++) await submitGood(target);
    rig.verification.verdict = { isLie: true, isConfirmed: true };
    for (let i = 0; i < 20; i++) await submitGood(target + 1n);
    for (let i = 0; i < 39; i++) await submitGood(target);
    expect(rig.bans.keys).toEqual([]);
    await submitGood(target);
    expect(rig.bans.keys.length).toBe(1);
    await rig.desk.close();
  });

  it('bans a worker of an address for bad shares, closes it at its next message, and nobody else', async () => {
    const rig = startDesk({ ...EASY, banShares: 10, banInvalidPart: 0.5, banMs: 600_000 });
    const miner = logIn(rig);
    const { job } = miner;
    let nonce = job.startNonce - 1n;
    for (let i = 0; i < 5; i++) {
      nonce = findNonce(job, (hash) => meetsTarget(hash, job.target), nonce + 1n);
      await rig.desk.submit(miner.session, submitOf(miner, job, nonce));
    }
    const duplicate = submitOf(miner, job, nonce);
    for (let i = 0; i < 4; i++) await rig.desk.submit(miner.session, duplicate);
    expect(rig.bans.keys).toEqual([]);
    expect(await rig.desk.submit(miner.session, duplicate)).toEqual(refused('duplicate'));
    expect(rig.bans.keys.length).toBe(1);
    const closed = { accepted: false, close: 'banned' };
    expect(await rig.desk.submit(miner.session, duplicate)).toMatchObject(closed);
    const again = rig.desk.login(new TestClient(), {
      login: 'alice.rig1',
      password: '',
      agent: '',
    });
    expect(again).toMatchObject({ ok: false, close: 'banned' });
    // The same name elsewhere, and a neighbour.
    logIn(rig, 'alice.rig1', { client: new TestClient('192.0.2.2') });
    logIn(rig, 'alice.rig2');
    await rig.clock.advance(600_001);
    logIn(rig, 'alice.rig1');
    expect(rig.log.of('worker banned').length).toBe(1);
    await rig.desk.close();
  });

  it('bans nobody for low shares that no independent hasher has confirmed', async () => {
    const rig = startDesk({ startDifficulty: 1n << 40n, banShares: 10 });
    const miner = logIn(rig);
    const { job } = miner;
    let nonce = job.startNonce;
    const submitLow = async (): Promise<void> => {
      const outcome = await rig.desk.submit(miner.session, submitOf(miner, job, nonce++));
      expect(outcome).toEqual(refused('low-difficulty'));
    };
    for (let i = 0; i < 30; i++) await submitLow();
    expect(rig.bans.keys).toEqual([]);
    rig.verification.verdict = { isConfirmed: true };
    await submitLow();
    expect(rig.bans.keys.length).toBe(1);
    await rig.desk.close();
  });

  it('bans for one lie where lies are banned, and counts the share if it is one', async () => {
    const rig = startDesk({ ...EASY, bansLies: true });
    const miner = logIn(rig);
    const { job } = miner;
    const nonce = findNonce(job, (hash) => meetsTarget(hash, job.target));
    rig.verification.verdict = { isLie: true, isConfirmed: true };
    const result = u256ToBytes(5n);
    const submit = submitOf(miner, job, nonce, { result });
    expect(await rig.desk.submit(miner.session, submit)).toEqual(accepted);
    expect(rig.bans.keys.length).toBe(1);
    await rig.desk.close();
  });

  it('makes clients wait while the verification is full, and calls their shares on time', async () => {
    const rig = startDesk(EASY);
    const miners = ['a.1', 'b.1', 'c.1'].map((login) => logIn(rig, login));
    rig.verification.isHolding = true;
    const outcomes = miners.slice(0, 2).map((miner) => {
      rig.verification.isFull = true;
      const nonce = findNonce(miner.job, (hash) => meetsTarget(hash, miner.job.target));
      return rig.desk.submit(miner.session, submitOf(miner, miner.job, nonce));
    });
    expect(miners.map(({ client }) => client.isPaused)).toEqual([true, true, false]);
    expect(rig.desk.status()).toMatchObject({ pausedClients: 2, pendingShares: 2 });
    // A new block comes while they may not speak.
    const { job, session } = miners[0]!;
    const first = findNonce(job, (hash) => meetsTarget(hash, job.target));
    const second = findNonce(job, (hash) => meetsTarget(hash, job.target), first + 1n);
    rig.feed.set(makeTemplate({ height: 1001 }));
    await rig.clock.advance(30_000);
    rig.verification.isFull = false;
    rig.verification.isHolding = false;
    rig.verification.release();
    expect(await Promise.all(outcomes)).toEqual([accepted, accepted]);
    await settle();
    expect(miners.map(({ client }) => client.isPaused)).toEqual([false, false, false]);
    await rig.clock.advance(1000);
    // Found before the new job came, sent as soon as it could be.
    expect(await rig.desk.submit(session, submitOf(miners[0]!, job, second))).toEqual(accepted);
    expect(rig.sink.records.at(-1)).toMatchObject({ isLate: true });
    await rig.desk.close();
  });

  it('lets all go on within seconds, although most have nothing to say, and not before there is room', async () => {
    const rig = startDesk({ startDifficulty: 1n, minDifficulty: 1n });
    const miners = Array.from({ length: 1000 }, (_, i) => logIn(rig, `a.${i}`));
    rig.verification.isFull = true;
    const submits = miners.map((miner) =>
      rig.desk.submit(miner.session, submitOf(miner, miner.job, miner.job.startNonce)),
    );
    await Promise.all(submits);
    await rig.clock.advance(5000);
    expect(rig.desk.status()).toMatchObject({ pausedClients: 1000, pendingShares: 0 });
    rig.verification.isFull = false;
    await rig.clock.advance(1000);
    expect(rig.desk.status().pausedClients).toBe(750);
    await rig.clock.advance(15_000);
    expect(miners.filter(({ client }) => client.isPaused)).toEqual([]);
    await rig.desk.close();
  });
});
