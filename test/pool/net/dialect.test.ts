import { describe, expect, it } from 'vitest';
import type { Job } from '../../../pool/client.ts';
import { BtmDialect } from '../../../pool/net/btm-dialect.ts';
import type { Dialect } from '../../../pool/net/dialect.ts';
import { V1Dialect } from '../../../pool/net/v1-dialect.ts';
import { decodeTarget, encodeJob, encodeTarget } from '../../../src/stratum/job.ts';
import { decodeRequest } from '../../../src/stratum/messages.ts';
import { encodeNotify } from '../../../src/stratum/v1-messages.ts';
import { difficultyToTarget } from '../../../src/tensority/target.ts';
import { parseMessage } from '../../../src/util/json-fields.ts';
import { templateNumber } from '../../support/fake-pool.ts';
import { seededRandom } from '../../support/random.ts';

function jobOf(
  dialect: Dialect,
  index: number,
  difficulty: bigint,
  changes: Partial<Job> = {},
): Job {
  return {
    id: '1764385000000001',
    template: templateNumber(index),
    difficulty,
    target: dialect.targetFor(difficulty),
    startNonce: (3n << 60n) | (BigInt(index) << 45n),
    isClean: true,
    ...changes,
  };
}

function asStratumJob({ id, template, startNonce, target, isClean }: Job) {
  const { header, seed } = template;
  return { ...header, jobId: id, seed, target, nonce: startNonce, clean: isClean };
}

describe('the Bytom dialect', () => {
  it('writes a job as the one encoder of jobs does, for every template, target and range', () => {
    const random = seededRandom(1);
    const dialect = new BtmDialect();
    for (let i = 0; i < 300; i++) {
      const difficulty = BigInt(Math.floor(2 ** (random() * 50)));
      const startNonce = BigInt(Math.floor(random() * 2 ** 53)) << 9n;
      const job = jobOf(dialect, i % 8, difficulty, { startNonce, isClean: random() < 0.5 });
      const params = encodeJob(asStratumJob(job));
      const line = JSON.stringify({ jsonrpc: '2.0', method: 'job', params });
      expect(dialect.job(job)).toEqual([`${line}\n`]);
      const result = { id: 'alice.ré"1', job: params, status: 'OK' };
      const reply = JSON.stringify({ id: 'é"', jsonrpc: '2.0', result, error: null });
      expect(dialect.loggedIn('é"', 'alice.ré"1', job)).toEqual([`${reply}\n`]);
    }
  });

  it('says targets that it compares with: never easier than the difficulty', () => {
    const dialect = new BtmDialect();
    for (const difficulty of [1n, 2n, 257n, 1024n, 100_001n, 1n << 40n, (1n << 70n) + 1n]) {
      const target = dialect.targetFor(difficulty);
      expect(target).toBe(decodeTarget(encodeTarget(difficultyToTarget(difficulty)), 'target'));
      expect(target <= difficultyToTarget(difficulty)).toBe(true);
    }
  });

  it('keeps a login reply of the longest name within 1,024 bytes', () => {
    const dialect = new BtmDialect();
    const name = (text: string) =>
      dialect.decode(
        decodeRequest(parseMessage(JSON.stringify({ method: 'login', params: { login: text } }))),
      );
    const longest = 'é'.repeat(128);
    expect(name(longest).kind).toBe('login');
    expect(name(`${longest}.`)).toMatchObject({ kind: 'refused', reason: 'bad-login' });
    expect(name('"'.repeat(129))).toMatchObject({ kind: 'refused', reason: 'bad-login' });
    const job = jobOf(dialect, 0, 1n << 60n, { id: '9007199254740991' });
    const [line = ''] = dialect.loggedIn('0123456789abcdef', longest, job);
    expect(Buffer.byteLength(line)).toBeLessThan(1024);
  });
});

describe('the generic envelope', () => {
  it('tells a difficulty before the first job that it holds for, and only then', () => {
    const dialect = new V1Dialect();
    const first = jobOf(dialect, 0, 1024n);
    dialect.subscribed(1, first.startNonce);
    const methods = (lines: readonly string[]): unknown[] =>
      lines.map((line) => (JSON.parse(line) as { method?: unknown }).method);
    expect(methods(dialect.loggedIn(2, 'a', first))).toEqual([
      undefined,
      'mining.set_difficulty',
      'mining.notify',
    ]);
    const second = { ...first, isClean: false, template: templateNumber(1) };
    expect(dialect.job(second)).toEqual([encodeNotify(asStratumJob(second))]);
    const harder = { ...second, difficulty: 2048n };
    expect(methods(dialect.job(harder))).toEqual(['mining.set_difficulty', 'mining.notify']);
    const moved = { ...harder, startNonce: 7n << 45n };
    expect(methods(dialect.job(moved))).toEqual(['mining.set_extranonce', 'mining.notify']);
    expect(dialect.targetFor(3n)).toBe((1n << 256n) / 3n);
  });
});
