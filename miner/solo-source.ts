/**
 * Mining for oneself: templates from a Bytom node by get-work, blocks to it by submit-work.
 * Bytom 1.x node API, "Work".
 *
 * What may surprise: the node sets the template's timestamp at every get-work, so a template is
 * new work only if something else changed, or if its time has moved on far enough to be worth
 * restarting for. submit-work takes nonce and timestamp from the header and the rest from the
 * node's template, so a share of an older timestamp still counts while the parent is the same.
 */

import { MAX_VARINT63 } from '../src/chain/varint.ts';
import { NodeCallError, NodeClient, type WorkTemplate } from '../src/node-api/node-client.ts';
import { isSameWork, isStaleText } from '../src/node-api/work.ts';
import { bitsToTarget, type Target } from '../src/tensority/target.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import { errorText } from '../src/util/errors.ts';
import type { Logger } from '../src/util/log.ts';
import { pause } from '../src/util/pause.ts';
import { Backoff } from './backoff.ts';
import type { JobSink, JobSource, MiningJob, Share, SubmitOutcome } from './job-source.ts';
import { randomNonceStart } from './random-nonce.ts';
import { logNewJob } from './report/lines.ts';

export interface SoloOptions {
  /** `http[s]://[user:secret@]host:port` */
  readonly url: string;
  /** Pause between two get-works. */
  readonly pollMs?: number;
  /** How far a template's time may lag behind the node's before it is taken anew. */
  readonly refreshMs?: number;
  /** Devices stop when the node has not given work for this long. */
  readonly idleAfterMs?: number;
  /** Longest a call may take. */
  readonly timeoutMs?: number;
  /** Bounds of the pauses after failures. */
  readonly retryMs?: { readonly base: number; readonly max: number };
}

export interface SoloParts {
  readonly log: Logger;
  /** Where a job starts to count; random below 2^62 if absent, so that rigs on one node do not overlap. */
  readonly nonceStart?: () => bigint;
}

const DEFAULTS = {
  pollMs: 1_000,
  refreshMs: 60_000,
  idleAfterMs: 90_000,
  timeoutMs: 10_000,
  retryMs: { base: 1_000, max: 15_000 },
};

/** A block is worth more than a call: without a clear answer it is sent this often. */
const SUBMIT_ATTEMPTS = 3;

export class SoloSource implements JobSource {
  readonly name: string;
  readonly #options: Required<Omit<SoloOptions, 'url'>>;
  readonly #client: NodeClient;
  readonly #log: Logger;
  readonly #nonceStart: () => bigint;
  /** Kinds of failure already reported since the last good answer. */
  readonly #warned = new Set<string>();
  readonly #submissions = new Set<Promise<SubmitOutcome>>();
  /** The template that devices work on; undefined while they idle. */
  #current: WorkTemplate | undefined;
  #jobs = 0;
  #pollNow = false;
  #wake: () => void = () => {};
  #silence: NodeJS.Timeout | undefined;
  #stop: AbortSignal | undefined;

  /** Throws `InputError` for a URL that cannot be used. */
  constructor({ url, ...options }: SoloOptions, { log, nonceStart }: SoloParts) {
    this.#options = { ...DEFAULTS, ...options };
    this.#client = new NodeClient({ url, timeoutMs: this.#options.timeoutMs });
    this.#log = log;
    this.#nonceStart = nonceStart ?? randomNonceStart;
    this.name = this.#client.name;
  }

  async run(sink: JobSink, signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    const backoff = this.#createBackoff();
    this.#watchSilence(sink);
    try {
      while (!signal.aborted) {
        this.#pollNow = false;
        const pauseMs = await this.#poll(sink, signal, backoff);
        if (!this.#pollNow) await this.#pause(pauseMs, signal);
      }
    } finally {
      clearTimeout(this.#silence);
    }
    // A block on its way to the node is not dropped because the miner stops.
    await Promise.all(this.#submissions);
  }

  submit(share: Share): Promise<SubmitOutcome> {
    const outcome = this.#submit(share).finally(() => this.#submissions.delete(outcome));
    this.#submissions.add(outcome);
    return outcome;
  }

  async #submit({ job, nonce }: Share): Promise<SubmitOutcome> {
    const start = performance.now();
    const elapsed = (): number => Math.round(performance.now() - start);
    const backoff = this.#createBackoff();
    let unclear = '';
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#client.submitWork({ ...job.header, nonce });
        this.#pollAtOnce();
        return { status: 'accepted', ms: elapsed(), block: true };
      } catch (error) {
        const reason = errorText(error);
        if (!(error instanceof NodeCallError) || isRefusal(error)) {
          this.#pollAtOnce();
          if (!isStaleText(reason)) return { status: 'rejected', ms: elapsed(), reason };
          // Stale at the second attempt may mean that the first one made the block.
          if (unclear === '') return { status: 'stale', ms: elapsed(), reason };
          return { status: 'unanswered', reason: `${unclear}; sent again: ${reason}` };
        }
        unclear = reason;
      }
      if (attempt === SUBMIT_ATTEMPTS || this.#stop?.aborted === true) {
        return { status: 'unanswered', reason: unclear };
      }
      await pause(backoff.next(), ...(this.#stop === undefined ? [] : [this.#stop]));
    }
  }

  /** Asks for work once; resolves to the pause before the next time. */
  async #poll(sink: JobSink, signal: AbortSignal, backoff: Backoff): Promise<number> {
    try {
      const template = await this.#client.getWork(signal);
      const target = usableTarget(template);
      this.#watchSilence(sink);
      backoff.reset();
      this.#reportRecovery();
      if (!signal.aborted) this.#offer(template, target, sink);
      return this.#options.pollMs;
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof NodeCallError)) throw error;
      this.#reportFailure(error);
      return backoff.next();
    }
  }

  /** Makes a job of the template unless devices already work on the same. */
  #offer(template: WorkTemplate, target: Target, sink: JobSink): void {
    const { header, seed } = template;
    const last = this.#current;
    if (last !== undefined && isSameWork(last, template, this.#options.refreshMs)) return;
    const sameParent =
      last !== undefined &&
      bytesEqual(last.header.previousBlockHash, header.previousBlockHash) &&
      bytesEqual(last.seed, seed);
    this.#current = template;
    this.#jobs++;
    const job: MiningJob = {
      jobId: `${header.height}-${this.#jobs}`,
      header,
      seed,
      target,
      nonceStart: this.#nonceStart(),
      nonceEnd: MAX_VARINT63 + 1n,
      clean: !sameParent,
    };
    if (job.clean) logNewJob(this.#log, this.name, job, job.target);
    else this.#log.debug('template refreshed', { job: job.jobId, timestamp: header.timestamp });
    sink.job(job);
  }

  /** Stops the devices if no usable template comes for `idleAfterMs` from now. */
  #watchSilence(sink: JobSink): void {
    const { idleAfterMs } = this.#options;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (this.#current === undefined) return;
      this.#current = undefined;
      sink.idle(`no work from ${this.name} for ${idleAfterMs / 1000} s`);
    }, idleAfterMs);
  }

  /** One line per kind of trouble, however often it repeats. */
  #reportFailure(error: NodeCallError): void {
    const { code } = error.detail;
    if (this.#warned.has(code)) return;
    this.#warned.add(code);
    const fields = { host: this.name, kind: code, reason: error.message };
    this.#log.warn('no work', fields, `no work from ${this.name}: ${error.message}`);
  }

  #reportRecovery(): void {
    if (this.#warned.size === 0) return;
    this.#warned.clear();
    this.#log.info('work again', { host: this.name }, `work from ${this.name} again`);
  }

  #createBackoff(): Backoff {
    const { base, max } = this.#options.retryMs;
    return new Backoff({ baseMs: base, maxMs: max });
  }

  #pollAtOnce(): void {
    this.#pollNow = true;
    this.#wake();
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    return pause(ms, signal, woken.signal);
  }
}

function usableTarget({ header }: WorkTemplate): Target {
  const target = bitsToTarget(header.bits);
  if (target > 0n) return target;
  const text = `block_header.bits: expected a positive target, got ${header.bits}`;
  throw new NodeCallError({ code: 'bad-answer', text });
}

/** True if the node looked at the share and said no; false if nobody knows what it did. */
function isRefusal({ detail }: NodeCallError): boolean {
  switch (detail.code) {
    case 'refused':
    case 'unauthorized':
    case 'bad-request':
      return true;
    case 'network':
    case 'timeout':
    case 'http-status':
    case 'empty':
    case 'oversized':
    case 'not-json':
    case 'bad-answer':
      return false;
  }
}
