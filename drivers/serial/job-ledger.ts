/**
 * The account of one job: what a board told of it, and how much of that can be believed to be whole.
 * A SHARE that is lost on the way shows by the number of shares in what follows, and one that is false
 * by its digest. Pure: events go in, and what is wrong with them comes out.
 *
 * What may surprise: the target that the board is told may be easier than the one that is meant. What
 * meets only the easier one is a control share: it is found by nobody, and shows that the board works.
 */
import type { ProgressEvent, ShareEvent } from '../../firmware-bridge/events.ts';
import { DONE_REASONS } from '../../firmware-bridge/events.ts';
import { meetsTarget, type Target } from '../../src/tensority/target.ts';
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';

export interface LedgerJob {
  /** u64 */
  readonly start: bigint;
  /** At most 65,535: the protocol counts shares in 16 bits. */
  readonly count: number;
  /** Undefined for a job that asks for one hash: its shares mean nothing. */
  readonly target: Target | undefined;
  /** What the board takes for the target; at least that. */
  readonly told: Target;
}

/** A claim that cannot be true. */
export interface Wrong {
  readonly expected: string;
  readonly actual: string;
}

/** A hash that a board claims to have made. */
export interface Claim {
  readonly nonce: bigint;
  readonly digest: Uint8Array;
}

interface Share {
  readonly offset: number;
  readonly digest: Uint8Array;
}

export class JobLedger {
  readonly #job: LedgerJob;
  readonly #onFound: (nonce: bigint) => void;
  /** By their index in the job. */
  readonly #shares = new Map<number, Share>();
  /** Those that no PROGRESS covered yet. */
  #early: Share[] = [];
  #agreedShares = 0;
  #lastShare: Claim | undefined;
  readonly #byOffset = new Map<number, Uint8Array>();
  /** Shares 0 … this − 1 are all here. */
  #known = 0;
  #agreed = 0;
  #hasGap = false;
  #end: number | undefined;
  #claim: Claim | undefined;

  constructor(job: LedgerJob, onFound: (nonce: bigint) => void) {
    this.#job = job;
    this.#onFound = onFound;
  }

  /** Nonces from the start on that are hashed, and of which every share has arrived. */
  get agreed(): number {
    return this.#agreed;
  }

  get sharesKnown(): number {
    return this.#known;
  }

  /** Shares, control shares among them, of the nonces that are agreed. */
  get sharesAgreed(): number {
    return this.#agreedShares;
  }

  /** The newest of those. */
  get lastShare(): Claim | undefined {
    return this.#lastShare;
  }

  /** A share was lost: what comes after `agreed` has to be hashed again. */
  get hasGap(): boolean {
    return this.#hasGap;
  }

  /** Why the job is over; undefined while it is not. */
  get end(): number | undefined {
    return this.#end;
  }

  get isComplete(): boolean {
    return this.#agreed === this.#job.count;
  }

  /** Of the last nonce before `agreed`. */
  get claim(): Claim | undefined {
    return this.#claim;
  }

  share(event: ShareEvent): Wrong | undefined {
    const { start, count, target, told } = this.#job;
    if (target === undefined) return undefined;
    const offset = offsetOf(event.nonce, start);
    if (offset >= count) {
      const expected = `a nonce of ${start} … ${start + BigInt(count) - 1n}`;
      return { expected, actual: `${event.nonce}` };
    }
    const known = this.#shares.get(event.index);
    if (known !== undefined) {
      // A line that repeats itself is no lie.
      if (known.offset === offset && bytesEqual(known.digest, event.digest)) return undefined;
      return { expected: `one share ${event.index}`, actual: 'two that differ' };
    }
    const isRepeated = this.#byOffset.has(offset);
    // Counted even if it is wrong: asking for it again would only bring it again.
    const share = { offset, digest: event.digest };
    this.#shares.set(event.index, share);
    this.#byOffset.set(offset, event.digest);
    while (this.#shares.has(this.#known)) this.#known++;
    if (isRepeated) return { expected: 'one share of a nonce', actual: `two of ${event.nonce}` };
    if (!meetsTarget(event.digest, told)) {
      return { expected: 'a share that meets its target', actual: bytesToHex(event.digest) };
    }
    this.#early.push(share);
    if (meetsTarget(event.digest, target)) this.#onFound(event.nonce);
    return undefined;
  }

  /** PROGRESS or DONE. */
  progress(event: ProgressEvent): Wrong | undefined {
    const { start, count } = this.#job;
    if (event.reason !== DONE_REASONS.RUNNING) this.#end = event.reason;
    const next = offsetOf(event.nextNonce, start);
    if (next > count || next !== event.hashes) {
      const expected = `as many hashes as nonces, at most ${count}`;
      return { expected, actual: `${event.hashes} hashes up to nonce ${event.nextNonce}` };
    }
    if (event.reason === DONE_REASONS.COMPLETE && next !== count) {
      return { expected: `a job of ${count} nonces`, actual: `it was complete after ${next}` };
    }
    // A copy that came late.
    if (next < this.#agreed) return undefined;
    if (this.#job.target !== undefined && event.shares > this.#known) {
      this.#hasGap = true;
      return undefined;
    }
    this.#agreed = next;
    this.#agreeShares();
    if (next === 0) return undefined;
    this.#claim = { nonce: start + BigInt(next - 1), digest: event.digest };
    return this.#checkLast(next - 1, event);
  }

  #agreeShares(): void {
    const isAgreed = ({ offset }: Share): boolean => offset < this.#agreed;
    const agreed = this.#early.filter(isAgreed);
    if (agreed.length === 0) return;
    this.#early = this.#early.filter((share) => !isAgreed(share));
    this.#agreedShares += agreed.length;
    const { offset, digest } = agreed[agreed.length - 1]!;
    this.#lastShare = { nonce: this.#job.start + BigInt(offset), digest };
  }

  /** The newest hash is a share exactly if it meets the target that the board was told. */
  #checkLast(offset: number, event: ProgressEvent): Wrong | undefined {
    const { target, told } = this.#job;
    if (target === undefined || event.shares !== this.#known) return undefined;
    const share = this.#byOffset.get(offset);
    if (share !== undefined) {
      if (bytesEqual(share, event.digest)) return undefined;
      return {
        expected: `the share's hash ${bytesToHex(share)}`,
        actual: bytesToHex(event.digest),
      };
    }
    if (!meetsTarget(event.digest, told)) return undefined;
    return { expected: 'a share for a hash that meets the target', actual: 'none' };
  }
}

function offsetOf(nonce: bigint, start: bigint): number {
  return Number(BigInt.asUintN(64, nonce - start));
}
