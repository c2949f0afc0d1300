import { afterEach, describe, expect, it } from 'vitest';
import type { SubmitOutcome } from '../../../pool/client.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { PoolServer } from '../../../pool/net/server.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { createCertificate, hasOpenssl } from '../../support/certificate.ts';
import { settle } from '../../support/fake-clock.ts';
import { PoolClient } from '../../support/pool-client.ts';
import { seededRandom } from '../../support/random.ts';
import { constructedSessions, recordedSessions } from '../../support/stratum-sessions.ts';
import {
  closedAs,
  endRigs,
  FAST,
  LOGIN,
  startRig,
  submitLine,
  turnsUntil,
  until,
} from './server-rig.ts';

afterEach(endRigs);

describe('a miner', () => {
  it('logs in, gets one job with the answer, submits, and is told of the next job', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    const reply = await client.login('alice.rig1', 'd=4096');
    expect(reply).toMatchObject({
      error: null,
      result: { id: 'alice.rig1', status: 'OK', job: { job_id: '1000001', clean: true } },
    });
    expect(rig.pool.requests).toEqual([
      { login: 'alice.rig1', password: 'd=4096', agent: 'test/1' },
    ]);
    const answer = await client.request('submit', {
      id: 'alice.rig1',
      job_id: '1000001',
      nonce: '3000000000000001',
      result: 'ab'.repeat(32),
    });
    expect(answer).toMatchObject({ result: { status: 'OK' }, error: null });
    expect(rig.pool.submits).toEqual([
      {
        workerId: 'alice.rig1',
        jobId: '1000001',
        nonce: 0x3000000000000001n,
        nonceDigits: 16,
        result: new Uint8Array(32).fill(0xab),
      },
    ]);
    rig.pool.broadcast();
    expect(await client.next()).toMatchObject({ method: 'job', params: { job_id: '1000002' } });
    expect(client.received).toHaveLength(1);
  });

  it.each(['', '\r'])('may split its lines at any byte, or join them (line end %j)', async (cr) => {
    const rig = await startRig();
    const text = `${LOGIN}${submitLine(2)}${submitLine(3)}`.replaceAll('\n', `${cr}\n`);
    const client = await rig.connect();
    await client.sendByteByByte(text);
    for (let i = 0; i < 3; i++) await client.next();
    for (let at = 1; at < text.length; at += 7) {
      const other = await rig.connect();
      other.sendRaw(text.slice(0, at));
      await settle();
      other.sendRaw(text.slice(at));
      expect(await other.next(), `split at ${at}`).toMatchObject({ id: 1, error: null });
      expect(await other.next(), `split at ${at}`).toMatchObject({ id: 2, error: null });
      expect(await other.next(), `split at ${at}`).toMatchObject({ id: 3, error: null });
      other.drop();
    }
    expect(rig.pool.faults).toEqual([]);
  });

  it('is answered what it asked before it closed its side', async () => {
    const rig = await startRig();
    const verdict = createDeferred<SubmitOutcome>();
    rig.pool.onSubmit = () => verdict.promise;
    const client = await rig.connect();
    client.sendRaw(LOGIN + submitLine(2));
    client.end();
    await until(() => rig.pool.submits.length === 1);
    verdict.resolve({ accepted: true });
    await client.closed;
    expect(client.received).toMatchObject([{ id: 1 }, { id: 2, result: { status: 'OK' } }]);
  });

  it('may keep the connection alive with a message for it', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    const reply = await client.request('keepalived', { id: 'alice.rig1' });
    expect(reply).toMatchObject({ result: { status: 'KEEPALIVED' }, error: null });
  });

  it('gets the reason and the words of a refusal, and is closed where the pool says so', async () => {
    const rig = await startRig();
    rig.pool.onSubmit = (_session, { jobId }) =>
      jobId === '1'
        ? { accepted: false, reason: 'low-difficulty' }
        : { accepted: false, reason: 'unavailable', text: 'banned', close: 'banned' };
    const client = await rig.connect();
    await client.login('alice.rig1');
    const submit = { id: 'alice.rig1', nonce: '01' };
    expect(await client.request('submit', { ...submit, job_id: '1' })).toMatchObject({
      result: null,
      error: { code: 23, message: 'Low Difficulty Share' },
    });
    expect(await client.request('submit', { ...submit, job_id: 2 })).toMatchObject({
      error: { code: 20, message: 'Share Not Counted: banned' },
    });
    await client.closed;
    await closedAs(rig, ['banned']);
  });

  it('is told why its login is refused, then closed', async () => {
    const rig = await startRig();
    rig.pool.onLogin = () => ({
      ok: false,
      reason: 'unauthorized',
      text: 'no address of this network',
      close: 'unauthorized',
    });
    const client = await rig.connect();
    expect(await client.login('nobody')).toMatchObject({
      error: { code: 24, message: 'Unauthorized Worker: no address of this network' },
    });
    await client.closed;
    expect(rig.log.of('closed: unauthorized')).toHaveLength(1);
  });
});

describe('bad input', () => {
  it.each([
    ['login', LOGIN, 40, 'protocol'],
    ['login', '{"method":"login","params":{"login":"b"},"id":1}\n', 40, 'protocol'],
  ])('answers a second %s with 40 and closes: %s', async (_, line, code, reason) => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    client.sendRaw(line);
    expect(await client.next()).toMatchObject({ id: 1, result: null, error: { code } });
    await client.closed;
    await closedAs(rig, [reason]);
    expect(rig.pool.sessions).toHaveLength(1);
  });

  it.each([
    [submitLine(7), 24],
    ['{"method":"submit","id":7}\n', 24],
    ['{"method":"submit","params":{"id":1,"job_id":"1","nonce":"1"},"id":7}\n', 20],
    ['{"method":"login","params":{"login":5},"id":7}\n', 20],
    ['{"method":"login","params":["alice"],"id":7}\n', 20],
    ['{"method":"login","params":{"login":"a","pass":5},"id":7}\n', 20],
    ['{"method":"login","params":{"login":""},"id":7}\n', 31],
    ['{"method":"login","id":7}\n', 31],
    [`{"method":"login","params":{"login":"${'a'.repeat(300)}"},"id":7}\n`, 31],
  ])('answers a first message that cannot be served, and closes: %s', async (line, code) => {
    const rig = await startRig();
    const client = await rig.connect();
    client.sendRaw(line);
    expect(await client.next()).toMatchObject({ id: 7, result: null, error: { code } });
    await client.closed;
    expect(rig.pool.faults).toHaveLength(1);
    expect(rig.pool.sessions).toHaveLength(0);
  });

  it('is gone 2 s after its last answer, whether the client closes its side or not', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    client.socket.allowHalfOpen = true;
    client.sendRaw(submitLine(7));
    expect(await client.next()).toMatchObject({ id: 7, error: { code: 24 } });
    await rig.clock.advance(500);
    expect(rig.closed).toEqual([]);
    await rig.clock.advance(3000);
    await closedAs(rig, ['unauthorized']);
  });

  it('answers an unknown method with 34 and blames nobody', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    for (const method of ['getwork', 'Login', '', 'mining.subscribe', 'a', 'b', 'c']) {
      expect(await client.request(method, {}), method).toMatchObject({ error: { code: 34 } });
    }
    expect(client.isClosed).toBe(false);
    expect(rig.pool.faults).toEqual([]);
    expect(rig.log.of('request refused'), 'one line a minute').toHaveLength(1);
  });

  it('forgets one fault a minute', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    client.sendRaw('garbage\n'.repeat(3));
    await until(() => rig.pool.faults.length === 3);
    await rig.clock.advance(60_000);
    client.sendRaw('garbage\n');
    await until(() => rig.pool.faults.length === 4);
    expect(client.isClosed).toBe(false);
    client.sendRaw('garbage\n');
    await client.closed;
    await closedAs(rig, ['protocol']);
    expect(rig.pool.faults).toHaveLength(5);
  });

  it.each([
    ['garbage', 'garbage\n'],
    ['a batch', `[${LOGIN.trim()}]\n`],
    ['null', 'null\n'],
    ['a number', '5\n'],
    ['half a text', '{"method":"lo\n'],
    ['brackets that do not fit', '{"method":]\n'],
    ['a method that is no text', '{"method":5,"id":1}\n'],
    ['nothing in brackets', '{}\n'],
    ['a deep nest', `${'['.repeat(3000)}\n`],
    ['bytes', `${String.fromCharCode(1, 2, 3, 0)}\n`],
  ])('counts %s, and closes after the fourth', async (_, line) => {
    const rig = await startRig();
    const client = await rig.connect();
    client.sendRaw(line.repeat(3));
    await until(() => rig.pool.faults.length === 3);
    expect(client.isClosed).toBe(false);
    client.sendRaw(line);
    await client.closed;
    expect(rig.pool.faults).toHaveLength(4);
    await closedAs(rig, ['protocol']);
    expect(client.received).toEqual([]);
  });

  it('refuses bad digits in a submit as a bad share, and not as bad protocol', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    for (const nonce of ['', '0xA', 'A', '30000000000000001', 'g', '-1']) {
      const params = { id: 'alice.rig1', job_id: '1', nonce };
      expect(await client.request('submit', params), nonce).toMatchObject({ error: { code: 32 } });
    }
    expect(rig.pool.submits).toEqual([]);
    expect(rig.pool.faults).toEqual([]);
    expect(rig.pool.badSubmits).toHaveLength(6);
    expect(rig.pool.badSubmits[1]).toBe(
      'submit.nonce: expected 1 to 16 lower-case hex digits, got string "0xA"',
    );
  });

  it('closes a miner that is banned for its bad submits', async () => {
    const rig = await startRig();
    rig.pool.onBadSubmit = () => ({
      accepted: false,
      reason: 'unauthorized',
      text: 'Banned',
      close: 'banned',
    });
    const client = await rig.connect();
    await client.login('alice.rig1');
    const params = { id: 'alice.rig1', job_id: '1', nonce: 'x' };
    expect(await client.request('submit', params)).toMatchObject({
      error: { code: 24, message: 'Unauthorized Worker: Banned' },
    });
    await client.closed;
    await closedAs(rig, ['banned']);
  });

  it('counts a submit of wrong types as a bad share too, answers it with 20, and closes', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    const params = { id: 'alice.rig1', job_id: '1', nonce: 5 };
    expect(await client.request('submit', params)).toMatchObject({ error: { code: 20 } });
    await client.closed;
    await closedAs(rig, ['protocol']);
    expect(rig.pool.badSubmits).toHaveLength(1);
    expect(rig.pool.faults).toEqual([]);
  });

  it('takes a share whose claimed hash is none, without the claim', async () => {
    const rig = await startRig();
    const client = await rig.connect();
    await client.login('alice.rig1');
    for (const result of ['', 'zz', 5, null, 'ab'.repeat(31)]) {
      const params = { id: 'alice.rig1', job_id: '1', nonce: '14', result };
      expect(await client.request('submit', params)).toMatchObject({ error: null });
    }
    const expected = { workerId: 'alice.rig1', jobId: '1', nonce: 0x14n, nonceDigits: 2 };
    expect(rig.pool.submits).toEqual(Array(5).fill(expected));
  });

  it('takes a line of 10,240 bytes and closes at one of 10,241', async () => {
    const rig = await startRig();
    const frame = LOGIN.length - 'test/1'.length;
    const ofLength = (bytes: number): string => LOGIN.replace('test/1', 'a'.repeat(bytes - frame));
    const good = await rig.connect();
    good.sendRaw(ofLength(10_240));
    expect(await good.next()).toMatchObject({ id: 1, error: null });
    expect(rig.pool.requests[0]?.agent).toBe('a'.repeat(64));
    const bad = await rig.connect();
    bad.sendRaw(ofLength(10_241));
    await bad.closed;
    expect(bad.received).toEqual([]);
    expect(rig.pool.faults).toEqual(['a line of more than 10240 bytes']);
  });

  it('closes at a line of 10 MB, and others go on meanwhile', async () => {
    const rig = await startRig();
    const good = await rig.connect();
    await good.login('alice.rig1');
    const bad = await rig.connect();
    bad.sendRaw(`{"method":"${'x'.repeat(10_000_000)}`);
    await until(() => rig.pool.faults.length === 1);
    const answer = good.request('submit', { id: 'alice.rig1', job_id: '1', nonce: '1' });
    expect(await turnsUntil(answer), 'turns of the loop').toBeLessThan(100);
    await rig.clock.advance(3000);
    await bad.closed;
    await closedAs(rig, ['protocol']);
  });

  it('that shows a mistake of the pool itself costs that connection, and no other', async () => {
    const rig = await startRig();
    const good = await rig.connect();
    await good.login('good');
    rig.pool.onLogin = () => {
      throw new TypeError('no such thing');
    };
    const bad = await rig.connect();
    bad.sendRaw(LOGIN);
    await bad.closed;
    expect(rig.log.of('request failed')).toHaveLength(1);
    rig.pool.onSubmit = () => Promise.reject(new TypeError('no such thing'));
    expect(await good.request('submit', { id: 'good', job_id: '1', nonce: '1' })).toMatchObject({
      error: { code: 20 },
    });
    expect(rig.log.of('submit failed')).toHaveLength(1);
    expect(good.isClosed).toBe(false);
  });

  it.each([0, 1, 2, 3, 4])(
    'survives every recorded message of a client, as it is (0) or mutilated: %i',
    async (round) => {
      const rig = await startRig({ maxProtocolErrors: 1000, messages: FAST });
      const random = seededRandom(7 + round);
      const recorded = [...recordedSessions, ...constructedSessions]
        .flatMap((session) => session.messages)
        .flatMap(({ dir, bytes }) => (dir === 'client' && bytes !== undefined ? [bytes] : []))
        .filter((bytes) => bytes.length < 2000);
      expect(recorded.length).toBeGreaterThan(90);
      const lines = [...recorded, ...GENERIC.map((line) => Buffer.from(line))];
      const good = await rig.connect();
      await good.login('alice.rig1');
      const bad: PoolClient[] = [];
      for (const bytes of lines) {
        const client = await rig.connect();
        if (random() < 0.5) client.sendRaw(LOGIN);
        client.sendRaw(round === 0 ? bytes : mutilated(bytes, random));
        client.end();
        bad.push(client);
      }
      await Promise.all(bad.map((client) => client.closed));
      expect(await good.request('submit', { id: 'a', job_id: '1', nonce: '1' })).toMatchObject({
        error: null,
      });
      expect(rig.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
    },
  );
});

/** Messages of the generic envelope, as clients send them. */
const GENERIC: readonly string[] = [
  '{"id":1,"method":"mining.subscribe","params":["cgminer/4.1",null]}\n{"id":2,"method":"mining.authorize","params":["alice.rig1","x"]}\n',
  '{"id":1,"method":"mining.subscribe","params":[]}\n{"id":3,"method":"mining.submit","params":["alice.rig1","1","00","4fef006b00000000","00000001"]}\n',
  '{"id":1,"method":"mining.suggest_difficulty","params":[1024]}\n',
  '{"id":1,"method":"mining.configure","params":[["version-rolling"],{}]}\n',
];

/** Some bytes changed, lost, doubled, or moved. */
function mutilated(bytes: Uint8Array, random: () => number): Uint8Array {
  const out = [...bytes];
  const changes = 1 + Math.floor(random() * 4);
  for (let i = 0; i < changes; i++) {
    const at = Math.floor(random() * out.length);
    const kind = Math.floor(random() * 4);
    if (kind === 0) out[at] = Math.floor(random() * 256);
    else if (kind === 1) out.splice(at, 1 + Math.floor(random() * 5));
    else if (kind === 2) out.splice(at, 0, ...out.slice(at, at + Math.floor(random() * 20)));
    else out.splice(at, 0, ...Buffer.from('{}[]":,\\\n0n'.charAt(Math.floor(random() * 11))));
  }
  return Uint8Array.from(out);
}

describe('proxies', () => {
  const header = 'PROXY TCP4 192.0.2.7 127.0.0.1 41000 3333\r\n';
  const binary = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Uint8Array.of(0x21, 0x21, 0, 36 + 5),
    Uint8Array.of(
      0x20,
      1,
      0xd,
      0xb8,
      ...Array<number>(11).fill(0),
      7,
      ...Array<number>(16).fill(1),
    ),
    Uint8Array.of(0xa0, 0x28, 0x0d, 0x05, 4, 0, 2, 9, 9),
  ]);

  it.each([
    ['1', header, '192.0.2.7', '192.0.2.7:41000'],
    ['2', binary, '2001:db8::7', '[2001:db8::7]:41000'],
  ])(
    'that are trusted say whose connection it is: version %s',
    async (_, before, address, peer) => {
      const rig = await startRig({ trustedProxies: ['127.0.0.0/8'] });
      const client = await rig.connect({ before });
      await client.login('alice.rig1');
      expect(rig.pool.sessions[0]?.client).toMatchObject({ address, peer });
      const split = await rig.connect();
      await split.sendByteByByte(Buffer.concat([Buffer.from(before), Buffer.from(LOGIN)]));
      expect(await split.next()).toMatchObject({ id: 1, error: null });
      expect(rig.pool.sessions[1]?.client.address).toBe(address);
    },
  );

  it('that are trusted must say it; their own checks need not', async () => {
    const rig = await startRig({ trustedProxies: ['127.0.0.1'] });
    const client = await rig.connect();
    client.sendRaw(LOGIN);
    await client.closed;
    await closedAs(rig, ['protocol']);
    expect(rig.log.of('closed: protocol')).toHaveLength(1);
    const unknown = await rig.connect({ before: 'PROXY UNKNOWN\r\n' });
    await unknown.login('alice.rig1');
    expect(rig.pool.sessions[0]?.client.address).toBe('127.0.0.1');
  });

  it('are believed by nobody else: their header is garbage', async () => {
    const rig = await startRig({ trustedProxies: ['10.0.0.0/8'] });
    const client = await rig.connect({ before: header });
    await client.login('alice.rig1');
    expect(rig.pool.sessions[0]?.client.address).toBe('127.0.0.1');
    expect(rig.pool.faults).toHaveLength(1);
  });

  it('do not get banned or crowded for their clients, who do', async () => {
    const rig = await startRig({ trustedProxies: ['127.0.0.1'], maxPerHost: 1 });
    rig.pool.banned.add('127.0.0.1').add('192.0.2.9');
    await (await rig.connect({ before: header })).login('alice.rig1');
    const again = await rig.connect({ before: header });
    again.sendRaw(LOGIN);
    await again.closed;
    const banned = await rig.connect({ before: header.replace('2.7', '2.9') });
    banned.sendRaw(LOGIN);
    await banned.closed;
    await (await rig.connect({ before: header.replace('2.7', '2.8') })).login('bob.rig1');
    await closedAs(rig, ['limit', 'banned']);
    expect(rig.pool.sessions).toHaveLength(2);
  });
});

describe.skipIf(!hasOpenssl)('TLS', () => {
  it('is taken on the same port as plain connections, also behind a proxy', async () => {
    const certificate = createCertificate();
    const rig = await startRig({ certificate, trustedProxies: ['127.0.0.6'] });
    const secure = await rig.connect({ tls: true });
    expect(await secure.login('alice.rig1')).toMatchObject({ error: null });
    const plain = await rig.connect();
    expect(await plain.login('bob.rig1')).toMatchObject({ error: null });
    const before = 'PROXY TCP4 192.0.2.7 127.0.0.1 41000 3333\r\n';
    const proxied = await rig.connect({ tls: true, localAddress: '127.0.0.6', before });
    expect(await proxied.login('carol.rig1')).toMatchObject({ error: null });
    expect(rig.pool.sessions[2]?.client.address).toBe('192.0.2.7');
    expect(rig.server.counts).toMatchObject({ open: 3, tls: 2, btm: 3 });
    rig.pool.broadcast();
    for (const client of [secure, plain, proxied]) {
      expect(await client.next()).toMatchObject({ method: 'job' });
    }
  });

  it('takes a renewed certificate for new connections, and keeps the old ones', async () => {
    const first = createCertificate();
    const second = createCertificate();
    const rig = await startRig({ certificate: first });
    const early = await rig.connect({ tls: true });
    await early.login('alice.rig1');
    expect(() => rig.server.setCertificate({ key: first.key, cert: second.cert })).toThrow();
    expect(fingerprintOf(await rig.connect({ tls: true }))).toBe(first.fingerprint);
    rig.server.setCertificate(second);
    expect(fingerprintOf(await rig.connect({ tls: true }))).toBe(second.fingerprint);
    expect(await early.request('keepalived', {})).toMatchObject({ error: null });
  });

  it('that fails is told once, and not configured it is refused', async () => {
    const rig = await startRig({ certificate: createCertificate() });
    for (let i = 0; i < 3; i++) {
      const client = await rig.connect();
      client.sendRaw(Uint8Array.of(0x16, 3, 1, 0, 4, 1, 2, 3, 4));
      await client.closed;
    }
    expect(rig.log.of('TLS failed')).toHaveLength(1);
    const without = await startRig();
    const client = await without.connect();
    client.sendRaw(Uint8Array.of(0x16, 3, 1, 0, 4, 1, 2, 3, 4));
    await client.closed;
    await closedAs(without, ['protocol']);
  });
});

function fingerprintOf(client: PoolClient): string | undefined {
  const { socket } = client as unknown as {
    socket: { getPeerCertificate(): { fingerprint256?: string } };
  };
  return socket.getPeerCertificate().fingerprint256;
}

describe('the end', () => {
  it('waits for the answers of what was asked, then closes', async () => {
    const rig = await startRig();
    const verdict = createDeferred<SubmitOutcome>();
    rig.pool.onSubmit = () => verdict.promise;
    const busy = await rig.connect();
    await busy.login('alice.rig1');
    busy.sendRaw(submitLine(2));
    const quiet = await rig.connect();
    await quiet.login('bob.rig1');
    await until(() => rig.pool.submits.length === 1);
    const drained = rig.server.drain(5000);
    await quiet.closed;
    expect(busy.isClosed).toBe(false);
    await expect(rig.connect(), 'nobody new').rejects.toThrow();
    verdict.resolve({ accepted: true });
    expect(await busy.next()).toMatchObject({ id: 2, error: null });
    await busy.closed;
    await rig.clock.advance(1000);
    await drained;
    await closedAs(rig, ['draining', 'draining']);
  });

  it('does not wait for longer than it is told to', async () => {
    const rig = await startRig();
    rig.pool.onSubmit = () => createDeferred<SubmitOutcome>().promise;
    const client = await rig.connect();
    await client.login('alice.rig1');
    client.sendRaw(submitLine(2));
    await until(() => rig.pool.submits.length === 1);
    const drained = rig.server.drain(5000);
    await rig.clock.advance(6000);
    await drained;
    await client.closed;
  });

  it('does not wait for clients that are gone without a word', async () => {
    const rig = await startRig();
    const dead = await rig.connect();
    await dead.login('alice.rig1');
    // It neither reads nor closes its side.
    dead.socket.pause();
    dead.socket.allowHalfOpen = true;
    await settle();
    const from = rig.clock.now();
    let isDrained = false;
    const drained = rig.server.drain(60_000).then(() => {
      isDrained = true;
    });
    for (let i = 0; i < 20 && !isDrained; i++) await rig.clock.advance(50);
    await drained;
    expect(rig.clock.now() - from).toBeLessThanOrEqual(1000);
    expect(rig.closed).toEqual(['draining']);
  });

  it('listens on every address, or on none', async () => {
    const rig = await startRig();
    const taken = rig.server.addresses[0]?.port ?? 0;
    const parts = { pool: rig.pool, log: rig.log, meter: createSilentMeter(), clock: rig.clock };
    const listen = [
      { host: '127.0.0.2', port: taken },
      { host: '127.0.0.1', port: taken },
    ];
    const other = new PoolServer({ listen }, parts);
    await expect(other.listen()).rejects.toThrow('EADDRINUSE');
    await expect(PoolClient.connect({ host: '127.0.0.2', port: taken })).rejects.toThrow();
    expect(() => new PoolServer({ listen, trustedProxies: ['10.0.0.0/33'] }, parts)).toThrow(
      'trustedProxies: expected an address or a network',
    );
  });
});
