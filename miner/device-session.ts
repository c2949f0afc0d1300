/**
 * One opening of a device: keeps it hashing whatever the board holds, and tests it when it is under
 * suspicion. Ends when it is stopped, or with the reason why the device cannot go on.
 */
import { type Device, DriverError, type NonceRange, type SearchResult } from '../drivers/driver.ts';
import { HasherError, type Seed } from '../src/tensority/hasher.ts';
import type { TableProvider } from '../src/tensority/table.ts';
import { bytesEqual, bytesToHex } from '../src/util/bytes.ts';
import type { Clock } from '../src/util/clock.ts';
import type { Logger } from '../src/util/log.ts';
import type { HashrateMeter } from './hashrate.ts';
import type { Finder, ShareDesk } from './share-desk.ts';
import type { Assignment, WorkBoard } from './work-board.ts';

export interface SessionOptions {
  /** Work handed to the device at once, in ms of its own speed. An abort does not wait for its end. */
  readonly rangeMs: number;
  /** A device that says nothing for so long is named in a warning. */
  readonly watchdogMs: number;
  /** A device that says nothing for so long is given up. */
  readonly hungMs: number;
  /** A device found wrong again so soon after it passed its test is given up. */
  readonly provenMs: number;
  /** How long a stopped device may take to end its search. */
  readonly stopMs: number;
}

export interface SessionParts {
  readonly board: WorkBoard;
  readonly desk: ShareDesk;
  readonly tables: TableProvider;
  /** The device's self-test. */
  readonly test: (device: Device, signal: AbortSignal) => Promise<void>;
  readonly meter: HashrateMeter;
  readonly clock: Clock;
  /** Tagged with the device's id. */
  readonly log: Logger;
  /** Nonces came back to the job: devices that found none left may look again. */
  readonly onNoncesBack: () => void;
  /** The job has no nonces left. May be called again for the same job. */
  readonly onExhausted: (assignment: Assignment) => void;
}

export type SessionState = 'waiting' | 'loading' | 'mining' | 'testing';

/** Unchecked nonces at which a device is kept waiting: its target is far too easy. */
const MAX_WAITING_CHECKS = 64;
/** The first range measures the speed; the next may be so many times as long. */
const FIRST_COUNT = 16;
const MAX_GROWTH = 4;

export class DeviceSession implements Finder {
  readonly id: string;
  readonly log: Logger;
  readonly kernel: string | undefined;
  readonly #device: Device;
  readonly #options: SessionOptions;
  readonly #parts: SessionParts;
  /** Aborts when the session is to stop, and when it has ended. */
  readonly #stop: AbortController = new AbortController();
  readonly #ended: AbortController = new AbortController();
  #state: SessionState = 'waiting';
  /** Why the device cannot go on. */
  #failure: unknown;
  #tests = 0;
  #testedAt = Number.NEGATIVE_INFINITY;
  #isSuspect = false;
  #seed: Seed | undefined;
  /** True once a search under `#seed` ended well. */
  #isSeedProven = false;
  #search: AbortController | undefined;
  /** Ends the wait for a change. */
  #wake: (() => void) | undefined;
  /** Ends the wait for the device. */
  #giveUp: ((reason: unknown) => void) | undefined;
  /** When the device was last heard of in the call under way. */
  #heardAt = 0;
  #longestMs = 0;
  #isWarned = false;
  #nextCount: number;

  constructor(device: Device, options: SessionOptions, parts: SessionParts) {
    this.id = device.info.id;
    this.kernel = device.info.kernel;
    this.log = parts.log;
    this.#device = device;
    this.#options = options;
    this.#parts = parts;
    this.#nextCount = Math.min(FIRST_COUNT, device.maxBatch);
  }

  get state(): SessionState {
    return this.#state;
  }

  get tests(): number {
    return this.#tests;
  }

  /**
   * Hashes until stopped. Rejects if the device is lost, says nothing, or fails its test; while it
   * stops, a call that was cut short may reject with anything.
   */
  async run(): Promise<void> {
    const { board } = this.#parts;
    void this.#device.lost.then((error) =>
      this.#fail(error ?? new DriverError({ code: 'lost', reason: 'it was closed' })),
    );
    try {
      while (!this.#stop.signal.aborted) {
        const assignment = board.current;
        if (this.#failure !== undefined) throw this.#failure;
        else if (this.#isSuspect) await this.#test();
        else if (assignment === undefined || !this.#mayTake(assignment)) await this.#change();
        else if (!this.#hasSeed(assignment)) await this.#load(assignment.work.seed);
        else await this.#mine(assignment);
      }
    } finally {
      this.#ended.abort();
    }
  }

  /** Lets `run` end soon: the search is aborted, and not waited for longer than `stopMs`. */
  stop(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.abort();
    this.wake();
    void this.#parts.clock
      .sleep(this.#options.stopMs, this.#ended.signal)
      .then(() => this.#fail(new DriverError({ code: 'timeout', afterMs: this.#options.stopMs })));
  }

  /** Ends the search under way: its work is not wanted any more. */
  abort(): void {
    this.#search?.abort();
  }

  /** Something changed that the session may be waiting for. */
  wake(): void {
    this.#wake?.();
  }

  /** The device reported a wrong nonce when it had passed `tests` tests. */
  distrust(tests: number): void {
    // What it reported before its last test has been atoned for.
    if (tests !== this.#tests || this.#isSuspect) return;
    const sinceMs = this.#parts.clock.now() - this.#testedAt;
    if (sinceMs < this.#options.provenMs) {
      const expected = 'no wrong nonce after the test';
      const actual = `one after ${Math.round(sinceMs)} ms`;
      this.#fail(new DriverError({ code: 'self-test', expected, actual }));
      return;
    }
    this.#isSuspect = true;
    this.log.warn('quarantined', {}, 'quarantined until it passes its self-test');
    this.abort();
    this.wake();
  }

  /** Looks whether the device is still heard of. To be called every second or so. */
  watch(): void {
    if (this.#giveUp === undefined) return;
    const { silentMs: ownMs = Number.POSITIVE_INFINITY } = this.#device.telemetry();
    const silentMs = Math.min(this.#parts.clock.now() - this.#heardAt, ownMs);
    // A device that takes minutes for a hash is slow, not silent; some can tell, others have shown it.
    const patienceMs = 4 * this.#longestMs;
    if (!this.#isWarned && silentMs > Math.max(this.#options.watchdogMs, patienceMs)) {
      this.#isWarned = true;
      const seconds = Math.round(silentMs / 1000);
      this.log.warn('no hashes', { seconds, state: this.#state }, `no hashes for ${seconds} s`);
    }
    if (silentMs > Math.max(this.#options.hungMs, patienceMs)) {
      this.#fail(new DriverError({ code: 'timeout', afterMs: Math.round(silentMs) }));
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#giveUp?.(reason);
    this.wake();
  }

  #mayTake(assignment: Assignment): boolean {
    if (this.#isFull) return false;
    if (assignment.space.left > 0n) return true;
    this.#parts.onExhausted(assignment);
    return false;
  }

  /** More of its nonces wait for their check than anybody can keep up with. */
  get #isFull(): boolean {
    return this.#parts.desk.waitingOf(this.id) >= MAX_WAITING_CHECKS;
  }

  async #change(): Promise<void> {
    this.#state = 'waiting';
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #hasSeed(assignment: Assignment): boolean {
    return this.#seed !== undefined && bytesEqual(this.#seed, assignment.work.seed);
  }

  async #load(seed: Seed): Promise<void> {
    this.#state = 'loading';
    const { tables, clock } = this.#parts;
    const began = clock.now();
    const load = async (): Promise<void> =>
      this.#device.loadSeed(seed, await tables(seed), this.#stop.signal);
    await this.#heard(load());
    this.#seed = seed;
    this.#isSeedProven = false;
    this.log.debug('seed loaded', { seed: bytesToHex(seed), ms: clock.now() - began });
  }

  async #test(): Promise<void> {
    this.#state = 'testing';
    await this.#heard(this.#parts.test(this.#device, this.#stop.signal));
    this.#tests++;
    this.#testedAt = this.#parts.clock.now();
    this.#isSuspect = false;
    // The test loaded seeds of its own.
    this.#seed = undefined;
    this.log.info('self-test passed');
  }

  /** Takes a range of nonces and searches it. */
  async #mine(assignment: Assignment): Promise<void> {
    const { space, work } = assignment;
    const range = space.take(this.#nextCount);
    if (range === undefined) return;
    this.#state = 'mining';
    const { meter, clock, onNoncesBack } = this.#parts;
    const search = new AbortController();
    this.#search = search;
    const began = clock.now();
    let scanned = 0;
    try {
      const onFound = (nonce: bigint): void => this.#found(assignment, nonce);
      const result = await this.#heard(this.#device.search(work, range, search.signal, onFound));
      checkResult(result, range, search.signal.aborted);
      scanned = result.scanned;
      meter.add(scanned, began);
      this.#learn(scanned, clock.now() - began);
      for (const nonce of result.nonces) this.#found(assignment, nonce);
      this.#isSeedProven = true;
    } catch (error) {
      // It may have needed the room for another seed; but it was to hold this one just now.
      if (!isSeedMissing(error) || !this.#isSeedProven) throw error;
      this.#seed = undefined;
    } finally {
      this.#search = undefined;
      space.giveBack(range, scanned);
      if (scanned < range.count) onNoncesBack();
    }
  }

  #found(assignment: Assignment, nonce: bigint): void {
    this.#heardAt = this.#parts.clock.now();
    this.#parts.desk.take(this, assignment, nonce);
    // The rest of the range would only make the queue longer, and the next block wait in it.
    if (this.#isFull) this.abort();
  }

  /** Sizes the next range by the speed of the last one; nothing should idle at its end. */
  #learn(scanned: number, ms: number): void {
    if (scanned === 0) return;
    const { maxBatch, info } = this.#device;
    const fitting = Math.min(
      MAX_GROWTH * Math.max(scanned, maxBatch),
      (scanned * this.#options.rangeMs) / Math.max(ms, 1),
    );
    const unit = fitting >= maxBatch ? maxBatch : (info.threads ?? 1);
    this.#nextCount = Math.max(1, Math.floor(fitting / unit) * unit);
  }

  /** The call's outcome, unless the device is given up first; what the call does then is nobody's business. */
  #heard<T>(call: Promise<T>): Promise<T> {
    const began = this.#parts.clock.now();
    this.#heardAt = began;
    return new Promise<T>((resolve, reject) => {
      this.#giveUp = reject;
      if (this.#failure !== undefined) reject(this.#failure);
      call.then(resolve, reject);
    }).finally(() => {
      this.#giveUp = undefined;
      this.#isWarned = false;
      this.#longestMs = Math.max(this.#longestMs, this.#parts.clock.now() - began);
    });
  }
}

/** A driver's word is checked: a result that cannot be true would upset the counting of nonces. */
function checkResult(result: SearchResult, range: NonceRange, wasAborted: boolean): void {
  const { scanned } = result;
  const isPossible = Number.isInteger(scanned) && scanned >= 0 && scanned <= range.count;
  // Without progress or an abort, asking again would be an endless loop.
  if (!isPossible || (scanned === 0 && !wasAborted)) {
    const reason = `it says that it scanned ${scanned} of ${range.count} nonces`;
    throw new DriverError({ code: 'lost', reason });
  }
}

function isSeedMissing(error: unknown): boolean {
  const isOurs = error instanceof HasherError || error instanceof DriverError;
  return isOurs && error.detail.code === 'seed-not-loaded';
}
