/**
 * The figures of the running node for `npm run bench:node`: catching up with a peer, passing blocks
 * on, templates, starting again, and what fifty peers take. Programs run as users run them; where only
 * the node's own part counts, a node in this process has every proof of work at hand.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { encodeBlock } from '../../src/chain/block.ts';
import type { Tx } from '../../src/chain/tx.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { AccessTokens } from '../../src/node/http/access-tokens.ts';
import { Node } from '../../src/node/node.ts';
import { AddressBook } from '../../src/p2p/address-book.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import type { PeerMessage } from '../../src/p2p/messages.ts';
import type { PeerLink } from '../../src/p2p/peer-link.ts';
import { P2pTransport } from '../../src/p2p/transport.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { bytesEqual, hexToBytes } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig, openStore } from '../support/chain-rig.ts';
import { decodeAll, knownHasher, type SolonetChain } from '../support/solonet-chain.ts';
import { coinOf, FEE, keyOwner, transaction } from '../support/spending.ts';
import { standInTable } from '../support/stand-in-hasher.ts';

const PROGRAM = fileURLToPath(new URL('../../src/cli/node.js', import.meta.url));
const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const PEERS = 50;

/** A node in a process of its own, as users run it. */
class RunningNode {
  readonly directory: string;
  readonly pid: number;
  readonly startedAt: number = performance.now();
  readonly #ended: Promise<unknown>;
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: string[] = [];

  constructor(directory: string, args: readonly string[]) {
    this.directory = directory;
    const all = ['--network', 'solonet', '--data', directory, '--no-discovery', ...args];
    this.#child = spawn(process.execPath, [PROGRAM, ...all], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.pid = this.#child.pid!;
    this.#ended = once(this.#child, 'close');
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#lines.push(line));
  }

  /** The first line like it, with the time it was seen at. */
  async line(pattern: RegExp): Promise<{ readonly text: string; readonly at: number }> {
    for (;;) {
      const text = this.#lines.find((line) => pattern.test(line));
      if (text !== undefined) return { text, at: performance.now() };
      if (this.#child.exitCode !== null) throw new Error(`ended early:\n${this.#lines.join('\n')}`);
      await sleep(2);
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

export interface LiveBench {
  readonly vector: SolonetChain;
  /** An empty one for each call. */
  readonly directory: (name: string) => string;
  readonly check: (what: string, expected: unknown, got: unknown) => void;
  readonly add: (name: string, target: string, value: number) => void;
  readonly checkStore: (kv: LmdbKv) => Promise<void>;
  readonly hashRate: () => Promise<{ readonly perSecond: number }>;
}

/** The vector's chain on disk, its proofs of work taken as known. */
async function prepared({ vector, directory }: LiveBench, upTo: number): Promise<string> {
  const path = directory('prepared');
  const rig = new ChainRig({ hasher: knownHasher(vector), kv: LmdbKv.open(path) });
  const blocks = decodeAll(vector).slice(1, upTo + 1);
  for (let at = 0; at < blocks.length; at += 512) await rig.submitAll(blocks.slice(at, at + 512));
  await rig.close();
  return path;
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** From `bytom-node` with an empty directory to the tip of its one peer, all proofs computed. */
export async function measureSync(bench: LiveBench): Promise<void> {
  const { vector, check, add } = bench;
  const port = await freePort();
  const source = new RunningNode(await prepared(bench, vector.best_height), [
    ...['--p2p', `127.0.0.1:${port}`, '--no-rpc', '--threads', '1'],
  ]);
  await source.line(/ ready/);
  const before = await bench.hashRate();
  const rpc = await freePort();
  const directory = bench.directory('synced');
  const node = new RunningNode(directory, [
    ...['--p2p', '127.0.0.1:0', '--no-listen', '--connect', `127.0.0.1:${port}`],
    ...['--rpc', `127.0.0.1:${rpc}`],
  ]);
  const { at: start } = await node.line(/ ready/);
  for (;;) {
    const height = await blockCount(rpc);
    if (height === vector.best_height) break;
    check('a height of the chain', true, height < vector.best_height);
    await sleep(20);
  }
  const rate = vector.best_height / ((performance.now() - start) / 1000);
  await node.stop();
  await source.stop();
  const after = await bench.hashRate();
  await bench.checkStore(LmdbKv.open(directory, { readOnly: true }));
  add('sync from a peer of ours [blocks/s]', '', rate);
  const ratio = (200 * rate) / (before.perSecond + after.perSecond);
  add('sync : hash rate [%]', '≥ 90', ratio);
}

/** `bytom-node` on a whole chain: from the start of the process to the answer of its HTTP API. */
export async function measureRestart(bench: LiveBench, runs: number): Promise<void> {
  const { vector, check, add } = bench;
  const path = await prepared(bench, vector.best_height);
  for (let run = 0; run < runs; run++) {
    const rpc = await freePort();
    const node = new RunningNode(path, ['--no-p2p', '--rpc', `127.0.0.1:${rpc}`]);
    let height: number | undefined;
    while (height === undefined) {
      height = await blockCount(rpc).catch(() => undefined);
      if (height === undefined) await sleep(2);
    }
    add(
      'restart at the tip, until HTTP answers [ms]',
      '≤ 1000',
      performance.now() - node.startedAt,
    );
    check('height after the restart', vector.best_height, height);
    await node.stop();
  }
}

/** Resident memory of `bytom-node` while fifty peers fetch and announce the whole chain to it. */
export async function measurePeers(bench: LiveBench): Promise<void> {
  const { vector, check, add } = bench;
  const port = await freePort();
  const node = new RunningNode(await prepared(bench, vector.best_height), [
    ...['--p2p', `127.0.0.1:${port}`, '--no-rpc', '--max-peers', String(PEERS)],
  ]);
  await node.line(/ ready/);
  const peers = [];
  for (let i = 0; i < PEERS; i++) peers.push(await connectPeer(port));
  const raw = vector.blocks.slice(1).map(({ raw_block }) => hexToBytes(raw_block, 'raw_block'));
  let received = 0;
  let ended = 0;
  const deadline = performance.now() + 30_000;
  await Promise.all(
    peers.map(async (peer, i) => {
      void peer.link.closed.then(() => ended++);
      for (let round = 0; round < 8 && performance.now() < deadline; round++) {
        const from = 1 + ((i * 37 + round * 128) % 1800);
        const locator = [hexToBytes(vector.blocks[from]!.hash, 'hash')];
        const stop = hexToBytes(vector.blocks[from + 128]!.hash, 'hash');
        const answer = await peer.ask({ type: 'get-blocks', locator, stop }, 'blocks');
        check('first block of an answer', true, bytesEqual(answer.blocks[0]!, raw[from]!));
        received += answer.blocks.length;
      }
    }),
  );
  check('blocks that fifty peers got', PEERS * 8 * 128, received);
  check('peers that were cut off', 0, ended);
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  await Promise.all(peers.map((peer) => peer.close()));
  await node.stop();
  add('peak memory with 50 busy peers [MB RSS]', '≤ 600', peak);
}

/** From a block's last byte in one peer's socket to the block's arrival at another, proofs known. */
export async function measureRelay(bench: LiveBench): Promise<void> {
  const { vector, add } = bench;
  const blocks = decodeAll(vector);
  const start = vector.best_height - 100;
  const directory = await prepared(bench, start);
  const node = await openNode(directory, knownHasher(vector));
  const [sender, receiver] = [await connectPeer(node.port), await connectPeer(node.port)];
  try {
    for (const block of blocks.slice(start + 1)) {
      const arrival = receiver.next('new-block', (message) =>
        bytesEqual(message.block, encodeBlock(block)),
      );
      const begin = performance.now();
      sender.link.send({ type: 'new-block', block: encodeBlock(block) });
      await arrival;
      add('block received to relayed, proof known [ms]', '≤ 20', performance.now() - begin);
    }
  } finally {
    await sender.close();
    await receiver.close();
    await node.close();
  }
}

/** A template over a pool of a thousand transactions, made anew after one more has come. */
export async function measureTemplates(bench: LiveBench, runs: number): Promise<void> {
  const { check, add, directory } = bench;
  const { builder, transactions } = poolOf(1000 + runs);
  const path = directory('templates');
  const rig = new ChainRig({ hasher: builder.pow.hasher({ maxBatch: 64 }), kv: LmdbKv.open(path) });
  const blocks = builder.blocks.slice(1);
  for (let at = 0; at < blocks.length; at += 512) await rig.submitAll(blocks.slice(at, at + 512));
  await rig.close();
  const { node, close } = await openNode(path, builder.pow.hasher({ maxBatch: 64 }));
  const submit = (tx: Tx): Promise<unknown> => node.mempool.submit(tx, { source: 'local' });
  try {
    for (const tx of transactions.slice(0, 1000)) await submit(tx);
    for (const [run, tx] of transactions.slice(1000).entries()) {
      await node.templates.current();
      await sleep(100);
      await submit(tx);
      // Makes the next one due at once; otherwise a second may pass.
      await node.settings.setArbitrary(Uint8Array.of(run));
      const start = performance.now();
      const template = await node.templates.current();
      add('template with 1,000 transactions [ms]', '≤ 20', performance.now() - start);
      check('transactions of the template', 1002 + run, template.transactions.length);
    }
  } finally {
    await close();
  }
}

/** Transactions with one signature each, and the chain that holds their coins. */
function poolOf(count: number): { readonly builder: ChainBuilder; readonly transactions: Tx[] } {
  const outputs = 50;
  const builder = new ChainBuilder();
  const sources = Math.ceil(count / outputs);
  builder.extend(100 + sources);
  const owner = keyOwner(1);
  const fans = Array.from({ length: sources }, (_, i) => {
    const coin = builder.coinbase(1 + i);
    const amount = (coin.amount - FEE) / BigInt(outputs);
    return transaction({
      from: [coin],
      to: Array.from({ length: outputs }, () => ({ to: owner, amount })),
    });
  });
  builder.block({ transactions: fans });
  const coins = fans.flatMap((tx) => tx.outputs.map((_, i) => coinOf(tx, i, owner)));
  const transactions = coins
    .slice(0, count)
    .map((coin) => transaction({ from: [coin], to: [{ to: owner, amount: coin.amount - FEE }] }));
  return { builder, transactions };
}

interface OpenNode {
  readonly node: Node;
  readonly port: number;
  close(): Promise<void>;
}

/** A node in this process, on a chain that is stored and a hasher that is given. */
async function openNode(directory: string, hasher: BatchHasher): Promise<OpenNode> {
  const log = createSilentLogger();
  const store = openStore(LmdbKv.open(directory));
  const [tables, clock, now] = [standInTable, systemClock, (): number => Date.now()];
  const verifier = new PowVerifier(
    {},
    { hasher, tables, confirm: () => hasher, confirmTables: tables, log },
  );
  const { random } = Math;
  const book = await AddressBook.open(
    { path: join(directory, 'peers.json') },
    { clock, wallNow: now, random, log },
  );
  const node = await Node.open(
    {
      network: SOLONET,
      mining: { address: ADDRESS },
      peers: {
        address: { host: '127.0.0.1', port: 0 },
        listen: true,
        connect: [],
        maxPeers: PEERS,
        moniker: 'bench',
      },
    },
    {
      store,
      verifier,
      hasher,
      tables,
      tokens: await AccessTokens.open(join(directory, 'tokens.json'), { now }),
      network: { identity: new NodeIdentity(randomBytes(32)), book, resolve: async () => [] },
      clock,
      now,
      random,
      log,
    },
  );
  const { peers } = await node.start();
  return {
    node,
    port: peers!.port,
    close: async () => {
      await node.close();
      await verifier.close();
      await store.close();
    },
  };
}

interface BenchPeer {
  readonly link: PeerLink;
  /** The next message of a type that fits. */
  next<T extends PeerMessage['type']>(
    type: T,
    fits?: (message: Extract<PeerMessage, { readonly type: T }>) => boolean,
  ): Promise<Extract<PeerMessage, { readonly type: T }>>;
  ask<T extends PeerMessage['type']>(
    question: PeerMessage,
    type: T,
  ): Promise<Extract<PeerMessage, { readonly type: T }>>;
  close(): Promise<void>;
}

/** A peer at the height of nothing, with a status, that asks and announces what it is told to. */
async function connectPeer(port: number): Promise<BenchPeer> {
  const identity = new NodeIdentity(randomBytes(32));
  const info = {
    ...{ moniker: 'bench', network: 'solonet', remoteAddress: '', listenAddress: '127.0.0.1:1' },
    ...{ version: '1.1.1', services: 1 },
  };
  const link = { sendRate: Number.POSITIVE_INFINITY, receiveRate: Number.POSITIVE_INFINITY };
  const parts = { identity, clock: systemClock, log: createSilentLogger() };
  const transport = new P2pTransport({ nodeInfo: () => info, link }, parts);
  const open = await transport.dial({ host: '127.0.0.1', port });
  const waiting = new Set<(message: PeerMessage) => void>();
  const genesisHash = SOLONET.genesis.hash;
  open.receive((message) => {
    if (message.type === 'status-request') {
      open.send({ type: 'status', height: 0, bestHash: genesisHash, genesisHash });
    }
    for (const look of waiting) look(message);
  });
  const next: BenchPeer['next'] = (type, fits = () => true) =>
    new Promise((resolve, reject) => {
      type Wanted = Parameters<typeof fits>[0];
      const look = (message: PeerMessage): void => {
        if (message.type !== type || !fits(message as Wanted)) return;
        waiting.delete(look);
        resolve(message as Wanted);
      };
      waiting.add(look);
      void open.closed.then(({ reason }) => reject(new Error(`peer cut off: ${reason}`)));
    });
  const status = next('status');
  open.send({ type: 'status-request' });
  await status;
  return {
    link: open,
    next,
    ask: (question, type) => {
      const answer = next(type);
      open.send(question);
      return answer;
    },
    close: () => transport.close(),
  };
}

async function blockCount(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/get-block-count`, { method: 'POST' });
  const { data } = (await answer.json()) as { readonly data: { readonly block_count: number } };
  return data.block_count;
}
