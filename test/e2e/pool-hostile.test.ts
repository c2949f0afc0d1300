/**
 * What strangers, a node and a disk may do to the built pool, while a good client on it has its shares
 * accepted all the time. The node is a stand-in whose answers the test chooses: its work is so hard that
 * nothing is a block, and so easy for shares that every nonce is one.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader } from '../../src/chain/header.ts';
import { decodeJob, type StratumJob } from '../../src/stratum/job.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import type { JsonValue } from '../../src/util/json.ts';
import { type Answer, json, TestNode } from '../miner/test-node.ts';
import { PoolClient, type PoolMessage } from '../support/pool-client.ts';
import { RunningPool, sharesOf } from './running-pool.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const EASIEST = ['--difficulty', '1', '--min-difficulty', '1', '--no-vardiff'];

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-hostile-'));
const data = join(folder, 'data');
const node = new TestNode();
let pool: RunningPool;
let port: number;
let good: GoodMiner;
let storm: Storm;

beforeAll(async () => {
  giveWork();
  node.on('get-mining-address', success({ mining_address: ADDRESS }));
  await node.start();
  pool = startPool(data);
  port = await pool.port();
  good = await GoodMiner.start(port);
  await good.served(1);
  storm = await startStorm();
});

afterAll(async () => {
  await good?.stop();
  pool?.process.signal('SIGKILL');
  await pool?.process.ended;
  await node.stop();
  rmSync(folder, { recursive: true });
});

/** Logs in, finds a share now and then, and has it accepted: all that a pool is for. */
class GoodMiner {
  accepted = 0;
  readonly faults: string[] = [];
  readonly #client: PoolClient;
  #job: StratumJob;
  #offset = 0n;
  #isStopped = false;
  #mining: Promise<void> = Promise.resolve();

  static async start(poolPort: number, localAddress = '127.0.0.1'): Promise<GoodMiner> {
    const client = await PoolClient.connect({ port: poolPort, localAddress });
    const miner = new GoodMiner(client, jobOf(await client.login(`${ADDRESS}.good`)));
    miner.#mining = miner.#mine();
    return miner;
  }

  private constructor(client: PoolClient, job: StratumJob) {
    this.#client = client;
    this.#job = job;
  }

  /** Resolves when so many more were accepted. Throws if one was not, or the connection is gone. */
  async served(more: number): Promise<void> {
    const until = this.accepted + more;
    while (this.accepted < until && this.faults.length === 0) await sleep(20);
    expect(this.faults).toEqual([]);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#mining;
    this.#client.drop();
  }

  async #mine(): Promise<void> {
    while (!this.#isStopped) {
      for (const message of this.#client.received.splice(0)) {
        if (message['method'] === 'job') this.#job = decodeJob(message['params'] as never);
      }
      try {
        const { jobId, nonce } = this.#job;
        const answer = await this.#client.request(
          'submit',
          submitOf(jobId, nonce + this.#offset++, 'good'),
        );
        if (answer['error'] === null) this.accepted++;
        else this.faults.push(JSON.stringify(answer));
      } catch (error) {
        if (!this.#isStopped) this.faults.push(String(error));
        return;
      }
      await sleep(100);
    }
  }
}

interface Stranger {
  readonly client: PoolClient;
  /** As the log has it. */
  readonly peer: string;
}

interface Storm {
  /** Sends more than it may, and never stops. */
  readonly flood: Stranger;
  /** Asks for long answers and reads none. */
  readonly deaf: Stranger;
  /** Never ends its line. */
  readonly half: Stranger;
}

/** Goes on while all the others are tried: half a minute is what the pool puts up with. */
async function startStorm(): Promise<Storm> {
  const [flood, deaf, half] = await Promise.all([member(), member(), stranger()]);
  flood.client.sendRaw('{"id":1,"method":"keepalived","params":{}}\n'.repeat(20_000));
  deaf.client.socket.pause();
  const long = JSON.stringify({ id: 'x'.repeat(10_000), method: 'keepalived', params: {} });
  deaf.client.sendRaw(`${long}\n`.repeat(2000));
  half.client.sendRaw('{"id":1,"method":"login","params":{"login":"');
  return { flood, deaf, half };
}

let lastHost = 1;

/** A client with an address of its own, so that what is said of it is not kept back. */
async function stranger(): Promise<Stranger> {
  const host = `127.0.0.${++lastHost}`;
  const client = await PoolClient.connect({ port, localAddress: host });
  return { client, peer: `${host}:${client.socket.localPort}` };
}

/** The same, logged in. */
async function member(password = 'x'): Promise<Stranger & { readonly job: StratumJob }> {
  const { client, peer } = await stranger();
  return { client, peer, job: jobOf(await client.login(`${ADDRESS}.bad`, password)) };
}

function jobOf(reply: PoolMessage): StratumJob {
  const result = reply['result'] as Readonly<Record<string, JsonValue>> | null;
  if (result === null) throw new Error(`no login: ${JSON.stringify(reply)}`);
  return decodeJob(result['job'] as never);
}

function submitOf(jobId: string, nonce: bigint, worker = 'bad'): object {
  return {
    id: `${ADDRESS}.${worker}`,
    job_id: jobId,
    nonce: nonce.toString(16).padStart(16, '0'),
  };
}

/** The first line of the log about this event and this peer. */
function saidOf(event: string, peer: string): Promise<Readonly<Record<string, JsonValue>>> {
  return pool.said(new RegExp(`"event":"${event}".*"peer":"${peer}"`));
}

describe('the pool goes on, and says who', () => {
  it('sends 10 MB in one line', async () => {
    const { client, peer } = await member();
    client.sendRaw(`{"id":1,"method":"submit","params":{"id":"${'x'.repeat(10 << 20)}"}}\n`);
    await client.closed;
    expect(await saidOf('protocol error', peer)).toMatchObject({
      level: 'warn',
      what: 'a line of more than 10240 bytes',
    });
    await good.served(2);
  });

  it.each([
    ['wrong types', { id: 1, method: 'login', params: { login: 5 } }, 20, 'protocol error'],
    [
      'a submit before the login',
      { id: 1, method: 'submit', params: submitOf('1', 1n) },
      24,
      'protocol error',
    ],
    ['a method that does not exist', { id: 1, method: 'mine', params: {} }, 34, 'request refused'],
  ])('sends %s', async (_name, message, code, event) => {
    const { client, peer } = await stranger();
    client.send(message);
    expect((await client.next())['error']).toMatchObject({ code });
    expect(await saidOf(event, peer)).toMatchObject({ level: 'warn' });
    client.drop();
    await good.served(1);
  });

  it('sends what is no message at all', async () => {
    const { client, peer } = await stranger();
    client.sendRaw('GET / HTTP/1.1\r\n\r\n\u0000\u0001\u0002\n\n'.repeat(4));
    await client.closed;
    expect(await saidOf('protocol error', peer)).toMatchObject({ level: 'warn' });
    await good.served(1);
  });

  it("sends another session's nonce", async () => {
    const [bad, other] = await Promise.all([member(), member()]);
    const { jobId } = bad.job;
    const answer = await bad.client.request('submit', submitOf(jobId, other.job.nonce + 5n));
    expect(answer).toMatchObject({ result: null, error: { code: expect.any(Number) } });
    expect(await saidOf('share refused', bad.peer)).toMatchObject({
      level: 'info',
      reason: 'out-of-range',
    });
    // The nonce is still its owner's.
    const owner = await other.client.request(
      'submit',
      submitOf(other.job.jobId, other.job.nonce + 5n),
    );
    expect(owner['error']).toBeNull();
    for (const { client } of [bad, other]) client.drop();
  });

  it('sends an accepted share again, here and over another connection', async () => {
    const { client, peer, job } = await member();
    const share = submitOf(job.jobId, job.nonce + 9n);
    expect((await client.request('submit', share))['error']).toBeNull();
    expect((await client.request('submit', share))['error']).toMatchObject({ code: 22 });
    expect(await saidOf('share refused', peer)).toMatchObject({ reason: 'duplicate' });
    const { client: next } = await member();
    expect((await next.request('submit', share))['error']).not.toBeNull();
    client.drop();
    next.drop();
    await good.served(1);
  });

  it('forges the hash of its share', async () => {
    const { client, peer, job } = await member('fd=1000000000');
    const forged = { ...submitOf(job.jobId, job.nonce + 1n), result: `01${'00'.repeat(31)}` };
    expect((await client.request('submit', forged))['error']).toMatchObject({ code: 23 });
    expect(await saidOf('share refused', peer)).toMatchObject({ reason: 'low-difficulty' });
    client.drop();
    await good.served(1);
  });
});

describe('the pool goes on, while its node', () => {
  it.each([
    ['answers garbage', 'not-json', json('<html>')],
    ['answers what is no work', 'bad-answer', success({ block_header: 5, seed: 'x' })],
    ['breaks every connection', 'network', (response) => response.destroy()],
    ['does not answer', 'timeout', () => {}],
  ] as readonly (readonly [string, string, Answer])[])('%s', async (_name, kind, answer) => {
    node.on('get-work', answer);
    const line = new RegExp(`"event":"no work from node","node":"${node.host}","kind":"${kind}"`);
    expect(await pool.said(line)).toMatchObject({ level: 'warn' });
    await pool.until((health) => !hasWork(health));
    // What miners have is good until somebody finds a block.
    await good.served(2);
    expect((await pool.health()).code).toBe(503);
    giveWork();
    await pool.until(hasWork);
    expect((await pool.health()).code).toBe(200);
    await good.served(1);
  });
});

describe('the pool goes on, and says in the end', () => {
  it('who flooded it, who never read, and who never ended a line', async () => {
    const { flood, deaf, half } = storm;
    expect(await saidOf('closed: login-timeout', half.peer)).toMatchObject({ level: 'warn' });
    await half.client.closed;
    expect(await saidOf('closed: flood', flood.peer)).toMatchObject({ level: 'warn' });
    // The system's own buffers for it may be large.
    const ended = await saidOf('closed: (flood|too-slow)', deaf.peer);
    expect(ended).toMatchObject({ level: 'warn' });
    for (const { client } of [flood, deaf]) client.drop();
    await good.served(2);
  });
});

describe('the share log of all this', () => {
  it('has every accepted share once', async () => {
    await good.stop();
    expect(good.faults).toEqual([]);
    const shares = await sharesOf(data);
    const workers = shares['workers'] as unknown as readonly { worker: string; shares: number }[];
    expect(workers.find(({ worker }) => worker === 'good')?.shares).toBe(good.accepted);
    expect(shares).toMatchObject({ duplicates: 0, unverified: 0, blocks: 0 });
    pool.process.signal('SIGTERM');
    const ended = await pool.process.ended;
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ended.stdout).not.toMatch(
      /"level":"error","tag":"pool","event":"(request|submit) failed"/,
    );
  });
});

const noSmallDisk = whyNoSmallDisk();

describe('a full disk', () => {
  it('keeps shares from being counted, until there is room', async (test) => {
    if (noSmallDisk !== undefined) return test.skip(noSmallDisk);
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    expect(shell('mount -t tmpfs -o size=256k none "$1"', disk)).toBe(0);
    const own = join(disk, 'pool');
    const small = startPool(own);
    test.onTestFinished(async () => {
      small.process.signal('SIGKILL');
      await small.process.ended;
      shell('umount "$1"', disk);
    });
    const client = await PoolClient.connect({ port: await small.port() });
    const job = jobOf(await client.login(`${ADDRESS}.bad`));
    let offset = 0n;
    const submit = (): Promise<PoolMessage> =>
      client.request('submit', submitOf(job.jobId, job.nonce + offset++));
    expect((await submit())['error']).toBeNull();

    const filler = join(disk, 'filler');
    expect(shell('cat /dev/zero > "$1" 2>/dev/null', filler)).not.toBe(0);
    let accepted = 1;
    let refused: PoolMessage['error'] = null;
    // The page that is begun has room for a few.
    while (refused === null && accepted < 100) {
      refused = (await submit())['error'] ?? null;
      if (refused === null) accepted++;
    }
    expect(refused).toMatchObject({ code: expect.any(Number) });
    const kept = await small.said(/"event":"shares cannot be kept"/);
    expect(kept).toMatchObject({ level: 'error', peer: expect.stringMatching(/^127\.0\.0\.1:/) });
    expect(String(kept['reason'])).toContain('ENOSPC');
    const { code, body } = await small.health();
    expect([code, body['status']]).not.toEqual([200, 'ok']);
    expect((await small.metrics()).get('bytom_pool_log_failing')).toBe(1);
    const again = offset - 1n;

    rmSync(filler);
    offset = again;
    // The very share that was refused: it was not counted.
    expect((await submit())['error']).toBeNull();
    accepted++;
    await small.said(/"event":"log writable again"/);
    expect((await small.health()).body['status']).toBe('ok');
    client.drop();
    expect((await small.process.interrupt()).code).toBe(130);
    expect(await sharesOf(own)).toMatchObject({ records: accepted, duplicates: 0 });
  });
});

function startPool(where: string): RunningPool {
  return new RunningPool(where, ['--node', node.url, '--address', ADDRESS, ...EASIEST]);
}

/** Work that nothing will be a block for. */
function giveWork(): void {
  node.on('get-work', success(hardWork()));
}

function hasWork({ nodes }: Readonly<Record<string, JsonValue>>): boolean {
  return (nodes as unknown as [{ readonly up: boolean }])[0].up;
}

function success(value: unknown): Answer {
  return json({ status: 'success', data: value });
}

function hardWork(): object {
  const url = new URL('../vectors/http_transcripts.json', import.meta.url);
  const { calls } = JSON.parse(readFileSync(url, 'utf8')) as {
    readonly calls: readonly {
      readonly path: string;
      readonly response: { readonly data: { block_header: string; seed: string } };
    }[];
  };
  const { block_header, seed } = calls.find(({ path }) => path === '/get-work')!.response.data;
  const { header } = decodeHeader(hexToBytes(block_header, 'recorded'));
  const bits = (0x15n << 56n) | 0x7f_ffffn;
  return { block_header: bytesToHex(encodeHeader({ ...header, bits })), seed };
}

/** Runs a command with a path as its `$1`. Its exit code. */
function shell(command: string, path: string): number | null {
  return spawnSync('sh', ['-c', command, 'sh', path]).status;
}

/** Why there can be no small disk here; `undefined` if there can. */
function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'a small disk needs Linux';
  if (process.getuid?.() !== 0) return 'a small disk needs root, to mount it';
  const directory = join(folder, 'trial');
  mkdirSync(directory);
  if (shell('mount -t tmpfs -o size=256k none "$1"', directory) !== 0) {
    return 'this machine allows no mounts';
  }
  shell('umount "$1"', directory);
  return undefined;
}
