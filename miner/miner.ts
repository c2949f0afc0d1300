/**
 * The miner: a source of jobs, the devices, and the reports, from start to a graceful stop. It ends
 * when it is told to, after so many shares or so much time, or when the source or the devices fail
 * for good; how it ended is a value, for the program to turn into an exit code.
 */
import type { DriverError } from '../drivers/driver.ts';
import { type Clock, endsWithin, systemClock } from '../src/util/clock.ts';
import { createDeferred } from '../src/util/deferred.ts';
import { errorText } from '../src/util/errors.ts';
import type { Logger } from '../src/util/log.ts';
import type { ShareCounts } from './counters.ts';
import type { Speeds } from './hashrate.ts';
import { type JobSource, SourceError } from './job-source.ts';
import { logSpeed } from './report/lines.ts';
import { logDeviceTable } from './report/table.ts';
import {
  type DeviceReport,
  Scheduler,
  type SchedulerOptions,
  type SchedulerParts,
} from './scheduler.ts';

export interface MinerOptions extends SchedulerOptions {
  /** Ends after so many accepted shares. */
  readonly shares?: number;
  /** Ends after so much time. */
  readonly timeLimitMs?: number;
  /** How often the speed is logged; default 30 s, 0: never. */
  readonly logCycleMs?: number;
  /** After how many speeds the table of devices is logged; default 10. */
  readonly tableCycles?: number;
}

export interface MinerParts extends Omit<SchedulerParts, 'source' | 'onAccepted'> {
  readonly source: JobSource;
}

export type MinerEnd =
  | { readonly reason: 'interrupted' | 'shares' | 'time-limit' }
  /** The source gave up, or refused us. */
  | { readonly reason: 'source'; readonly error: SourceError }
  /** No device could be opened: why the first could not. */
  | { readonly reason: 'devices'; readonly error: DriverError };

export type MinerOutcome = MinerEnd & { readonly summary: MinerReport };

/** The miner at one moment. */
export interface MinerReport {
  readonly source: string;
  readonly uptimeMs: number;
  readonly speeds: Speeds;
  readonly totals: ShareCounts;
  readonly devices: readonly DeviceReport[];
}

const LOG_CYCLE_MS = 30_000;
const TABLE_CYCLES = 10;
const TICK_MS = 1000;
/** When the first speed is logged, if the cycle is longer: whoever just started it is watching. */
const FIRST_LOG_MS = 10_000;
/** How long the source may take to close. */
const SOURCE_CLOSE_MS = 600;

export class Miner {
  readonly #options: MinerOptions;
  readonly #source: JobSource;
  readonly #scheduler: Scheduler;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #end = createDeferred<MinerEnd>();
  #startedAt: number | undefined;

  constructor(options: MinerOptions, parts: MinerParts) {
    this.#options = options;
    this.#source = parts.source;
    this.#log = parts.log;
    this.#clock = parts.clock ?? systemClock;
    const { shares, timeLimitMs: _, logCycleMs: __, tableCycles: ___, ...rest } = options;
    this.#scheduler = new Scheduler(rest, {
      ...parts,
      onAccepted: () => {
        const { accepted } = this.#scheduler.totals;
        if (shares !== undefined && accepted >= shares) this.#end.resolve({ reason: 'shares' });
      },
    });
  }

  /** Mines until `signal` aborts or something else ends it. To be called once. */
  async run(signal: AbortSignal): Promise<MinerOutcome> {
    this.#startedAt = this.#clock.now();
    if (signal.aborted) return { reason: 'interrupted', summary: this.report() };
    const interrupt = (): void => this.#end.resolve({ reason: 'interrupted' });
    signal.addEventListener('abort', interrupt);
    // The source outlives the devices, so that the last shares still get their answers.
    const stopDevices = new AbortController();
    const stopSource = new AbortController();
    const stopReports = new AbortController();
    const source = this.#runSource(stopSource.signal);
    const devices = this.#scheduler.run(stopDevices.signal).then((error) => {
      if (error !== undefined) this.#end.resolve({ reason: 'devices', error });
    });
    const reports = this.#runReports(stopReports.signal);

    const end = await this.#end.promise;
    signal.removeEventListener('abort', interrupt);
    stopReports.abort();
    stopDevices.abort();
    await Promise.all([devices, reports]);
    stopSource.abort();
    if (!(await endsWithin(source, SOURCE_CLOSE_MS, this.#clock))) {
      this.#log.warn('stopped without waiting for the source');
    }
    const summary = this.report();
    this.#logTable(summary);
    logSpeed(this.#log, summary.speeds);
    return { ...end, summary };
  }

  /** How it goes. */
  report(): MinerReport {
    const now = this.#clock.now();
    return {
      source: this.#source.name,
      uptimeMs: now - (this.#startedAt ?? now),
      speeds: this.#scheduler.speeds,
      totals: this.#scheduler.totals,
      devices: this.#scheduler.reports,
    };
  }

  async #runSource(signal: AbortSignal): Promise<void> {
    const { name } = this.#source;
    try {
      await this.#source.run(this.#scheduler, signal);
      if (signal.aborted) return;
      const detail = { code: 'gave-up', source: name, retries: 0, reason: 'it ended' } as const;
      this.#end.resolve({ reason: 'source', error: new SourceError(detail) });
    } catch (error) {
      this.#end.resolve({ reason: 'source', error: asSourceError(error, name) });
    }
  }

  /** Logs the speed now and then, and looks at the clock for the time limit. */
  async #runReports(signal: AbortSignal): Promise<void> {
    const {
      timeLimitMs = Number.POSITIVE_INFINITY,
      logCycleMs = LOG_CYCLE_MS,
      tableCycles = TABLE_CYCLES,
    } = this.#options;
    const startedAt = this.#clock.now();
    const lead = logCycleMs > FIRST_LOG_MS ? 1 : 0;
    let cycles = -lead;
    while (!signal.aborted) {
      const uptimeMs = this.#clock.now() - startedAt;
      const cycleMs = cycles < 0 ? FIRST_LOG_MS : (cycles + 1) * logCycleMs;
      const nextLogMs = logCycleMs > 0 ? cycleMs : Number.POSITIVE_INFINITY;
      // Short sleeps: timers cannot be longer than 24 days, and a time limit can.
      const sleepMs = Math.min(timeLimitMs - uptimeMs, nextLogMs - uptimeMs, TICK_MS);
      await this.#clock.sleep(Math.max(1, sleepMs), signal);
      const now = this.#clock.now() - startedAt;
      if (now >= timeLimitMs) this.#end.resolve({ reason: 'time-limit' });
      if (signal.aborted || now < nextLogMs) continue;
      cycles++;
      const report = this.report();
      if (cycles > 0 && cycles % tableCycles === 0) this.#logTable(report);
      logSpeed(this.#log, report.speeds);
    }
  }

  #logTable(report: MinerReport): void {
    const rows = report.devices.map((device) => ({ ...device, sensors: device.telemetry ?? {} }));
    logDeviceTable(this.#log, rows, report.uptimeMs);
  }
}

/** Sources reject with `SourceError`; anything else is a mistake in one, and ends the miner too. */
function asSourceError(error: unknown, source: string): SourceError {
  if (error instanceof SourceError) return error;
  const detail = { code: 'gave-up', source, retries: 0, reason: errorText(error) } as const;
  return new SourceError(detail, { cause: error });
}
