/** Whether this node is of use: for load balancers and people. */
import { z } from 'zod';
import { bytesToHex } from '../../util/bytes.ts';
import type { ApiParts } from './api-parts.ts';
import { COUNT, HASH } from './schemas.ts';

export interface HealthOptions {
  /** A best block older than this means that something is wrong. Default: any age will do. */
  readonly maxTipAgeSeconds?: number;
}

export const HEALTH_DATA: z.ZodType = z.strictObject({
  /** `ok` and `degraded` come with status 200, `failing` with 503. */
  status: z.enum(['ok', 'degraded', 'failing']),
  /** Why it is not `ok`. */
  problems: z.array(z.string()),
  synced: z.boolean(),
  tip: z.strictObject({ height: COUNT, hash: HASH, timestamp: COUNT, age_seconds: z.int() }),
  highest_block: COUNT,
  peers: z.strictObject({ inbound: COUNT, outbound: COUNT }),
  device_down: z.boolean(),
  chain_failed: z.boolean(),
});

type HealthParts = Pick<ApiParts, 'chain' | 'verifier' | 'peers' | 'now'>;

export interface Health {
  readonly status: 200 | 503;
  readonly body: Record<string, unknown>;
}

export function healthOf(options: HealthOptions, parts: HealthParts): Health {
  const { chain, verifier, peers, now } = parts;
  const { hash, header } = chain.tip;
  const { inbound, outbound } = peers.counts;
  const age = Math.floor(now() / 1000) - header.timestamp;
  const failing: string[] = [];
  // What exactly failed stands in the log: it may name paths.
  if (chain.failure !== undefined) failing.push('the chain has stopped');
  if (peers.syncing) failing.push('blocks are missing');
  if (options.maxTipAgeSeconds !== undefined && age > options.maxTipAgeSeconds) {
    failing.push(`the best block is ${age} s old`);
  }
  const degraded: string[] = [];
  if (verifier.hasherDown !== undefined) degraded.push('the hashing device was set aside');
  if (inbound + outbound === 0) degraded.push('no peers');
  const worst = degraded.length > 0 ? 'degraded' : 'ok';
  return {
    status: failing.length > 0 ? 503 : 200,
    body: {
      status: failing.length > 0 ? 'failing' : worst,
      problems: [...failing, ...degraded],
      synced: !peers.syncing,
      tip: {
        height: header.height,
        hash: bytesToHex(hash),
        timestamp: header.timestamp,
        age_seconds: age,
      },
      highest_block: Math.max(header.height, peers.highest),
      peers: { inbound, outbound },
      device_down: verifier.hasherDown !== undefined,
      chain_failed: chain.failure !== undefined,
    },
  };
}
