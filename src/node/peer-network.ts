/**
 * All that connects a node with others, put together and kept in order: transport, discovery, the
 * address book, the peers, and catching up with them.
 */
import type { Network } from '../consensus/network.ts';
import type { AddressBook } from '../p2p/address-book.ts';
import { openUdpPort } from '../p2p/discovery/datagram-port.ts';
import { Discovery } from '../p2p/discovery/discovery.ts';
import { type Endpoint, endpointKey } from '../p2p/discovery/endpoint.ts';
import { type SeedOptions, Seeds } from '../p2p/discovery/seeds.ts';
import type { NodeIdentity } from '../p2p/identity.ts';
import { type NodeInfo, SERVICE } from '../p2p/node-info.ts';
import { type HostPort, P2pTransport } from '../p2p/transport.ts';
import type { PowVerifier } from '../pow/pow-verifier.ts';
import type { ChainStore } from '../store/chain-store.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Chain } from './chain.ts';
import type { PeersView } from './http/api-parts.ts';
import type { Mempool } from './mempool/mempool.ts';
import { PeerSet } from './peers/peer-set.ts';
import { Sync } from './sync/sync.ts';

export interface PeerNetworkOptions {
  readonly network: Network;
  readonly checkpoints?: 'enforce' | 'ignore';
  /** Where this node is, TCP and UDP. Port 0: a free one. */
  readonly address: HostPort;
  /** Whether others may connect. */
  readonly listen: boolean;
  /** Peers to stay connected to. */
  readonly connect: readonly HostPort[];
  /** Where to begin looking for others; no others are looked for if it is left out. */
  readonly seeds?: Omit<SeedOptions, 'defaultPort'>;
  readonly maxPeers: number;
  readonly moniker: string;
}

/** Of these the book becomes this network's own, and is closed with it. */
export interface PeerNetworkParts {
  readonly identity: NodeIdentity;
  readonly book: AddressBook;
  readonly chain: Chain;
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly mempool: Mempool;
  /** The IPs of a name. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
  /** IPs of this machine: with our own port they are ourselves. */
  readonly ownHosts?: readonly string[];
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** 0 … 1. */
  readonly random: () => number;
  readonly log: Logger;
}

/** What we say that we are: the major number has to be that of the other nodes. */
const PROTOCOL_VERSION = '1.1.1';
const SERVICES = SERVICE.FULL_NODE | SERVICE.FAST_SYNC | SERVICE.SPV;
/** Connections that we make to nodes we have found. */
const MAX_OUTGOING = 8;
/** Addresses from earlier that discovery begins with, besides the seeds. */
const BOOT_ADDRESSES = 16;
/** What discovery has found is put into the book so often, for the next start. */
const REMEMBER_MS = 300_000;
const REMEMBERED = 64;

/** Where addresses come from. */
interface Finding {
  readonly discovery: Discovery;
  readonly seeds: Seeds;
}

export class PeerNetwork implements PeersView {
  readonly #options: PeerNetworkOptions;
  readonly #parts: PeerNetworkParts;
  readonly #transport: P2pTransport;
  readonly #finding: Finding | undefined;
  readonly #peers: PeerSet;
  readonly #sync: Sync;
  readonly #closing = new AbortController();
  #remembering: Promise<void> | undefined;
  #port: number;

  constructor(options: PeerNetworkOptions, parts: PeerNetworkParts) {
    const { identity, chain, mempool, clock, random, book, log } = parts;
    const { connect, maxPeers, address, listen, seeds } = options;
    const now = (): number => Math.floor(parts.now() / 1000);
    this.#options = options;
    this.#parts = parts;
    this.#port = address.port;
    this.#transport = new P2pTransport(
      { nodeInfo: () => this.#nodeInfo() },
      { identity, clock, log: log.tagged('p2p') },
    );
    this.#finding = seeds === undefined ? undefined : this.#createFinding(seeds);
    this.#peers = new PeerSet(
      {
        ownId: identity.id,
        maxPeers,
        connect,
        maxOutgoing: seeds === undefined ? 0 : Math.min(MAX_OUTGOING, maxPeers),
        ...(listen ? { listen: address } : {}),
      },
      {
        transport: this.#transport,
        chain,
        mempool,
        sources:
          this.#finding === undefined ? [] : [this.#finding.discovery, book, this.#finding.seeds],
        dialled: (to, result) => {
          if (result === 'connected') book.succeeded(to);
          else book.failed(to);
        },
        clock,
        now,
        random,
        log: log.tagged('peers'),
      },
    );
    const { checkpoints } = options;
    this.#sync = new Sync(checkpoints === undefined ? {} : { checkpoints }, {
      ...parts,
      peers: this.#peers,
      now,
      log: log.tagged('sync'),
    });
    this.#peers.catchingUp = () => this.#sync.syncing;
    this.#peers.onBlock = (peer, bytes, header, hash) =>
      this.#sync.receiveBlock(peer, bytes, header, hash);
  }

  /**
   * Listens, and begins to connect, to look for others, and to catch up. Rejects `ListenError` or
   * `DiscoveryError`; it is to be closed then, too.
   */
  async start(): Promise<void> {
    const { port } = await this.#peers.start();
    this.#port = port ?? this.#port;
    // After the listening: it has to have the same port.
    await this.#finding?.discovery.start();
    this.#sync.start();
    this.#remembering = this.#rememberFound();
  }

  /** Idempotent. When it has resolved nothing of it runs any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#sync.close(), this.#remembering, this.#finding?.discovery.close()]);
    await this.#peers.close();
    await this.#transport.close();
    await this.#parts.book.close();
  }

  /** Where others connect; `undefined` if they cannot. */
  get address(): HostPort | undefined {
    return this.listening ? { host: this.#options.address.host, port: this.#port } : undefined;
  }

  list(): ReturnType<PeersView['list']> {
    return this.#peers.list();
  }

  connect(ip: string, port: number): ReturnType<PeersView['connect']> {
    return this.#peers.connect(ip, port);
  }

  disconnect(id: string): boolean {
    return this.#peers.disconnect(id);
  }

  get listening(): boolean {
    return this.#peers.listening;
  }

  get syncing(): boolean {
    return this.#sync.syncing;
  }

  /** Greatest height that is believed to be there. */
  get highest(): number {
    return this.#sync.highestKnown;
  }

  get counts(): PeerSet['counts'] {
    return this.#peers.counts;
  }

  #createFinding(options: NonNullable<PeerNetworkOptions['seeds']>): Finding {
    const { identity, resolve, ownHosts = [], clock, random, now } = this.#parts;
    const { network, address, listen } = this.#options;
    const log = this.#parts.log.tagged('find');
    const defaultPort = network.defaultP2pPort;
    const seeds = new Seeds({ ...options, defaultPort }, { resolve, clock, random, log });
    const discovery = new Discovery(
      { identity, ownHosts },
      {
        // Others take this port for that of TCP: where nobody listens, it need not be any one.
        open: () => openUdpPort({ host: address.host, port: listen ? this.#port : 0 }, log),
        bootNodes: (signal) => this.#bootNodes(seeds, signal),
        clock,
        wallNow: now,
        log,
      },
    );
    return { discovery, seeds };
  }

  /** Never rejects. */
  async #rememberFound(): Promise<void> {
    const { book, clock } = this.#parts;
    const { signal } = this.#closing;
    const discovery = this.#finding?.discovery;
    if (discovery === undefined) return;
    while (!signal.aborted) {
      await clock.sleep(REMEMBER_MS, signal);
      book.add(discovery.candidates(REMEMBERED), 'discovery');
    }
  }

  async #bootNodes(seeds: Seeds, signal: AbortSignal): Promise<readonly Endpoint[]> {
    const { book } = this.#parts;
    return [...(await seeds.endpoints(signal)), ...book.candidates(BOOT_ADDRESSES)];
  }

  #nodeInfo(): Omit<NodeInfo, 'publicKey'> {
    const { network, address, moniker } = this.#options;
    return {
      moniker,
      network: network.chainId,
      remoteAddress: '',
      listenAddress: endpointKey({ host: address.host, port: this.#port }),
      version: PROTOCOL_VERSION,
      services: SERVICES,
    };
  }
}
