/**
 * Which claimed blocks are handed on although nothing can be verified. Nodes check blocks themselves,
 * so that a true one is not lost; but claims cost nothing, and the nodes are to have time for it.
 */
import type { Clock } from '../../src/util/clock.ts';
import { type Rate, SourceLimits, TokenBucket } from '../../src/util/token-bucket.ts';
import type { PoolSession } from './session.ts';

/** `tries` at once, and as many a minute. */
const perMinute = (tries: number): Rate => ({ perSecond: tries / 60, burst: tries });

/** A worker at an address: nobody uses up what is another's by logging in under its name. */
const OF_WORKER = perMinute(2);
/** An address, or the /64 of IPv6, with all its workers. */
const OF_HOST = perMinute(10);
/** All workers together of whom no share was accepted yet: the rest is for those who have shown work. */
const OF_STRANGERS = perMinute(20);
const OF_ALL = perMinute(60);
const MAX_SOURCES = 16_384;

export class UnverifiedBlocks {
  readonly #workers: SourceLimits;
  readonly #hosts: SourceLimits;
  readonly #strangers: TokenBucket;
  readonly #all: TokenBucket;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#workers = new SourceLimits(OF_WORKER, MAX_SOURCES, clock);
    this.#hosts = new SourceLimits(OF_HOST, MAX_SOURCES, clock);
    this.#strangers = new TokenBucket(OF_STRANGERS, clock);
    this.#all = new TokenBucket(OF_ALL, clock);
  }

  /** Whether one more of this session's may be handed on. */
  tryTake({ banKey, host, counter }: PoolSession): boolean {
    // In this order: who has had its own part takes nothing of what is everybody's.
    return (
      this.#workers.tryTake(banKey) &&
      this.#hosts.tryTake(host) &&
      (counter.hasGood || this.#strangers.tryTake()) &&
      this.#all.tryTake()
    );
  }
}
