/**
 * The blocks that wait to be added to the chain, in the order in which that happens: as they were
 * submitted, except that a more urgent one overtakes those it does not depend on.
 */
import type { Block } from '../chain/block.ts';
import type { PowClaim } from '../consensus/header-rules.ts';
import { POW_PRIORITIES, type PowPriority } from '../pow/hash-queue.ts';
import { keyText } from '../store/kv.ts';
import type { Deferred } from '../util/deferred.ts';
import type { TipChange } from './best-chain.ts';

/**
 * - `connected`: there is a new tip, this block or an orphan that it brought.
 * - `side`: stored, the best chain is what it was.
 * - `known`: was stored before.
 * - `orphan`: waits for its parent.
 */
export type SubmitOutcome =
  | ({ readonly result: 'connected' } & TipChange)
  | { readonly result: 'side' | 'known' | 'orphan' };

/** A block on its way. */
export interface Submission {
  readonly block: Block;
  /** About those of its wire form. */
  readonly bytes: number;
  /** As it was submitted. */
  readonly priority: PowPriority;
  /** Of its proofs of work. Rises to that of what has to wait for it. */
  urgency: PowPriority;
  readonly done: Deferred<SubmitOutcome>;
  /** Ends it: what the submitter's signal does. */
  readonly abort: AbortController;
  /** Ends the proof of work that was begun before its turn. */
  readonly ahead: AbortController;
  /** Its header is right, as far as that can be said without the proof of work. */
  claim: PowClaim | undefined;
  /** Its proof of work is known to be good. */
  proven: boolean;
}

export class Submissions {
  /** Index 0 is the one whose turn it is. */
  readonly #queue: Submission[] = [];
  readonly #byHash = new Map<string, Set<Submission>>();
  readonly #byParent = new Map<string, Set<Submission>>();
  #bytes = 0;
  #started = false;

  get size(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The one whose turn it is; nothing overtakes it any more. */
  start(): Submission | undefined {
    this.#started = this.#queue.length > 0;
    return this.#queue[0];
  }

  add(submission: Submission): void {
    const { hash, header } = submission.block;
    const queue = this.#queue;
    const rank = rankOf(submission);
    const parents = this.#byHash.get(keyText(header.previousBlockHash));
    let at = queue.length;
    const floor = this.#started ? 1 : 0;
    while (at > floor && rankOf(queue[at - 1]!) > rank && parents?.has(queue[at - 1]!) !== true) {
      at--;
    }
    queue.splice(at, 0, submission);
    addTo(this.#byHash, hash, submission);
    addTo(this.#byParent, header.previousBlockHash, submission);
    this.#bytes += submission.bytes;
  }

  /** Those whose turns it has to wait for, and whose proofs are less urgent than its own. */
  inItsWay(submission: Submission): readonly Submission[] {
    const rank = rankOf(submission);
    if (rank === POW_PRIORITIES.length - 1) return [];
    const before = this.#queue.slice(0, this.#queue.indexOf(submission));
    return before.filter(({ urgency }) => POW_PRIORITIES.indexOf(urgency) > rank);
  }

  remove(submission: Submission): void {
    const at = this.#queue.indexOf(submission);
    if (at < 0) return;
    if (at === 0) this.#started = false;
    this.#queue.splice(at, 1);
    const { hash, header } = submission.block;
    removeFrom(this.#byHash, hash, submission);
    removeFrom(this.#byParent, header.previousBlockHash, submission);
    this.#bytes -= submission.bytes;
  }

  /** A submission of this block whose header is right so far, if there is one. */
  withClaim(hash: Uint8Array): Submission | undefined {
    for (const each of this.#byHash.get(keyText(hash)) ?? []) {
      if (each.claim !== undefined) return each;
    }
    return undefined;
  }

  has(hash: Uint8Array): boolean {
    return this.#byHash.has(keyText(hash));
  }

  childrenOf(hash: Uint8Array): readonly Submission[] {
    return [...(this.#byParent.get(keyText(hash)) ?? [])];
  }

  all(): readonly Submission[] {
    return [...this.#queue];
  }
}

/** The lower, the more urgent. */
function rankOf(submission: Submission): number {
  return POW_PRIORITIES.indexOf(submission.priority);
}

function addTo(map: Map<string, Set<Submission>>, hash: Uint8Array, added: Submission): void {
  const key = keyText(hash);
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([added]));
  else known.add(added);
}

function removeFrom(map: Map<string, Set<Submission>>, hash: Uint8Array, gone: Submission): void {
  const key = keyText(hash);
  const known = map.get(key)!;
  known.delete(gone);
  if (known.size === 0) map.delete(key);
}
