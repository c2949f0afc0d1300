/**
 * All peers of a node: who is connected, how they come and go, and what passes between them and the
 * rest of the node. Owns the links; whoever made the transport closes it, after this.
 *
 * ```ts
 * const peers = new PeerSet(options, parts);
 * peers.onBlock = (peer, bytes, header, hash) => sync.receiveBlock(peer, bytes, header, hash);
 * peers.catchingUp = () => sync.syncing;
 * await peers.start();
 * ```
 */
import type { Tx } from '../../chain/tx.ts';
import type { LinkEnd, PeerLink } from '../../p2p/peer-link.ts';
import type { Clock } from '../../util/clock.ts';
import { clip, errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import {
  Admission,
  AdmissionError,
  type AdmissionOptions,
  type Member,
  type Origin,
} from './admission.ts';
import { BanList } from './ban-list.ts';
import { type BlockReceiver, BlockRelay, type BlockRelayOptions } from './block-relay.ts';
import { type Address, type AddressSource, Dialer, type DialerOptions } from './dialer.ts';
import { ipKey, isLoopback } from './ip-key.ts';
import { Peer, type PeerHooks, type PeerOptions } from './peer.ts';
import { type PeerStatus, statusOf } from './peer-status.ts';
import { BlockServer, type ServedChain, type ServeOptions } from './serve.ts';
import type { Offence, SyncPeer } from './sync-peer.ts';
import { type RelayMempool, TransactionRelay } from './transaction-relay.ts';

export interface PeerSetOptions
  extends Omit<AdmissionOptions, 'reserved'>,
    DialerOptions,
    BlockRelayOptions,
    ServeOptions,
    Omit<PeerOptions, 'genesisHash'> {
  /** Where others may connect to us; nowhere if left out. */
  readonly listen?: Address;
}

/** What makes links: `P2pTransport`. */
export interface LinkSource {
  dial(address: Address, signal?: AbortSignal): Promise<PeerLink>;
  listen(
    address: Address,
    onLink: (link: PeerLink) => void,
    admit: (remoteAddress: string) => boolean,
  ): Promise<{ readonly port: number }>;
}

export type PeersChain = ServedChain & Pick<Chain, 'has' | 'onTip'>;

export interface PeerSetParts {
  readonly transport: LinkSource;
  readonly chain: PeersChain;
  readonly mempool: RelayMempool;
  /** Asked in this order for addresses to dial. */
  readonly sources?: readonly AddressSource[];
  /** Told how each try to connect has ended. */
  readonly dialled?: (address: Address, result: 'connected' | 'failed') => void;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  /** 0 … 1; spreads what nodes would do at the same time. */
  readonly random: () => number;
  readonly log: Logger;
}

export interface PeerChange {
  readonly peer: SyncPeer;
  /** It can be asked; it cannot any more; it has told of another height. */
  readonly change: 'ready' | 'gone' | 'height';
}

export interface PeerCounts {
  /** Connections, those included whose status has not come. */
  readonly inbound: number;
  readonly outbound: number;
  /** Of both, those whose status has come. */
  readonly ready: number;
  /** Of all connections since the start. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Addresses banned since the start. */
  readonly bans: number;
}

/** How often peers are told of our best block, if it has changed. */
const STATUS_MS = 10_000;
/** How often they are asked for theirs, in such rounds. */
const ASK_ROUNDS = 6;
/** A connection that we chose ourselves goes if its peer stays behind by so many blocks. */
const STALE_BLOCKS = 64;
const STALE_MS = 600_000;
/** One of them in this many rounds. */
const STALE_ROUNDS = 30;
const LISTED_REASON = 120;
/** Places for connections that we make, if the options say nothing. */
const RESERVED = 8;

export class PeerSet {
  readonly #options: PeerSetOptions;
  readonly #parts: PeerSetParts;
  readonly #members = new Map<string, Member>();
  readonly #bans: BanList;
  readonly #admission: Admission;
  readonly #dialer: Dialer;
  readonly #server: BlockServer;
  readonly #blocks: BlockRelay;
  readonly #transactions: TransactionRelay;
  readonly #listeners = new Set<(change: PeerChange) => void>();
  readonly #stopped = new AbortController();
  readonly #hooks: PeerHooks;
  #upkeep: Promise<void> | undefined;
  #listening = false;
  /** Of what is over. */
  #past = { bytesSent: 0, bytesReceived: 0, bans: 0 };

  constructor(options: PeerSetOptions, parts: PeerSetParts) {
    const { chain, clock, log, now } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#bans = new BanList(clock);
    const reserved = Math.max(options.maxOutgoing ?? RESERVED, options.connect?.length ?? 0);
    this.#admission = new Admission(
      { ...options, reserved },
      { bans: this.#bans, clock, members: () => this.#members.values() },
    );
    const { sources = [], dialled, random } = parts;
    this.#dialer = new Dialer(options, {
      dial: (address, origin, signal) => this.#dial(address, origin, signal),
      outgoing: () => [...this.#members.values()].filter(({ peer }) => peer.outbound).length,
      skips: (address) => this.#skips(address),
      sources,
      ...(dialled === undefined ? {} : { dialled }),
      clock,
      random,
      log,
    });
    const peers = (): Iterable<Peer> => this.#ready();
    this.#server = new BlockServer(options, { chain, clock, log });
    this.#blocks = new BlockRelay(options, { chain, peers, clock, now, log });
    this.#transactions = new TransactionRelay({ mempool: parts.mempool, peers, clock, log });
    this.#hooks = this.#createHooks();
  }

  /** Takes announced blocks; until it is set they are dropped. */
  set onBlock(receiver: BlockReceiver) {
    this.#blocks.onBlock = receiver;
  }

  /** Tells whether the chain is being caught up with: old blocks are not announced then. */
  set catchingUp(catchingUp: () => boolean) {
    this.#blocks.catchingUp = catchingUp;
  }

  /** Listens, if there is where, and begins to dial. Rejects what `listen` rejects. */
  async start(): Promise<{ readonly port: number | undefined }> {
    const { listen } = this.#options;
    let port: number | undefined;
    if (listen !== undefined) {
      const onLink = (link: PeerLink): void => this.#cameIn(link);
      const admit = (address: string): boolean =>
        !this.#stopped.signal.aborted && this.#admission.admitsAddress(address);
      ({ port } = await this.#parts.transport.listen(listen, onLink, admit));
      this.#listening = true;
    }
    this.#dialer.start();
    this.#upkeep = this.#keepUp();
    return { port };
  }

  /** Ends every connection. Idempotent. When it has resolved nothing of it runs any more. */
  async close(): Promise<void> {
    this.#stopped.abort();
    const peers = [...this.#members.values()].map(({ peer }) => peer);
    for (const peer of peers) peer.close('this node is shutting down');
    await Promise.all([
      this.#dialer.close(),
      this.#upkeep,
      this.#blocks.close(),
      this.#transactions.close(),
      this.#server.close(),
      ...peers.map((peer) => peer.ended),
    ]);
  }

  /** Full nodes on our chain, whose height is known. */
  syncPeers(): readonly SyncPeer[] {
    return [...this.#ready()].filter((peer) => peer.isFull);
  }

  /** Returns how to end it. */
  onChange(listener: (change: PeerChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get counts(): PeerCounts {
    const peers = [...this.#members.values()].map(({ peer }) => peer);
    const outbound = peers.filter((peer) => peer.outbound).length;
    const past = this.#past;
    return {
      inbound: peers.length - outbound,
      outbound,
      ready: peers.filter((peer) => peer.ready).length,
      bytesSent: peers.reduce((sum, { stats }) => sum + stats.sentBytes, past.bytesSent),
      bytesReceived: peers.reduce(
        (sum, { stats }) => sum + stats.receivedBytes,
        past.bytesReceived,
      ),
      bans: past.bans,
    };
  }

  /** Whether others can connect to us. */
  get listening(): boolean {
    return this.#listening && !this.#stopped.signal.aborted;
  }

  /** Greatest height that a connected full node has told of; 0 if none has. Nobody has checked it. */
  get highest(): number {
    return this.syncPeers().reduce((highest, { height }) => Math.max(highest, height), 0);
  }

  list(): readonly PeerStatus[] {
    return [...this.#members.values()].map(({ peer }) => statusOf(peer));
  }

  /**
   * Connects to an address once, and resolves when the peer has told its status. Rejects what the
   * transport rejects, or `AdmissionError`.
   */
  async connect(host: string, port: number, signal?: AbortSignal): Promise<PeerStatus> {
    const stop = AbortSignal.any([this.#stopped.signal, ...(signal === undefined ? [] : [signal])]);
    const peer = await this.#dial({ host, port }, 'manual', stop);
    if (await peer.settled) return statusOf(peer);
    const { reason } = await peer.ended;
    throw new AdmissionError({ code: 'ended', reason });
  }

  /** Ends the connection to a peer; false if there is none. A target of the operator is dialled again. */
  disconnect(id: string): boolean {
    const peer = this.#members.get(id)?.peer;
    peer?.close('disconnected by the operator');
    return peer !== undefined;
  }

  /** Sends a stored block to the peers that are not known to have it. Each new tip is sent anyway. */
  announceBlock(hash: Uint8Array): void {
    this.#blocks.announce(hash);
  }

  /** Sends transactions to the peers that are not known to have them. What the mempool adds is sent anyway. */
  announceTransactions(txs: readonly Tx[]): void {
    this.#transactions.announce(txs);
  }

  #createHooks(): PeerHooks {
    const { chain } = this.#parts;
    return {
      tip: () => ({ height: chain.tip.header.height, hash: chain.tip.hash }),
      ready: (peer) => this.#becameReady(peer),
      heightChanged: (peer) => this.#tell({ peer, change: 'height' }),
      request: (peer, message) => this.#server.request(peer, message),
      transaction: (peer, bytes) => this.#transactions.receive(peer, bytes),
      block: (peer, bytes) => this.#blocks.receive(peer, bytes),
      blamed: (peer, offence) => this.#blame(peer, offence),
    };
  }

  *#ready(): Generator<Peer> {
    for (const { peer } of this.#members.values()) if (peer.ready && !peer.closed) yield peer;
  }

  /** Rejects what the transport rejects, or `AdmissionError`. */
  async #dial(address: Address, origin: Origin, signal: AbortSignal): Promise<Peer> {
    const link = await this.#parts.transport.dial(address, signal);
    try {
      return this.#add(link, origin);
    } catch (error) {
      const known = error instanceof AdmissionError && error.detail.code === 'duplicate';
      const peer = known ? this.#members.get(link.id)?.peer : undefined;
      if (peer === undefined || origin === 'outgoing') throw error;
      // The operator wants it connected, and it is: from now on it is one of the operator's.
      this.#members.set(peer.id, { peer, origin });
      return peer;
    }
  }

  #cameIn(link: PeerLink): void {
    try {
      this.#add(link, 'inbound');
    } catch (error) {
      if (!(error instanceof AdmissionError)) throw error;
      const { address } = link.remote;
      this.#parts.log.debug('peer refused', { id: link.id, address, reason: errorText(error) });
    }
  }

  /** Throws `AdmissionError`, with the link closed. */
  #add(link: PeerLink, origin: Origin): Peer {
    try {
      if (this.#stopped.signal.aborted) throw new AdmissionError({ code: 'closed' });
      for (const peer of this.#admission.admit(link, origin)) {
        peer.close('made room for another');
      }
    } catch (error) {
      link.close(errorText(error));
      throw error;
    }
    const { chain, clock } = this.#parts;
    const genesisHash = chain.network.genesis.hash;
    const peer = new Peer({ ...this.#options, genesisHash }, { link, clock, hooks: this.#hooks });
    this.#members.set(peer.id, { peer, origin });
    peer.signal.addEventListener('abort', () => this.#remove(peer), { once: true });
    void peer.ended.then((end) => this.#hasEnded(peer, end));
    peer.start();
    return peer;
  }

  #becameReady(peer: Peer): void {
    const { id, height, outbound, remote } = peer;
    const { address, port } = remote;
    const fields = { id, address, port, height };
    // Strangers come and go as they like, and must not fill the log.
    if (outbound) this.#parts.log.info('connected to peer', fields);
    else this.#parts.log.debug('peer connected', fields);
    this.#tell({ peer, change: 'ready' });
    this.#transactions.peerReady(peer);
  }

  #hasEnded(peer: Peer, { code, reason }: LinkEnd): void {
    const { id, outbound, remote } = peer;
    const fields = { id, address: remote.address, reason: clip(reason, LISTED_REASON) };
    if (code === 'receiver') this.#parts.log.error('peer lost by a fault of this node', fields);
    else if (outbound) this.#parts.log.info('peer gone', fields);
    else this.#parts.log.debug('peer gone', fields);
    if (code === 'wire') this.#blame(peer, { kind: 'fault', reason });
  }

  #remove(peer: Peer): void {
    if (this.#members.get(peer.id)?.peer !== peer) return;
    this.#members.delete(peer.id);
    const { bytesSent, bytesReceived, bans } = this.#past;
    this.#past = {
      bytesSent: bytesSent + peer.stats.sentBytes,
      bytesReceived: bytesReceived + peer.stats.receivedBytes,
      bans,
    };
    this.#transactions.peerGone(peer);
    if (peer.ready) this.#tell({ peer, change: 'gone' });
  }

  #blame({ id, remote }: Peer, { kind, reason }: Offence): void {
    const { address } = remote;
    const { log } = this.#parts;
    log.debug('peer at fault', { id, address, kind, reason: clip(reason, LISTED_REASON) });
    if (!this.#bans.blame(address, kind)) return;
    this.#past = { ...this.#past, bans: this.#past.bans + 1 };
    log.warn('address banned', { address, reason: clip(reason, LISTED_REASON) });
    const ip = ipKey(address);
    for (const { peer } of [...this.#members.values()]) {
      if (ipKey(peer.remote.address) === ip) peer.close('banned');
    }
  }

  /** Bytom 1.x P2P: one connection per IP where we choose ourselves. */
  #skips({ host, port }: Address): boolean {
    if (this.#bans.isBanned(host) || !this.#admission.mayChoose(host)) return true;
    const ip = ipKey(host);
    for (const { peer } of this.#members.values()) {
      const { address } = peer.remote;
      if (address === host && peer.remote.port === port) return true;
      if (ipKey(address) === ip && !isLoopback(host)) return true;
    }
    return false;
  }

  /** Never rejects. */
  async #keepUp(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stopped;
    for (let round = 1; ; round++) {
      await clock.sleep(STATUS_MS, signal);
      if (signal.aborted) return;
      // Those that have the block, too: how far we are is news to them.
      for (const peer of this.#ready()) peer.tellStatus();
      this.#blocks.announceOwed();
      if (round % ASK_ROUNDS === 0) for (const peer of this.#ready()) peer.refreshStatus();
      if (round % STALE_ROUNDS === 0) this.#replaceStale();
    }
  }

  /** Gives up the one of our own choice that is furthest behind, if that has lasted. */
  #replaceStale(): void {
    const { chain, clock } = this.#parts;
    let found: Peer | undefined;
    for (const { peer, origin } of this.#members.values()) {
      if (origin !== 'outgoing' || clock.now() - peer.connectedAt < STALE_MS) continue;
      if (peer.height + STALE_BLOCKS > chain.tip.header.height) continue;
      if (found === undefined || peer.height < found.height) found = peer;
    }
    found?.close('stays behind');
  }

  /** Calls the listeners, whose mistakes are not ours. */
  #tell(change: PeerChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#parts.log.error('peer listener failed', { reason: errorText(error) });
      }
    }
  }
}
