/** What the parts of the pool count and time, whoever reads it. All times in milliseconds. */
import type { RejectReason } from '../src/stratum/reject.ts';
import type { CloseReason } from './client.ts';
import type { BlockEvent } from './ledger/records.ts';

export type ShareResult =
  | 'accepted'
  | 'late'
  | RejectReason
  /** Of one that is not served any more; it is told `unauthorized`. */
  | 'banned'
  | 'not-kept'
  | 'not-verified';

export interface PoolMeter {
  connectionOpened(): void;
  connectionClosed(reason: CloseReason): void;
  /** `limit`: too many of that address, or in all. */
  login(outcome: 'accepted' | RejectReason | 'banned' | 'limit'): void;
  /** One submit answered, `ms` after it came. `difficulty` 0 if no job was found for it. */
  share(result: ShareResult, difficulty: bigint, ms: number): void;
  /** From the arrival of a template to the last of `clients` writes. */
  jobsSent(clients: number, ms: number, isClean: boolean): void;
  /** One verdict, `ms` after it was asked for. */
  verified(by: 'hasher' | 'claim', ms: number): void;
  /** A *no* was confirmed by the independent hasher, or could not be within the budget. */
  confirmed(outcome: 'agrees' | 'disagrees' | 'no-budget'): void;
  /** One group commit. */
  logSynced(records: number, ms: number): void;
  logFailed(): void;
  block(event: BlockEvent['event']): void;
  ban(kind: 'worker' | 'address'): void;
  retarget(): void;
}

export function createSilentMeter(): PoolMeter {
  const drop = (): void => {};
  return {
    connectionOpened: drop,
    connectionClosed: drop,
    login: drop,
    share: drop,
    jobsSent: drop,
    verified: drop,
    confirmed: drop,
    logSynced: drop,
    logFailed: drop,
    block: drop,
    ban: drop,
    retarget: drop,
  };
}

/** The same meter, with somebody who hears of every answered submit as well. */
export function overheardMeter(
  meter: PoolMeter,
  onShare: (result: ShareResult) => void,
): PoolMeter {
  return {
    connectionOpened: () => meter.connectionOpened(),
    connectionClosed: (reason) => meter.connectionClosed(reason),
    login: (outcome) => meter.login(outcome),
    share: (result, difficulty, ms) => {
      onShare(result);
      meter.share(result, difficulty, ms);
    },
    jobsSent: (clients, ms, isClean) => meter.jobsSent(clients, ms, isClean),
    verified: (by, ms) => meter.verified(by, ms),
    confirmed: (outcome) => meter.confirmed(outcome),
    logSynced: (records, ms) => meter.logSynced(records, ms),
    logFailed: () => meter.logFailed(),
    block: (event) => meter.block(event),
    ban: (kind) => meter.ban(kind),
    retarget: () => meter.retarget(),
  };
}
