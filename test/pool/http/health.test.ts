import { describe, expect, it } from 'vitest';
import { healthOf } from '../../../pool/http/health.ts';
import type { PoolStatus } from '../../../pool/http/status.ts';
import { NOW, statusOf } from './status-of.ts';

const UP = { name: 'a', up: true, height: 5, lagBlocks: 0, ageSeconds: 1 };
const DOWN = { ...UP, name: 'b', up: false, reason: 'connection refused' };

function outcome(given: Partial<PoolStatus>): readonly [string, ...string[]] {
  const { status, reasons } = healthOf(statusOf(given), NOW);
  return [status, ...reasons];
}

describe('healthOf', () => {
  it('is ok, and tells what there is', () => {
    expect(healthOf(statusOf(), NOW)).toEqual({
      status: 'ok',
      reasons: [],
      network: 'solonet',
      version: '1.2.3',
      uptimeSeconds: 3600,
      connections: 12,
      sessions: 10,
      lastShareAgeSeconds: 4,
      verification: { queued: 3, backlogSeconds: 0.3 },
      nodes: [
        { name: 'embedded', up: true, height: 500, lagBlocks: 0 },
        { name: '127.0.0.1:9888', up: true, height: 499, lagBlocks: 1 },
      ],
    });
  });

  it('is down without work, without a place for shares, and while draining', () => {
    expect(outcome({ nodes: [DOWN] })).toEqual([
      'down',
      'no node gives work',
      'node b: connection refused',
    ]);
    expect(outcome({ nodes: [] })).toEqual(['down', 'no node gives work']);
    // The system's words may name paths.
    const log = { ...statusOf().log, failing: 'ENOSPC: /srv/pool/shares' };
    expect(outcome({ log })).toEqual(['down', 'the share log cannot be written']);
    expect(outcome({ draining: true })).toEqual(['down', 'the pool is being stopped']);
  });

  it('is degraded where it works and somebody should look', () => {
    const verification = statusOf().verification;
    expect(outcome({ nodes: [UP, DOWN] })).toEqual(['degraded', 'node b: connection refused']);
    expect(outcome({ verification: { ...verification, backlogSeconds: 11 } })).toEqual([
      'degraded',
      'shares wait 11 s for their verification',
    ]);
    expect(outcome({ verification: { ...verification, isOpening: true } })).toEqual([
      'degraded',
      'the hashing device is being opened',
    ]);
    expect(outcome({ verification: { ...verification, hasherDown: '3 wrong answers' } })).toEqual([
      'degraded',
      'the hashing device was set aside',
    ]);
    const { log, blocks } = statusOf();
    expect(outcome({ log: { ...log, blocksFailing: 'EIO: /srv/pool/blocks' } })).toEqual([
      'degraded',
      'the block log cannot be written',
    ]);
    expect(outcome({ blocks: { ...blocks, unwritten: 2 } })).toEqual([
      'degraded',
      'blocks that are not written down: 2',
    ]);
    expect(outcome({ lastShareAt: NOW - 601_000 })).toEqual([
      'degraded',
      'no share from anyone for 601 s',
    ]);
    expect(outcome({ lastShareAt: undefined })).toEqual([
      'degraded',
      'no share from anyone for 3600 s',
    ]);
  });

  it('names what is down before what is degraded', () => {
    expect(outcome({ draining: true, lastShareAt: NOW - 700_000 })).toEqual([
      'down',
      'the pool is being stopped',
      'no share from anyone for 700 s',
    ]);
  });

  it('has limits that can be set, and stands a wall clock that was set back', () => {
    const options = { maxBacklogSeconds: 0.1, maxShareAgeSeconds: 3 };
    expect(healthOf(statusOf(), NOW, options).reasons.length).toBe(2);
    expect(healthOf(statusOf({ lastShareAt: NOW + 5000 }), NOW).lastShareAgeSeconds).toBe(0);
    const { lastShareAgeSeconds } = healthOf(statusOf({ lastShareAt: undefined }), NOW);
    expect(lastShareAgeSeconds).toBe(null);
  });
});
