/**
 * Devices that misbehave on request, for tests and for trying the miner out. The hashes come from
 * a `BatchHasher` that the caller gives; the script of a device says how it treats them.
 *
 * A script may be changed at any time and takes effect with the next call (`release`, `vanish`:
 * at once). It survives closing: what a device does when it is opened again is part of the story.
 */
import { type BatchHasher, checkBatch, HasherError, type Seed } from '../src/tensority/hasher.ts';
import type { MatrixTable } from '../src/tensority/table.ts';
import { type Clock, systemClock } from '../src/util/clock.ts';
import { createDeferred, type Deferred } from '../src/util/deferred.ts';
import {
  type Device,
  type DeviceInfo,
  type Driver,
  DriverError,
  type DriverErrorDetail,
  type DriverKind,
  type Enumeration,
  type NonceRange,
  type OpenOptions,
  type SearchResult,
  type Work,
} from './driver.ts';
import { HasherDevice } from './hasher-device.ts';

/** How a mock device behaves; every field may be changed while it runs. */
export interface MockScript {
  /** `hash`: one bit of every hash is wrong. `nonce`: each search reports its first nonce as found. */
  lie: 'no' | 'hash' | 'nonce';
  /** Calls wait until `release()`, and nothing else ends them but a close: a hung device. */
  stall: boolean;
  /** Aborts go unnoticed: calls run to their end and answer late. */
  deaf: boolean;
  /** Time added to each hash. */
  msPerHash: number;
  /** Somebody else has the device: opening rejects `busy`. */
  busy: boolean;
  /** How many of the next openings fail, and with what. */
  openFailures: number;
  openFailure: DriverErrorDetail;
}

/** The strings a test pulls on one device. */
export interface MockControl {
  readonly script: MockScript;
  /** Successful openings so far. */
  readonly opened: number;
  /** True between an opening and the close or loss. */
  readonly isOpen: boolean;
  /** Lets calls go on that stall, and ends the stalling. */
  release(): void;
  /** The device is gone, as if unplugged; opening it again works. */
  vanish(reason: string): void;
}

export interface MockParts {
  /** What device `index` delegates to; called at each opening, closed with the device. */
  readonly hasher: (index: number) => BatchHasher;
  readonly clock?: Clock;
}

const HONEST: MockScript = {
  lie: 'no',
  stall: false,
  deaf: false,
  msPerHash: 0,
  busy: false,
  openFailures: 0,
  openFailure: { code: 'unsupported', missing: 'as scripted' },
};

/** Devices `mock0` … `mock<count−1>`, each its own processor. */
export class MockDriver implements Driver {
  readonly kind: DriverKind = 'mock';
  readonly #slots: readonly MockSlot[];

  constructor(count: number, parts: MockParts) {
    this.#slots = Array.from({ length: count }, (_, index) => new MockSlot(index, parts));
  }

  async enumerate(): Promise<Enumeration> {
    return { devices: this.#slots.map((slot) => slot.info) };
  }

  async open(id: string, options: OpenOptions): Promise<Device> {
    const slot = this.#slots.find((each) => each.info.id === id);
    if (slot === undefined) throw new DriverError({ code: 'not-found', id });
    return slot.open(options);
  }

  /** The control of device `index`. */
  control(index: number): MockControl {
    const slot = this.#slots[index];
    if (slot === undefined) {
      throw new RangeError(`mock index expected 0 … ${this.#slots.length - 1}, got ${index}`);
    }
    return slot;
  }
}

class MockSlot implements MockControl {
  readonly info: DeviceInfo;
  readonly script: MockScript = { ...HONEST };
  opened = 0;
  readonly #index: number;
  readonly #parts: MockParts;
  #current: { readonly device: HasherDevice; readonly hasher: ScriptedHasher } | undefined;

  constructor(index: number, parts: MockParts) {
    this.#index = index;
    this.#parts = parts;
    this.info = {
      id: `mock${index}`,
      name: 'Mock device',
      tableSlots: 2,
      rollsNonce: false,
      kernel: 'mock',
      processor: `mock${index}`,
    };
  }

  get isOpen(): boolean {
    return this.#current !== undefined;
  }

  open(options: OpenOptions): Device {
    const { script, info } = this;
    options.signal?.throwIfAborted();
    if (script.busy || this.isOpen) throw new DriverError({ code: 'busy', id: info.id });
    if (script.openFailures > 0) {
      script.openFailures--;
      throw new DriverError(script.openFailure);
    }
    const clock = this.#parts.clock ?? systemClock;
    const hasher = new ScriptedHasher(this.#parts.hasher(this.#index), script, clock);
    const now = (): number => clock.now();
    const device = new MockDevice(script, hasher, {
      info,
      batchMs: options.batchMs,
      granule: 1,
      now,
    });
    this.#current = { device, hasher };
    this.opened++;
    void device.lost.then(() => {
      if (this.#current?.device === device) this.#current = undefined;
    });
    return device;
  }

  release(): void {
    this.script.stall = false;
    this.#current?.hasher.release();
  }

  vanish(reason: string): void {
    this.#current?.hasher.vanish(reason);
    this.#current?.device.markLost(reason);
    this.#current = undefined;
  }
}

/** Adds the lie that lies in a search: a nonce that nobody found. */
class MockDevice extends HasherDevice {
  readonly #script: MockScript;

  constructor(
    script: MockScript,
    hasher: BatchHasher,
    options: ConstructorParameters<typeof HasherDevice>[1],
  ) {
    super(hasher, options);
    this.#script = script;
  }

  override async search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult> {
    const result = await super.search(work, range, signal, onFound);
    if (this.#script.lie !== 'nonce' || result.nonces.includes(range.start)) return result;
    return { ...result, nonces: [range.start, ...result.nonces] };
  }
}

/** The delegate's hashes, served in order and as the script wants them. */
class ScriptedHasher implements BatchHasher {
  readonly maxBatch: number;
  readonly #delegate: BatchHasher;
  readonly #script: MockScript;
  readonly #clock: Clock;
  readonly #gone: AbortController = new AbortController();
  #last: Promise<void> = Promise.resolve();
  #stalled: Deferred<void> = createDeferred<void>();

  constructor(delegate: BatchHasher, script: MockScript, clock: Clock) {
    this.maxBatch = delegate.maxBatch;
    this.#delegate = delegate;
    this.#script = script;
    this.#clock = clock;
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    await this.#untilGone(this.#pass(), signal);
    await this.#untilGone(this.#delegate.loadSeed(seed, table, signal), signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    checkBatch(this.maxBatch, seed, headerHashes, out);
    if (!this.#script.deaf) signal?.throwIfAborted();
    // A copy: a call that was given up must not write into a buffer that its caller uses again.
    const answer = new Uint8Array(out.length);
    const call = this.#last.then(() => this.#compute(seed, headerHashes, answer));
    this.#last = call.catch(() => undefined);
    await this.#untilGone(call, signal);
    out.set(answer);
  }

  async close(): Promise<void> {
    this.vanish('it was closed');
    await this.#delegate.close();
  }

  release(): void {
    this.#stalled.resolve();
    this.#stalled = createDeferred<void>();
  }

  vanish(reason: string): void {
    this.#gone.abort(new HasherError({ code: 'lost', reason }));
  }

  async #compute(seed: Seed, headerHashes: Uint8Array, answer: Uint8Array): Promise<void> {
    await this.#pass();
    this.#gone.signal.throwIfAborted();
    await this.#delegate.hash(seed, headerHashes, answer);
    const ms = (this.#script.msPerHash * answer.length) / 32;
    if (ms > 0) await this.#clock.sleep(ms, this.#gone.signal);
    if (this.#script.lie === 'hash') {
      for (let i = 0; i < answer.length; i += 32) answer[i]! ^= 1;
    }
  }

  async #pass(): Promise<void> {
    if (this.#script.stall) await this.#stalled.promise;
  }

  /** The call's outcome, unless the device goes away or (if it listens) the caller aborts first. */
  #untilGone(call: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const ends: AbortSignal[] = [this.#gone.signal];
    const deaf = this.#script.deaf || this.#script.stall;
    if (signal !== undefined && !deaf) ends.push(signal);
    const { promise, resolve, reject } = createDeferred<void>();
    const listeners = ends.map((end) => {
      const listener = (): void => reject(end.reason);
      if (end.aborted) listener();
      else end.addEventListener('abort', listener);
      return { end, listener };
    });
    call.then(resolve, reject);
    return promise.finally(() => {
      for (const { end, listener } of listeners) end.removeEventListener('abort', listener);
    });
  }
}
