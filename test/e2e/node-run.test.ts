/** The built `bytom-node` as a running node: peers, miners, signals, and what it refuses to start with. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { chainLines, solonetChain } from '../support/solonet-chain.ts';
import { runMiner } from './miner-process.ts';
import { expectRefusal, runNode } from './node-process.ts';
import { expectSuccess, jsonOf, type StartOptions } from './program-process.ts';
import { agreement, RunningNode } from './running-node.ts';

const vector = solonetChain();
/** Blocks of the vector: each costs a hash when it is imported, and another when it is synced. */
const KNOWN = 12;
const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const MINING = ['--mining-address', ADDRESS];

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const freshData = (): string => join(folder, `data-${count++}`);

const running = new Set<RunningNode>();
afterEach(async () => {
  for (const node of running) node.process.signal('SIGKILL');
  await Promise.all([...running].map((node) => node.process.ended));
  running.clear();
});

function start(
  data: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): RunningNode {
  const node = new RunningNode(data, args, options);
  running.add(node);
  return node;
}

/** A data directory with the first blocks of the vector. */
async function importedData(): Promise<string> {
  const data = freshData();
  const path = join(folder, 'known.txt');
  writeFileSync(path, chainLines(vector, 0, KNOWN));
  const args = ['--network', 'solonet', '--data', data, '--threads', '1'];
  expectSuccess(await runNode([...args, 'import', path]));
  return data;
}

async function heightOf(data: string): Promise<unknown> {
  const args = ['--network', 'solonet', '--data', data, 'status', '--json'];
  return jsonOf(await runNode(args))['height'];
}

describe('a node', () => {
  it('says where it is, answers, and stops on SIGTERM with everything on disk', async () => {
    const data = await importedData();
    const node = start(data, ['--json', ...MINING]);
    const ready = await node.ready();
    expect(ready).toMatchObject({ level: 'info', height: KNOWN, mining: false, reward: ADDRESS });
    expect(await node.call('net-info')).toMatchObject({
      listening: true,
      syncing: false,
      mining: false,
      peer_count: 0,
      current_block: KNOWN,
      network_id: 'solonet',
    });
    expect(await node.tip()).toBe(vector.blocks[KNOWN]!.hash);
    const second = await runNode(['--network', 'solonet', '--data', data, '--rpc', '127.0.0.1:0']);
    expectRefusal({ ...second, stderr: second.stderr }, 1, 'in use by process');
    node.process.signal('SIGTERM');
    const ended = await node.process.ended;
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ended.stdout).toMatch(/"event":"stopping".*\n(.*\n)*.*"event":"stopped"/);
    const { seconds, ...result } = jsonOf(ended);
    expect(result).toEqual({
      ended: 'interrupted',
      height: KNOWN,
      hash: vector.blocks[KNOWN]!.hash,
    });
    expect(seconds).toBeGreaterThan(0);
    expect(await heightOf(data)).toBe(KNOWN);
  });

  it('is the same one after a restart', async () => {
    const data = freshData();
    const identities: string[] = [];
    for (const args of [['run'], []]) {
      const node = start(data, args);
      const line = await node.process.line(/"event":"identity"/);
      identities.push((JSON.parse(line) as { peer: string }).peer);
      await node.ready();
      expect((await node.process.interrupt()).code).toBe(130);
    }
    expect(identities[0]).toMatch(/^[0-9A-F]{64}$/);
    expect(identities[1]).toBe(identities[0]);
  });

  it('that is stopped before it is ready stops', async () => {
    const node = start(freshData());
    await node.process.line(/"event":"start"/);
    const ended = await node.process.interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ended.ms).toBeLessThan(10_000);
  });

  it('without peers and without an HTTP API mines for itself', async () => {
    const data = freshData();
    const node = start(data, ['--no-p2p', '--no-rpc', '--mine', ...MINING]);
    const ready = await node.ready();
    expect([ready['rpc'], ready['p2p'], ready['mining']]).toEqual([undefined, undefined, true]);
    await node.process.line(/"event":"tip","height":2/);
    expect((await node.process.interrupt()).code).toBe(130);
    expect(await heightOf(data)).toBeGreaterThanOrEqual(2);
    expect(readdirSync(data)).not.toContain('node-identity');
  });
});

describe('two nodes', () => {
  it('agree: one has blocks, a miner finds more, one is killed and comes back', async () => {
    const first = start(await importedData(), MINING);
    const data = freshData();
    const connect = ['--connect', await first.p2p()];
    let second = start(data, connect);
    await second.reaches(KNOWN);
    expect(await second.tip()).toBe(vector.blocks[KNOWN]!.hash);

    const solo = ['--solo', await first.url(), '--threads', '1', '--shares', '2', '--json'];
    const miner = await runMiner(solo);
    expectSuccess(miner);
    expect(jsonOf(miner)).toMatchObject({ ended: 'shares', rejected: 0, hardwareErrors: 0 });
    const height = await first.height();
    expect(height).toBeGreaterThanOrEqual(KNOWN + 2);
    await second.reaches(height);
    const tip = await agreement(first, second);
    const block = await first.call('get-block', { block_hash: tip });
    const [coinbase] = block['transactions'] as unknown as [{ outputs: [{ address: string }] }];
    expect(coinbase.outputs[0].address).toBe(ADDRESS);

    // What was synced waits for its flush for two seconds at most.
    await until(async () => (await heightOf(data)) === height);
    second.process.signal('SIGKILL');
    await second.process.ended;
    second = start(data, connect);
    expect((await second.ready())['height']).toBe(height);

    // The other way round: what the second finds, the first gets.
    await second.call('set-mining-address', { mining_address: ADDRESS });
    await second.call('set-mining', { is_mining: true });
    await first.reaches(height + 2);
    await second.call('set-mining', { is_mining: false });
    await agreement(first, second);
    const [peer] = (await first.call('list-peers')) as unknown as [{ peer_id: string }];
    expect(peer.peer_id).toMatch(/^[0-9A-F]{64}$/);
    for (const node of [first, second]) {
      const ended = await node.process.interrupt();
      expect([ended.code, ended.stderr]).toEqual([130, '']);
    }
    // Set by a call, it outlives the node.
    expect(JSON.parse(readFileSync(join(data, 'mining-settings.json'), 'utf8'))).toMatchObject({
      mining_address: ADDRESS,
    });
  });
});

describe('three nodes', () => {
  it('find each other: two know the third alone, over UDP', async () => {
    // A seed that nobody answers at: to be found, a node must take part.
    const known = start(freshData(), ['--seed', '127.0.0.1:1025']);
    const seed = ['--seed', await known.p2p()];
    const [one, other] = [start(freshData(), seed), start(freshData(), seed)];
    const ports = new Set([portOf(await one.p2p()), portOf(await other.p2p())]);
    await until(async () => {
      const peers = await Promise.all([peerPorts(one), peerPorts(other)]);
      return peers.flat().some((port) => ports.has(port));
    });
  });
});

async function peerPorts(node: RunningNode): Promise<readonly string[]> {
  const peers = (await node.call('list-peers')) as unknown as readonly { remote_addr: string }[];
  return peers.map(({ remote_addr }) => portOf(remote_addr));
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1);
}

/** The test's own limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((next) => setTimeout(next, 200));
}

describe('without a mining address', () => {
  it('there is no work, and it is said why', async () => {
    const node = start(freshData());
    await node.process.line(/"level":"warn".*"event":"no mining address"/);
    for (const path of ['get-work', 'get-work-json']) {
      expect(await node.answer(path)).toMatchObject({
        status: 'fail',
        error_detail: 'Mining address does not exist',
      });
    }
    await node.call('set-mining-address', { mining_address: ADDRESS });
    expect(await node.call('get-work')).toMatchObject({ seed: expect.any(String) });
  });

  it('--mine is refused', async () => {
    const args = ['--network', 'solonet', '--data', freshData(), '--rpc', '127.0.0.1:0', '--mine'];
    const ended = await runNode([...args, '--no-p2p']);
    expectRefusal(ended, 2, 'mining-address: expected an address');
  });
});

describe('a node that cannot start', () => {
  const cases: readonly (readonly [args: readonly string[], code: number, text: string])[] = [
    [['--rpc', '9888'], 2, 'rpc: expected host:port'],
    [['--mining-address', 'bm1qsha7w2mqvs5fqp99x8uk0zvd75ceacpfjjjuwn'], 2, 'mining-address'],
    [['--max-peers', '0'], 2, 'max-peers: expected a whole number from 1 to 1000'],
    [['--no-p2p', '--no-rpc'], 2, 'nothing to do'],
    [['--config', '/no/such/file'], 2, 'config: expected a readable file'],
    [['--device', 'gpu7'], 3, 'no such device: gpu7'],
    [['--log-file', '/no/such/folder/log'], 2, 'log-file: expected a file'],
    [['--p2p', '192.0.2.1:0'], 1, 'cannot listen at 192.0.2.1:0'],
    [['--rpc', '192.0.2.1:0'], 1, 'EADDRNOTAVAIL'],
  ];

  it.each(cases)('because of %j ends with %i and one line', async (args, code, text) => {
    const alone = ['--network', 'solonet', '--data', freshData(), '--threads', '1'];
    const ended = await runNode([
      ...alone,
      '--rpc',
      '127.0.0.1:0',
      '--p2p',
      '127.0.0.1:0',
      ...args,
    ]);
    expectRefusal(ended, code, text);
  });

  it('because its port is taken says so, and leaves the data free', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const data = freshData();
    const args = ['--network', 'solonet', '--data', data, '--no-p2p'];
    const ended = await runNode([...args, '--rpc', `127.0.0.1:${port}`]);
    server.close();
    expectRefusal(ended, 1, `address already in use 127.0.0.1:${port}`);
    expect(await heightOf(data)).toBe(0);
  });
});

describe('--dry-run', () => {
  it('tells what the options come to, and touches nothing', async () => {
    const data = freshData();
    const config = join(folder, 'dry.json');
    writeFileSync(
      config,
      JSON.stringify({ network: 'solonet', data, connect: ['10.0.0.1'], 'max-peers': 7 }),
    );
    const env = {
      BYTOM_NODE_MAX_PEERS: '8',
      BYTOM_NODE_MEMPOOL_SIZE: '9',
      BYTOM_NODE_RPC: '[::1]:1',
    };
    const args = ['--config', config, '--rpc', '127.0.0.1:5', '--dry-run', '--json', ...MINING];
    const ended = await runNode(args, { env });
    expectSuccess(ended);
    expect(jsonOf(ended)).toEqual({
      ended: 'dry-run',
      network: 'solonet',
      data,
      checkpoints: 'enforce',
      rpc: '127.0.0.1:5',
      p2p: '0.0.0.0:46658',
      connect: ['10.0.0.1:46658'],
      discovery: true,
      maxPeers: 8,
      mine: false,
      miningAddress: ADDRESS,
      mempoolSize: 9,
      devices: ['cpu'],
    });
    expect(existsSync(data)).toBe(false);
  });
});
