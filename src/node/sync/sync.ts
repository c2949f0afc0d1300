/**
 * Catching up with the network, and staying there: chooses whom to sync from, and takes the blocks
 * that peers announce. Bytom 1.x P2P: "Syncing", "Announcements".
 *
 * Only height is a reason to sync: the chain changes to another branch only if that is higher, so
 * more work at the same height is none. What peers say of their height is a claim. One that comes to
 * nothing costs the peer its place, for longer each time, and the next one is asked.
 *
 * Nothing is announced here: whoever relays blocks listens to the chain.
 */
import type { BlockHeader } from '../../chain/header.ts';
import { SERVICE } from '../../p2p/node-info.ts';
import { PowError } from '../../pow/pow-error.ts';
import { StoreError } from '../../store/store-error.ts';
import { bytesEqual, bytesToHex } from '../../util/bytes.ts';
import { errorText } from '../../util/errors.ts';
import { LruMap } from '../../util/lru.ts';
import { ChainError } from '../chain-error.ts';
import type { Offence, SyncPeer } from '../peers/sync-peer.ts';
import { AnnouncedBlocks } from './announced-blocks.ts';
import { Bell } from './bell.ts';
import type { HeaderSource, SourcedHeader } from './header-source.ts';
import { HeightSource } from './height-source.ts';
import { LocatorSource } from './locator-source.ts';
import { PeerStandings } from './peer-standings.ts';
import { SourceError } from './source-error.ts';
import { raceSources } from './source-race.ts';
import type { SyncOptions, SyncParts } from './sync-options.ts';
import { type SyncProgress, SyncProgressReport } from './sync-progress.ts';
import { SyncRun } from './sync-run.ts';

/**
 * A peer that is so few blocks higher is about to announce them, and is synced from only if it has
 * been higher for a while. It is looked for as often.
 */
const NEAR_BLOCKS = 3;
const NEAR_MS = 1000;
/** After a round in which nobody had anything for us. */
const FRUITLESS_MS = 1000;
/** How long an answer to a status request is waited for; longer where there is nothing to go by. */
const STATUS_MS = 1000;
const LONGEST_STATUS_MS = 10_000;
const STATUS_STEP_MS = 100;
/** After proofs of work could not be checked. */
const NO_HASHER_MS = 30_000;
/** Branches remembered that can never be the best one. */
const KEPT_REFUSALS = 256;

interface Opened {
  readonly source: HeaderSource;
  /** The best one of the peer when it was asked. */
  readonly bestHash: Uint8Array;
  readonly first: readonly SourcedHeader[];
}

export class Sync {
  readonly #options: SyncOptions;
  readonly #parts: SyncParts;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #standings: PeerStandings;
  readonly #progress: SyncProgressReport;
  readonly #announced: AnnouncedBlocks;
  readonly #refused = new LruMap<string, string>(KEPT_REFUSALS);
  /** Peers that have announced a block whose parent is missing. */
  readonly #wanted = new Set<string>();
  #run: SyncRun | undefined;
  #loop: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: SyncOptions, parts: SyncParts) {
    this.#options = options;
    this.#parts = parts;
    const { chain, log } = parts;
    const { signal } = this.#stop;
    this.#standings = new PeerStandings(parts);
    this.#progress = new SyncProgressReport(parts);
    const sync = (peer: SyncPeer): void => {
      this.#wanted.add(peer.id);
      this.#bell.ring();
    };
    this.#announced = new AnnouncedBlocks({ chain, log, sync, signal });
  }

  /** True while blocks of the past are being fetched. */
  get syncing(): boolean {
    return this.#run !== undefined;
  }

  /** The greatest height that a peer claims which has not failed to deliver; ours, if that is more. */
  get highestKnown(): number {
    const { chain, peers } = this.#parts;
    const claims = peers.syncPeers().filter((peer) => !this.#standings.isDoubtful(peer));
    return claims.reduce((most, { height }) => Math.max(most, height), chain.tip.header.height);
  }

  /** What the run that is under way keeps in memory; each is bounded by the options. */
  get kept(): SyncRun['kept'] {
    return this.#run?.kept ?? { headers: 0, bytes: 0, submitted: 0 };
  }

  /** What has ended it. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Called every few seconds while syncing. Returns how to end it. */
  onProgress(listener: (progress: SyncProgress) => void): () => void {
    return this.#progress.listen(listener);
  }

  /** Goes on until the signal or `close` ends it, or the chain fails. To be called once. */
  start(signal?: AbortSignal): void {
    if (this.#loop !== undefined) throw new Error('sync was started already');
    const ring = (): void => this.#bell.ring();
    const abort = (): void => this.#stop.abort(signal?.reason);
    this.#stop.signal.addEventListener('abort', ring);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
    const unlisten = this.#parts.peers.onChange(() => {
      this.#lookAtPeers();
      ring();
    });
    this.#loop = this.#keepUp().finally(() => {
      unlisten();
      signal?.removeEventListener('abort', abort);
      // Nothing announced is taken after the end.
      this.#stop.abort();
    });
  }

  /** When it has resolved, nothing runs any more. Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#loop, this.#announced.idle()]);
  }

  /**
   * Takes an announced block (message 40): `header` and `hash` are those of `bytes`, its wire form.
   * Resolves when it is dealt with. Never rejects.
   */
  async receiveBlock(
    peer: SyncPeer,
    bytes: Uint8Array,
    header: BlockHeader,
    hash: Uint8Array,
  ): Promise<void> {
    try {
      await this.#announced.receive(peer, bytes, header, hash);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isEnd(error)) {
        this.#fail(error);
        return;
      }
      const reason = errorText(error);
      this.#parts.log.error('announced block failed', { hash: bytesToHex(hash), reason });
    }
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined && !this.#stop.signal.aborted) {
      this.#failure = error;
      this.#parts.log.error('sync stopped', { reason: errorText(error) });
    }
    this.#stop.abort(error);
  }

  /** Never rejects. */
  async #keepUp(): Promise<void> {
    const { signal } = this.#stop;
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      try {
        this.#lookAtPeers();
        const candidates = this.#candidates();
        this.#wanted.clear();
        if (candidates.length > 0) await this.#syncFrom(candidates);
        else await this.#bell.nextWithin(NEAR_MS, clock);
      } catch (error) {
        if (signal.aborted) break;
        if (isEnd(error)) {
          this.#fail(error);
          break;
        }
        log.error('sync interrupted', { reason: errorText(error) });
        await clock.sleep(NO_HASHER_MS, signal);
      }
    }
  }

  #lookAtPeers(): void {
    for (const peer of this.#parts.peers.syncPeers()) this.#standings.look(peer);
  }

  /** Whom to sync from, the most promising first. */
  #candidates(): readonly SyncPeer[] {
    const { peers } = this.#parts;
    const standings = this.#standings;
    const height = this.#parts.chain.tip.header.height + NEAR_BLOCKS;
    const able = peers.syncPeers().filter((peer) => {
      if (!this.#hasMore(peer) || !standings.mayLead(peer)) return false;
      if (peer.height > height || this.#wanted.has(peer.id)) return true;
      return standings.sinceHigher(peer) >= NEAR_MS;
    });
    return able.sort(
      (a, b) =>
        standings.rank(a) - standings.rank(b) ||
        Number(servesHeaders(b)) - Number(servesHeaders(a)) ||
        b.height - a.height,
    );
  }

  /** True if the peer claims a height that we have not been to on its branch. */
  #hasMore({ height, bestHash, closed }: SyncPeer): boolean {
    const { chain } = this.#parts;
    if (closed || height <= chain.tip.header.height) return false;
    const best = chain.entry(bestHash);
    return best === undefined || best.header.height < height;
  }

  async #syncFrom(first: readonly SyncPeer[]): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stop;
    const candidates = (): readonly SyncPeer[] => [...first, ...this.#candidates()];
    const open = (peer: SyncPeer, stop: AbortSignal): Promise<Opened | undefined> =>
      this.#open(peer, stop);
    const { winner, overtaken } = await raceSources(candidates, open, { clock, signal });
    for (const peer of overtaken) this.#standings.overtaken(peer);
    if (winner === undefined) {
      await this.#bell.nextWithin(FRUITLESS_MS, clock);
      return;
    }
    const { peer } = winner.source;
    const run = this.#createRun(winner.source);
    this.#run = run;
    this.#progress.begin();
    let error: unknown;
    try {
      await run.run(winner.first, signal);
    } catch (reason) {
      error = reason;
    } finally {
      this.#run = undefined;
    }
    if (run.stored > 0) this.#logEnd(peer, run.stored);
    if (error instanceof SourceError) this.#blame(peer, error);
    else if (error !== undefined) throw error;
    else this.#finished(winner, run.stored);
  }

  #createRun(source: HeaderSource): SyncRun {
    const { chain, store, verifier, clock, now } = this.#parts;
    const checkpoints =
      this.#options.checkpoints === 'ignore' ? undefined : chain.network.checkpoints;
    const run = new SyncRun(this.#options, {
      chain,
      store,
      verifier,
      clock,
      now,
      checkpoints,
      source,
      peers: () => this.#providers(source.peer),
      refused: this.#refused,
      offended: (peer, offence) => {
        this.#standings.setAside(peer);
        this.#offended(peer, offence);
      },
      silent: (peer) => this.#standings.setAside(peer),
      stored: () => {
        const target = Math.max(run.height, source.peer.height);
        this.#progress.update(chain.tip.header.height, target, run.stored);
      },
      hasOthers: () => this.#hasOthers(source.peer),
    });
    return run;
  }

  #hasOthers(leader: SyncPeer): boolean {
    return this.#candidates().some((peer) => peer !== leader);
  }

  /** Whom to ask for blocks: whoever gave the headers first. */
  #providers(leader: SyncPeer): readonly SyncPeer[] {
    const others = this.#parts.peers
      .syncPeers()
      .filter((peer) => peer !== leader && !peer.closed && this.#standings.mayProvide(peer));
    return [leader, ...others];
  }

  /** The peer's first headers; `undefined` if it has none for us. */
  async #open(peer: SyncPeer, signal: AbortSignal): Promise<Opened | undefined> {
    try {
      if (!(await this.#freshen(peer, signal))) return undefined;
      if (servesHeaders(peer) && this.#standings.servesHeaders(peer)) {
        try {
          return await opened(new LocatorSource(peer, this.#parts), signal);
        } catch (error) {
          if (!(error instanceof SourceError) || error.detail.code !== 'silent') throw error;
          this.#standings.noHeaders(peer);
        }
      }
      return await opened(new HeightSource(peer, this.#parts), signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof SourceError)) throw error;
      this.#blame(peer, error);
      return undefined;
    }
  }

  /**
   * Makes sure that its best hash is one that it knows: the reference does not answer for any other.
   * False if it turns out to have nothing more than we do.
   */
  async #freshen(peer: SyncPeer, signal: AbortSignal): Promise<boolean> {
    const { chain, clock } = this.#parts;
    const before = peer.bestHash;
    const isStale = (): boolean => chain.has(peer.bestHash);
    if (!isStale() && this.#standings.isFresh(peer)) return true;
    peer.refreshStatus();
    const most = isStale() ? LONGEST_STATUS_MS : STATUS_MS;
    for (let ms = 0; ms < most && bytesEqual(before, peer.bestHash); ms += STATUS_STEP_MS) {
      await clock.sleep(STATUS_STEP_MS, signal);
      signal.throwIfAborted();
      if (!this.#hasMore(peer)) return false;
    }
    this.#standings.refreshed(peer);
    if (!this.#hasMore(peer)) return false;
    if (!isStale()) return true;
    throw new SourceError(
      'fault',
      `its best block is below the height ${peer.height} that it claims`,
    );
  }

  /** It has given everything that it had when it was opened. */
  #finished({ source: { peer }, bestHash }: Opened, stored: number): void {
    if (stored > 0) {
      this.#standings.delivered(peer);
    } else if (!bytesEqual(bestHash, peer.bestHash)) {
      this.#standings.rest(peer);
    } else if (this.#hasMore(peer)) {
      const reason = `nothing new came of the height ${peer.height} that it claims`;
      this.#blame(peer, new SourceError('fault', reason));
    }
  }

  #blame(peer: SyncPeer, error: SourceError): void {
    const offence = this.#standings.failed(peer, error);
    if (offence !== undefined) this.#offended(peer, offence);
    else this.#parts.log.debug('not synced from peer', { peer: peer.id, reason: error.message });
  }

  #offended(peer: SyncPeer, offence: Offence): void {
    const { kind, reason } = offence;
    const level = kind === 'illegal' ? 'warn' : 'debug';
    this.#parts.log[level]('sync failed with peer', { peer: peer.id, kind, reason });
    if (!peer.closed) peer.blame(offence);
  }

  #logEnd(peer: SyncPeer, blocks: number): void {
    const { chain, log } = this.#parts;
    log.info('synced', { height: chain.tip.header.height, blocks, peer: peer.id });
  }
}

function servesHeaders({ services }: SyncPeer): boolean {
  return (services & SERVICE.FAST_SYNC) !== 0;
}

async function opened(source: HeaderSource, signal: AbortSignal): Promise<Opened> {
  const { bestHash } = source.peer;
  return { source, bestHash, first: await source.next(signal) };
}

/** The chain takes no more blocks. */
function isEnd(error: unknown): boolean {
  if (error instanceof StoreError) return true;
  return (
    (error instanceof ChainError || error instanceof PowError) && error.detail.code === 'closed'
  );
}
