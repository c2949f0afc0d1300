/** A Stratum source under test, with a sink, a log and a clock that tests can look into. */
import type { JobSink, MiningJob, Share } from '../../miner/job-source.ts';
import { parsePoolUrl } from '../../miner/pool-url.ts';
import type { PoolAccess } from '../../miner/stratum-connection.ts';
import { type StratumOptions, StratumSource } from '../../miner/stratum-source.ts';
import { stringifyExact } from '../../src/util/json.ts';
import type { LogFields, Logger, LogLevel } from '../../src/util/log.ts';
import type { StratumServer } from './stratum-server.ts';

export const PASSWORD = 'hunter2hunter2';

export interface MinerUnderTest {
  readonly source: StratumSource;
  readonly sink: RecordingSink;
  /** Log lines of every level, as `info new job {"height":…}`. */
  readonly lines: string[];
  /** The wording of those that have one. */
  readonly texts: string[];
  /** Messages as the protocol dump shows them: `out {"method":"login",…}`. */
  readonly dump: string[];
  /** What `run` came to. */
  readonly ended: Promise<void>;
  /** Aborts and waits for the end, whatever it is. */
  stop(): Promise<void>;
}

/** Keeps what a source delivers and lets a test wait for it. */
export class RecordingSink implements JobSink {
  readonly jobs: MiningJob[] = [];
  readonly idles: string[] = [];
  readonly #waiting: (() => void)[] = [];

  job(job: MiningJob): void {
    this.jobs.push(job);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  idle(reason: string): void {
    this.idles.push(reason);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Job number `index`, now or when it comes. */
  async jobAt(index: number): Promise<MiningJob> {
    for (;;) {
      const job = this.jobs[index];
      if (job !== undefined) return job;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async idleAt(index: number): Promise<string> {
    for (;;) {
      const reason = this.idles[index];
      if (reason !== undefined) return reason;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export function poolAt(server: StratumServer, changes: Partial<PoolAccess> = {}): PoolAccess {
  const url = parsePoolUrl(`127.0.0.1:${server.port}`);
  return { url, user: 'alice.rig1', password: PASSWORD, ...changes };
}

/** Starts a source. Pauses between attempts are about 5 ms unless `options` say otherwise. */
export function startMiner(
  pools: readonly PoolAccess[],
  options: Partial<StratumOptions> = {},
): MinerUnderTest {
  const lines: string[] = [];
  const texts: string[] = [];
  const dump: string[] = [];
  const log = recordingLogger((level, event, fields, text) => {
    lines.push(`${level} ${event} ${stringifyExact(fields)}`);
    if (text !== undefined) texts.push(text);
  });
  const source = new StratumSource(
    { pools, agent: 'bytom-miner/test', retryPauseMs: 10, ...options },
    {
      log,
      random: () => 0.5,
      protocolDump: (direction, text) => dump.push(`${direction} ${text}`),
    },
  );
  const sink = new RecordingSink();
  const controller = new AbortController();
  const ended = source.run(sink, controller.signal);
  // A test that expects a rejection awaits `ended` itself, perhaps after it happened.
  ended.catch(() => {});
  return {
    source,
    sink,
    lines,
    texts,
    dump,
    ended,
    stop: async () => {
      controller.abort();
      await ended.catch(() => {});
    },
  };
}

/** A share of `job`; its hash of zeros meets every target. */
export function shareOf(job: MiningJob, nonce: bigint = job.nonceStart): Share {
  return { job, nonce, headerHash: new Uint8Array(32), powHash: new Uint8Array(32) };
}

type LogRecord = (level: LogLevel, event: string, fields: LogFields, text?: string) => void;

function recordingLogger(record: LogRecord): Logger {
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}, text?: string): void =>
      record(level, event, fields, text);
  const log: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    tagged: () => log,
  };
  return log;
}
