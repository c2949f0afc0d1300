/**
 * Jobs from one or more Stratum pools, in order of preference. One connection is mined on; others
 * exist for moments only: to see whether a pool that fell silent is still there, to come back to a
 * better pool, and to hear the last answers of one that was left. Work goes on while they are tried.
 *
 * A silent pool is not a dead one: btmcpool says nothing between two blocks. So silence leads to a
 * second connection first, and only if that fails to the next pool.
 */

import type { StratumJob } from '../src/stratum/job.ts';
import { classifyReject } from '../src/stratum/reject.ts';
import { bitsToTarget, meetsTarget } from '../src/tensority/target.ts';
import { clip } from '../src/util/errors.ts';
import type { Logger } from '../src/util/log.ts';
import { pause } from '../src/util/pause.ts';
import { Backoff } from './backoff.ts';
import {
  type JobSink,
  type JobSource,
  type Share,
  SourceError,
  type SubmitOutcome,
} from './job-source.ts';
import { parseFingerprint } from './pool-url.ts';
import { logNewJob } from './report/lines.ts';
import {
  type ConnectionOptions,
  type ConnectionParts,
  type PoolAccess,
  type ProtocolDump,
  StratumConnection,
} from './stratum-connection.ts';
import { ConnectionError } from './stratum-error.ts';
import { JobTracker, NONCE_LIMIT } from './stratum-jobs.ts';

export interface StratumOptions {
  /** At least one, the preferred one first. */
  readonly pools: readonly PoolAccess[];
  /** Name and version of the program, as the login tells it. */
  readonly agent: string;
  /** From dialling to the first job; default 10 s. */
  readonly connectTimeoutMs?: number;
  /** From a share to its answer; default 30 s. */
  readonly submitTimeoutMs?: number;
  /** Silence (no job, no reply) before the pool is tried with a second connection; default 90 s. */
  readonly jobTimeoutMs?: number;
  /** Between looks at the pools preferred to the present one; default 60 s. */
  readonly backToMainMs?: number;
  /** How often to start over after no pool could be reached; default without end. */
  readonly retries?: number;
  /** Longest first pause before starting over; later ones grow up to a minute. Default 1 s. */
  readonly retryPauseMs?: number;
  /** A connection that lasted so long, or had a share accepted, was a good one; default 60 s. */
  readonly stableMs?: number;
}

export interface StratumParts {
  /** Tagged `net` by the caller. */
  readonly log: Logger;
  /** Milliseconds that only grow, in step with timers; default `performance.now`. */
  readonly now?: () => number;
  /** In [0, 1), for the pauses between attempts; default `Math.random`. */
  readonly random?: () => number;
  readonly protocolDump?: ProtocolDump;
}

const MAX_PAUSE_MS = 60_000;
/** How long the answers of a connection that was replaced are waited for. */
const DRAIN_MS = 5_000;
/** A main pool that keeps dropping us is looked at up to this many times less often. */
const MAX_MAIN_PAUSE_FACTOR = 16;

export class StratumSource implements JobSource {
  readonly #pools: readonly PoolAccess[];
  readonly #options: Required<Omit<StratumOptions, 'pools' | 'agent' | 'retries' | 'retryPauseMs'>>;
  readonly #retries: number;
  readonly #connectionOptions: ConnectionOptions;
  readonly #connectionParts: ConnectionParts;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  readonly #tracker = new JobTracker();
  /** Every connection whose socket is not closed yet. */
  readonly #connections = new Set<StratumConnection>();
  /** Pools whose last word was no, and pools that ever said yes. */
  readonly #refused = new Set<PoolAccess>();
  readonly #welcomed = new Set<PoolAccess>();
  #active: StratumConnection | undefined;
  #activeSince = 0;
  #isProven = false;
  #warnedNonce = false;
  /** The pool to try next, and how many in a row failed. */
  #index = 0;
  #failures = 0;
  /** When to look at the pools preferred to the present one, and the pause between looks. */
  #mainCheckAt = 0;
  #mainPauseMs: number;
  #lastPool: PoolAccess | undefined;

  constructor(options: StratumOptions, parts: StratumParts) {
    if (options.pools.length === 0) throw new RangeError('"pools" expected one or more, got none');
    this.#pools = options.pools.map((pool) =>
      pool.tlsFingerprint === undefined
        ? pool
        : { ...pool, tlsFingerprint: parseFingerprint(pool.tlsFingerprint) },
    );
    this.#options = {
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      submitTimeoutMs: options.submitTimeoutMs ?? 30_000,
      jobTimeoutMs: options.jobTimeoutMs ?? 90_000,
      backToMainMs: options.backToMainMs ?? 60_000,
      stableMs: options.stableMs ?? 60_000,
    };
    this.#retries = options.retries ?? Number.POSITIVE_INFINITY;
    this.#mainPauseMs = this.#options.backToMainMs;
    this.#log = parts.log;
    this.#now = parts.now ?? (() => performance.now());
    const baseMs = options.retryPauseMs ?? 1_000;
    this.#backoff = new Backoff({ baseMs, maxMs: Math.max(baseMs, MAX_PAUSE_MS) }, parts.random);
    this.#connectionOptions = { agent: options.agent, ...this.#options };
    this.#connectionParts = {
      log: parts.log,
      now: this.#now,
      ...(parts.protocolDump === undefined ? {} : { protocolDump: parts.protocolDump }),
    };
  }

  /** The pool mined on, or tried. */
  get name(): string {
    return (this.#active?.pool ?? this.#poolAt(this.#index)).url.name;
  }

  async run(sink: JobSink, signal: AbortSignal): Promise<void> {
    try {
      let connection = await this.#connect(signal);
      while (connection !== undefined) {
        this.#activate(connection, sink);
        connection = (await this.#watch(connection, signal)) ?? (await this.#connect(signal));
      }
    } finally {
      this.#active = undefined;
      await Promise.all([...this.#connections].map((connection) => connection.close()));
    }
  }

  async submit(share: Share): Promise<SubmitOutcome> {
    const connection = this.#active;
    const jobId = connection === undefined ? undefined : this.#tracker.idFor(share.job);
    if (connection === undefined || jobId === undefined) {
      return { status: 'stale', ms: 0, reason: 'the connection that the job came over is gone' };
    }
    const answer = await connection.submit(jobId, share.nonce, share.powHash);
    if (answer.kind === 'none') return { status: 'unanswered', reason: answer.reason };
    const { verdict, ms } = answer;
    if (verdict.accepted) {
      if (connection === this.#active) this.#isProven = true;
      const block = meetsTarget(share.powHash, bitsToTarget(share.job.header.bits));
      return { status: 'accepted', ms, block };
    }
    const kind = classifyReject(verdict.code, verdict.message);
    return {
      status: kind === 'stale' || kind === 'job-not-found' ? 'stale' : 'rejected',
      ms,
      reason: verdict.message,
      ...(verdict.code === undefined ? {} : { code: verdict.code }),
    };
  }

  /** Tries pool after pool, round after round. Undefined after an abort. */
  async #connect(signal: AbortSignal): Promise<StratumConnection | undefined> {
    while (!signal.aborted) {
      const pool = this.#poolAt(this.#index);
      const opened = await this.#open(pool, [signal]);
      if (opened instanceof StratumConnection) return opened;
      if (!signal.aborted) await this.#failed(pool, opened, signal);
    }
    return undefined;
  }

  async #open(
    pool: PoolAccess,
    stops: readonly AbortSignal[],
  ): Promise<StratumConnection | ConnectionError> {
    this.#log.debug('connecting', { pool: pool.url.name, tls: pool.url.tls });
    try {
      const connection = await StratumConnection.open(
        pool,
        this.#connectionOptions,
        this.#connectionParts,
        stops,
      );
      this.#connections.add(connection);
      void connection.closed.then(() => this.#connections.delete(connection));
      this.#welcomed.add(pool);
      this.#refused.delete(pool);
      return connection;
    } catch (error) {
      if (error instanceof ConnectionError) return error;
      throw error;
    }
  }

  /** Mines on `connection` from now on; the one before may still hear the answers it is owed. */
  #activate(connection: StratumConnection, sink: JobSink): void {
    const former = this.#active;
    this.#active = connection;
    this.#activeSince = this.#now();
    this.#isProven = false;
    this.#warnedNonce = false;
    this.#index = this.#pools.indexOf(connection.pool);
    this.#tracker.startConnection();
    if (connection.pool !== this.#lastPool) {
      this.#mainCheckAt = this.#now() + this.#mainPauseMs;
      this.#lastPool = connection.pool;
    }
    if (former !== undefined) {
      // What was left works: a failure of what it is left for is the first in a row.
      this.#failures = 0;
      this.#backoff.reset();
      void former.drain(DRAIN_MS);
    }
    const leave = (): void => {
      if (this.#active !== connection) return;
      this.#active = undefined;
      sink.idle(`${connection.name}: ${(connection.gone.reason as ConnectionError).message}`);
    };
    if (connection.isLost) {
      leave();
      return;
    }
    connection.gone.addEventListener('abort', leave, { once: true });
    if (former?.pool !== connection.pool) {
      const fields = { pool: connection.name, user: clip(connection.pool.user) };
      this.#log.info('logged in', fields, `logged in at ${fields.pool} as ${fields.user}`);
    }
    connection.onJob = (job) => this.#deliver(connection, job, sink);
    this.#deliver(connection, connection.lastJob, sink);
  }

  #deliver(connection: StratumConnection, job: StratumJob, sink: JobSink): void {
    const next = this.#tracker.next(job);
    const jobId = clip(job.jobId);
    if (next === undefined) {
      this.#log.debug('job repeated', { pool: connection.name, job: jobId });
      return;
    }
    if (job.nonce >= NONCE_LIMIT && !this.#warnedNonce) {
      this.#warnedNonce = true;
      this.#log.warn(
        'start nonce has bit 63 set',
        { pool: connection.name, nonce: job.nonce },
        `${connection.name} starts nonces at ${job.nonce.toString(16)}, which fits no block header: bit 63 is dropped`,
      );
    }
    // The pool's own difficulty, also where a block would be easier.
    if (next.sameWorkAs === undefined) logNewJob(this.#log, connection.name, next, job.target);
    else this.#log.debug('job goes on under another id', { from: connection.name, job: job.jobId });
    sink.job(next);
  }

  /**
   * Stays with `current` until it is lost, or there is a connection to use in its place. Undefined
   * also after an abort.
   */
  async #watch(
    current: StratumConnection,
    signal: AbortSignal,
  ): Promise<StratumConnection | undefined> {
    const { jobTimeoutMs } = this.#options;
    const stops = [signal, current.gone];
    const better = this.#pools.slice(0, this.#index);
    for (;;) {
      const silentAt = current.lastMessageAt + jobTimeoutMs;
      const wakeAt = better.length > 0 ? Math.min(silentAt, this.#mainCheckAt) : silentAt;
      await pause(wakeAt - this.#now(), ...stops);
      let next: StratumConnection | undefined;
      if (!signal.aborted && !current.isLost) {
        if (this.#now() >= current.lastMessageAt + jobTimeoutMs) {
          next = await this.#replaceSilent(current, stops);
        } else if (this.#now() >= this.#mainCheckAt && better.length > 0) {
          next = await this.#openFirst(better, stops);
          this.#mainCheckAt = this.#now() + this.#mainPauseMs;
        }
      }
      if (signal.aborted || next !== undefined) return next;
      if (current.isLost) {
        await this.#afterLoss(current, signal);
        return undefined;
      }
    }
  }

  /** A second connection to the pool of `current`. If there is none to be had, `current` is closed. */
  async #replaceSilent(
    current: StratumConnection,
    stops: readonly AbortSignal[],
  ): Promise<StratumConnection | undefined> {
    const silentSince = current.lastMessageAt;
    this.#log.debug('pool is silent', { pool: current.name, ms: this.#now() - silentSince });
    const opened = await this.#open(current.pool, stops);
    if (opened instanceof StratumConnection) return opened;
    // It may have spoken in the meantime.
    if (current.lastMessageAt === silentSince && !stops.some((stop) => stop.aborted)) {
      void current.close({ code: 'silent', afterMs: this.#now() - silentSince });
    }
    return undefined;
  }

  /** The first of `pools` that can be connected to. */
  async #openFirst(
    pools: readonly PoolAccess[],
    stops: readonly AbortSignal[],
  ): Promise<StratumConnection | undefined> {
    for (const pool of pools) {
      const opened = await this.#open(pool, stops);
      if (opened instanceof StratumConnection) return opened;
      this.#log.debug('not back yet', { pool: pool.url.name, reason: opened.message });
    }
    return undefined;
  }

  /**
   * A good connection broke: back to the same pool, soon. A bad one counts as a failure of the pool,
   * and so does silence, because a second connection was tried already.
   */
  async #afterLoss(connection: StratumConnection, signal: AbortSignal): Promise<void> {
    const error = connection.gone.reason as ConnectionError;
    const { backToMainMs, stableMs } = this.#options;
    const isGood = this.#isProven || this.#now() - this.#activeSince >= stableMs;
    if (isGood) {
      this.#failures = 0;
      this.#backoff.reset();
    }
    if (this.#index === 0) {
      const longer = Math.min(2 * this.#mainPauseMs, MAX_MAIN_PAUSE_FACTOR * backToMainMs);
      this.#mainPauseMs = isGood ? backToMainMs : longer;
    }
    if (!isGood || error.detail.code === 'silent') {
      return this.#failed(connection.pool, error, signal);
    }
    // Not at once: every rig that lost this pool now comes back with us.
    const pauseMs = this.#backoff.next();
    const reason = error.message;
    this.#log.warn(
      'connection lost',
      { pool: connection.name, reason, retryMs: pauseMs },
      `lost ${connection.name}: ${reason}; connecting again`,
    );
    return pause(pauseMs, signal);
  }

  /** Goes on to the next pool; after the last one waits, or gives up with a `SourceError`. */
  async #failed(pool: PoolAccess, error: ConnectionError, signal: AbortSignal): Promise<void> {
    const { code } = error.detail;
    const reason = error.message;
    const source = pool.url.name;
    if (code === 'login-refused') this.#refused.add(pool);
    else this.#refused.delete(pool);
    this.#failures++;
    const rounds = Math.floor(this.#failures / this.#pools.length);
    const isRoundOver = this.#failures % this.#pools.length === 0;
    const isHopeless = this.#welcomed.size === 0 && this.#refused.size === this.#pools.length;
    const isOver = isHopeless || (isRoundOver && rounds > this.#retries);
    this.#index = isRoundOver ? 0 : (this.#index + 1) % this.#pools.length;
    const pauseMs = isRoundOver && !isOver ? this.#backoff.next() : 0;
    const next = isOver
      ? ''
      : isRoundOver
        ? `; next try in ${(pauseMs / 1000).toFixed(1)} s`
        : `; next is ${this.name}`;
    const fields = { pool: source, code, reason, retryMs: pauseMs };
    this.#log.warn('pool failed', fields, `${source}: ${reason}${next}`);
    if (isHopeless) {
      throw new SourceError({ code: 'login-refused', source, reason }, { cause: error });
    }
    if (isOver) {
      const retries = this.#retries;
      throw new SourceError({ code: 'gave-up', source, retries, reason }, { cause: error });
    }
    if (pauseMs > 0) await pause(pauseMs, signal);
  }

  #poolAt(index: number): PoolAccess {
    const pool = this.#pools[index];
    if (pool === undefined) throw new RangeError(`pool index ${index} of ${this.#pools.length}`);
    return pool;
  }
}
