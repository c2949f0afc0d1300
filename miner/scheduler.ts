/**
 * Keeps every device busy with the present job. A clean job aborts what runs and makes older
 * results stale; any other job lets it finish. Devices come and go on their own (device-loop.ts);
 * what they find goes over the share desk to the source.
 */
import type { DriverError, Telemetry } from '../drivers/driver.ts';
import type { DeviceDoor } from '../drivers/open.ts';
import type { TableProvider } from '../src/tensority/table.ts';
import { type Clock, endsWithin, systemClock } from '../src/util/clock.ts';
import type { Logger } from '../src/util/log.ts';
import type { ShareCounts } from './counters.ts';
import { DeviceLoop, type DeviceState } from './device-loop.ts';
import type { SessionOptions } from './device-session.ts';
import { addSpeeds, type Speeds } from './hashrate.ts';
import type { JobSink, JobSource, MiningJob } from './job-source.ts';
import type { Recheck } from './recheck.ts';
import { ShareDesk } from './share-desk.ts';
import { type Assignment, WorkBoard } from './work-board.ts';

export interface SchedulerOptions extends Partial<SessionOptions> {
  /** Ids of the devices to use, in the order of the reports; one or more. */
  readonly devices: readonly string[];
  /** Sends shares that came too late as well. */
  readonly sendStales?: boolean;
  /** How long a stop may take: for the searches under way and the answers to the last shares. */
  readonly graceMs?: number;
}

export interface SchedulerParts {
  readonly door: DeviceDoor;
  readonly tables: TableProvider;
  readonly recheck: Recheck;
  readonly source: Pick<JobSource, 'submit'>;
  readonly log: Logger;
  /** Hears of every accepted share, after it was counted. */
  readonly onAccepted?: () => void;
  readonly clock?: Clock;
  /** In [0, 1), for the pauses before a device is opened again. */
  readonly random?: () => number;
}

/** A device as the reports show it. */
export interface DeviceReport {
  readonly id: string;
  /** What the device calls itself; its id before it was first open. */
  readonly name: string;
  readonly kernel: string | undefined;
  readonly state: DeviceState;
  readonly speeds: Speeds;
  /** Hashes scanned since the start. */
  readonly hashes: number;
  readonly counts: ShareCounts;
  /** Totals since the device was last opened; undefined while it is not open. */
  readonly telemetry: Telemetry | undefined;
}

const DEFAULTS: SessionOptions = {
  rangeMs: 5000,
  watchdogMs: 30_000,
  hungMs: 180_000,
  provenMs: 60_000,
  stopMs: 1000,
};
const GRACE_MS = 2000;
const TICK_MS = 1000;
/** The highest speed is not looked for in the first seconds, which hold too little to measure. */
const SETTLED_MS = 10_000;

export class Scheduler implements JobSink {
  readonly #graceMs: number;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #board: WorkBoard = new WorkBoard();
  readonly #desk: ShareDesk;
  readonly #loops: readonly DeviceLoop[];
  /** The work whose exhaustion was told. */
  #exhausted: Assignment['space'] | undefined;
  #startedAt: number | undefined;
  #max = 0;

  constructor(options: SchedulerOptions, parts: SchedulerParts) {
    const { devices, sendStales = false, graceMs = GRACE_MS, ...session } = options;
    if (devices.length === 0) throw new RangeError('"devices" expected one or more, got none');
    const { door, tables, log, clock = systemClock, random = Math.random } = parts;
    this.#graceMs = graceMs;
    this.#log = log;
    this.#clock = clock;
    this.#desk = new ShareDesk(
      { sendStales },
      {
        source: parts.source,
        board: this.#board,
        recheck: parts.recheck,
        onAccepted: parts.onAccepted ?? ((): void => {}),
      },
    );
    const shared = {
      door,
      tables,
      clock,
      random,
      board: this.#board,
      desk: this.#desk,
      onNoncesBack: () => this.#wakeAll(),
      onExhausted: (assignment: Assignment) => this.#tellExhausted(assignment),
    };
    this.#loops = devices.map(
      (id) => new DeviceLoop(id, { ...DEFAULTS, ...session }, { ...shared, log: log.tagged(id) }),
    );
  }

  job(job: MiningJob): void {
    const change = this.#board.post(job);
    this.#log.debug('job', { job: job.jobId, height: job.header.height, change });
    if (change === 'clean') for (const loop of this.#loops) loop.abort();
    this.#wakeAll();
  }

  idle(reason: string): void {
    if (this.#board.current === undefined) return;
    this.#board.clear();
    this.#log.info('idle', { reason });
    for (const loop of this.#loops) loop.abort();
  }

  /**
   * Mines until `signal` aborts; resolves with every device closed, or left behind if it does not
   * close in time. If no device can be opened at all, it ends with why the first one could not.
   */
  async run(signal: AbortSignal): Promise<DriverError | undefined> {
    this.#startedAt = this.#clock.now();
    let failure: DriverError | undefined;
    const stop = new AbortController();
    const end = (): void => stop.abort();
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    const loops = this.#loops.map((loop) => loop.run(stop.signal));
    void Promise.all(this.#loops.map((loop) => loop.firstOpening)).then((errors) => {
      if (stop.signal.aborted || errors.includes(undefined)) return;
      failure = errors[0];
      end();
    });
    while (!stop.signal.aborted) {
      await this.#clock.sleep(TICK_MS, stop.signal);
      for (const loop of this.#loops) loop.watch();
      this.#noteSpeed();
    }
    signal.removeEventListener('abort', end);
    const settled = Promise.all(loops).then(() => this.#desk.settled());
    if (!(await endsWithin(settled, this.#graceMs, this.#clock))) {
      this.#log.warn('stopped without waiting for every device and share');
    }
    this.#desk.close();
    return failure;
  }

  get totals(): ShareCounts {
    return this.#desk.totals;
  }

  /** The speeds of all devices together. */
  get speeds(): Speeds {
    const sum = this.#noteSpeed();
    return { ...sum, max: this.#max === 0 ? sum.tenSeconds : this.#max };
  }

  get reports(): readonly DeviceReport[] {
    return this.#loops.map((loop) => ({
      id: loop.id,
      name: loop.info?.name ?? loop.id,
      kernel: loop.info?.kernel,
      state: loop.state,
      speeds: loop.meter.speeds(),
      hashes: loop.meter.total,
      counts: this.#desk.countsOf(loop.id),
      telemetry: loop.telemetry,
    }));
  }

  /** The sum of the devices' speeds; remembers the highest. */
  #noteSpeed(): Speeds {
    const sum = addSpeeds(this.#loops.map((loop) => loop.meter.speeds()));
    const ageMs = this.#clock.now() - (this.#startedAt ?? Number.POSITIVE_INFINITY);
    if (ageMs >= SETTLED_MS) this.#max = Math.max(this.#max, sum.tenSeconds);
    return sum;
  }

  #wakeAll(): void {
    for (const loop of this.#loops) loop.wake();
  }

  #tellExhausted({ job, space }: Assignment): void {
    if (this.#exhausted === space) return;
    this.#exhausted = space;
    const nonces = space.end - space.start;
    this.#log.warn(
      'nonces exhausted',
      { job: job.jobId, nonces },
      `all ${nonces} nonces of job ${job.jobId} are tried; waiting for another`,
    );
  }
}
