/** A pool's status in which all is well, but for what is given. */
import type { PoolStatus } from '../../../pool/http/status.ts';

export const NOW = 1_800_000_000_000;

export function statusOf(given: Partial<PoolStatus> = {}): PoolStatus {
  return {
    connections: 12,
    clients: { btm: 8, v1: 3, undecided: 1, tls: 2 },
    refused: { banned: 4, limit: 6 },
    sessions: 10,
    accounts: 5,
    pausedClients: 1,
    pendingShares: 7,
    hashesPerSecond: 1234.5,
    lastShareAt: NOW - 4000,
    verification: { queued: 3, backlogSeconds: 0.25, loadFactor: 1, isOpening: false },
    nodes: [
      { name: 'embedded', up: true, height: 500, lagBlocks: 0, ageSeconds: 7 },
      { name: '127.0.0.1:9888', up: true, height: 499, lagBlocks: 1, ageSeconds: 9 },
    ],
    blocks: { found: 5, accepted: 4, orphaned: 1, matured: 2, lost: 0, unwritten: 0 },
    log: { knownShares: 900, forgottenShares: 0 },
    bans: 1,
    startedAt: NOW - 3_600_000,
    version: '1.2.3',
    network: 'solonet',
    draining: false,
    ...given,
  };
}
