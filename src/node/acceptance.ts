/**
 * Judges a block and the orphans that it brings by rules 1 to 11, which need no coins. Nothing is
 * stored meanwhile: what is accepted is collected, so that all of it can be stored in one step.
 * Bytom 1.x consensus: "Block validation", "Chain selection", orphans.
 */
import type { Block } from '../chain/block.ts';
import { validatingBlockBody } from '../consensus/block-rules.ts';
import type { HashedHeader } from '../consensus/branch.ts';
import type { Checkpoints } from '../consensus/checkpoints.ts';
import { blockWork } from '../consensus/difficulty.ts';
import {
  checkHeader,
  checkProofOfWork,
  type HeaderContext,
  type PowClaim,
} from '../consensus/header-rules.ts';
import { RuleError } from '../consensus/rule-error.ts';
import type { PowPriority } from '../pow/hash-queue.ts';
import { PowError } from '../pow/pow-error.ts';
import type { PowResult, PowVerifier } from '../pow/pow-verifier.ts';
import type { BlockFacts, ChainStore } from '../store/chain-store.ts';
import { keyText } from '../store/kv.ts';
import type { Clock } from '../util/clock.ts';
import { CheckpointGuard } from './checkpoint-guard.ts';
import { HeaderView } from './header-view.ts';
import type { Orphan, OrphanPool } from './orphans.ts';
import { runInSlices } from './slices.ts';

/** A block that may be stored. */
export interface Accepted extends BlockFacts {
  readonly block: Block;
}

export interface AcceptanceParts {
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly orphans: OrphanPool;
  readonly clock: Pick<Clock, 'now'>;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  /** Blocks of which nothing is missing but the proof of work. */
  readonly pendingHeader: (hash: Uint8Array) => HashedHeader | undefined;
  /** Told of an orphan that was refused, and is in the pool no more. */
  readonly orphanRefused: (orphan: Orphan, error: RuleError) => void;
}

/** Whose turn it is: how urgent the proofs are, which may rise, and how to end it. */
export interface Turn {
  readonly urgency: PowPriority;
  readonly abort: AbortController;
}

/** A proof that a turn waits for. */
interface Proof {
  readonly claim: PowClaim;
  readonly turn: Turn;
  /** Of a *no*. */
  readonly confirm: boolean;
}

/** A header with what the branch up to it weighs. */
type WeighedHeader = HashedHeader & { readonly totalWork: bigint };

export class Acceptance {
  readonly #checkpoints: CheckpointGuard | undefined;
  readonly #parts: AcceptanceParts;
  readonly #proofs = new Set<Proof>();
  readonly #headers: HeaderView;
  readonly #accepted = new Map<string, Accepted>();

  /** `checkpoints` are enforced. */
  constructor(checkpoints: Checkpoints | undefined, parts: AcceptanceParts) {
    this.#checkpoints = checkpoints && new CheckpointGuard(checkpoints, parts.store);
    this.#parts = parts;
    this.#headers = new HeaderView(
      parts.store,
      (hash) => this.get(hash) ?? parts.pendingHeader(hash),
    );
  }

  /** Everything accepted since `clear`, parents before their children. */
  all(): Iterable<Accepted> {
    return this.#accepted.values();
  }

  get(hash: Uint8Array): Block | undefined {
    return this.#accepted.get(keyText(hash))?.block;
  }

  clear(): void {
    this.#accepted.clear();
  }

  /** What the block after `parent` has to meet. */
  contextAfter(parent: HashedHeader): HeaderContext {
    return this.#headers.contextAfter(parent);
  }

  /** Everything about the header but its proof of work. Throws `RuleError`. */
  checkHeader(block: HashedHeader, parent: HashedHeader): PowClaim {
    const { header, hash } = block;
    const claim = checkHeader(header, hash, this.contextAfter(parent), this.#parts.now());
    this.#checkpoints?.check(block);
    return claim;
  }

  /** The rules in their order; `claim` is the header's if that was checked before. */
  async accept(
    block: Block,
    parent: WeighedHeader,
    turn: Turn,
    claim?: PowClaim,
  ): Promise<Accepted> {
    const checked = claim ?? this.checkHeader(block, parent);
    // The chain may have passed a checkpoint since the claim was made.
    if (claim !== undefined) this.#checkpoints?.check(block);
    const { powHash } = await this.#prove({ claim: checked, turn, confirm: true });
    checkProofOfWork(checked, powHash);
    return this.#acceptBody(block, parent, turn);
  }

  /** The turn's urgency has risen: so does that of the proofs that it waits for. */
  hurry(): void {
    for (const proof of this.#proofs) this.#verify(proof).catch(() => {});
  }

  async #prove(proof: Proof): Promise<PowResult> {
    this.#proofs.add(proof);
    try {
      return await this.#verify(proof);
    } finally {
      this.#proofs.delete(proof);
    }
  }

  #verify({ claim, turn, confirm }: Proof): Promise<PowResult> {
    const { urgency, abort } = turn;
    return this.#parts.verifier.verify(claim, urgency, abort.signal, { confirm });
  }

  async #acceptBody(block: Block, parent: WeighedHeader, turn: Turn): Promise<Accepted> {
    const { clock } = this.#parts;
    const { statusFail } = await runInSlices(validatingBlockBody(block), clock, turn.abort.signal);
    const totalWork = parent.totalWork + blockWork(block.header.bits);
    const accepted = { block, statusFail, totalWork };
    this.#accepted.set(keyText(block.hash), accepted);
    return accepted;
  }

  /**
   * Accepts the orphans that descend from `parent`, and returns the highest block, the first of equal
   * ones: `parent` itself if there are none. Refused ones leave the pool; the accepted are still in it.
   */
  async adoptOrphans(parent: Accepted, turn: Turn): Promise<Accepted> {
    const { header, hash } = parent.block;
    const weighed = { header, hash, totalWork: parent.totalWork };
    const children = this.#parts.orphans.childrenOf(hash);
    if (children.length > 1) this.#proveTogether(children, weighed, turn);
    let highest = parent;
    for (const child of children) {
      // Another one of its hash was good.
      if (this.get(child.hash) !== undefined) continue;
      const accepted = await this.#acceptOrphan(child, weighed, turn);
      if (accepted === undefined) continue;
      const reached = await this.adoptOrphans(accepted, turn);
      if (reached.block.header.height > highest.block.header.height) highest = reached;
    }
    return highest;
  }

  /**
   * The reference keeps a refused orphan in its pool and goes on calling it one. Here it is dropped:
   * the hash covers no signatures, so another block of the same hash may well be good. Without a
   * proof of work it is dropped on one hasher's word, and nobody is told: orphans cost nothing to
   * make, so no more than one hash is spent on what may be nothing.
   */
  async #acceptOrphan(
    orphan: Orphan,
    parent: WeighedHeader,
    turn: Turn,
  ): Promise<Accepted | undefined> {
    const { orphans, orphanRefused } = this.#parts;
    try {
      const claim = this.checkHeader(orphan, parent);
      const { unconfirmed, powHash } = await this.#prove({ claim, turn, confirm: false });
      if (unconfirmed === true) {
        orphans.drop(orphan);
        return undefined;
      }
      checkProofOfWork(claim, powHash);
      return await this.#acceptBody(orphan.block(), parent, turn);
    } catch (error) {
      if (error instanceof RuleError) {
        orphans.drop(orphan);
        orphanRefused(orphan, error);
      } else if (!(error instanceof PowError) || turn.abort.signal.aborted) {
        throw error;
      }
      // Without a verdict it stays in the pool, and is judged when somebody submits it again.
      return undefined;
    }
  }

  /** Siblings share a batch of the verifier, which keeps its answers for their turns. */
  #proveTogether(children: readonly Orphan[], parent: HashedHeader, turn: Turn): void {
    for (const child of children) {
      try {
        const claim = this.checkHeader(child, parent);
        this.#verify({ claim, turn, confirm: false }).catch(() => {});
      } catch {
        // Its turn comes to the same, and says so.
      }
    }
  }
}
