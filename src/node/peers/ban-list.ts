/**
 * Points for misbehaviour, by IP. Bytom 1.x P2P, "Misbehaviour": an illegal message +20 for good, a
 * fault of the connection +20 that halve every 60 s; above 100 the IP is banned for an hour. In memory
 * only: a restart forgives everybody, and the first six messages bring the ban back.
 */
import type { Clock } from '../../util/clock.ts';
import { LruMap } from '../../util/lru.ts';
import { ipKey } from './ip-key.ts';
import type { Offence } from './sync-peer.ts';

const BAN_SCORE = 100;
const BAN_MS = 3_600_000;
const OFFENCE_POINTS = 20;
const HALF_LIFE_MS = 60_000;
/** IPs that have points or are banned; beyond that, the one that was heard of least recently is forgotten. */
const MAX_IPS = 4096;

interface Score {
  readonly permanent: number;
  /** As of `at`. */
  readonly decaying: number;
  readonly at: number;
}

export class BanList {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #scores = new LruMap<string, Score>(MAX_IPS);
  readonly #bannedUntil = new LruMap<string, number>(MAX_IPS);

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Books an offence. True if that bans the address: the score then starts again from 0. */
  blame(address: string, kind: Offence['kind']): boolean {
    const ip = ipKey(address);
    const now = this.#clock.now();
    const { permanent, decaying } = this.#scoreOf(ip, now);
    const score = {
      permanent: permanent + (kind === 'illegal' ? OFFENCE_POINTS : 0),
      decaying: decaying + (kind === 'fault' ? OFFENCE_POINTS : 0),
      at: now,
    };
    const banned = score.permanent + score.decaying > BAN_SCORE;
    this.#scores.set(ip, banned ? { permanent: 0, decaying: 0, at: now } : score);
    if (banned) this.#bannedUntil.set(ip, now + BAN_MS);
    return banned;
  }

  score(address: string): number {
    const { permanent, decaying } = this.#scoreOf(ipKey(address), this.#clock.now());
    return permanent + decaying;
  }

  isBanned(address: string): boolean {
    const until = this.#bannedUntil.get(ipKey(address));
    return until !== undefined && this.#clock.now() < until;
  }

  #scoreOf(ip: string, now: number): { readonly permanent: number; readonly decaying: number } {
    const score = this.#scores.get(ip);
    if (score === undefined) return { permanent: 0, decaying: 0 };
    const decaying = score.decaying * 2 ** (-(now - score.at) / HALF_LIFE_MS);
    return { permanent: score.permanent, decaying };
  }
}
