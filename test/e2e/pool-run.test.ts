/**
 * The built pool with the built node and the built miner: what is found, who is paid, what is written
 * down, and how all of it comes back after an end of any kind. A block takes some twenty hashes here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, describe, it, type TestContext, vi } from 'vitest';
import { createCertificate, hasOpenssl } from '../support/certificate.ts';
import { MinerProcess } from './miner-process.ts';
import { expectSuccess, jsonOf, type ProgramProcess } from './program-process.ts';
import { RunningNode } from './running-node.ts';
import { blocksOf, RunningPool, runPool, sharesOf } from './running-pool.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const OTHER_ADDRESS = 'sm1qqurswpc8qurswpc8qurswpc8qurswpc8zwj9t7';
const PAYS = ['--address', ADDRESS];
/** A pool's stop, with all that is under way. */
const STOP_MS = 5000;
/** On a quiet machine the slowest takes half a minute. */
const LIMIT_MS = 240_000;
vi.setConfig({ testTimeout: LIMIT_MS });
const RESTART_MS = 5000;

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const freshData = (): string => join(folder, `data-${count++}`);

/** Everything that a test starts ends with it: the tests run side by side. */
class Started {
  readonly #processes = new Set<ProgramProcess>();

  constructor({ onTestFinished }: TestContext) {
    onTestFinished(async () => {
      for (const each of this.#processes) each.signal('SIGKILL');
      await Promise.all([...this.#processes].map((each) => each.ended));
    });
  }

  node(args: readonly string[] = [], data: string = freshData()): RunningNode {
    const node = new RunningNode(data, ['--no-p2p', ...args], { limitMs: LIMIT_MS });
    this.#processes.add(node.process);
    return node;
  }

  pool(data: string, args: readonly string[]): RunningPool {
    const pool = new RunningPool(data, args, { limitMs: LIMIT_MS });
    this.#processes.add(pool.process);
    return pool;
  }

  miner(urls: readonly string[], args: readonly string[] = []): MinerProcess {
    const pools = urls.flatMap((url) => ['-o', url]);
    const quick = ['--device', 'cpu', '--threads', '1', '--retry-pause', '0.2'];
    const login = ['-u', `${ADDRESS}.rig1`, '-p', 'x'];
    const miner = new MinerProcess([...pools, ...login, ...quick, '--json', ...args], {
      limitMs: LIMIT_MS,
    });
    this.#processes.add(miner);
    return miner;
  }
}

describe.concurrent('a pool', () => {
  it('finds blocks that pay its address, and counts every share once', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const node = started.node();
    const data = freshData();
    const url = await node.url();
    const pool = started.pool(data, ['--node', url, ...PAYS, '--json']);
    expect(await pool.ready()).toMatchObject({ level: 'info', tls: false });
    const stratum = `stratum+tcp://${await pool.stratum()}`;

    const miner = started.miner([stratum], ['--shares', '1000']);
    await node.reaches(1);
    await miner.line(/accepted \(5\//);
    expect(await pool.health()).toMatchObject({
      code: 200,
      body: {
        status: 'ok',
        network: 'solonet',
        connections: 1,
        sessions: 1,
        nodes: [{ name: new URL(url).host, up: true, lagBlocks: 0 }],
      },
    });

    const start = performance.now();
    pool.process.signal('SIGTERM');
    const stopped = await pool.process.ended;
    expect(performance.now() - start).toBeLessThan(STOP_MS);
    expect([stopped.code, stopped.stderr]).toEqual([130, '']);
    // Whoever comes when it is ready gets work at once.
    expect(stopped.stdout).not.toContain('"event":"login refused"');
    expect((await miner.interrupt()).code).toBe(130);
    const mined = jsonOf(await miner.ended);
    expect(mined['rejected']).toBe(0);
    expect(jsonOf(stopped)).toMatchObject({ ended: 'interrupted', sharesRejected: 0 });

    const shares = await sharesOf(data);
    const total = shares['shares'] as number;
    expect(shares).toMatchObject({
      records: total,
      duplicates: 0,
      unverified: 0,
      difficulty: 4 * total,
      workers: [{ account: ADDRESS, worker: 'rig1', shares: total }],
    });
    expect(total).toBe(mined['accepted']);
    expect(jsonOf(stopped)['sharesAccepted']).toBe(total);

    const height = await node.height();
    const blocks = await blocksOf(data);
    expect(height).toBeGreaterThan(0);
    expect(blocks.length).toBe(shares['blocks']);
    for (let at = 1; at <= height; at++) {
      const block = await node.call('get-block', { block_height: at });
      const [coinbase] = block['transactions'] as unknown as [{ outputs: [{ address: string }] }];
      expect(coinbase.outputs[0].address).toBe(ADDRESS);
      const listed = blocks.find(({ hash }) => hash === block['hash']);
      expect(listed).toMatchObject({ height: at, state: 'accepted', finder: `${ADDRESS}.rig1` });
    }
  });

  it('says in /metrics what an operator wants to know', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const node = started.node(['--mining-address', OTHER_ADDRESS]);
    const url = await node.url();
    const data = freshData();
    const pool = started.pool(data, ['--node', url, ...PAYS]);
    const before = await pool.metrics();
    expect(before.get('bytom_pool_shares_total{result="accepted",reason=""}')).toBe(0);
    // The node paid somebody else.
    expect(await pool.said(/"event":"mining address set"/)).toMatchObject({
      level: 'warn',
      before: OTHER_ADDRESS,
    });
    expect(await node.call('get-mining-address')).toEqual({ mining_address: ADDRESS });

    const miner = started.miner([`stratum+tcp://${await pool.stratum()}`], ['--shares', '4']);
    const mined = jsonOf(await miner.ended);
    await pool.until(({ sessions }) => sessions === 0);
    const metrics = await pool.metrics();
    const sum = (pattern: RegExp): number =>
      [...metrics].filter(([key]) => pattern.test(key)).reduce((all, [, value]) => all + value, 0);
    const accepted = sum(/^bytom_pool_shares_total\{result="accepted"/);
    expectCounted(expect, accepted, mined);
    expect(sum(/^bytom_pool_shares_total\{result="rejected"/)).toBe(0);
    const difficulty = sum(/^bytom_pool_share_difficulty_total\{result="accepted"/);
    expect(difficulty).toBe(4 * accepted);
    expect(metrics.get('bytom_pool_block_events_total{event="found"}')).toBeGreaterThanOrEqual(
      mined['blocks'] as number,
    );
    const host = new URL(url).host;
    expect(Object.fromEntries(metrics)).toMatchObject({
      bytom_pool_connections: 0,
      bytom_pool_sessions: 0,
      bytom_pool_connections_opened_total: 1,
      'bytom_pool_connections_closed_total{reason="client"}': 1,
      'bytom_pool_logins_total{outcome="accepted"}': 1,
      bytom_pool_log_failing: 0,
      bytom_pool_log_failures_total: 0,
      bytom_pool_hasher_down: 0,
      bytom_pool_verification_queued: 0,
      bytom_pool_bans: 0,
      [`bytom_pool_node_up{node="${host}"}`]: 1,
      [`bytom_pool_node_lag_blocks{node="${host}"}`]: 0,
    });
    expect(metrics.get('bytom_pool_hashes_per_second')).toBeGreaterThan(0);
    expect(metrics.get('bytom_pool_log_sync_seconds_count')).toBeGreaterThan(0);
    const lastShare = metrics.get('bytom_pool_last_share_timestamp_seconds') ?? 0;
    expect(Math.abs(Date.now() / 1000 - lastShare)).toBeLessThan(60);
  });
});

// Alone: its time is measured.
describe('a pool', () => {
  it('that is killed is back in seconds, with its miner and every share', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const node = started.node();
    const data = freshData();
    const args = ['--node', await node.url(), ...PAYS];
    const first = started.pool(data, args);
    const address = await first.stratum();
    const miner = started.miner([`stratum+tcp://${address}`], ['--shares', '8']);
    await miner.line(/accepted \(4\//);
    first.process.signal('SIGKILL');
    expect((await first.process.ended).code).toBeNull();
    const kept = (await sharesOf(data))['shares'] as number;
    expect(kept).toBeGreaterThanOrEqual(4);

    const start = performance.now();
    const second = started.pool(data, [...args, '--listen', address]);
    await second.ready();
    const ms = Math.round(performance.now() - start);
    console.log(`a killed pool was ready again after ${ms} ms`);
    expect(ms).toBeLessThan(RESTART_MS);

    const ended = await miner.ended;
    expect(ended.code).toBe(0);
    expect(jsonOf(ended)).toMatchObject({ ended: 'shares', rejected: 0, hardwareErrors: 0 });
    const stopped = await second.process.interrupt();
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).not.toContain('"event":"login refused"');
    const shares = await sharesOf(data);
    expect(shares['duplicates']).toBe(0);
    expectCounted(expect, shares['shares'] as number, jsonOf(ended));
  });
});

describe.concurrent('a pool', () => {
  it.skipIf(!hasOpenssl)(
    'speaks TLS at its port, and takes a renewed certificate',
    async (test) => {
      const { expect } = test;
      const started = new Started(test);
      const [old, renewed] = [createCertificate(), createCertificate()];
      const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
      writeFileSync(certFile, old.cert);
      writeFileSync(keyFile, old.key);
      const node = started.node();
      const tls = ['--tls-cert', certFile, '--tls-key', keyFile];
      const pool = started.pool(freshData(), ['--node', await node.url(), ...PAYS, ...tls]);
      expect(await pool.ready()).toMatchObject({ tls: true });
      const port = await pool.port();
      expect(await fingerprintAt(port)).toBe(old.fingerprint);
      const pinned = ['--tls-fingerprint', old.fingerprint, '--shares', '1'];
      const [secure, plain] = [
        started.miner([`stratum+ssl://127.0.0.1:${port}`], pinned),
        started.miner([`stratum+tcp://127.0.0.1:${port}`], ['--shares', '1']),
      ];
      expectSuccess(await secure.ended);
      expectSuccess(await plain.ended);

      writeFileSync(keyFile, 'no key');
      pool.process.signal('SIGHUP');
      expect(await pool.said(/"event":"certificate not taken/)).toMatchObject({ level: 'error' });
      expect(await fingerprintAt(port)).toBe(old.fingerprint);
      writeFileSync(certFile, renewed.cert);
      writeFileSync(keyFile, renewed.key);
      pool.process.signal('SIGHUP');
      await pool.said(/"event":"certificate read again"/);
      expect(await fingerprintAt(port)).toBe(renewed.fingerprint);
      expect((await pool.process.interrupt()).code).toBe(130);
    },
  );

  it('with a node in its process needs no other', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const data = freshData();
    const config = join(folder, 'node.json');
    const nodeData = freshData();
    const options = { data: nodeData, rpc: '127.0.0.1:0', 'no-p2p': true };
    writeFileSync(config, JSON.stringify(options));
    const own = ['--embedded-node', '--node-config', config, ...PAYS];
    const pool = started.pool(data, own);
    const node = await pool.said(/"tag":"node","event":"ready"/);
    expect(node['height']).toBe(0);
    expect(node['p2p']).toBeUndefined();
    const miner = started.miner([`stratum+tcp://${await pool.stratum()}`], ['--shares', '4']);
    expectSuccess(await miner.ended);
    const mined = jsonOf(await miner.ended);
    expect(mined).toMatchObject({ ended: 'shares', rejected: 0 });
    const { body } = await pool.health();
    expect(body).toMatchObject({ status: 'ok', nodes: [{ name: 'embedded', up: true }] });
    const answer = await fetch(`http://${node['rpc'] as string}/get-block-count`, {
      method: 'POST',
      body: '{}',
    });
    const count = ((await answer.json()) as { data: { block_count: number } }).data.block_count;
    const end = await pool.process.interrupt();
    expect([end.code, end.stderr]).toEqual([130, '']);
    expectCounted(expect, (await sharesOf(data))['shares'] as number, mined);
    const heights = new Set((await blocksOf(data)).map(({ height }) => height)).size;
    expect(heights).toBeGreaterThanOrEqual(count);

    // Both folders are free again, and the chain is where it was.
    const again = started.pool(data, own);
    expect(await again.said(/"tag":"node","event":"ready"/)).toMatchObject({ height: heights });
    expect((await again.process.interrupt()).code).toBe(130);
  });
});

describe.concurrent('a pool', () => {
  it('hands a block to every node, and goes over to the second and back', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const firstData = freshData();
    // Neither knows the other: what the second has of the first, it has from the pool.
    let first = started.node([], firstData);
    const second = started.node();
    const [firstUrl, secondUrl] = await Promise.all([first.url(), second.url()]);
    const data = freshData();
    const debug = ['--log-level', 'debug'];
    const pool = started.pool(data, ['--node', firstUrl, '--node', secondUrl, ...PAYS, ...debug]);
    const miner = started.miner([`stratum+tcp://${await pool.stratum()}`], ['--shares', '1000']);
    await first.reaches(1);
    await second.reaches(1);
    const hashAt = async (node: RunningNode, height: number): Promise<unknown> =>
      (await node.call('get-block', { block_height: height }))['hash'];
    expect(await hashAt(second, 1)).toBe(await hashAt(first, 1));

    first.process.signal('SIGKILL');
    await first.process.ended;
    const before = await second.height();
    await second.reaches(before + 1);
    const firstName = new URL(firstUrl).host;
    const secondName = new URL(secondUrl).host;
    await pool.said(new RegExp(`"event":"node in use","node":"${secondName}"`));
    const down = await pool.health();
    expect(down.code).toBe(200);
    expect(down.body).toMatchObject({ status: 'degraded', sessions: 1 });
    expect(String(down.body['reasons'])).toContain(firstName);

    // It comes back without the blocks of the meantime, and gets them from the pool.
    first = started.node(['--rpc', firstName], firstData);
    await first.ready();
    await pool.until(({ nodes }) => {
      const [back] = nodes as unknown as [{ up: boolean }];
      return back.up;
    });
    const tip = await second.height();
    await first.reaches(tip);
    expect(await hashAt(first, tip)).toBe(await hashAt(second, tip));
    const back = `"node in use","node":"${firstName}".*"before":"${secondName}"`;
    await pool.said(new RegExp(back));
    second.process.signal('SIGKILL');
    await second.process.ended;
    await first.reaches(tip + 1);
    expect((await miner.interrupt()).code).toBe(130);
    expect(jsonOf(await miner.ended)).toMatchObject({ rejected: 0 });
    expect((await pool.process.interrupt()).code).toBe(130);
    const [block] = await blocksOf(data);
    const takers = block?.events.filter(({ event }) => event === 'accepted');
    expect(takers?.map(({ detail }) => detail).sort()).toEqual([firstName, secondName].sort());
  });

  it('whose data another one has says which process that is', async (test) => {
    const { expect } = test;
    const started = new Started(test);
    const data = freshData();
    // No node there: its miners wait for one, and it for them.
    const args = ['--node', 'http://127.0.0.1:1', ...PAYS];
    const pool = started.pool(data, args);
    await pool.ready();
    const common = ['--network', 'solonet', '--data', data, '--threads', '1', '--no-http'];
    const ended = await runPool([...common, '--listen', '127.0.0.1:0', ...args]);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      new RegExp(`^bytom-pool: [^\n]*in use by process ${pool.process.pid};[^\n]*\n$`),
    );
    // Reading beside it is no harm.
    expect(await sharesOf(data)).toMatchObject({ records: 0 });
    expect((await pool.process.interrupt()).code).toBe(130);
  });
});

/** The pool has what the miner was told of, and besides at most what it got no answer for. */
function expectCounted(
  expect: TestContext['expect'],
  shares: number,
  mined: Readonly<Record<string, unknown>>,
): void {
  const { accepted, unanswered } = mined as { accepted: number; unanswered: number };
  expect(shares).toBeGreaterThanOrEqual(accepted);
  expect(shares).toBeLessThanOrEqual(accepted + unanswered);
}

/** The fingerprint of the certificate that is shown there. */
function fingerprintAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
