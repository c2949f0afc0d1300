/** Whether the pool is of use: for load balancers, alarms and people. */
import { clip } from '../../src/util/errors.ts';
import type { PoolStatus } from './status.ts';

export interface HealthOptions {
  /** Seconds of work that wait for the hasher, from which on it is too much. Default 10. */
  readonly maxBacklogSeconds?: number;
  /** Without an accepted share, from which on something is wrong. Default 600. */
  readonly maxShareAgeSeconds?: number;
}

export interface Health {
  /**
   * `down`: miners are better off elsewhere: no work, nowhere to keep shares, or on the way out.
   * `degraded`: it works, and somebody should look.
   */
  readonly status: 'ok' | 'degraded' | 'down';
  /** Why it is not `ok`, the gravest first. */
  readonly reasons: readonly string[];
  readonly network: string;
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly connections: number;
  readonly sessions: number;
  /** `null` before the first. */
  readonly lastShareAgeSeconds: number | null;
  readonly verification: { readonly queued: number; readonly backlogSeconds: number };
  readonly nodes: readonly {
    readonly name: string;
    readonly up: boolean;
    readonly height: number;
    readonly lagBlocks: number;
  }[];
}

/** `now`: ms since 1970. */
export function healthOf(status: PoolStatus, now: number, options: HealthOptions = {}): Health {
  const { startedAt, lastShareAt, verification } = status;
  const down = downReasons(status);
  const degraded = degradedReasons(status, now, options);
  const worst = degraded.length > 0 ? 'degraded' : 'ok';
  return {
    status: down.length > 0 ? 'down' : worst,
    reasons: [...down, ...degraded],
    network: status.network,
    version: status.version,
    uptimeSeconds: secondsSince(startedAt, now),
    connections: status.connections,
    sessions: status.sessions,
    lastShareAgeSeconds: lastShareAt === undefined ? null : secondsSince(lastShareAt, now),
    verification: {
      queued: verification.queued,
      backlogSeconds: Number(verification.backlogSeconds.toFixed(1)),
    },
    nodes: status.nodes.map(({ name, up, height, lagBlocks }) => ({ name, up, height, lagBlocks })),
  };
}

function downReasons({ nodes, log, draining }: PoolStatus): readonly string[] {
  const reasons: string[] = [];
  if (!nodes.some((node) => node.up)) reasons.push('no node gives work');
  // What exactly failed stands in the log: it may name paths.
  if (log.failing !== undefined) reasons.push('the share log cannot be written');
  if (draining) reasons.push('the pool is being stopped');
  return reasons;
}

function degradedReasons(
  status: PoolStatus,
  now: number,
  { maxBacklogSeconds = 10, maxShareAgeSeconds = 600 }: HealthOptions,
): readonly string[] {
  const { nodes, verification, lastShareAt, startedAt, log, blocks } = status;
  const reasons = nodes
    .filter((node) => !node.up)
    .map(({ name, reason = 'it gives no work' }) => `node ${name}: ${clip(reason)}`);
  // Blocks get to the nodes all the same, so miners are as well off here as elsewhere.
  if (log.blocksFailing !== undefined) reasons.push('the block log cannot be written');
  if (blocks.unwritten > 0) reasons.push(`blocks that are not written down: ${blocks.unwritten}`);
  if (verification.isOpening) reasons.push('the hashing device is being opened');
  if (verification.hasherDown !== undefined) reasons.push('the hashing device was set aside');
  if (verification.backlogSeconds > maxBacklogSeconds) {
    reasons.push(`shares wait ${verification.backlogSeconds.toFixed(0)} s for their verification`);
  }
  const silent = secondsSince(lastShareAt ?? startedAt, now);
  if (silent > maxShareAgeSeconds) reasons.push(`no share from anyone for ${silent} s`);
  return reasons;
}

/** Whole ones; 0 if the wall clock was set back. */
function secondsSince(moment: number, now: number): number {
  return Math.max(0, Math.floor((now - moment) / 1000));
}
