import { readFileSync } from 'node:fs';
// @ts-expect-error The package has no types.
import stratumClient from 'stratum-client';
import { afterEach, describe, expect, it } from 'vitest';
import { createSilentMeter } from '../../../pool/meter.ts';
import { PoolServer } from '../../../pool/net/server.ts';
import { headerHash, headerPreimage } from '../../../src/chain/header.ts';
import { decodeNotify } from '../../../src/stratum/v1-messages.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FakePool, templateNumber } from '../../support/fake-pool.ts';
import { PoolClient } from '../../support/pool-client.ts';
import { RecordingLog } from '../../support/recording-log.ts';

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function startServer(): Promise<{ pool: FakePool; port: number; server: PoolServer }> {
  const pool = new FakePool();
  const parts = {
    pool,
    log: new RecordingLog(),
    meter: createSilentMeter(),
    clock: new FakeClock(),
  };
  const server = new PoolServer({ listen: [{ host: '127.0.0.1', port: 0 }] }, parts);
  await server.listen();
  ends.push(() => server.close());
  return { pool, port: server.addresses[0]?.port ?? 0, server };
}

async function connect(port: number): Promise<PoolClient> {
  const client = await PoolClient.connect({ port });
  ends.push(async () => client.drop());
  return client;
}

const START = 3n << 60n;
const AUTHORIZED = ['alice.rig1', 'd=4096'];

describe('a client of the generic envelope', () => {
  it('subscribes, authorises, gets difficulty and job, and mines', async () => {
    const { pool, port, server } = await startServer();
    const client = await connect(port);
    expect(await client.request('mining.subscribe', ['cgminer/4.1'])).toMatchObject({
      result: [
        [
          ['mining.set_difficulty', '300000'],
          ['mining.notify', '300000'],
        ],
        '300000',
        1,
      ],
      error: null,
    });
    expect(await client.request('mining.authorize', AUTHORIZED)).toMatchObject({ result: true });
    expect(pool.requests).toEqual([
      { login: 'alice.rig1', password: 'd=4096', agent: 'cgminer/4.1' },
    ]);
    expect(await client.next()).toEqual({
      id: null,
      method: 'mining.set_difficulty',
      params: [1024],
    });
    const notify = await client.next();
    expect(notify['method']).toBe('mining.notify');
    const job = decodeNotify(notify['params']);
    expect(headerHash({ ...job, nonce: 5n })).toEqual(
      headerHash({ ...templateNumber(0).header, nonce: 5n }),
    );
    const submit = ['alice.rig1', job.jobId, '07', '4fef006b00000000', '0000000A'];
    expect(await client.request('mining.submit', submit)).toMatchObject({
      result: true,
      error: null,
    });
    const { nonce } = pool.submits[0] ?? {};
    expect(nonce).toBe(START | 0x070000000an);
    pool.onSubmit = () => ({ accepted: false, reason: 'duplicate' });
    expect(await client.request('mining.submit', submit)).toMatchObject({
      result: null,
      error: [22, 'Duplicate Share', null],
    });
    expect(server.counts).toMatchObject({ v1: 1, btm: 0, loggedIn: 1 });
    pool.template = templateNumber(1);
    pool.broadcast();
    expect(await client.next()).toMatchObject({ method: 'mining.notify' });
  });

  it('is answered its extensions, and 34 for what there is not', async () => {
    const { pool, port } = await startServer();
    const client = await connect(port);
    expect(await client.request('mining.configure', [['version-rolling'], {}])).toMatchObject({
      result: {},
    });
    expect(await client.request('mining.suggest_difficulty', [512])).toMatchObject({
      result: true,
    });
    expect(pool.suggested).toEqual([]);
    await client.request('mining.subscribe', {});
    expect(await client.request('mining.extranonce.subscribe', [])).toMatchObject({ result: true });
    await client.request('mining.authorize', AUTHORIZED);
    expect(pool.suggested).toEqual([512]);
    await client.request('mining.suggest_difficulty', [256]);
    expect(pool.suggested).toEqual([512, 256]);
    expect(await client.request('mining.ping', [])).toMatchObject({ result: 'pong' });
    expect(await client.request('mining.get_transactions', [])).toMatchObject({
      error: [34, 'Unsupported Method', null],
    });
    expect(await client.request('login', { login: 'a' })).toMatchObject({
      error: [34, 'Unsupported Method', null],
    });
    expect(pool.faults).toEqual([]);
  });

  it('is refused what comes before its time, and a second name', async () => {
    const { pool, port } = await startServer();
    const early = await connect(port);
    expect(await early.request('mining.authorize', AUTHORIZED)).toMatchObject({
      error: [25, 'Not Subscribed', null],
    });
    await early.request('mining.subscribe', []);
    expect(await early.request('mining.authorize', AUTHORIZED)).toMatchObject({ result: true });
    expect(await early.request('mining.authorize', AUTHORIZED)).toMatchObject({ result: true });
    expect(await early.request('mining.authorize', ['bob.rig1', 'x'])).toMatchObject({
      error: [40, 'Multiple Authorization', null],
    });
    expect(pool.sessions).toHaveLength(1);
    const eager = await connect(port);
    await eager.request('mining.subscribe', []);
    const submit = ['alice.rig1', '1', '07', '4fef006b00000000', '00000001'];
    expect(await eager.request('mining.submit', submit)).toMatchObject({
      error: [24, 'Unauthorized Worker', null],
    });
    await eager.closed;
    expect(pool.submits).toEqual([]);
  });

  it('is refused a malformed submit, which counts as a bad share', async () => {
    const { pool, port } = await startServer();
    const client = await connect(port);
    await client.request('mining.subscribe', []);
    await client.request('mining.authorize', AUTHORIZED);
    const bad = [
      ['alice.rig1', '1', '7', '4fef006b00000000', '00000001'],
      ['alice.rig1', '1', '07', '4fef006b00000000', '1'],
      ['alice.rig1', '1', '07', '4fef006b00000000', 5],
      ['alice.rig1', '1', 'xyz'],
    ];
    for (const params of bad) {
      expect(await client.request('mining.submit', params)).toMatchObject({
        error: [32, 'Invalid Submit Format', null],
      });
    }
    await client.request('mining.submit', { id: 1 });
    expect(pool.badSubmits).toHaveLength(5);
    expect(pool.badSubmits[0]).toBe('submit.extranonce2: expected 2 hex digits, got "7"');
    expect(pool.faults).toEqual([]);
  });

  it('has the very exchange that the document shows, down to the header hash', async () => {
    const document = readFileSync(new URL('../../../pool/README.md', import.meta.url), 'utf8');
    const lines = [...document.matchAll(/^(->|<-) (.*)$/gm)];
    expect(lines.length).toBeGreaterThan(8);
    const { pool, port } = await startServer();
    const client = await connect(port);
    let expected = '';
    for (const [, direction, line = ''] of lines) {
      if (direction === '->') {
        client.sendRaw(`${line}\n`);
        if (pool.submits.length === 1) {
          pool.onSubmit = () => ({ accepted: false, reason: 'duplicate' });
        }
      } else {
        await client.next();
        expected += `${line}\n`;
        expect(client.reads.join('').startsWith(expected), line).toBe(true);
      }
    }
    expect(client.reads.join('')).toBe(expected);
    const header = { ...pool.template.header, nonce: pool.submits[0]?.nonce ?? 0n };
    expect(pool.submits[1]?.nonce).toBe(header.nonce);
    expect(document).toContain(bytesToHex(headerPreimage(header)));
    expect(document).toContain(`header hash ${bytesToHex(headerHash(header))}`);
  });

  it('that leaves without a login gives its nonces back', async () => {
    const { pool, port } = await startServer();
    const client = await connect(port);
    await client.request('mining.subscribe', []);
    await client.request('mining.subscribe', []);
    expect(pool.reserved.size).toBe(1);
    client.drop();
    for (let turn = 0; turn < 1000 && pool.reserved.size > 0; turn++) await settle();
    expect(pool.reserved.size).toBe(0);
  });
});

interface StratumClient {
  submit(options: Readonly<Record<string, string>>): void;
  shutdown(): void;
}

interface Work {
  readonly jobId: string;
  readonly ntime: string;
  readonly extraNonce1: string;
  readonly extraNonce2Size: number;
  readonly miningDiff: number;
  readonly prevhash: string;
}

/** It keeps one socket for all of the process: in this one test only. */
const startStratumClient = stratumClient as (
  options: Readonly<Record<string, unknown>>,
) => StratumClient;

describe('the npm package stratum-client', () => {
  it('connects, authorises, is told difficulty and job, and has a share accepted', async () => {
    const { pool, port } = await startServer();
    const authorized = createDeferred<unknown>();
    const work = createDeferred<Work>();
    const accepted = createDeferred<unknown>();
    const refused = createDeferred<unknown>();
    const closed = createDeferred<void>();
    const client = startStratumClient({
      server: '127.0.0.1',
      port,
      worker: 'alice.rig1',
      password: 'x',
      autoReconnectOnError: false,
      onAuthorizeSuccess: () => authorized.resolve(true),
      onNewMiningWork: (job: Work) => work.resolve(job),
      onSubmitWorkSuccess: (_error: unknown, result: unknown) => accepted.resolve(result),
      onSubmitWorkFail: (error: unknown) => refused.resolve(error),
      onClose: () => closed.resolve(),
    });
    await authorized.promise;
    const job = await work.promise;
    expect(job).toMatchObject({ extraNonce1: '300000', extraNonce2Size: 1, miningDiff: 1024 });
    expect(job.prevhash).toBe(Buffer.from(pool.template.header.previousBlockHash).toString('hex'));
    const share = {
      worker_name: 'alice.rig1',
      job_id: job.jobId,
      extranonce2: '01',
      ntime: job.ntime,
      nonce: '00000002',
    };
    client.submit(share);
    expect(await accepted.promise).toBe(true);
    expect(pool.submits[0]).toMatchObject({ jobId: job.jobId, nonce: START | 0x0100000002n });
    pool.onSubmit = () => ({ accepted: false, reason: 'low-difficulty' });
    client.submit(share);
    expect(await refused.promise).toEqual([23, 'Low Difficulty Share', null]);
    client.shutdown();
    await closed.promise;
  });
});
