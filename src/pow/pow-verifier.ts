/**
 * Says whether proofs of work meet their targets. Nothing here is believed on one computation's word
 * where that would hurt: a *no* makes us refuse a block and blame whoever sent it, so an independent
 * kernel, with a table of its own, has to agree first. A *yes* stands: a wrong hash meets a block's
 * target as rarely as a random one does, which is how rarely blocks are found by accident.
 *
 * When the two disagree, the device has miscomputed, and the independent answer counts. A device that
 * does so several times is set aside, like one that is lost; everything then runs on the independent
 * kernel, which is slow but right, until the program is started again.
 */
import type { BatchHasher, Seed } from '../tensority/hasher.ts';
import type { TableProvider } from '../tensority/table.ts';
import { buildMatrixTable } from '../tensority/table-builder.ts';
import { TableCache } from '../tensority/table-cache.ts';
import { meetsTarget, type Target } from '../tensority/target.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { LruMap } from '../util/lru.ts';
import { HashQueue, isLost, type PowPriority } from './hash-queue.ts';
import { PowError } from './pow-error.ts';

export interface PowRequest {
  /** 32 bytes. */
  readonly headerHash: Uint8Array;
  readonly seed: Seed;
  readonly target: Target;
}

export interface PowResult {
  readonly meets: boolean;
  /** 32 bytes. Never written to. */
  readonly powHash: Uint8Array;
  /** Of a *no* that was asked for with `confirm: false`: it is one hasher's word. */
  readonly unconfirmed?: true;
}

export interface VerifyOptions {
  /**
   * False where a *no* blames nobody and is not worth a second hash. It is not remembered as one:
   * whoever asks again, without this, has it confirmed. Default true.
   */
  readonly confirm?: boolean;
}

export interface PowVerifierOptions {
  /**
   * Most hashes that wait for the hasher, and for the confirming one. Beyond it the newest of the
   * least urgent is refused; candidates never are. Default 4096.
   */
  readonly maxQueued?: number;
  /** How long a batch shall take: a candidate waits for two of them at worst. Default 250. */
  readonly batchMs?: number;
  /** A batch that takes longer means that the hasher is lost. Default five minutes. */
  readonly stallMs?: number;
  /** Results kept, about 300 bytes each. Default 8192. */
  readonly keptAnswers?: number;
}

export interface PowVerifierParts {
  /** Stays the caller's: closing the verifier does not close it. */
  readonly hasher: BatchHasher;
  readonly tables: TableProvider;
  /**
   * Opens a hasher that has nothing in common with `hasher`. Called when it is needed for the first
   * time, and again if it is lost; it is closed with the verifier.
   */
  readonly confirm: () => BatchHasher;
  /** Tables for the confirming hasher. Default: built anew, so that a damaged one is not shared. */
  readonly confirmTables?: TableProvider;
  readonly log: Logger;
  readonly clock?: Clock;
}

interface Answer {
  readonly powHash: Uint8Array;
  /** By the independent hasher. */
  readonly confirmed: boolean;
}

interface Confirming {
  readonly hasher: BatchHasher;
  readonly queue: HashQueue;
}

/** Wrong answers after which a hasher is set aside … */
const MAX_MISMATCHES = 3;
/** … unless it gave so many others since the last wrong one. */
const FORGIVEN_AFTER = 10_000;

export class PowVerifier {
  readonly #options: Required<PowVerifierOptions>;
  readonly #parts: Required<PowVerifierParts>;
  readonly #queue: HashQueue;
  #confirming: Confirming | undefined;
  readonly #answers: LruMap<string, Answer>;
  /** Why the hasher is not used any more. */
  #down: string | undefined;
  #mismatches = 0;
  #recentMismatches = 0;
  #sinceMismatch = 0;
  #closed = false;
  readonly #closing: Promise<unknown>[] = [];

  constructor(options: PowVerifierOptions, parts: PowVerifierParts) {
    this.#options = {
      maxQueued: options.maxQueued ?? 4096,
      batchMs: options.batchMs ?? 250,
      stallMs: options.stallMs ?? 300_000,
      keptAnswers: options.keptAnswers ?? 8192,
    };
    this.#parts = {
      ...parts,
      clock: parts.clock ?? systemClock,
      confirmTables: parts.confirmTables ?? freshTables(),
    };
    this.#answers = new LruMap(this.#options.keptAnswers);
    const { hasher, tables, clock } = this.#parts;
    this.#queue = new HashQueue({ ...this.#options, batches: 2 }, { hasher, tables, clock });
  }

  /** Most hashes that wait for one hasher: with more, those of low priority are refused. */
  get maxQueued(): number {
    return this.#options.maxQueued;
  }

  /** Most hashes that the hasher is given at a time now: with fewer it is not at its full speed. */
  get batchSize(): number {
    return this.#queue.batchSize;
  }

  /** Hashes that wait, for either hasher. */
  get queued(): number {
    return this.#queue.queued + (this.#confirming?.queue.queued ?? 0);
  }

  /** Wrong answers of the hasher, as far as the independent one has found any. */
  get mismatches(): number {
    return this.#mismatches;
  }

  /** Why everything runs on the confirming hasher now; `undefined` while all is well. */
  get hasherDown(): string | undefined {
    return this.#down;
  }

  /**
   * Whether Tensority of the header hash meets the target. What is asked for again is not computed
   * again. Rejects `PowError` where there is no verdict, or the signal's reason.
   */
  async verify(
    request: PowRequest,
    priority: PowPriority,
    signal?: AbortSignal,
    options: VerifyOptions = {},
  ): Promise<PowResult> {
    signal?.throwIfAborted();
    const { headerHash, seed, target } = request;
    const key = bytesToHex(headerHash) + bytesToHex(seed);
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = await this.#first(headerHash, seed, priority, signal);
      this.#keep(key, answer);
    }
    if (!answer.confirmed && !meetsTarget(answer.powHash, target)) {
      if (options.confirm === false)
        return { meets: false, powHash: answer.powHash, unconfirmed: true };
      const powHash = await this.#confirm(headerHash, seed, priority, signal);
      // Whoever else waited for the same may have come back first.
      if (this.#answers.get(key)?.confirmed !== true) this.#compare(request, answer, powHash);
      answer = { powHash, confirmed: true };
      this.#keep(key, answer);
    }
    const { powHash } = answer;
    return { meets: meetsTarget(powHash, target), powHash };
  }

  /** Rejects what waits, and closes the confirming hasher. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#queue.end(new PowError({ code: 'closed' }));
    this.#dropConfirming(new PowError({ code: 'closed' }));
    await Promise.all(this.#closing);
  }

  async #first(
    headerHash: Uint8Array,
    seed: Seed,
    priority: PowPriority,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    if (this.#down === undefined && !this.#closed) {
      try {
        const powHash = await this.#queue.hash(headerHash, seed, priority, signal);
        this.#sinceMismatch++;
        return { powHash, confirmed: false };
      } catch (error) {
        if (!isLost(error)) throw this.#asVerdictless(error, signal);
        this.#setAside(errorText(error));
      }
    }
    return { powHash: await this.#confirm(headerHash, seed, priority, signal), confirmed: true };
  }

  async #confirm(
    headerHash: Uint8Array,
    seed: Seed,
    priority: PowPriority,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw new PowError({ code: 'closed' });
      const confirming = this.#openConfirming();
      try {
        return await confirming.queue.hash(headerHash, seed, priority, signal);
      } catch (error) {
        if (isLost(error) && this.#confirming === confirming) this.#dropConfirming(error);
        // One loss may be an accident; the next hasher may do.
        if (!isLost(error) || attempt === 2) throw this.#asVerdictless(error, signal);
      }
    }
  }

  #openConfirming(): Confirming {
    if (this.#confirming !== undefined) return this.#confirming;
    const { confirm, confirmTables, clock, log } = this.#parts;
    try {
      const hasher = confirm();
      const parts = { hasher, tables: confirmTables, clock };
      const queue = new HashQueue({ ...this.#options, batches: 1 }, parts);
      this.#confirming = { hasher, queue };
      return this.#confirming;
    } catch (cause) {
      log.error('confirming hasher does not open', { reason: errorText(cause) });
      throw new PowError({ code: 'unavailable', reason: errorText(cause) }, { cause });
    }
  }

  #dropConfirming(error: Error): void {
    const confirming = this.#confirming;
    if (confirming === undefined) return;
    this.#confirming = undefined;
    confirming.queue.end(error);
    const failed = (cause: unknown): void =>
      this.#parts.log.warn('confirming hasher does not close', { reason: errorText(cause) });
    this.#closing.push(confirming.hasher.close().catch(failed));
  }

  #compare(request: PowRequest, answer: Answer, confirmed: Uint8Array): void {
    if (bytesEqual(answer.powHash, confirmed)) return;
    this.#mismatches++;
    if (this.#sinceMismatch > FORGIVEN_AFTER) this.#recentMismatches = 0;
    this.#sinceMismatch = 0;
    this.#recentMismatches++;
    this.#parts.log.error('the hasher has miscomputed a proof of work: check the hardware', {
      headerHash: bytesToHex(request.headerHash),
      seed: bytesToHex(request.seed),
      got: bytesToHex(answer.powHash),
      expected: bytesToHex(confirmed),
      mismatches: this.#mismatches,
    });
    if (this.#recentMismatches >= MAX_MISMATCHES) {
      this.#setAside(`${this.#recentMismatches} wrong answers`);
    }
  }

  #setAside(reason: string): void {
    if (this.#down !== undefined || this.#closed) return;
    this.#down = reason;
    this.#parts.log.error(
      'hasher set aside: proofs of work are checked on one thread from now on',
      {
        reason,
      },
    );
    // Its answers may be wrong, and a *yes* among them was not looked at again.
    this.#answers.clear();
  }

  #keep(key: string, answer: Answer): void {
    const kept = this.#answers.get(key);
    if (kept?.confirmed === true && !answer.confirmed) return;
    if (this.#down !== undefined && !answer.confirmed) return;
    this.#answers.set(key, answer);
  }

  /** Errors of ours as they are; anything else means that this proof cannot be checked now. */
  #asVerdictless(error: unknown, signal: AbortSignal | undefined): unknown {
    if (error instanceof PowError || signal?.aborted === true) return error;
    if (this.#closed) return new PowError({ code: 'closed' });
    return new PowError({ code: 'unavailable', reason: errorText(error) }, { cause: error });
  }
}

/** Each built for the confirming hasher alone. */
function freshTables(): TableProvider {
  const cache = new TableCache({ capacity: 1 }, { build: buildMatrixTable });
  return (seed) => cache.get(seed);
}
