/** A search as the work of a board: what of it goes over the line, and how its nonces become header hashes. */
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { writeU64 } from '../../src/util/bytes.ts';
import type { NonceRange, Work } from '../driver.ts';
import type { Claimed, ClaimedHash } from './audit.ts';
import type { Claim } from './job-ledger.ts';
import type { Agreement, Task } from './jobs.ts';

/** So many more hashes are agreed. */
export interface SearchClaimed
  extends Pick<Agreement, 'shares' | 'told'>,
    Pick<Claimed, 'count' | 'last' | 'share' | 'headerHashAt'> {}

export interface SearchListeners {
  readonly plan: Task['plan'];
  readonly onFound: Task['onFound'];
  readonly onHashes: (claimed: SearchClaimed) => void;
}

/** `work.preimage` may not change until the task has ended. */
export function searchTask(
  epoch: number,
  work: Work,
  range: NonceRange,
  { plan, onFound, onHashes }: SearchListeners,
): Task {
  const { preimage, target } = work;
  const headerHashOf = (nonce: bigint): Uint8Array => {
    const bytes = preimage.slice();
    writeU64(bytes, PREIMAGE_NONCE_OFFSET, nonce);
    return preimageHash(bytes);
  };
  const hashOf = ({ nonce, digest }: Claim): ClaimedHash => ({
    headerHash: headerHashOf(nonce),
    digest,
  });
  return {
    ...range,
    target,
    plan,
    send: (board, { jobId, start, count, told }, signal) =>
      board.job(
        {
          epoch,
          jobId,
          place: 'replace',
          preimage,
          nonceOffset: PREIMAGE_NONCE_OFFSET,
          nonceStart: start,
          count,
          target: told,
        },
        signal,
      ),
    onFound,
    onHashes: ({ count, claim, shares, share, told }) => {
      const first = claim.nonce - BigInt(count - 1);
      onHashes({
        count,
        shares,
        told,
        last: hashOf(claim),
        share: shares > 0 && share !== undefined ? hashOf(share) : undefined,
        headerHashAt: (i) => headerHashOf(first + BigInt(i)),
      });
    },
  };
}
