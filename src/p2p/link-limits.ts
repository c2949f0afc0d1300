/** What one connection may cost. Every number can be set; the defaults are those of the network. */
import type { SendQueueLimits } from './send-queue.ts';

export interface LinkLimits {
  readonly queue: SendQueueLimits;
  /** Bytes a second, with as much at once; `Infinity` for no limit. */
  readonly sendRate: number;
  readonly receiveRate: number;
  readonly pingEveryMs: number;
  /** Nothing received for so long, while we were reading, ends it. */
  readonly silenceMs: number;
  /** Nothing could be written for so long, while there was something to write, ends it. */
  readonly stallMs: number;
  /** From a message's first part to its last. */
  readonly messageMs: number;
  /** Pings and pongs of the peer: at once, and then so many a second. */
  readonly controlBurst: number;
  readonly controlPerSecond: number;
}

/**
 * Rates and pings are the reference's. It never gives up on a peer that is silent, but answers every
 * ping, so silence is a dead line. The largest message takes 43 s at its rate.
 */
export const DEFAULT_LINK_LIMITS: LinkLimits = {
  queue: { maxMessages: 100, maxBytes: 24 << 20 },
  sendRate: 512_000,
  receiveRate: 512_000,
  pingEveryMs: 40_000,
  silenceMs: 180_000,
  stallMs: 120_000,
  messageMs: 600_000,
  controlBurst: 100,
  controlPerSecond: 2,
};
