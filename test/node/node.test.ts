import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { SOLONET } from '../../src/consensus/network.ts';
import { NodeStateError } from '../../src/node/api-views.ts';
import { ChainError } from '../../src/node/chain-error.ts';
import { AccessTokens } from '../../src/node/http/access-tokens.ts';
import { Node, type NodeOptions, type NodeParts } from '../../src/node/node.ts';
import { AddressBook } from '../../src/p2p/address-book.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import type { Change } from '../../src/store/kv.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { openStore } from '../support/chain-rig.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const HERE = { host: '127.0.0.1', port: 0 } as const;
const HTTP = { ...HERE, version: '1.0.0' } as const;
const PEERS = { address: HERE, listen: true, connect: [], maxPeers: 8, moniker: 'test' } as const;

const folder = mkdtempSync(join(tmpdir(), 'bytom-node-unit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

let count = 0;

/** A database on a disk that may be full. */
class DiskKv extends MemoryKv {
  full = false;

  override write(changes: Iterable<Change>): void {
    if (this.full) throw new StoreError({ code: 'no-space', directory: this.directory });
    super.write(changes);
  }
}

interface Rig {
  readonly node: Node;
  readonly log: RecordingLog;
  readonly kv: DiskKv;
}

async function createNode(
  options: Partial<NodeOptions> = {},
  over: Partial<NodeParts> = {},
): Promise<Rig> {
  const id = count++;
  const log = new RecordingLog('node');
  const kv = new DiskKv();
  const store = openStore(kv);
  const hasher = over.hasher ?? new StandInHasher();
  const tables = standInTable;
  const parts = { hasher, tables, confirm: () => hasher, confirmTables: tables, log };
  const verifier = new PowVerifier({}, parts);
  const now = (): number => Date.now();
  const book = await AddressBook.open(
    { path: join(folder, `peers-${id}.json`) },
    { clock: systemClock, wallNow: now, random: () => 0.5, log },
  );
  const node = await Node.open(
    { network: SOLONET, ...options },
    {
      store,
      verifier,
      hasher,
      tables,
      tokens: await AccessTokens.open(join(folder, `tokens-${id}`), { now }),
      network: {
        identity: new NodeIdentity(new Uint8Array(32).fill(id + 1)),
        book,
        resolve: () => Promise.reject(new Error('no names here')),
      },
      clock: systemClock,
      now,
      random: () => 0.5,
      log,
      ...over,
    },
  );
  open.push(async () => {
    await node.close().catch(() => undefined);
    await verifier.close();
  });
  return { node, log, kv };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((next) => setTimeout(next, 5));
}

function heightOf({ node }: Rig): number {
  return node.chain.tip.header.height;
}

async function call(port: number, path: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, { method: 'POST' });
  return response.json();
}

describe('a node', () => {
  it('has what its options ask for, and tells where', async () => {
    const { node } = await createNode({ http: HTTP, peers: PEERS });
    const { http, peers } = await node.start();
    expect([http?.host, peers?.host]).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(http?.port).toBeGreaterThan(0);
    expect(peers?.port).toBeGreaterThan(0);
    expect(await call(http!.port, 'net-info')).toMatchObject({ data: { listening: true } });
    const bare = await createNode();
    expect(await bare.node.start()).toEqual({});
    expect(bare.node.peers.list()).toEqual([]);
    await expect(bare.node.peers.connect('10.0.0.1', 1)).rejects.toThrow(NodeStateError);
    const quiet = await createNode({ peers: { ...PEERS, listen: false } });
    expect(await quiet.node.start()).toEqual({});
    expect(quiet.node.peers.listening).toBe(false);
  });

  it('gets the blocks that its peer has, and those that it finds', async () => {
    const first = await createNode({ peers: PEERS, mining: { address: ADDRESS, mine: true } });
    const { peers } = await first.node.start();
    await until(() => heightOf(first) >= 3);
    const second = await createNode({ peers: { ...PEERS, connect: [peers!] } });
    await second.node.start();
    await until(() => heightOf(second) >= 3);
    const height = heightOf(second);
    await until(() => heightOf(second) > height);
    await first.node.miner.stop();
    await until(() => heightOf(first) === heightOf(second));
    expect(bytesToHex(second.node.chain.tip.hash)).toBe(bytesToHex(first.node.chain.tip.hash));
    expect(second.node.peers.counts).toMatchObject({ inbound: 0, outbound: 1 });
    expect(first.node.peers.counts).toMatchObject({ inbound: 1, outbound: 0 });
  });

  it('that was closed does nothing any more, and has everything on disk', async () => {
    const rig = await createNode({ http: HTTP, peers: PEERS, mining: { address: ADDRESS } });
    const { http, peers } = await rig.node.start();
    rig.node.miner.start();
    await until(() => heightOf(rig) >= 2);
    await rig.node.close();
    await rig.node.close();
    const height = heightOf(rig);
    expect(rig.node.miner.running).toBe(false);
    await expect(call(http!.port, 'net-info')).rejects.toThrow();
    const other = await createNode({ peers: PEERS });
    await other.node.start();
    await expect(other.node.peers.connect('127.0.0.1', peers!.port)).rejects.toThrow();
    const [block] = new ChainBuilder().extend(1).blocks.slice(1);
    const late = rig.node.chain.submit(block!, { priority: 'tip' });
    await expect(late).rejects.toThrow(ChainError);
    const kept = openStore(rig.kv);
    expect(kept.tip().height).toBe(height);
  });

  it('that was never started can be closed', async () => {
    const { node } = await createNode({ http: HTTP, peers: PEERS });
    await node.close();
  });

  it('says what has stopped its chain', async () => {
    const rig = await createNode({ mining: { address: ADDRESS } });
    await rig.node.start();
    rig.kv.full = true;
    rig.node.miner.start();
    const failure = await rig.node.failed;
    expect(failure).toBeInstanceOf(StoreError);
    await rig.node.close();
  });
});

describe('a port that is taken', () => {
  it('keeps a node from starting, which can be closed then', async () => {
    const server = await listening();
    const { port } = server.address() as { port: number };
    const web = await createNode({ http: { ...HTTP, port }, peers: PEERS });
    await expect(web.node.start()).rejects.toThrow('EADDRINUSE');
    await web.node.close();
    const p2p = await createNode({ peers: { ...PEERS, address: { ...HERE, port } } });
    await expect(p2p.node.start()).rejects.toThrow(`cannot listen at 127.0.0.1:${port}`);
    await p2p.node.close();
  });
});

async function listening(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
}

describe('without a mining address', () => {
  it('a node does not mine, and gives no work', async () => {
    const mining = { mine: true };
    await expect(createNode({ mining })).rejects.toThrow(NodeStateError);
    const { node } = await createNode({ http: HTTP });
    const { http } = await node.start();
    for (const path of ['get-work', 'get-work-json']) {
      expect(await call(http!.port, path)).toMatchObject({
        status: 'fail',
        error_detail: 'Mining address does not exist',
      });
    }
    await node.settings.setAddress(ADDRESS);
    expect(await call(http!.port, 'get-work')).toMatchObject({ status: 'success' });
  });
});

describe('a part that does not stop', () => {
  it('does not keep the chain from being closed', async () => {
    const hasher = new StandInHasher();
    const { node, log } = await createNode({ stopMs: 20 }, { hasher });
    await node.start();
    node.miner.stop = () => new Promise(() => {});
    await node.close();
    expect(log.of('does not stop, going on without it')).toHaveLength(1);
    await expect(
      node.chain.submit(new ChainBuilder().block(), { priority: 'tip' }),
    ).rejects.toThrow(ChainError);
  });
});
