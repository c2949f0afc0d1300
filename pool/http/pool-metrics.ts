/**
 * What the pool counts, for Prometheus: what happens is counted as the parts tell of it; what is so at
 * the moment is in `status-metrics.ts`. Labels have few values, all of them
 * ours: no login, address or job gets into one.
 */
import { Counter, Histogram, Registry } from 'prom-client';
import { REJECTS, type RejectReason } from '../../src/stratum/reject.ts';
import type { CloseReason } from '../client.ts';
import type { BlockEvent } from '../ledger/records.ts';
import type { PoolMeter, ShareResult } from '../meter.ts';
import { addProcessMetrics } from './process-metrics.ts';
import type { PoolStatus } from './status.ts';
import { addStatusMetrics } from './status-metrics.ts';

const PREFIX = 'bytom_pool_';
/** Seconds: from a cached answer to a hasher that is far behind. */
const BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
const RECORD_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];

export class PoolMetrics implements PoolMeter {
  readonly #registry = new Registry();
  /** As of the scrape that is being answered. */
  #status: PoolStatus | undefined;
  readonly #opened = this.#counter('connections_opened_total', 'Connections that came');
  readonly #closed = this.#counterBy('connections_closed_total', 'Connections closed', 'reason');
  readonly #logins = this.#counterBy('logins_total', 'Logins by what they came to', 'outcome');
  readonly #shares = new Counter({
    name: `${PREFIX}shares_total`,
    help: 'Shares answered: accepted (late: of a job in grace) or rejected, and why',
    labelNames: ['result', 'reason'],
    registers: [this.#registry],
  });
  readonly #difficulty = new Counter({
    name: `${PREFIX}share_difficulty_total`,
    help: 'Expected hashes behind these shares',
    labelNames: ['result', 'reason'],
    registers: [this.#registry],
  });
  readonly #submits = this.#seconds(
    'submit_duration_seconds',
    'Time from a submit to its answer',
    'result',
  );
  readonly #jobs = this.#seconds(
    'job_broadcast_seconds',
    'Time from the arrival of a template to its last write to a client',
    'clean',
  );
  readonly #jobClients = this.#counter('jobs_sent_total', 'Jobs written to clients');
  readonly #verifications = this.#seconds(
    'verification_duration_seconds',
    'Time from a share to its verdict, by whose word it is',
    'by',
  );
  readonly #confirmations = this.#counterBy(
    'confirmations_total',
    'Refusals that the independent hasher was asked about, or not for want of budget',
    'outcome',
  );
  readonly #syncs = this.#seconds('log_sync_seconds', 'Time of one durable write of the share log');
  readonly #syncRecords = new Histogram({
    name: `${PREFIX}log_sync_records`,
    help: 'Records of one durable write of the share log',
    buckets: RECORD_BUCKETS,
    registers: [this.#registry],
  });
  readonly #logFailures = this.#counter(
    'log_failures_total',
    'Writes of the share log that failed',
  );
  readonly #blockEvents = this.#counterBy(
    'block_events_total',
    'What happened to blocks of ours since the start',
    'event',
  );
  readonly #bans = this.#counterBy('bans_total', 'Bans since the start', 'kind');
  readonly #retargets = this.#counter('retargets_total', 'Changes of a client’s difficulty');
  readonly #closeProcess: () => void;

  constructor() {
    addStatusMetrics(this.#registry, PREFIX, () => this.#status);
    this.#closeProcess = addProcessMetrics(this.#registry, PREFIX);
    this.#beginAtZero();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The page, with what is so at the moment as the status has it. */
  text(status: PoolStatus): Promise<string> {
    this.#status = status;
    return this.#registry.metrics();
  }

  /** Measures the event loop no longer. Idempotent. */
  close(): void {
    this.#closeProcess();
  }

  connectionOpened(): void {
    this.#opened.inc();
  }

  connectionClosed(reason: CloseReason): void {
    this.#closed.inc({ reason });
  }

  login(outcome: Parameters<PoolMeter['login']>[0]): void {
    this.#logins.inc({ outcome });
  }

  share(result: ShareResult, difficulty: bigint, ms: number): void {
    const labels = shareLabels(result);
    this.#shares.inc(labels);
    this.#difficulty.inc(labels, Number(difficulty));
    this.#submits.observe({ result: labels.result }, ms / 1000);
  }

  jobsSent(clients: number, ms: number, isClean: boolean): void {
    this.#jobs.observe({ clean: isClean ? '1' : '0' }, ms / 1000);
    this.#jobClients.inc(clients);
  }

  verified(by: 'hasher' | 'claim', ms: number): void {
    this.#verifications.observe({ by }, ms / 1000);
  }

  confirmed(outcome: 'agrees' | 'disagrees' | 'no-budget'): void {
    this.#confirmations.inc({ outcome });
  }

  logSynced(records: number, ms: number): void {
    this.#syncs.observe(ms / 1000);
    this.#syncRecords.observe(records);
  }

  logFailed(): void {
    this.#logFailures.inc();
  }

  block(event: BlockEvent['event']): void {
    this.#blockEvents.inc({ event });
  }

  ban(kind: 'worker' | 'address'): void {
    this.#bans.inc({ kind });
  }

  retarget(): void {
    this.#retargets.inc();
  }

  /** So that the first of a kind is an increase that an alarm can see. */
  #beginAtZero(): void {
    const reasons = Object.keys(REJECTS) as RejectReason[];
    const others = ['banned', 'not-kept', 'not-verified'] as const;
    for (const result of ['accepted', 'late', ...others, ...reasons] as const) {
      this.#shares.inc(shareLabels(result), 0);
      this.#difficulty.inc(shareLabels(result), 0);
    }
    for (const reason of CLOSE_REASONS) this.#closed.inc({ reason }, 0);
    for (const outcome of ['accepted', 'banned', 'limit', 'bad-login'] as const) {
      this.#logins.inc({ outcome }, 0);
    }
    for (const event of BLOCK_EVENTS) this.#blockEvents.inc({ event }, 0);
    for (const kind of ['worker', 'address'] as const) this.#bans.inc({ kind }, 0);
    for (const outcome of ['agrees', 'disagrees', 'no-budget'] as const) {
      this.#confirmations.inc({ outcome }, 0);
    }
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: PREFIX + name, help, registers: [this.#registry] });
  }

  #counterBy<L extends string>(name: string, help: string, label: L): Counter<L> {
    const registers = [this.#registry];
    return new Counter({ name: PREFIX + name, help, labelNames: [label], registers });
  }

  #seconds<L extends string>(
    name: string,
    help: string,
    ...labelNames: readonly L[]
  ): Histogram<L> {
    const common = { help, buckets: BUCKETS, registers: [this.#registry] };
    return new Histogram({ name: PREFIX + name, labelNames: [...labelNames], ...common });
  }
}

function shareLabels(result: ShareResult): {
  readonly result: 'accepted' | 'rejected';
  readonly reason: string;
} {
  if (result === 'accepted') return { result, reason: '' };
  if (result === 'late') return { result: 'accepted', reason: 'late' };
  return { result: 'rejected', reason: result };
}

const CLOSE_REASONS = Object.keys({
  client: true,
  banned: true,
  protocol: true,
  'login-timeout': true,
  idle: true,
  'too-slow': true,
  flood: true,
  limit: true,
  unauthorized: true,
  'no-work': true,
  'socket-error': true,
  draining: true,
} satisfies Record<CloseReason, true>) as readonly CloseReason[];

const BLOCK_EVENTS = Object.keys({
  found: true,
  accepted: true,
  refused: true,
  orphaned: true,
  restored: true,
  matured: true,
  lost: true,
} satisfies Record<BlockEvent['event'], true>) as readonly BlockEvent['event'][];
