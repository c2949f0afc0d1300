/** What became of the shares of a device, or of several. */

export interface ShareCounts {
  readonly accepted: number;
  readonly rejected: number;
  /** Found, or answered, after the tip had moved on: a normal outcome. */
  readonly stale: number;
  /** Nonces that another path hashed differently. */
  readonly hardwareErrors: number;
  /** Sent, but the connection went away before the answer. */
  readonly unanswered: number;
  /** Accepted shares that were blocks. */
  readonly blocks: number;
  /** Difficulty of the best share that was found; 0 before the first. */
  readonly bestShare: number;
}

/** The same, while it grows. */
export type MutableShareCounts = { -readonly [K in keyof ShareCounts]: ShareCounts[K] };

export function createCounts(): MutableShareCounts {
  return {
    accepted: 0,
    rejected: 0,
    stale: 0,
    hardwareErrors: 0,
    unanswered: 0,
    blocks: 0,
    bestShare: 0,
  };
}

export function addCounts(all: readonly ShareCounts[]): ShareCounts {
  const sum = createCounts();
  for (const counts of all) {
    sum.accepted += counts.accepted;
    sum.rejected += counts.rejected;
    sum.stale += counts.stale;
    sum.hardwareErrors += counts.hardwareErrors;
    sum.unanswered += counts.unanswered;
    sum.blocks += counts.blocks;
    sum.bestShare = Math.max(sum.bestShare, counts.bestShare);
  }
  return sum;
}
