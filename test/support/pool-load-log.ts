/** What the share log of a pool under load holds, against what its miners know of their shares. */
import { join } from 'node:path';
import { readRecords } from '../../pool/ledger/read-records.ts';
import type { ShareRecord } from '../../pool/ledger/records.ts';
import { decodeShare } from '../../pool/ledger/share-codec.ts';
import { SHARE_LOG_KIND } from '../../pool/ledger/share-log.ts';
import { POOL_FOLDERS } from '../../pool/pool.ts';
import { bytesToHex } from '../../src/util/bytes.ts';

/** What miners know of one share. */
export interface SentShare {
  /** Those who have sent it, as they logged in: after a restart another may have its range of nonces. */
  readonly logins: Set<string>;
  /** How often somebody was told that it is accepted. */
  acknowledged: number;
}

/** Every share in the log, in order. Rejects `ShareLogError` where it is damaged. */
export async function readShares(data: string): Promise<readonly ShareRecord[]> {
  const shares: ShareRecord[] = [];
  for await (const { records } of readRecords(join(data, POOL_FOLDERS.shares), {
    kind: SHARE_LOG_KIND,
  })) {
    for (const { payload } of records) shares.push(decodeShare(payload));
  }
  return shares;
}

export interface LogFaults {
  /** Acknowledged, but not in the log. */
  readonly lost: number;
  /** In the log more than once, or acknowledged more than once. */
  readonly doubled: number;
  /** In the log, but never sent by the one that it is credited to. */
  readonly foreign: number;
}

/** Compares the log with what was sent, by the share's id as hex. */
export function logFaults(
  shares: readonly ShareRecord[],
  sent: ReadonlyMap<string, SentShare>,
): LogFaults {
  const logged = new Set<string>();
  let doubled = 0;
  let foreign = 0;
  for (const { id, account, worker } of shares) {
    const key = bytesToHex(id);
    if (logged.has(key)) doubled++;
    logged.add(key);
    if (sent.get(key)?.logins.has(`${account}.${worker}`) !== true) foreign++;
  }
  let lost = 0;
  for (const [key, { acknowledged }] of sent) {
    if (acknowledged > 0 && !logged.has(key)) lost++;
    if (acknowledged > 1) doubled++;
  }
  return { lost, doubled, foreign };
}
