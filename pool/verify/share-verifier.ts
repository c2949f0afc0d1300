/**
 * The verification tier: what shares are worth, computed in batches on the pool's hasher (`ShareQueue`)
 * or, of proven miners, taken at their word (`Trust`, `Sampling`). What claims to be a block is always
 * computed, and before everything else as far as that cannot be abused (`CandidateSlots`).
 *
 * Neither a device nor a miner is believed where that would hurt somebody: see `#judge`. A claimed hash
 * that is not the real one is no reason to refuse a share.
 */
import { PowError } from '../../src/pow/pow-error.ts';
import type { PowRequest, PowResult, PowVerifier } from '../../src/pow/pow-verifier.ts';
import { meetsTarget, targetToWork } from '../../src/tensority/target.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import type { Logger } from '../../src/util/log.ts';
import type { PoolMeter } from '../meter.ts';
import { CandidateSlots } from './candidate-slots.ts';
import { ConfirmBudget, type ConfirmBudgetOptions } from './confirm-budget.ts';
import { ProvenLogins } from './proven-logins.ts';
import { Sampling } from './sampling.ts';
import { type Place, ShareQueue } from './share-queue.ts';
import { Trust, type TrustOptions } from './trust.ts';
import type { ShareClaim, ShareVerdict, ShareVerification } from './verdict.ts';

export interface ShareVerifierOptions {
  /** Shares that wait: from three quarters of it on `isFull`, down to a half. Default 8192. */
  readonly maxQueued?: number;
  /** Without it every share is verified. */
  readonly trust?: TrustOptions;
  readonly confirm?: ConfirmBudgetOptions;
}

export interface ShareVerifierParts {
  /**
   * Stays the caller's, and is to be closed after this. It is given no more shares at a time than it
   * may have waiting; others may use it as well.
   */
  readonly verifier: Pick<PowVerifier, 'verify' | 'maxQueued' | 'batchSize' | 'hasherDown'>;
  readonly meter: Pick<PoolMeter, 'verified' | 'confirmed'>;
  readonly log: Logger;
  readonly clock: Clock;
  /** Numbers in [0, 1) that nobody can foresee. Default `Math.random`. */
  readonly random?: () => number;
}

/** A share on its way to a verdict. */
interface Share {
  readonly request: PowRequest;
  readonly claim: ShareClaim;
  /** What is left of the claim. */
  readonly claimed: Uint8Array | undefined;
  readonly claimsBlock: boolean;
  /** Expected hashes behind it. */
  readonly work: number;
}

/** Confirmations within the budget that are under way: more would take the one thread too long. */
const MAX_CONFIRMING = 32;

export class ShareVerifier implements ShareVerification {
  readonly #parts: ShareVerifierParts;
  readonly #queue: ShareQueue;
  readonly #trust: Trust | undefined;
  readonly #sampling: Sampling | undefined;
  readonly #proven: ProvenLogins;
  readonly #slots = new CandidateSlots();
  readonly #budget: ConfirmBudget;
  readonly #confirming = new Set<Deferred<Uint8Array>>();
  #isClosed = false;

  constructor(options: ShareVerifierOptions, parts: ShareVerifierParts) {
    this.#parts = parts;
    const { clock, random = Math.random } = parts;
    const trust = options.trust === undefined ? undefined : new Trust(options.trust, { random });
    this.#trust = trust;
    this.#budget = new ConfirmBudget(options.confirm ?? {}, { clock });
    this.#proven = new ProvenLogins({ clock });
    const queue = new ShareQueue({ maxQueued: options.maxQueued ?? 8192 }, parts);
    this.#queue = queue;
    this.#sampling = trust && new Sampling({ trust, occupy: () => queue.occupy() });
  }

  /** Shares without a verdict: those that the hasher has not answered, are confirmed or held. */
  get queued(): number {
    return this.#queue.queued;
  }

  get isFull(): boolean {
    return this.#queue.isFull;
  }

  isFullFor(login: string): boolean {
    return this.#queue.isFullFor(this.#proven.has(login));
  }

  get backlogSeconds(): number {
    return this.#queue.backlogSeconds;
  }

  get loadFactor(): number {
    return this.#queue.loadFactor;
  }

  onLoad(listener: (factor: number) => void): () => void {
    return this.#queue.onLoad(listener);
  }

  /**
   * Rejects `PowError` 'unavailable' if no hasher is left, 'overloaded' if the confirming one has too
   * much to do, 'closed'; or the signal's reason.
   */
  async verify(claim: ShareClaim, signal?: AbortSignal): Promise<ShareVerdict> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new PowError({ code: 'closed' });
    const start = this.#parts.clock.now();
    const share = this.#shareOf(claim);
    const { claimed, claimsBlock, work } = share;
    const { login, shareTarget } = claim;
    if (claimed === undefined || claimsBlock || !meetsTarget(claimed, shareTarget)) {
      return this.#compute(share, start, signal);
    }
    const decision = await this.#sampling?.decide(login, work, signal);
    if (decision === 'word') {
      this.#parts.meter.verified('claim', this.#parts.clock.now() - start);
      return { powHash: claimed, isVerified: false, isConfirmed: false, isLie: false };
    }
    if (decision !== 'sample') return this.#compute(share, start, signal);
    let hasVerdict = false;
    try {
      const verdict = await this.#compute(share, start, signal);
      hasVerdict = true;
      return verdict;
    } finally {
      this.#sampling?.end(login, hasVerdict);
    }
  }

  /** Rejects what has no verdict yet. The verifier goes on with what it has. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const end of this.#confirming) end.reject(new PowError({ code: 'closed' }));
    this.#queue.close();
  }

  /**
   * Where nobody is taken at its word, what misses both targets is no claim: some firmware sends
   * something of its own.
   */
  #shareOf(claim: ShareClaim): Share {
    const { claimed, shareTarget, blockTarget } = claim;
    const easier = shareTarget > blockTarget ? shareTarget : blockTarget;
    const counts =
      claimed !== undefined && (this.#trust !== undefined || meetsTarget(claimed, easier));
    return {
      // For the hash alone, which is then compared here. As no hash meets this target, the verifier
      // says of each whether it is confirmed, and confirms it where that is asked for.
      request: { headerHash: claim.headerHash, seed: claim.seed, target: -1n },
      claim,
      claimed: counts ? claimed : undefined,
      claimsBlock: counts && meetsTarget(claimed, blockTarget),
      work: Math.max(1, Number(targetToWork(easier))),
    };
  }

  async #compute(
    share: Share,
    start: number,
    signal: AbortSignal | undefined,
  ): Promise<ShareVerdict> {
    const { clock, meter } = this.#parts;
    const { login } = share.claim;
    const isProven = this.#proven.has(login);
    const release = share.claimsBlock ? this.#slots.take(login, isProven) : undefined;
    const priority = release === undefined ? 'share' : 'candidate';
    try {
      const answer = await this.#queue.hash(share.request, { priority, isProven }, signal);
      meter.verified('hasher', clock.now() - start);
      this.#budget.earn();
      return await this.#judge(share, priority, answer, signal);
    } finally {
      release?.();
    }
  }

  /**
   * What the hasher's answer means. A good share with a right claim needs no second opinion. Who is
   * to be refused or called a liar gets one from the independent hasher: always if it had our trust,
   * or has claimed a block and proven something; otherwise as far as the budget goes.
   */
  async #judge(
    share: Share,
    priority: Place['priority'],
    answer: PowResult,
    signal: AbortSignal | undefined,
  ): Promise<ShareVerdict> {
    const { claimsBlock, work } = share;
    const { login } = share.claim;
    const { powHash } = answer;
    const first = { powHash, isVerified: true, isConfirmed: false, isLie: false };
    if (isGood(share, powHash) && !isWrong(share, powHash)) {
      this.#addGood(share, powHash);
      return first;
    }
    const hadTrust = (this.#trust?.probability(login, work) ?? 1) < 1;
    // At once, so that no more of its shares are taken at its word, nor confirmed for free.
    const row = this.#trust?.reset(login) ?? 0;
    const wasProven = this.#proven.drop(login);
    const isOwed = (claimsBlock && wasProven) || (hadTrust && isWrong(share, powHash));
    if (!isOwed && answer.unconfirmed === true && !this.#takeBudget(login)) {
      this.#parts.meter.confirmed('no-budget');
      return first;
    }
    const second = await this.#confirm(share, answer, priority, isOwed ? undefined : signal);
    const isLie = isWrong(share, second);
    const isFault = isLie || !isGood(share, second);
    if (!isFault) {
      this.#trust?.restore(login, row);
      this.#addGood(share, second);
    }
    return { powHash: second, isVerified: true, isConfirmed: isFault, isLie };
  }

  #addGood({ claim, claimed, work }: Share, powHash: Uint8Array): void {
    this.#proven.add(claim.login);
    if (claimed !== undefined && bytesEqual(claimed, powHash)) {
      this.#trust?.addGood(claim.login, work);
    }
  }

  #takeBudget(login: string): boolean {
    return this.#confirming.size < MAX_CONFIRMING && this.#budget.tryTake(login);
  }

  /** A liar that hangs up is to be found out all the same: for what is owed there is no signal. */
  async #confirm(
    share: Share,
    answer: PowResult,
    priority: Place['priority'],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    if (this.#isClosed) throw new PowError({ code: 'closed' });
    const end = createDeferred<Uint8Array>();
    this.#confirming.add(end);
    const release = this.#queue.occupy();
    try {
      this.#parts.verifier
        .verify(share.request, priority, signal)
        .then(({ powHash }) => end.resolve(powHash), end.reject);
      const powHash = await end.promise;
      if (answer.unconfirmed === true) {
        const agrees = bytesEqual(powHash, answer.powHash);
        this.#parts.meter.confirmed(agrees ? 'agrees' : 'disagrees');
      }
      return powHash;
    } finally {
      release();
      this.#confirming.delete(end);
    }
  }
}

/** Whether it counts. */
function isGood({ claim }: Share, powHash: Uint8Array): boolean {
  return meetsTarget(powHash, claim.shareTarget) || meetsTarget(powHash, claim.blockTarget);
}

/**
 * Whether something else was claimed. The right hash read backwards is not something else: some spell
 * hashes the other way round. That is no fault, and earns no trust.
 */
function isWrong({ claimed }: Share, powHash: Uint8Array): boolean {
  if (claimed === undefined || bytesEqual(claimed, powHash)) return false;
  return !bytesEqual(claimed.toReversed(), powHash);
}
