/**
 * The life of one device: open it, let it hash, and when it is gone, open it again after pauses that
 * grow while it goes on failing. Where its driver can tell that it is back, it is opened at that moment,
 * and not tried while it is not there. Each device has a loop of its own, so that one that hangs or
 * dies stops no other.
 */
import { type Device, type DeviceInfo, DriverError, type Telemetry } from '../drivers/driver.ts';
import type { DeviceDoor } from '../drivers/open.ts';
import { endsWithin } from '../src/util/clock.ts';
import { createDeferred, type Deferred } from '../src/util/deferred.ts';
import { errorText } from '../src/util/errors.ts';
import { Backoff } from './backoff.ts';
import {
  DeviceSession,
  type SessionOptions,
  type SessionParts,
  type SessionState,
} from './device-session.ts';
import { HashrateMeter } from './hashrate.ts';

export interface DeviceLoopParts extends Omit<SessionParts, 'test' | 'meter'> {
  readonly door: DeviceDoor;
  /** In [0, 1), for the pauses before opening again. */
  readonly random: () => number;
}

export type DeviceState = SessionState | 'opening' | 'failed' | 'closed';

/** Before a device is opened that is said to be back. */
const LEAST_PAUSE_MS = 250;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 300_000;
/** After a device was found wrong, whatever its driver says: it would pass its test again, and be wrong again. */
const WRONG_PAUSE_MS = 180_000;
/** How long a device may take to close. */
const CLOSE_MS = 500;

export class DeviceLoop {
  readonly id: string;
  readonly meter: HashrateMeter;
  readonly #options: SessionOptions;
  readonly #parts: DeviceLoopParts;
  readonly #backoff: Backoff;
  readonly #firstOpening: Deferred<DriverError | undefined> = createDeferred();
  #state: DeviceState = 'opening';
  #openingSince = 0;
  #isWarned = false;
  /** The last opening failed because there is no such device now. */
  #isMissing = false;
  /** The last session ended because the device was wrong. */
  #wasWrong = false;
  #info: DeviceInfo | undefined;
  #device: Device | undefined;
  #session: DeviceSession | undefined;

  constructor(id: string, options: SessionOptions, parts: DeviceLoopParts) {
    this.id = id;
    this.#options = options;
    this.#parts = parts;
    this.meter = new HashrateMeter(() => parts.clock.now());
    const pauses = { baseMs: FIRST_PAUSE_MS, maxMs: LONGEST_PAUSE_MS };
    this.#backoff = new Backoff(pauses, parts.random);
  }

  get state(): DeviceState {
    return this.#session?.state ?? this.#state;
  }

  /** What the device said of itself when it was last opened. */
  get info(): DeviceInfo | undefined {
    return this.#info;
  }

  /** Undefined while the device is not open. */
  get telemetry(): Telemetry | undefined {
    return this.#device?.telemetry();
  }

  /** Resolves when the first opening has ended: undefined, or why it failed. */
  get firstOpening(): Promise<DriverError | undefined> {
    return this.#firstOpening.promise;
  }

  /** Runs until `signal` aborts; the device is closed then. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#session?.stop();
    signal.addEventListener('abort', stop);
    while (!signal.aborted) {
      const device = await this.#open(signal);
      if (device !== undefined) {
        await this.#use(device, signal);
        await this.#close(device);
      }
      if (!signal.aborted) await this.#pause(signal);
    }
    signal.removeEventListener('abort', stop);
    this.#state = 'closed';
    this.#firstOpening.resolve(undefined);
  }

  /** Ends the search under way: its work is not wanted any more. */
  abort(): void {
    this.#session?.abort();
  }

  /** Something changed that the device may be waiting for. */
  wake(): void {
    this.#session?.wake();
  }

  /** Looks after a device that says nothing. To be called every second or so. */
  watch(): void {
    this.#session?.watch();
    const ms = this.#parts.clock.now() - this.#openingSince;
    if (this.state !== 'opening' || this.#isWarned || ms <= this.#options.watchdogMs) return;
    this.#isWarned = true;
    const seconds = Math.round(ms / 1000);
    this.#parts.log.warn('device still opening', { seconds }, `not open after ${seconds} s`);
  }

  /** Until the next try: some time, or until the device is back. */
  async #pause(signal: AbortSignal): Promise<void> {
    this.#state = 'failed';
    const { door, clock, log } = this.#parts;
    const began = clock.now();
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener('abort', end);
    const wasWrong = this.#wasWrong;
    this.#wasWrong = false;
    const back = wasWrong ? undefined : door.returns?.(this.id, over.signal);
    const isAway = back !== undefined && this.#isMissing;
    const leastMs = wasWrong ? WRONG_PAUSE_MS : 0;
    const pauseMs = isAway ? LONGEST_PAUSE_MS : Math.max(leastMs, this.#backoff.next());
    if (isAway) log.info('waiting for the device', {}, 'waiting for it to come back');
    else log.info('next try', { seconds: Math.ceil(pauseMs / 1000) });
    const pause = clock.sleep(pauseMs, over.signal);
    await (back === undefined
      ? pause
      : Promise.race([
          pause,
          back.then(async () => {
            // Whatever kept it from opening, it is news that it is there.
            this.#backoff.reset();
            // A driver that says so too soon must not make a busy loop of this.
            await clock.sleep(Math.max(0, began + LEAST_PAUSE_MS - clock.now()), over.signal);
          }),
        ]));
    over.abort();
    signal.removeEventListener('abort', end);
  }

  /** The open device, or undefined if that failed. */
  async #open(signal: AbortSignal): Promise<Device | undefined> {
    const { door, clock, log } = this.#parts;
    this.#state = 'opening';
    this.#openingSince = clock.now();
    this.#isWarned = false;
    this.#isMissing = false;
    try {
      const device = await door.open(this.id, signal);
      this.#device = device;
      this.#info = device.info;
      device.onNotice?.((text) => log.warn('notice', { text }, text));
      const { name, kernel } = device.info;
      log.info('device open', { name, kernel, ms: Math.round(clock.now() - this.#openingSince) });
      this.#firstOpening.resolve(undefined);
      return device;
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#isMissing = error instanceof DriverError && error.detail.code === 'not-found';
      log.warn('device not opened', { reason: errorText(error) });
      this.#firstOpening.resolve(asDriverError(error));
      return undefined;
    }
  }

  /** Hashes with an open device until it fails or `signal` aborts. */
  async #use(device: Device, signal: AbortSignal): Promise<void> {
    const { door, clock, log } = this.#parts;
    const session = new DeviceSession(device, this.#options, {
      ...this.#parts,
      test: (each, until) => door.test(each, until),
      meter: this.meter,
    });
    this.#session = session;
    const began = clock.now();
    if (signal.aborted) session.stop();
    try {
      await session.run();
    } catch (error) {
      this.#wasWrong = error instanceof DriverError && error.detail.code === 'self-test';
      if (!signal.aborted) log.warn('device failed', { reason: errorText(error) });
    }
    this.#session = undefined;
    const isProven = clock.now() - began >= this.#options.provenMs;
    if (isProven && !this.#wasWrong) this.#backoff.reset();
  }

  async #close(device: Device): Promise<void> {
    this.#device = undefined;
    const { clock, log } = this.#parts;
    const closing = device.close().catch((error: unknown) => {
      log.debug('device not closed', { reason: errorText(error) });
    });
    if (!(await endsWithin(closing, CLOSE_MS, clock))) log.warn('device not closed in time');
  }
}

/** Drivers reject with `DriverError`; anything else is a mistake of theirs, and named as such. */
function asDriverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  return new DriverError({ code: 'lost', reason: errorText(error) }, { cause: error });
}
