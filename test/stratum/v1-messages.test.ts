import { describe, expect, it } from 'vitest';
import { headerHash } from '../../src/chain/header.ts';
import type { StratumJob } from '../../src/stratum/job.ts';
import {
  decodeAuthorize,
  decodeNotify,
  decodeSubscribe,
  decodeSuggestDifficulty,
  decodeV1Submit,
  encodeNotify,
  encodeResult,
  encodeSetDifficulty,
  encodeSetExtranonce,
  encodeSubscribed,
  encodeV1Rejected,
} from '../../src/stratum/v1-messages.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { templateNumber } from '../support/fake-pool.ts';

const START = (3n << 60n) | (5n << 45n);

describe('requests', () => {
  it('read what a client is', () => {
    expect(decodeSubscribe(undefined)).toBeUndefined();
    expect(decodeSubscribe([])).toBeUndefined();
    expect(decodeSubscribe({})).toBeUndefined();
    expect(decodeSubscribe(['cgminer/4.1', 'session'])).toBe('cgminer/4.1');
    expect(decodeAuthorize(['a.b', 'd=5'])).toEqual({ login: 'a.b', pass: 'd=5' });
    expect(decodeAuthorize(['a.b'])).toEqual({ login: 'a.b' });
    expect(decodeSuggestDifficulty([1024.5])).toBe(1024.5);
    expect(decodeSuggestDifficulty(parseExact('[18446744073709551616]'))).toBe(2 ** 64);
  });

  it("puts the pool's part of the nonce before the client's", () => {
    const params = ['a.b', '17', 'fe', '4fef006b00000000', '89abcdef'];
    const submit = { workerId: 'a.b', jobId: '17', nonceDigits: 16 };
    const nonce = START | 0xfe89abcdefn;
    expect(decodeV1Submit(params, START)).toEqual({ ...submit, nonce });
    const claim = 'ab'.repeat(32);
    const result = new Uint8Array(32).fill(0xab);
    expect(decodeV1Submit([...params, claim], START)).toEqual({ ...submit, nonce, result });
    expect(decodeV1Submit([...params, 'ab'], START)).toEqual({ ...submit, nonce });
    const whole = ['a.b', '17', nonce.toString(16)];
    expect(decodeV1Submit(whole, START)).toEqual({ ...submit, nonce });
    expect(decodeV1Submit([...whole, claim], START)).toEqual({ ...submit, nonce, result });
    // Outside of its range: the pool's business.
    expect(decodeV1Submit(['a', '1', 'f'.repeat(16)], START).nonce).toBe((1n << 64n) - 1n);
  });

  it.each<[string, () => unknown, string]>([
    ['subscribe', () => decodeSubscribe('x'), 'subscribe: expected an array, got string "x"'],
    ['subscribe', () => decodeSubscribe([5]), 'subscribe.agent: expected a text, got number 5'],
    ['authorize', () => decodeAuthorize(undefined), 'authorize: expected an array, got nothing'],
    ['authorize', () => decodeAuthorize([]), 'authorize.login: expected a text, got nothing'],
    ['authorize', () => decodeAuthorize(['']), 'authorize.login: expected account.worker'],
    ['authorize', () => decodeAuthorize(['a', 5]), 'authorize.password: expected a text'],
    ['suggestion', () => decodeSuggestDifficulty([0]), 'difficulty: expected a number above 0'],
    ['suggestion', () => decodeSuggestDifficulty(['1']), 'expected a number above 0, got string'],
    ['suggestion', () => decodeSuggestDifficulty(parseExact('[1e999]')), 'a number above 0'],
    ['submit', () => submit(['a', '1']), 'submit.nonce: expected a text, got nothing'],
    ['submit', () => submit(['a', '1', '14']), 'submit.nonce: expected 16 hex digits, got "14"'],
    [
      'submit',
      () => submit(['a', '1', '1', '2', '3']),
      'submit.extranonce2: expected 2 hex digits',
    ],
    ['submit', () => submit(['a', '1', '0x', '2', '0']), 'submit.extranonce2: expected 2 hex'],
    ['submit', () => submit(['a', '1', '00', '2', '3']), 'submit.nonce: expected 8 hex digits'],
    ['submit', () => submit(['a', '1', '00', 2, '00000000']), 'submit.timestamp: expected a text'],
    ['submit', () => submit(['a', 1, '00', '2', '00000000']), 'submit.job_id: expected a text'],
    ['submit', () => submit([null, '1']), 'submit.login: expected a text, got null'],
  ])('names what is wrong with a %s', (_, read, message) => {
    expect(read).toThrow(message);
  });
});

function submit(params: JsonValue): unknown {
  return decodeV1Submit(params, START);
}

describe('messages of a server', () => {
  it('are these bytes', () => {
    expect(encodeSubscribed(1, '3000a0', START)).toBe(
      '{"id":1,"result":[[["mining.set_difficulty","3000a0"],["mining.notify","3000a0"]],"3000a0",1],"error":null}\n',
    );
    expect(encodeSubscribed('s', '1', 1n << 45n)).toContain('],"000020",1]');
    expect(encodeResult(2, true)).toBe('{"id":2,"result":true,"error":null}\n');
    expect(encodeV1Rejected(3, 'stale')).toBe(
      '{"id":3,"result":null,"error":[32,"Stale Share",null]}\n',
    );
    expect(encodeV1Rejected(null, 'unavailable', 'why')).toContain('"Share Not Counted: why"');
    expect(encodeSetDifficulty(1n << 60n)).toBe(
      '{"id":null,"method":"mining.set_difficulty","params":[1152921504606846976]}\n',
    );
    expect(encodeSetExtranonce(START)).toBe(
      '{"id":null,"method":"mining.set_extranonce","params":["3000a0",1]}\n',
    );
  });

  it('give a client all it needs for the header hash', () => {
    const { header, seed } = templateNumber(0);
    const job: StratumJob = { ...header, jobId: '17', seed, target: 1n, clean: true };
    const message = parseExact(encodeNotify(job)) as { params: JsonValue[] };
    expect(message).toMatchObject({ id: null, method: 'mining.notify' });
    expect(message.params).toHaveLength(11);
    expect(message.params[4]).toEqual([]);
    const { jobId, clean, seed: told, ...again } = decodeNotify(message.params);
    expect({ jobId, clean, told }).toEqual({ jobId: '17', clean: true, told: seed });
    const nonce = START | 5n;
    expect(headerHash({ ...again, nonce })).toEqual(headerHash({ ...header, nonce }));
    expect(() => decodeNotify(message.params.slice(0, 9))).toThrow('job.height');
  });
});
