/**
 * A whole node: chain, memory pool, templates, peers and HTTP API, started in this order and stopped in
 * the other. What touches the machine (disk, device, clocks, name look-ups) is handed in.
 *
 * ```ts
 * const node = await Node.open(options, parts);
 * await node.start();
 * await Promise.race([node.failed, stopRequested]);
 * await node.close();
 * ```
 */
import type { Network } from '../consensus/network.ts';
import type { HostPort } from '../p2p/transport.ts';
import type { PowVerifier } from '../pow/pow-verifier.ts';
import type { ChainStore } from '../store/chain-store.ts';
import type { BatchHasher } from '../tensority/hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { type Clock, endsWithin } from '../util/clock.ts';
import { createDeferred, type Deferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { NO_PEERS, NodeStateError, paidTemplates } from './api-views.ts';
import { Chain } from './chain.ts';
import type { AccessTokens } from './http/access-tokens.ts';
import type { PeersView } from './http/api-parts.ts';
import { ApiServer, type ApiServerOptions } from './http/api-server.ts';
import { Mempool } from './mempool/mempool.ts';
import type { MempoolOptions } from './mempool/mempool-options.ts';
import { LocalMiner } from './mining/local-miner.ts';
import { MiningSettings, type MiningSettingsOptions } from './mining/mining-settings.ts';
import type { SettingsStore } from './mining/settings-file.ts';
import { Templates } from './mining/templates.ts';
import { PeerNetwork, type PeerNetworkOptions, type PeerNetworkParts } from './peer-network.ts';

export interface NodeOptions {
  readonly network: Network;
  /** Default 'enforce'. */
  readonly checkpoints?: 'enforce' | 'ignore';
  readonly mempool?: MempoolOptions;
  readonly mining?: Omit<MiningSettingsOptions, 'network'> & {
    /** Mine on the node's own hasher from the start. */
    readonly mine?: boolean;
  };
  /** No peers if left out. */
  readonly peers?: Omit<PeerNetworkOptions, 'network' | 'checkpoints'>;
  /** No HTTP API if left out. */
  readonly http?: ApiServerOptions;
  /** How long a part may take to stop before the others go on without it. Default 5 s. */
  readonly stopMs?: number;
}

/** Store, hasher and verifier stay the caller's, who closes them after the node. */
export interface NodeParts {
  readonly store: ChainStore;
  readonly verifier: PowVerifier;
  /** For the node's own mining, and the tables it needs. */
  readonly hasher: BatchHasher;
  readonly tables: TableProvider;
  /** Where mining settings outlive the node; nowhere if left out. */
  readonly settings?: SettingsStore;
  readonly tokens: AccessTokens;
  /** Needed where there are to be peers. The book is closed with the node. */
  readonly network?: Pick<PeerNetworkParts, 'identity' | 'book' | 'resolve' | 'ownHosts'>;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** 0 … 1. */
  readonly random: () => number;
  readonly log: Logger;
}

/** Where the node is reached; what it has not is missing. */
export interface NodeAddresses {
  readonly http?: HostPort;
  readonly peers?: HostPort;
}

const STOP_MS = 5000;
/** How often we look whether the chain has stopped. */
const WATCH_MS = 250;

/** Something that was started and is to be stopped. */
interface Running {
  readonly name: string;
  readonly close: () => Promise<void>;
}

export class Node {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly settings: MiningSettings;
  readonly templates: Templates;
  readonly miner: LocalMiner;
  readonly peers: PeersView;
  readonly #options: NodeOptions;
  readonly #parts: NodeParts;
  readonly #network: PeerNetwork | undefined;
  /** In the order of their start, the chain not among them. */
  readonly #running: Running[] = [];
  readonly #stopped = new AbortController();
  readonly #failed: Deferred<unknown> = createDeferred();
  #closing: Promise<void> | undefined;

  /** Rejects what `MiningSettings.open` does, or `NodeStateError` for mining that would pay nobody. */
  static async open(options: NodeOptions, parts: NodeParts): Promise<Node> {
    const { network, mining = {} } = options;
    const { mine = false, ...given } = mining;
    const settings = await MiningSettings.open(
      { ...given, network },
      {
        ...(parts.settings === undefined ? {} : { store: parts.settings }),
        log: parts.log.tagged('mining'),
      },
    );
    if (mine && settings.address === undefined) throw new NodeStateError('no-address');
    return new Node(options, settings, parts);
  }

  private constructor(options: NodeOptions, settings: MiningSettings, parts: NodeParts) {
    const { network, checkpoints = 'enforce' } = options;
    const { store, verifier, clock, log } = parts;
    const now = (): number => Math.floor(parts.now() / 1000);
    this.#options = options;
    this.#parts = parts;
    this.settings = settings;
    this.chain = new Chain(
      { network, checkpoints },
      { store, verifier, clock, now, log: log.tagged('chain') },
    );
    const { chain } = this;
    this.mempool = new Mempool(options.mempool ?? {}, { chain, clock, log: log.tagged('pool') });
    this.templates = new Templates(
      {},
      { chain, pool: this.mempool, settings, clock, now, log: log.tagged('mining') },
    );
    this.#network = this.#createNetwork();
    this.peers = this.#network ?? NO_PEERS;
    this.miner = new LocalMiner(
      {},
      {
        templates: this.templates,
        hasher: parts.hasher,
        tables: parts.tables,
        busy: () => verifier.queued > 0 || this.peers.syncing,
        clock,
        log: log.tagged('miner'),
      },
    );
    this.#started('mempool', () => this.mempool.close());
    this.#started('templates', () => this.templates.close());
    void this.#watch();
  }

  /** Resolves with what has stopped the chain: a disk that fails. Never rejects. */
  get failed(): Promise<unknown> {
    return this.#failed.promise;
  }

  /**
   * Starts everything. Rejects what a part rejects, such as for a port in use; the node is to be
   * closed then, too.
   */
  async start(): Promise<NodeAddresses> {
    if (this.#network !== undefined) {
      const network = this.#network;
      this.#started('peers', () => network.close());
      await network.start();
    }
    this.#started('miner', () => this.miner.stop());
    if (this.#options.mining?.mine === true) this.miner.start();
    const http = await this.#startHttp();
    const peers = this.#network?.address;
    return { ...(http === undefined ? {} : { http }), ...(peers === undefined ? {} : { peers }) };
  }

  /**
   * Stops everything, the last started first, and the chain last of all: when it has resolved, all that
   * was accepted is on disk. Rejects `StoreError` if that failed now. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, log } = this.#parts;
    const { stopMs = STOP_MS } = this.#options;
    this.#stopped.abort();
    for (const { name, close } of this.#running.toReversed()) {
      const closed = close().catch((error: unknown) => {
        log.error('not stopped in good order', { part: name, reason: errorText(error) });
      });
      const isInTime = await endsWithin(closed, stopMs, clock);
      if (!isInTime) log.warn('does not stop, going on without it', { part: name });
    }
    await this.chain.close();
  }

  #createNetwork(): PeerNetwork | undefined {
    const { network, checkpoints = 'enforce', peers } = this.#options;
    if (peers === undefined) return undefined;
    const { network: own, ...parts } = this.#parts;
    if (own === undefined) throw new RangeError('"parts" expected a network, for peers');
    const { chain, mempool } = this;
    return new PeerNetwork(
      { ...peers, network, checkpoints },
      { ...parts, ...own, chain, mempool },
    );
  }

  async #startHttp(): Promise<HostPort | undefined> {
    const { http } = this.#options;
    if (http === undefined) return undefined;
    const { verifier, tokens, clock, now, log } = this.#parts;
    const { chain, mempool, settings, peers, miner } = this;
    const server = new ApiServer(http, {
      chain,
      verifier,
      mempool,
      templates: paidTemplates(this.templates, settings),
      settings,
      peers,
      miner,
      tokens,
      clock,
      now,
      log: log.tagged('http'),
    });
    this.#started('http', () => server.close());
    return server.start();
  }

  #started(name: string, close: () => Promise<void>): void {
    this.#running.push({ name, close });
  }

  /** Never rejects. */
  async #watch(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const { failure } = this.chain;
      if (failure !== undefined) return this.#failed.resolve(failure);
      await clock.sleep(WATCH_MS, signal);
    }
  }
}
