/**
 * Proofs of work of headers, begun before their blocks are there: a block is decoded only once its
 * proof is known to be good, as decoded it takes some fifteen times its bytes. The verifier keeps
 * what it finds out, so the chain has it at once.
 *
 * Whoever sends headers without work makes us compute a hash for each that is begun before the first
 * *no*. So few are begun at first, and more as more turn out to be good; and of several doubtful ones
 * only the lowest is computed again by the confirming hasher.
 */
import { checkProofOfWork } from '../../consensus/header-rules.ts';
import { PowError } from '../../pow/pow-error.ts';
import type { PowResult, PowVerifier } from '../../pow/pow-verifier.ts';
import { keyText } from '../../store/kv.ts';
import type { CheckedHeader } from './header-chain.ts';

/** Begun before anything is known to be good. */
const FIRST_PROOFS = 64;

export interface HeaderProofsOptions {
  /** Most that are begun or known, of headers whose blocks are not stored. */
  readonly ahead: number;
}

export interface HeaderProofsParts {
  readonly verifier: Pick<PowVerifier, 'verify'>;
  /** Something is known to be good. */
  readonly changed: () => void;
  /** Called once: with a `RuleError` for a header without work, or what the verifier failed with. */
  readonly failed: (error: unknown) => void;
}

export class HeaderProofs {
  readonly #ahead: number;
  readonly #parts: HeaderProofsParts;
  readonly #stop = new AbortController();
  /** Not begun, the lowest first. */
  #waiting: CheckedHeader[] = [];
  /** By hash: true once it is known to be good. */
  readonly #begun = new Map<string, boolean>();
  readonly #doubtful: CheckedHeader[] = [];
  #confirming = false;
  /** The verifier has no room: it is asked again a little later. */
  #full = false;
  #proven = 0;

  constructor({ ahead }: HeaderProofsOptions, parts: HeaderProofsParts) {
    this.#ahead = ahead;
    this.#parts = parts;
  }

  /** The next header of the branch. */
  add(header: CheckedHeader): void {
    this.#waiting.push(header);
  }

  isProven(hash: Uint8Array): boolean {
    return this.#begun.get(keyText(hash)) === true;
  }

  /** Its block is stored. */
  remove(hash: Uint8Array): void {
    if (this.#begun.delete(keyText(hash))) return;
    const key = keyText(hash);
    this.#waiting = this.#waiting.filter((header) => keyText(header.hash) !== key);
  }

  /** Begins what may be begun; `again` after a pause. */
  pump(again = false): void {
    if (again) this.#full = false;
    const most = Math.min(this.#ahead, Math.max(FIRST_PROOFS, 2 * this.#proven));
    let next = 0;
    while (next < this.#waiting.length && this.#begun.size < most && !this.#full) {
      this.#begin(this.#waiting[next++]!);
    }
    if (next > 0) this.#waiting.splice(0, next);
  }

  /** Ends those that are under way. Idempotent. */
  close(): void {
    this.#stop.abort();
    this.#waiting = [];
  }

  #begin(header: CheckedHeader): void {
    this.#begun.set(keyText(header.hash), false);
    const { signal } = this.#stop;
    this.#parts.verifier.verify(header.claim, 'sync', signal, { confirm: false }).then(
      (result) => {
        if (result.meets) return this.#good(header);
        this.#doubtful.push(header);
        void this.#confirm();
      },
      (error: unknown) => this.#noVerdict(header, error),
    );
  }

  #good(header: CheckedHeader): void {
    const key = keyText(header.hash);
    if (this.#stop.signal.aborted || !this.#begun.has(key)) return;
    this.#begun.set(key, true);
    this.#proven++;
    this.pump();
    this.#parts.changed();
  }

  /** Never rejects. */
  async #confirm(): Promise<void> {
    if (this.#confirming) return;
    this.#confirming = true;
    for (;;) {
      this.#doubtful.sort((a, b) => b.header.height - a.header.height);
      const lowest = this.#doubtful.pop();
      if (lowest === undefined) break;
      const { claim } = lowest;
      let result: PowResult;
      try {
        result = await this.#parts.verifier.verify(claim, 'sync', this.#stop.signal);
        checkProofOfWork(claim, result.powHash);
      } catch (error) {
        this.#noVerdict(lowest, error);
        continue;
      }
      this.#good(lowest);
    }
    this.#confirming = false;
  }

  #noVerdict(header: CheckedHeader, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    if (error instanceof PowError && error.detail.code === 'overloaded') {
      this.#full = true;
      if (!this.#begun.delete(keyText(header.hash))) return;
      this.#waiting.push(header);
      this.#waiting.sort((a, b) => a.header.height - b.header.height);
      return;
    }
    this.close();
    this.#parts.failed(error);
  }
}
