/**
 * What is remembered of peers as somebody to sync from, by identity, so that to connect anew changes
 * nothing. A peer that does not deliver what it claims to have is left alone for a while, which
 * doubles each time; in the end it is treated as one that lies.
 */
import { bytesEqual } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { LruMap } from '../../util/lru.ts';
import type { Offence, SyncPeer } from '../peers/sync-peer.ts';
import type { SourceError } from './source-error.ts';

/** Peers that are remembered. */
const KEPT_PEERS = 1024;
const FIRST_REST_MS = 10_000;
const LONGEST_REST_MS = 10 * 60_000;
/** Without blame. */
const LATER_MS = 30_000;
const BUSY_MS = 3000;
/** So many times nothing in a row, and it is no accident. */
const FORGIVEN_FAULTS = 3;
/** Not asked for blocks after it has sent none, or wrong ones. */
const ASIDE_MS = 60_000;
/** A status is as good as new for so long. */
const FRESH_MS = 30_000;

interface Standing {
  /** Times in a row that nothing came of it. */
  strikes: number;
  /** How often another one was faster. */
  overtaken: number;
  restsUntil: number;
  asideUntil: number;
  /** It does not answer requests for headers. */
  byHeight: boolean;
  /** Its best hash, and since when we know of it. */
  bestHash: Uint8Array | undefined;
  statusAt: number;
  /** Its height, and since when. */
  height: number;
  heightAt: number;
}

export class PeerStandings {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #standings = new LruMap<string, Standing>(KEPT_PEERS);

  constructor(parts: { readonly clock: Pick<Clock, 'now'> }) {
    this.#clock = parts.clock;
  }

  /** Takes note of its status. */
  look(peer: SyncPeer): void {
    const standing = this.#of(peer);
    const { bestHash, height } = standing;
    if (height !== peer.height) {
      standing.height = peer.height;
      standing.heightAt = this.#clock.now();
    }
    if (bestHash !== undefined && bytesEqual(bestHash, peer.bestHash)) return;
    standing.bestHash = peer.bestHash;
    standing.statusAt = this.#clock.now();
  }

  /** True if its status need not be asked for again. */
  isFresh(peer: SyncPeer): boolean {
    return this.#clock.now() - this.#of(peer).statusAt < FRESH_MS;
  }

  /** Its status was asked for. */
  refreshed(peer: SyncPeer): void {
    this.#of(peer).statusAt = this.#clock.now();
  }

  /** How long it has been where it is, in milliseconds. */
  sinceHigher(peer: SyncPeer): number {
    return this.#clock.now() - this.#of(peer).heightAt;
  }

  mayLead(peer: SyncPeer): boolean {
    return this.#clock.now() >= this.#of(peer).restsUntil;
  }

  mayProvide(peer: SyncPeer): boolean {
    return this.#clock.now() >= this.#of(peer).asideUntil;
  }

  /** True if its claims have come to nothing so far. */
  isDoubtful(peer: SyncPeer): boolean {
    return this.#of(peer).strikes > 0;
  }

  servesHeaders(peer: SyncPeer): boolean {
    return !this.#of(peer).byHeight;
  }

  /** The lower, the better. */
  rank(peer: SyncPeer): number {
    const { strikes, overtaken } = this.#of(peer);
    return 4 * strikes + Math.min(overtaken, 3);
  }

  /** It has brought blocks. */
  delivered(peer: SyncPeer): void {
    const standing = this.#of(peer);
    standing.strikes = 0;
    standing.overtaken = 0;
  }

  /** Nothing new, and nobody to blame. */
  rest(peer: SyncPeer): void {
    this.#of(peer).restsUntil = this.#clock.now() + BUSY_MS;
  }

  overtaken(peer: SyncPeer): void {
    this.#of(peer).overtaken++;
  }

  noHeaders(peer: SyncPeer): void {
    this.#of(peer).byHeight = true;
  }

  /** It is asked for no blocks for a while. */
  setAside(peer: SyncPeer): void {
    this.#of(peer).asideUntil = this.#clock.now() + ASIDE_MS;
  }

  /** It cannot be synced from, for now. Returns what it is to be blamed for. */
  failed(peer: SyncPeer, error: SourceError): Offence | undefined {
    const standing = this.#of(peer);
    const { code, reason } = error.detail;
    switch (code) {
      case 'gone':
        return undefined;
      case 'busy':
        standing.restsUntil = this.#clock.now() + BUSY_MS;
        return undefined;
      case 'later':
        standing.restsUntil = this.#clock.now() + LATER_MS;
        return undefined;
      case 'silent':
      case 'fault':
      case 'illegal': {
        standing.strikes++;
        const rest = FIRST_REST_MS * 2 ** Math.min(standing.strikes - 1, 10);
        standing.restsUntil = this.#clock.now() + Math.min(rest, LONGEST_REST_MS);
        // It may answer after all: the next time it is asked for headers again.
        standing.byHeight = false;
        const lies = code === 'illegal' || standing.strikes > FORGIVEN_FAULTS;
        return { kind: lies ? 'illegal' : 'fault', reason };
      }
    }
  }

  #of(peer: SyncPeer): Standing {
    const known = this.#standings.get(peer.id);
    if (known !== undefined) return known;
    const standing: Standing = {
      strikes: 0,
      overtaken: 0,
      restsUntil: Number.NEGATIVE_INFINITY,
      asideUntil: Number.NEGATIVE_INFINITY,
      byHeight: false,
      bestHash: undefined,
      statusAt: Number.NEGATIVE_INFINITY,
      height: 0,
      heightAt: this.#clock.now(),
    };
    this.#standings.set(peer.id, standing);
    return standing;
  }
}
