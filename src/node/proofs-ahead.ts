/**
 * Begins proofs of work before the blocks' turns. The verifier keeps what it finds out, so a turn asks
 * for the same again and has it at once, whether it was begun here or not.
 */
import type { HashedHeader } from '../consensus/branch.ts';
import type { PowClaim } from '../consensus/header-rules.ts';
import type { PowVerifier } from '../pow/pow-verifier.ts';
import type { ChainStore } from '../store/chain-store.ts';
import type { Submission, Submissions } from './submissions.ts';

export interface ProofsAheadParts {
  readonly submissions: Submissions;
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly checkHeader: (block: Submission['block'], parent: HashedHeader) => PowClaim;
}

export class ProofsAhead {
  readonly #parts: ProofsAheadParts;

  constructor(parts: ProofsAheadParts) {
    this.#parts = parts;
  }

  /**
   * Does so if the header is right, and its parent stored or on its way. Blocks of the past do not wait
   * for the parent's proof; of others a stranger may send us hundreds in a row that have none, and
   * each would cost a hash.
   */
  begin(submission: Submission): void {
    const { block, urgency, ahead } = submission;
    if (submission.claim !== undefined || ahead.signal.aborted) return;
    try {
      const parent = this.#parent(submission);
      if (parent === undefined) return;
      submission.claim = this.#parts.checkHeader(block, parent);
    } catch {
      // Its turn comes to the same, and says so.
      return;
    }
    const proven = (meets: boolean): void => {
      if (!meets) return;
      submission.proven = true;
      for (const child of this.#parts.submissions.childrenOf(block.hash)) this.begin(child);
    };
    this.#parts.verifier.verify(submission.claim, urgency, ahead.signal).then(
      ({ meets }) => proven(meets),
      () => {},
    );
  }

  /** Asks for it again at the urgency that has risen: what waits for the hasher moves up. */
  hurry({ claim, urgency, ahead }: Submission): void {
    if (claim === undefined || ahead.signal.aborted) return;
    this.#parts.verifier.verify(claim, urgency, ahead.signal).catch(() => {});
  }

  /** Ends those of all that was to follow a block which comes to nothing. */
  drop(hash: Uint8Array): void {
    const { submissions } = this.#parts;
    const dropped = [...submissions.childrenOf(hash)];
    for (const submission of dropped) {
      if (submission.claim === undefined) continue;
      submission.claim = undefined;
      submission.ahead.abort();
      dropped.push(...submissions.childrenOf(submission.block.hash));
    }
  }

  #parent({ block, priority }: Submission): HashedHeader | undefined {
    const { store, submissions } = this.#parts;
    if (store.indexEntry(block.hash) !== undefined) return undefined;
    const { previousBlockHash } = block.header;
    const stored = store.indexEntry(previousBlockHash);
    if (stored !== undefined) return stored;
    const pending = submissions.withClaim(previousBlockHash);
    return pending?.proven || priority === 'sync' ? pending?.block : undefined;
  }
}
