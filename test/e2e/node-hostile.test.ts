/**
 * A node under attack from many sides, each with an address of its own, while an honest peer and HTTP
 * clients are served. Loopback has more than one address on Linux alone.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeBlock } from '../../src/chain/block.ts';
import { type BlockHeader, encodeHeader, headerHash } from '../../src/chain/header.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { HandshakeError, openLink } from '../../src/p2p/handshake.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import { DEFAULT_LINK_LIMITS } from '../../src/p2p/link-limits.ts';
import type { PeerMessage } from '../../src/p2p/messages.ts';
import type { PeerLink } from '../../src/p2p/peer-link.ts';
import { ReceiveBudget } from '../../src/p2p/receive-budget.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { ByteBudget } from '../../src/util/byte-budget.ts';
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { ChainRig } from '../support/chain-rig.ts';
import { decodeAll, knownHasher, solonetChain } from '../support/solonet-chain.ts';
import { RunningNode } from './running-node.ts';

const HEIGHT = 60;
const MOST_MEGABYTES = 600;

const vector = solonetChain();
const blocks = decodeAll(vector).slice(0, HEIGHT + 1);
const tip = blocks[HEIGHT]!;
const folder = mkdtempSync(join(tmpdir(), 'bytom-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a node under attack', () => {
  it('cuts off who attacks, and serves everybody else', { timeout: 200_000 }, async (ctx) => {
    if (process.platform !== 'linux') return ctx.skip('loopback has one address on this system');
    await prepare();
    const node = new RunningNode(folder, [], { limitMs: 190_000 });
    const port = Number((await node.p2p()).split(':').at(-1));
    const attackers: Socket[] = [];
    const from = async (address: string): Promise<Socket> => {
      const socket = connect({ host: '127.0.0.1', port, localAddress: address });
      socket.on('error', () => {});
      attackers.push(socket);
      await once(socket, 'connect');
      return socket;
    };
    try {
      const honest = await Peer.open(await from('127.0.0.1'));
      const serving = serve(honest, node);
      await Promise.all([
        garbage(from),
        wrongNetwork(from),
        worklessBlocks(from),
        worklessHeaders(from),
        unaskedAnswers(from),
      ]);
      serving.stop();
      const { answers, calls } = await serving.done;
      expect(answers).toBeGreaterThan(20);
      expect(calls).toBeGreaterThan(20);
      expect(honest.isOpen).toBe(true);
      expect(await node.tip()).toBe(bytesToHex(tip.hash));
      expect(peakMegabytes(node)).toBeLessThan(MOST_MEGABYTES);
    } finally {
      for (const socket of attackers) socket.destroy();
      await node.process.interrupt();
    }
  });
});

type From = (address: string) => Promise<Socket>;

/** Bytes that are no handshake, from many connections of several addresses. */
async function garbage(from: From): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const socket = await from(`127.0.1.${1 + (i % 20)}`);
    const closed = once(socket, 'close');
    socket.write(randomBytes(20_000));
    socket.resume();
    await closed;
  }
}

async function wrongNetwork(from: From): Promise<void> {
  const opening = Peer.open(await from('127.0.2.1'), { network: 'mainnet' });
  await expect(opening).rejects.toBeInstanceOf(HandshakeError);
}

/** Blocks that continue the chain in everything but their work: each costs the node some hashes. */
async function worklessBlocks(from: From): Promise<void> {
  const peer = await Peer.open(await from('127.0.3.1'));
  for (let nonce = 1n; peer.isOpen; nonce++) {
    const header = nextHeader(tip.header, tip.hash, nonce);
    const block = encodeBlock({ header, transactions: tip.transactions });
    peer.send({ type: 'new-block', block });
    // What comes faster than it can be checked is dropped, and costs nothing.
    await systemClock.sleep(100);
  }
  await peer.ended;
  // And the address with it.
  await expect(Peer.open(await from('127.0.3.1'))).rejects.toBeInstanceOf(HandshakeError);
}

/** A branch that is much higher, every header right but for its work, and not one block of it. */
async function worklessHeaders(from: From): Promise<void> {
  const headers: BlockHeader[] = [];
  const hashes: Uint8Array[] = [];
  let [parent, hash] = [tip.header, tip.hash];
  for (let i = 0; i < 4000; i++) {
    parent = nextHeader(parent, hash, 0n);
    hash = headerHash(parent);
    headers.push(parent);
    hashes.push(hash);
  }
  const height = HEIGHT + headers.length;
  const peer = await Peer.open(await from('127.0.4.1'), { height, best: hash });
  let asked = 0;
  peer.answer = ({ type, ...message }) => {
    if (type !== 'get-headers' || !('locator' in message)) return;
    asked++;
    const known = hashes.findLastIndex((each) => message.locator.some((l) => bytesEqual(l, each)));
    const rest = headers.slice(known + 1, known + 2049).map((header) => encodeHeader(header));
    peer.send({ type: 'headers', headers: rest });
  };
  // Not asked again at once: from 10 s on, twice as long each time.
  await Promise.race([peer.ended, systemClock.sleep(15_000)]);
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThan(10);
}

/** Answers that nobody has asked for. */
async function unaskedAnswers(from: From): Promise<void> {
  const peer = await Peer.open(await from('127.0.5.1'));
  const block = encodeBlock(blocks[5]!);
  for (let i = 0; i < 2000 && peer.isOpen; i++) {
    if (!peer.send({ type: 'block', block })) await systemClock.sleep(20);
  }
  await peer.ended;
}

/** Asks all the time, over the wire and over HTTP, and fails if something is not answered. */
function serve(
  peer: Peer,
  node: RunningNode,
): { readonly stop: () => void; readonly done: Promise<{ answers: number; calls: number }> } {
  let stopped = false;
  const wire = async (): Promise<number> => {
    let answers = 0;
    for (; !stopped; answers++) {
      const height = 1 + (answers % HEIGHT);
      const block = await peer.block(height);
      expect(block, `block ${height}`).toEqual(encodeBlock(blocks[height]!));
      await systemClock.sleep(20);
    }
    return answers;
  };
  const http = async (): Promise<number> => {
    let calls = 0;
    for (; !stopped; calls++) {
      expect(await node.height()).toBe(HEIGHT);
      await systemClock.sleep(20);
    }
    return calls;
  };
  const done = Promise.all([wire(), http()]).then(([answers, calls]) => ({ answers, calls }));
  done.catch(() => {});
  return {
    done,
    stop: () => {
      stopped = true;
    },
  };
}

interface PeerWishes {
  readonly network?: string;
  readonly height?: number;
  readonly best?: Uint8Array;
}

/** A peer that does what the protocol asks for, until it is told otherwise. */
class Peer {
  readonly #link: PeerLink;
  readonly ended: Promise<unknown>;
  isOpen = true;
  answer: (message: PeerMessage) => void = () => {};
  #waiting: ((block: Uint8Array) => void) | undefined;

  static async open(socket: Socket, wishes: PeerWishes = {}): Promise<Peer> {
    const identity = new NodeIdentity(randomBytes(32));
    const info = {
      ...{ publicKey: identity.publicKey, moniker: 'test', network: wishes.network ?? 'solonet' },
      ...{ remoteAddress: '', listenAddress: '127.0.0.1:1', version: '1.1.1', services: 3 },
    };
    const remote = { address: '127.0.0.1', port: socket.remotePort ?? 0 };
    const limits = { ...DEFAULT_LINK_LIMITS, sendRate: 1e9, receiveRate: 1e9 };
    const link = await openLink(
      socket,
      { outbound: true, remote, info, limits, phaseMs: 30_000 },
      {
        ...{ identity, clock: systemClock, log: createSilentLogger() },
        ephemeral: () => randomBytes(32),
        receiveBudget: new ReceiveBudget(1e9),
        sendBudget: new ByteBudget(1e9),
      },
    );
    return new Peer(link, wishes);
  }

  constructor(link: PeerLink, { height = 0, best = SOLONET.genesis.hash }: PeerWishes) {
    this.#link = link;
    this.ended = link.closed.then(() => {
      this.isOpen = false;
    });
    const { hash: genesisHash } = SOLONET.genesis;
    link.receive((message) => {
      if (message.type === 'status-request') {
        link.send({ type: 'status', height, bestHash: best, genesisHash });
      } else if (message.type === 'block') {
        this.#waiting?.(message.block);
      }
      this.answer(message);
    });
    link.send({ type: 'status', height, bestHash: best, genesisHash });
    link.send({ type: 'status-request' });
  }

  send(message: PeerMessage): boolean {
    return this.#link.send(message);
  }

  /** Rejects if there is no answer within ten seconds. */
  async block(height: number): Promise<Uint8Array> {
    const answer = new Promise<Uint8Array>((resolve) => {
      this.#waiting = resolve;
    });
    this.send({ type: 'get-block', height, hash: new Uint8Array(32) });
    const late = systemClock.sleep(10_000).then(() => {
      throw new Error(`no block ${height} within 10 s`);
    });
    return Promise.race([answer, late]);
  }
}

function nextHeader(parent: BlockHeader, hash: Uint8Array, nonce: bigint): BlockHeader {
  return {
    ...parent,
    height: parent.height + 1,
    previousBlockHash: hash,
    timestamp: parent.timestamp + 150,
    // One in twenty meets the target by chance: the body is wrong then.
    transactionStatusHash: new Uint8Array(32),
    nonce,
  };
}

async function prepare(): Promise<void> {
  const rig = new ChainRig({ hasher: knownHasher(vector), kv: LmdbKv.open(folder) });
  await rig.submitAll(blocks.slice(1));
  await rig.close();
}

function peakMegabytes(node: RunningNode): number {
  const status = readFileSync(`/proc/${node.process.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
