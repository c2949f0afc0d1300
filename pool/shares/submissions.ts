/**
 * What a share is worth: the checks of mining-api.md B.5, cheap ones first, then its proof of work,
 * then block, log, acknowledgement. A block goes to the nodes at once, whatever becomes of the rest.
 *
 * Nothing is dropped for load: while the verification is full, clients that send shares are not read.
 */
import { type BlockHeader, headerHash } from '../../src/chain/header.ts';
import type { RejectReason } from '../../src/stratum/reject.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { LruMap } from '../../src/util/lru.ts';
import { solvedBlock } from '../blocks/solved-block.ts';
import type { FoundBlock } from '../chain-access.ts';
import type { CloseReason, SubmitOutcome, SubmitRefusal, SubmitRequest } from '../client.ts';
import type { ShareRecord, ShareSink } from '../ledger/records.ts';
import type { PoolMeter } from '../meter.ts';
import type { ShareVerdict, ShareVerification } from '../verify/verdict.ts';
import type { BanDesk } from './ban-desk.ts';
import { SeenShares } from './duplicates.ts';
import type { JobSender } from './job-sender.ts';
import { freshnessOf, type PoolJob, plainJobId } from './jobs.ts';
import { nonceInRange } from './nonce-ranges.ts';
import type { PauseDesk } from './pause-desk.ts';
import { RefusalLog } from './refusal-log.ts';
import type { PoolSession } from './session.ts';
import { UnverifiedBlocks } from './unverified-blocks.ts';
import type { WorkRate } from './work-rate.ts';

export interface SubmissionsOptions {
  /** For so long after a clean job the shares of the jobs before it count. */
  readonly graceMs: number;
}

export interface SubmissionsParts {
  readonly jobs: JobSender;
  readonly bans: BanDesk;
  readonly pauses: PauseDesk;
  readonly rate: WorkRate;
  readonly verification: ShareVerification;
  readonly sink: ShareSink;
  readonly blocks: { found(block: FoundBlock): void };
  readonly clock: Clock;
  readonly now: () => number;
  readonly meter: PoolMeter;
  readonly log: Logger;
}

/** A share that passed the cheap checks. */
interface Candidate {
  readonly session: PoolSession;
  readonly job: PoolJob;
  readonly header: BlockHeader;
  readonly id: Uint8Array;
  readonly claimed: Uint8Array | undefined;
  readonly isLate: boolean;
  /** When it came (monotonic ms), and when its turn came (ms since 1970). */
  readonly arrivedAt: number;
  readonly timeMs: number;
}

interface Refusal {
  readonly reason: RejectReason;
  readonly text?: string;
  readonly close?: CloseReason;
  /** The job it was meant for, if there is one. */
  readonly job?: PoolJob | undefined;
  /** Whether it counts against the miner. */
  readonly blame: 'none' | 'miner' | 'low-difficulty' | 'low-difficulty-confirmed';
}

const BANNED: Refusal = {
  reason: 'unauthorized',
  text: 'Banned',
  close: 'banned',
  blame: 'none',
};
/** One line for so long of what may happen to every share. */
const LOG_EVERY_MS = 10_000;
/** Blocks that were handed on, so that each is once. */
const REMEMBERED_BLOCKS = 256;

export class Submissions {
  readonly #options: SubmissionsOptions;
  readonly #parts: SubmissionsParts;
  readonly #seen: SeenShares;
  readonly #foundBlocks = new LruMap<string, true>(REMEMBERED_BLOCKS);
  /** When an event was last told, and how many were not since. */
  readonly #told = new Map<string, { at: number; untold: number }>();
  readonly #unverifiedBlocks: UnverifiedBlocks;
  readonly #refusals: RefusalLog;
  #lastShareAt: number | undefined;

  constructor(options: SubmissionsOptions, parts: SubmissionsParts) {
    this.#options = options;
    this.#parts = parts;
    this.#seen = new SeenShares(parts.sink);
    this.#unverifiedBlocks = new UnverifiedBlocks(parts.clock);
    this.#refusals = new RefusalLog(parts);
  }

  /** Milliseconds since 1970 of the last that was accepted. */
  get lastShareAt(): number | undefined {
    return this.#lastShareAt;
  }

  /** Shares that are being verified or written. */
  get pending(): number {
    return this.#seen.pending;
  }

  /** Never rejects. */
  async submit(session: PoolSession, request: SubmitRequest): Promise<SubmitOutcome> {
    // A share is as late as it came, however long it has waited for its turn.
    const arrivedAt = request.arrivedAt ?? this.#parts.clock.now();
    const checked = this.#check(session, request, arrivedAt);
    if (!('id' in checked)) return this.#refuse(session, checked, arrivedAt);
    session.pending++;
    try {
      return await this.#weigh(checked);
    } finally {
      session.pending--;
      // In the log by now, or free to come again.
      this.#seen.settle(checked.id);
      this.#parts.pauses.relieve();
    }
  }

  /** One that could not be read: it counts like any bad share. Never throws. */
  badSubmit(session: PoolSession, what: string): SubmitRefusal {
    const isBanned = this.#parts.bans.isShutOut(session);
    const refusal = isBanned
      ? BANNED
      : ({ reason: 'bad-submit', text: clip(what), blame: 'miner' } as const);
    return this.#refuse(session, refusal, this.#parts.clock.now());
  }

  /** All that costs next to nothing. A candidate is pending; a refusal is not. */
  #check(session: PoolSession, request: SubmitRequest, arrivedAt: number): Candidate | Refusal {
    const { bans, jobs } = this.#parts;
    if (session.hasLeft || request.workerId !== session.login) {
      return { reason: 'unauthorized', close: 'unauthorized', blame: 'none' };
    }
    if (bans.isShutOut(session)) return BANNED;
    const jobId = plainJobId(request.jobId);
    if (jobId === undefined) return { reason: 'bad-submit', blame: 'miner' };
    const job = session.jobs.find(jobId);
    const current = jobs.work;
    if (job === undefined || current === undefined) {
      // One that it had once is only late.
      const blame = jobs.isKnownId(jobId) ? 'none' : 'miner';
      return { reason: 'job-not-found', blame };
    }
    const { nonceBits, range } = session;
    const nonce = nonceInRange(request.nonce, request.nonceDigits, range.start, nonceBits);
    if (nonce === undefined) return { reason: 'out-of-range', job, blame: 'miner' };
    const { graceMs } = this.#options;
    const freshness = freshnessOf(job.work, current, arrivedAt, graceMs, session.held);
    if (freshness === 'stale') return { reason: 'stale', job, blame: 'none' };
    const header = { ...job.template.header, nonce };
    const id = headerHash(header);
    if (!this.#seen.begin(id)) return { reason: 'duplicate', job, blame: 'miner' };
    return {
      session,
      job,
      header,
      id,
      claimed: request.result,
      isLate: freshness === 'late',
      arrivedAt,
      timeMs: this.#parts.now(),
    };
  }

  /** Proof of work, block, log. Never rejects. */
  async #weigh(candidate: Candidate): Promise<SubmitOutcome> {
    const { session, job } = candidate;
    let verdict: ShareVerdict;
    try {
      verdict = await this.#verify(candidate);
    } catch (error) {
      this.#announceUnverified(candidate);
      return this.#fail(candidate, 'not-verified', error);
    }
    // Exactly this comparison, with what the hash is and not with what anybody says of it.
    const isBlock = meetsTarget(verdict.powHash, job.template.target);
    if (isBlock) this.#announce(candidate);
    if (verdict.isLie) this.#parts.bans.lied(session);
    if (!isBlock && !meetsTarget(verdict.powHash, job.target)) {
      const blame = verdict.isConfirmed ? 'low-difficulty-confirmed' : 'low-difficulty';
      return this.#refuse(session, { reason: 'low-difficulty', job, blame }, candidate.arrivedAt);
    }
    this.#measure(candidate);
    try {
      const outcome = await this.#parts.sink.append(recordOf(candidate, verdict, isBlock));
      if (outcome === 'known') {
        return this.#refuse(
          session,
          { reason: 'duplicate', job, blame: 'miner' },
          candidate.arrivedAt,
        );
      }
    } catch (error) {
      return this.#fail(candidate, 'not-kept', error);
    }
    const isFalseBlock = verdict.isLie && !isBlock && claimsBlock(candidate);
    return this.#accept(candidate, isFalseBlock);
  }

  #verify(candidate: Candidate): Promise<ShareVerdict> {
    const { verification, pauses } = this.#parts;
    const { session, job, id, claimed } = candidate;
    // No signal: a share counts although its miner is gone.
    const verdict = verification.verify({
      headerHash: id,
      seed: job.template.seed,
      shareTarget: job.target,
      blockTarget: job.template.target,
      // With the address: nobody is to lose it to who uses his name.
      login: session.banKey,
      ...(claimed === undefined ? {} : { claimed }),
    });
    pauses.consider(session);
    return verdict;
  }

  /** Never throws: whatever goes wrong here must not cost the share as well, nor the other way round. */
  #announce(candidate: Candidate): void {
    const { session, job, header, id } = candidate;
    const { blocks, log } = this.#parts;
    const hash = bytesToHex(id);
    const fields = { height: header.height, hash, login: clip(session.login) };
    // It comes again if its share could not be kept the first time.
    if (this.#foundBlocks.get(hash) !== undefined) return;
    try {
      const block = solvedBlock(job.template, header, id, log);
      log.debug('block share', { ...fields, peer: session.client.peer, node: block.node });
      blocks.found({ ...block, account: session.account, worker: session.worker });
      this.#foundBlocks.set(hash, true);
    } catch (error) {
      log.error('block not handed on', { ...fields, reason: errorText(error) });
    }
  }

  /** Nodes check blocks themselves: what claims to be one is not lost because we cannot. */
  #announceUnverified(candidate: Candidate): void {
    if (!claimsBlock(candidate)) return;
    const { session, id } = candidate;
    const { log } = this.#parts;
    const fields = { hash: bytesToHex(id), peer: session.client.peer, login: clip(session.login) };
    if (!this.#unverifiedBlocks.tryTake(session)) {
      this.#tellSeldom('block not verified, nor handed on: too many are claimed', (event, others) =>
        log.warn(event, { ...fields, others }),
      );
      return;
    }
    log.warn('block not verified, handed on', fields);
    this.#announce(candidate);
  }

  #measure(candidate: Candidate): void {
    const { session, job, arrivedAt } = candidate;
    if (session.vardiff?.share(job.difficulty, arrivedAt) !== true) return;
    this.#parts.meter.retarget();
    this.#parts.jobs.refresh(session);
  }

  /** `isFalseBlock`: a share, but said to be a block, which cost us more than the share is worth. */
  #accept(candidate: Candidate, isFalseBlock: boolean): SubmitOutcome {
    const { session, job, arrivedAt, isLate } = candidate;
    const { bans, clock, meter, rate } = this.#parts;
    if (isFalseBlock) bans.bad(session);
    else bans.good(session);
    session.lastShareMs = candidate.timeMs;
    this.#lastShareAt = candidate.timeMs;
    rate.add(creditOf(job));
    meter.share(isLate ? 'late' : 'accepted', job.difficulty, clock.now() - arrivedAt);
    return { accepted: true };
  }

  #refuse(session: PoolSession, refusal: Refusal, arrivedAt: number): SubmitRefusal {
    const { clock, meter, bans } = this.#parts;
    const { reason, text, close, job, blame } = refusal;
    const result = refusal === BANNED ? 'banned' : reason;
    meter.share(result, job?.difficulty ?? 0n, clock.now() - arrivedAt);
    const told = { reason, jobId: job?.id, isEnd: close !== undefined };
    this.#refusals.tell(session, text === undefined ? told : { ...told, text });
    if (blame === 'miner') bans.bad(session);
    else if (blame !== 'none') bans.lowDifficulty(session, blame === 'low-difficulty-confirmed');
    return {
      accepted: false,
      reason,
      ...(text === undefined ? {} : { text }),
      ...(close === undefined ? {} : { close }),
    };
  }

  /** No verdict, or no place for it: not the miner's fault, and not counted; it may send it again. */
  #fail(candidate: Candidate, result: 'not-verified' | 'not-kept', error: unknown): SubmitOutcome {
    const { session, job, arrivedAt } = candidate;
    const { clock, meter, log } = this.#parts;
    meter.share(result, job.difficulty, clock.now() - arrivedAt);
    this.#tellSeldom(
      result === 'not-kept' ? 'shares cannot be kept' : 'shares cannot be verified',
      (event, others) =>
        log.error(event, { reason: errorText(error), peer: session.client.peer, others }),
    );
    return { accepted: false, reason: 'unavailable' };
  }

  /** With how many were not told since the last time. */
  #tellSeldom(event: string, tell: (event: string, others: number | undefined) => void): void {
    const now = this.#parts.clock.now();
    const told = this.#told.get(event);
    if (told !== undefined && now - told.at < LOG_EVERY_MS) {
      told.untold++;
      return;
    }
    tell(event, told?.untold);
    this.#told.set(event, { at: now, untold: 0 });
  }
}

/**
 * The credit: the difficulty of the job. Where a job may be harder than its block (`capsAtNetwork` off)
 * all that is accepted for it are blocks, and one of those is found in `networkDifficulty` hashes: none
 * is worth more than that, whether it meets the share target or not.
 */
function creditOf(job: PoolJob): bigint {
  const { networkDifficulty } = job.work;
  return job.difficulty < networkDifficulty ? job.difficulty : networkDifficulty;
}

function recordOf(candidate: Candidate, verdict: ShareVerdict, isBlock: boolean): ShareRecord {
  const { session, job, id, timeMs, isLate } = candidate;
  return {
    id,
    timeMs,
    account: session.account,
    worker: session.worker,
    difficulty: creditOf(job),
    height: job.template.header.height,
    bits: job.template.header.bits,
    powHash: verdict.powHash,
    isVerified: verdict.isVerified,
    isLate,
    isBlock,
  };
}

function claimsBlock({ claimed, job }: Candidate): boolean {
  return claimed !== undefined && meetsTarget(claimed, job.template.target);
}
