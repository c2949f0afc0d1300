/**
 * A node's peers without sockets: our own `PeerSet` on a chain and a mempool in memory, a network of
 * such nodes, and strangers, who send what a test wants and keep what they are sent.
 */
import { type Block, decodeBlock, encodeBlock } from '../../../src/chain/block.ts';
import { Mempool } from '../../../src/node/mempool/mempool.ts';
import type { AddressSource } from '../../../src/node/peers/dialer.ts';
import { type LinkSource, PeerSet, type PeerSetOptions } from '../../../src/node/peers/peer-set.ts';
import type { PeerMessage } from '../../../src/p2p/messages.ts';
import type { NodeInfo } from '../../../src/p2p/node-info.ts';
import type { LinkEnd, PeerLink } from '../../../src/p2p/peer-link.ts';
import { DialError } from '../../../src/p2p/transport.ts';
import { InputError } from '../../../src/util/errors.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';
import { settle } from '../../support/fake-clock.ts';
import { createLinkPair, type MemoryLink, testNodeInfo } from '../../support/memory-link.ts';

export const PORT = 46_657;

export interface PeerRigOptions extends Partial<Omit<PeerSetOptions, 'ownId'>> {
  /** Blocks of the chain, which are not its own if there are more nodes. */
  readonly builder?: ChainBuilder;
  /** How many of them the node begins with; all if left out. */
  readonly height?: number;
  readonly network?: MemoryNetwork;
  /** Of its key, and the last part of its address. */
  readonly seed?: number;
  readonly sources?: readonly AddressSource[];
  readonly info?: Partial<NodeInfo>;
  /** The wall clock in seconds; far in the future if left out. */
  readonly now?: () => number;
}

export class PeerRig {
  readonly builder: ChainBuilder;
  readonly network: MemoryNetwork;
  readonly info: NodeInfo;
  readonly address: string;
  readonly rig: ChainRig;
  readonly mempool: Mempool;
  readonly peers: PeerSet;
  readonly dialled: string[] = [];
  #strangers = 0;

  /** Started, and with its blocks. */
  static async start(options: PeerRigOptions = {}): Promise<PeerRig> {
    const rig = new PeerRig(options);
    const { builder } = rig;
    const blocks = builder.blocks.slice(1, (options.height ?? builder.height) + 1);
    await rig.rig.submitAll(blocks);
    await rig.peers.start();
    return rig;
  }

  private constructor(options: PeerRigOptions) {
    const { builder = new ChainBuilder(), network = new MemoryNetwork(), seed = 1 } = options;
    const { now = () => 4_000_000_000 } = options;
    this.builder = builder;
    this.network = network;
    this.info = testNodeInfo(seed, options.info);
    this.address = `10.0.0.${seed}`;
    this.rig = new ChainRig({ hasher: builder.pow.hasher(), network: builder.network });
    const { chain, clock, log } = this.rig;
    this.mempool = new Mempool({}, { chain, clock, log });
    this.peers = new PeerSet(
      {
        listen: { host: this.address, port: PORT },
        maxOutgoing: 0,
        ...options,
        ownId: idOf(this.info),
      },
      {
        transport: network.source(this.info, this.address),
        chain,
        mempool: this.mempool,
        sources: options.sources ?? [],
        dialled: ({ host, port }, result) => this.dialled.push(`${host}:${port} ${result}`),
        clock,
        now,
        random: () => 0.5,
        log,
      },
    );
    this.peers.onBlock = async (peer, bytes) => {
      try {
        await this.rig.submit(decodeBlock(bytes));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        peer.blame({ kind: 'illegal', reason: error.message });
      }
    };
  }

  get clock(): ChainRig['clock'] {
    return this.rig.clock;
  }

  get height(): number {
    return this.rig.chain.tip.header.height;
  }

  /** A stranger who dials this node, and tells its status unless `status` is false. */
  async meet(options: StrangerOptions = {}): Promise<Stranger> {
    const number = ++this.#strangers;
    const { seed = 100 + number, address = `10.1.${number}.1`, status = true } = options;
    const info = testNodeInfo(seed, options.info);
    const link = this.network.call(info, address, { host: this.address, port: PORT });
    const stranger = new Stranger(link, info);
    if (status) {
      const { hash, header } = this.builder.blocks[0]!;
      const { height = header.height, bestHash = hash } = options;
      stranger.status(height, bestHash, hash);
    }
    await settle();
    return stranger;
  }

  async close(): Promise<void> {
    await this.peers.close();
    await this.mempool.close();
    await this.rig.close();
  }
}

export interface StrangerOptions {
  readonly seed?: number;
  readonly address?: string;
  readonly info?: Partial<NodeInfo>;
  readonly status?: boolean;
  readonly height?: number;
  readonly bestHash?: Uint8Array;
}

/** The other end of a connection, in the hands of a test. */
export class Stranger {
  readonly link: MemoryLink;
  readonly info: NodeInfo;
  readonly received: PeerMessage[] = [];
  end: LinkEnd | undefined;
  /** While it is set, nothing is read. */
  held: Promise<void> | undefined;

  constructor(link: MemoryLink, info: NodeInfo) {
    this.link = link;
    this.info = info;
    link.receive(async (message) => {
      this.received.push(message);
      await this.held;
    });
    void link.closed.then((end) => {
      this.end = end;
    });
  }

  get id(): string {
    return idOf(this.info);
  }

  get closed(): boolean {
    return this.link.isClosed;
  }

  send(...messages: readonly PeerMessage[]): void {
    for (const message of messages) this.link.send(message);
  }

  status(height: number, bestHash: Uint8Array, genesisHash: Uint8Array): void {
    this.send({ type: 'status', height, bestHash, genesisHash });
  }

  announce(block: Block): void {
    this.send({ type: 'new-block', block: encodeBlock(block) });
  }

  /** What it was sent of a kind. */
  of<T extends PeerMessage['type']>(type: T): readonly Extract<PeerMessage, { type: T }>[] {
    return this.received.filter(
      (message): message is Extract<PeerMessage, { type: T }> => message.type === type,
    );
  }
}

/** Listening nodes, by address and port. */
export class MemoryNetwork {
  /** How often each `host:port` was dialled. */
  readonly dials = new Map<string, number>();
  readonly #listeners = new Map<
    string,
    {
      readonly info: NodeInfo;
      readonly onLink: (link: PeerLink) => void;
      readonly admit: (address: string) => boolean;
    }
  >();
  #ports = 50_000;

  source(info: NodeInfo, address: string): LinkSource {
    return {
      dial: async (to) => this.call(info, address, to),
      listen: async ({ host, port }, onLink, admit) => {
        this.#listeners.set(`${host}:${port}`, { info, onLink, admit });
        return { port };
      },
    };
  }

  /** Throws `DialError`, as the caller of a node that is not there or hangs up would see it. */
  call(info: NodeInfo, from: string, to: { host: string; port: number }): MemoryLink {
    const key = `${to.host}:${to.port}`;
    this.dials.set(key, (this.dials.get(key) ?? 0) + 1);
    const listener = this.#listeners.get(key);
    if (listener === undefined || !listener.admit(from)) {
      throw new DialError({ code: 'connect', reason: 'ECONNREFUSED' });
    }
    const { a, b } = createLinkPair(info, listener.info, {
      addressOfA: { address: from, port: this.#ports++ },
      addressOfB: { address: to.host, port: to.port },
    });
    listener.onLink(b);
    return a;
  }

  /** Lets a test be the node at an address. */
  listen(seed: number, address: string, info: Partial<NodeInfo> = {}): Stranger[] {
    const met: Stranger[] = [];
    const own = testNodeInfo(seed, info);
    this.#listeners.set(`${address}:${PORT}`, {
      info: own,
      admit: () => true,
      onLink: (link) => met.push(new Stranger(link as MemoryLink, own)),
    });
    return met;
  }

  forget(address: string): void {
    this.#listeners.delete(`${address}:${PORT}`);
  }
}

function idOf(info: NodeInfo): string {
  return Buffer.from(info.publicKey).toString('hex').toUpperCase();
}
