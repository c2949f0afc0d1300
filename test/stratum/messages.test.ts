import { describe, expect, it } from 'vitest';
import { decodeHeader, headerHash } from '../../src/chain/header.ts';
import { decodeJob, encodeJob, type StratumJob } from '../../src/stratum/job.ts';
import { JsonStream } from '../../src/stratum/json-stream.ts';
import {
  decodeLogin,
  decodeRequest,
  decodeServerMessage,
  decodeSubmit,
  encodeAccepted,
  encodeLogin,
  encodeRejected,
  encodeSubmit,
  splitLogin,
} from '../../src/stratum/messages.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { parseMessage } from '../../src/util/json-fields.ts';
import { JOB_PARAMS, jobParams } from '../support/stratum-server.ts';
import {
  constructedSessions,
  type RecordedMessage,
  recordedSessions,
  recordedTemplates,
} from '../support/stratum-sessions.ts';

const allSessions = [...recordedSessions, ...constructedSessions];

function textOf(message: RecordedMessage): string {
  return Buffer.from(message.bytes ?? []).toString('utf8');
}

/** The messages within what was sent in one go. */
function split(message: RecordedMessage): string[] {
  const stream = new JsonStream();
  return stream
    .push(message.bytes ?? new Uint8Array())
    .flatMap((event) => (event.kind === 'message' ? [event.text] : []));
}

describe('jobs', () => {
  it('decodes every job of the recorded sessions to the template behind it', () => {
    let jobs = 0;
    for (const session of allSessions) {
      for (const message of session.messages) {
        if (message.dir !== 'server' || message.bytes === undefined) continue;
        const decoded = decodeServerMessage(parseMessage(textOf(message)));
        const value = decoded.kind === 'other' ? undefined : decoded.job;
        if (value === undefined) continue;
        jobs++;
        const job = decodeJob(value);
        expect(encodeJob(job), session.name).toMatchObject({
          ...(value as Readonly<Record<string, JsonValue>>),
          // btc.com leaves out a zero byte; ours says the same in four.
          target: expect.any(String),
        });
        if (message.template === undefined) continue;
        const template = recordedTemplates.get(message.template);
        const { header } = decodeHeader(hexToBytes(template?.blockHeader ?? '', 'template'));
        expect({ ...headerOf(job), nonce: 0n }, session.name).toEqual({ ...header, nonce: 0n });
        expect(bytesToHex(job.seed)).toBe(template?.seed);
      }
    }
    expect(jobs).toBeGreaterThan(60);
  });

  it('hashes job and submitted nonce to the recorded header hash', () => {
    let checked = 0;
    for (const session of allSessions) {
      const jobs = new Map<string, StratumJob>();
      for (const message of session.messages) {
        if (message.bytes === undefined) continue;
        if (message.dir === 'server') {
          const decoded = decodeServerMessage(parseMessage(textOf(message)));
          if (decoded.kind !== 'other' && decoded.job !== undefined) {
            const job = decodeJob(decoded.job);
            jobs.set(job.jobId, job);
          }
        } else if (message.headerHash !== undefined) {
          const submit = decodeSubmit(decodeRequest(parseMessage(textOf(message))).params);
          const job = jobs.get(submit.jobId) ?? jobs.get(submit.jobId.replace(/^0+/, ''));
          if (job === undefined) continue;
          const hash = headerHash({ ...headerOf(job), nonce: submit.nonce });
          expect(bytesToHex(hash), `${session.name}, ${message.comment}`).toBe(message.headerHash);
          checked++;
        }
      }
    }
    expect(checked).toBeGreaterThan(10);
  });

  it('reads numbers little-endian and hashes as they stand', () => {
    const job = decodeJob({
      ...JOB_PARAMS,
      height: '2315000000000000',
      bits: '4690890000000021',
      nonce: '0000000000200030',
    });
    expect(job.height).toBe(5411);
    expect(job.bits).toBe(0x2100000000899046n);
    expect(job.nonce).toBe(0x3000200000000000n);
    expect(bytesToHex(job.previousBlockHash)).toBe(JOB_PARAMS.previous_block_hash);
    expect(bitsToTarget(job.bits) > 0n).toBe(true);
  });

  it('takes a job id as text or as a number of any size, and ignores members it does not know', () => {
    const id = (json: string): string =>
      decodeJob(
        parseExact(
          `${JSON.stringify({ ...JOB_PARAMS, extra: [1] }).slice(0, -1)},"job_id":${json}}`,
        ),
      ).jobId;
    expect(id('"0017"')).toBe('0017');
    expect(id('171567')).toBe('171567');
    expect(id('18446744073709551615')).toBe('18446744073709551615');
    expect(id('""')).toBe('');
  });

  it.each([
    ['bits', undefined, 'job.bits: expected a text, got nothing'],
    ['bits', null, 'job.bits: expected a text, got null'],
    ['bits', 12, 'job.bits: expected a text, got number 12'],
    ['bits', '0e3a0900', 'job.bits: expected 16 hex digits, got 8 characters "0e3a0900"'],
    ['height', '23150000000000zz', 'job.height: expected 16 hex digits, got "z" at position 14'],
    ['height', 'ffffffffffffffff', 'job.height: expected a little-endian number below 2^53'],
    ['seed', 'ab', 'job.seed: expected 64 hex digits, got 2 characters "ab"'],
    ['job_id', undefined, 'job.job_id: expected a text, got nothing'],
    ['job_id', 1.5, 'job.job_id: expected a text, got number 1.5'],
    ['target', '', 'job.target: expected 1 to 32 bytes of hex, got 0 characters'],
    ['target', '00000000', 'job.target: expected a target above zero'],
    ['target', 'abc', 'job.target: expected an even number of hex digits'],
    ['target', 'ff'.repeat(33), 'job.target: expected 1 to 32 bytes of hex, got 66 characters'],
    ['transactions_merkle_root', undefined, 'job.transactions_merkle_root: expected a text'],
  ])('names the member of a bad job: %s %j', (name, value, message) => {
    const params = jobParams({ [name]: value }) as JsonValue;
    expect(() => decodeJob(params)).toThrow(message);
  });

  it('says so if there is no job at all', () => {
    expect(() => decodeJob(undefined)).toThrow('job: expected an object, got nothing');
    expect(() => decodeJob(['a'])).toThrow('job: expected an object, got array ["a"]');
  });
});

describe('requests', () => {
  it('decodes and encodes again every well-formed request of the recorded sessions', () => {
    let logins = 0;
    let submits = 0;
    for (const session of allSessions) {
      for (const message of session.messages) {
        if (message.dir !== 'client' || session.name === 'two objects on a line') continue;
        for (const text of split(message)) {
          const request = attempt(() => decodeRequest(parseMessage(text)));
          if (request?.method === 'login') {
            const login = attempt(() => decodeLogin(request.params));
            if (login === undefined) continue;
            logins++;
            const again = decodeRequest(parseMessage(encodeLogin(request.id, login)));
            expect(decodeLogin(again.params), text).toEqual(login);
            expect(again.id, text).toEqual(request.id);
          } else if (request?.method === 'submit') {
            const submit = attempt(() => decodeSubmit(request.params));
            if (submit === undefined) continue;
            submits++;
            const again = decodeRequest(parseMessage(encodeSubmit(request.id, submit)));
            expect(decodeSubmit(again.params), text).toEqual(submit);
            expect(again, text).toMatchObject({ id: request.id, method: 'submit' });
          }
        }
      }
    }
    expect(logins).toBeGreaterThan(30);
    expect(submits).toBeGreaterThan(20);
  });

  it('writes the very bytes of a recorded submit, but for blanks and the order of members', () => {
    const line = encodeSubmit(3, {
      workerId: 'account.worker',
      jobId: '4171',
      nonce: 0x1bc000d41n,
      result: new Uint8Array(32).fill(0xab),
    });
    expect(line).toBe(
      `{"method":"submit","params":{"id":"account.worker","job_id":"4171","nonce":"00000001bc000d41","result":"${'ab'.repeat(32)}"},"id":3}\n`,
    );
  });

  it('refuses to write a nonce that does not fit 64 bits', () => {
    const submit = { workerId: 'a', jobId: '1' };
    expect(() => encodeSubmit(1, { ...submit, nonce: 1n << 64n })).toThrow(RangeError);
    expect(() => encodeSubmit(1, { ...submit, nonce: -1n })).toThrow(RangeError);
    expect(encodeSubmit(1, { ...submit, nonce: (1n << 64n) - 1n })).toContain('ffffffffffffffff');
  });

  it.each([
    [
      '{"method":"submit","params":{"id":"a","job_id":"1","nonce":5}}',
      'submit.nonce: expected a text',
    ],
    [
      '{"method":"submit","params":{"id":"a","job_id":"1","nonce":"0xA"}}',
      'submit.nonce: expected 1 to',
    ],
    [
      '{"method":"submit","params":{"id":"a","job_id":"1","nonce":"30000000000000001"}}',
      'submit.nonce',
    ],
    [
      '{"method":"submit","params":{"id":"a","nonce":"a"}}',
      'submit.job_id: expected a text, got nothing',
    ],
    [
      '{"method":"submit","params":{"job_id":"1","nonce":"a"}}',
      'submit.id: expected a text, got nothing',
    ],
    [
      '{"method":"submit","params":{"id":"a","job_id":"1","nonce":"a","result":"00"}}',
      'submit.result',
    ],
    ['{"method":"submit"}', 'submit: expected an object, got nothing'],
  ])('names what is wrong with a submit: %s', (text, message) => {
    expect(() => decodeSubmit(decodeRequest(parseMessage(text)).params)).toThrow(message);
  });

  it.each([
    ['{"method":"login","params":{"login":5}}', 'login.login: expected a text, got number 5'],
    ['{"method":"login","params":{"login":""}}', 'login.login: expected account.worker'],
    [
      '{"method":"login","params":{"login":"a","pass":1}}',
      'login.pass: expected a text, got number 1',
    ],
    ['{"method":"login","params":null}', 'login: expected an object, got null'],
    ['{"method":"login","params":["a"]}', 'login: expected an object, got array ["a"]'],
  ])('names what is wrong with a login: %s', (text, message) => {
    expect(() => decodeLogin(decodeRequest(parseMessage(text)).params)).toThrow(message);
  });

  it.each([
    ['[]', 'request: expected an object, got array []'],
    ['null', 'request: expected an object, got null'],
    ['{}', 'request.method: expected a text, got nothing'],
    ['{"method":5}', 'request.method: expected a text, got number 5'],
    ['{"method":', 'message: expected JSON, got {"method":'],
    ['{]', 'message: expected JSON, got {]'],
  ])('names what is wrong with a request: %s', (text, message) => {
    expect(() => decodeRequest(parseMessage(text))).toThrow(message);
  });

  it('calls brackets nested too deep for the parser bad JSON, not a crash', () => {
    const levels = 200_000;
    expect(() => parseMessage('['.repeat(levels) + ']'.repeat(levels))).toThrow(
      'message: expected JSON',
    );
  });

  it('splits logins at the first dot', () => {
    expect(splitLogin('alice.rig1')).toEqual({ account: 'alice', worker: 'rig1' });
    expect(splitLogin('dave.a.b')).toEqual({ account: 'dave', worker: 'a.b' });
    expect(splitLogin('dave')).toEqual({ account: 'dave', worker: '0' });
  });
});

describe('messages of a server', () => {
  const reply = (text: string): unknown => decodeServerMessage(parseMessage(text));

  it.each([
    ['{"id":2,"jsonrpc":"2.0","result":{"status":"OK"},"error":null}', { accepted: true }],
    ['{"id":2,"result":true}', { accepted: true }],
    ['{"id":2,"result":true,"error":null}', { accepted: true }],
    [
      '{"id":2,"result":null,"error":{"code":23,"message":"Low Difficulty Share"}}',
      { accepted: false, code: 23, message: 'Low Difficulty Share' },
    ],
    [
      '{"id":2,"result":null,"error":[22,"Duplicate share",null]}',
      { accepted: false, code: 22, message: 'Duplicate share' },
    ],
    [
      '{"id":2,"result":{"status":"OK"},"error":[]}',
      { accepted: false, message: 'error array []' },
    ],
    ['{"id":2,"result":true,"error":{}}', { accepted: false, message: 'error object {}' }],
    ['{"id":2,"result":null,"error":"stale"}', { accepted: false, message: 'stale' }],
    ['{"id":2,"result":{"status":"STALE"}}', { accepted: false, message: 'STALE' }],
    [
      '{"id":2,"result":false,"error":null}',
      { accepted: false, message: 'result boolean false without status "OK"' },
    ],
    [
      '{"id":2,"result":null,"error":null}',
      { accepted: false, message: 'result null without status "OK"' },
    ],
  ])('takes only the absence of an error, with OK or true, as acceptance: %s', (text, verdict) => {
    expect(reply(text)).toMatchObject({ kind: 'reply', id: 2, verdict });
  });

  it('reads both answers of btc.com to a login', () => {
    const messages = constructedSessions[0]?.messages ?? [];
    expect(reply(textOf(messages[1]!))).toEqual({
      kind: 'reply',
      id: 1,
      verdict: { accepted: true },
    });
    expect(reply(textOf(messages[2]!))).toMatchObject({
      kind: 'reply',
      id: 1,
      verdict: { accepted: true },
      workerId: 'alice.rig1',
      job: { job_id: '1' },
    });
  });

  it('tells unknown methods and shapes from replies', () => {
    expect(reply('{"method":"mining.notify","params":[]}')).toEqual({
      kind: 'other',
      method: 'mining.notify',
    });
    expect(() => reply('{"id":1}')).toThrow('message: expected a method, a result or an error');
    expect(() => reply('[1]')).toThrow('message: expected an object, got array [1]');
  });

  it('does not take inherited members for members of the message', () => {
    expect(() => reply('{"__proto__":{"method":"job"}}')).toThrow('message: expected a method');
  });

  it('writes what it reads', () => {
    expect(encodeAccepted('five')).toBe(
      '{"id":"five","jsonrpc":"2.0","result":{"status":"OK"},"error":null}\n',
    );
    expect(encodeRejected(4, 'low-difficulty')).toBe(
      '{"id":4,"jsonrpc":"2.0","result":null,"error":{"code":23,"message":"Low Difficulty Share"}}\n',
    );
  });
});

function headerOf(job: StratumJob) {
  const { version, height, previousBlockHash, timestamp, nonce, bits } = job;
  const { transactionsMerkleRoot, transactionStatusHash } = job;
  return {
    version,
    height,
    previousBlockHash,
    timestamp,
    transactionsMerkleRoot,
    transactionStatusHash,
    nonce,
    bits,
  };
}

/** The value, or undefined if the input is one of the malformed ones. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
