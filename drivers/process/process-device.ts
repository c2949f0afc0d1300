/**
 * A device of the miner that lives in a process: every call goes there and its answer comes back.
 * The process may crash, hang or vanish at any time; then the device is lost, and nothing else.
 */
import { checkBatch, checkTable, type Seed } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import { endsWithin, systemClock } from '../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import {
  type Device,
  type DeviceInfo,
  DriverError,
  type NonceRange,
  type SearchResult,
  type Telemetry,
  type Work,
} from '../driver.ts';
import type { ForkedChild } from './forked-child.ts';
import { type CallResult, errorOfFailure, type OpenedMessage, type ToParent } from './messages.ts';

/** How long a process may take to close its device before it is killed, and to be gone then. */
const CLOSE_MS = 300;
const KILL_MS = 150;

export class ProcessDevice implements Device {
  readonly info: DeviceInfo;
  readonly maxBatch: number;
  readonly lost: Promise<DriverError | undefined>;
  readonly measurePeak?: () => Promise<number>;
  readonly #child: ForkedChild;
  readonly #resolveLost: (error: DriverError | undefined) => void;
  readonly #calls = new Map<number, PendingCall>();
  #lastCall = 0;
  #end: DriverError | undefined;
  #closing: Promise<void> | undefined;
  /** The seed that was loaded last, and is certainly resident. */
  #seed: Seed | undefined;
  #telemetry: Telemetry = { hashes: 0, busyMs: 0, found: 0, mismatches: 0 };

  /** `child` has opened its device and answered with `opened`. */
  constructor(child: ForkedChild, opened: OpenedMessage) {
    this.#child = child;
    this.info = opened.info;
    this.maxBatch = opened.maxBatch;
    const lost = createDeferred<DriverError | undefined>();
    this.lost = lost.promise;
    this.#resolveLost = lost.resolve;
    if (opened.canMeasurePeak) this.measurePeak = (): Promise<number> => this.#measurePeak();
  }

  /** Closed or lost; its process may take a moment to be gone. */
  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  get isBusy(): boolean {
    return this.#calls.size > 0;
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    checkTable(seed, table);
    this.#checkOpen();
    signal?.throwIfAborted();
    if (this.#seed !== undefined && bytesEqual(seed, this.#seed)) return;
    this.#seed = undefined;
    await this.#call(signal, (call) => {
      this.#child.send({ kind: 'load-seed', call, seed });
      this.#child.sendTable(table.data);
    });
    this.#seed = seed.slice();
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#checkOpen();
    checkBatch(this.maxBatch, seed, headerHashes, out);
    signal?.throwIfAborted();
    const hashes = await this.#call(signal, (call) =>
      this.#child.send({ kind: 'hash', call, seed, headerHashes }),
    );
    if (!(hashes instanceof Uint8Array) || hashes.length !== out.length) {
      this.markLost('its process answered with something else than the hashes');
      this.#checkOpen();
    }
    out.set(hashes as Uint8Array);
  }

  async search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult> {
    this.#checkOpen();
    const result = await this.#call(
      signal,
      (call) => this.#child.send({ kind: 'search', call, work, range, isAborted: signal.aborted }),
      onFound,
    );
    return result as SearchResult;
  }

  telemetry(): Telemetry {
    return this.#telemetry;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Takes what the process says. */
  take(message: ToParent): void {
    switch (message.kind) {
      case 'found':
        this.#calls.get(message.call)?.onFound?.(message.nonce);
        break;
      case 'done':
        this.#telemetry = message.telemetry;
        this.#settle(message.call)?.answer.resolve(message.result);
        break;
      case 'failed': {
        this.#telemetry = message.telemetry;
        const call = this.#settle(message.call);
        call?.answer.reject(errorOfFailure(message.failure, call.signal?.reason));
        break;
      }
      case 'beat':
        this.#telemetry = message.telemetry ?? this.#telemetry;
        break;
      case 'lost':
        this.markLost(message.reason);
        break;
      default:
        // What belongs to the listing and to the opening, which are over.
        break;
    }
  }

  /** The device is gone: everything pending rejects, and the process, if it still runs, is killed. */
  markLost(reason: string): void {
    if (this.#end !== undefined) return;
    const error = new DriverError({ code: 'lost', reason });
    this.#finish(error);
    this.#resolveLost(error);
    this.#child.kill();
  }

  async #close(): Promise<void> {
    if (this.#end === undefined) {
      this.#finish(new DriverError({ code: 'lost', reason: 'it was closed' }));
      this.#resolveLost(undefined);
      this.#child.send({ kind: 'close' });
    }
    const { exited } = this.#child;
    // Its exit is awaited, by which alone the device is free again.
    this.#child.ref();
    if (!(await endsWithin(exited, CLOSE_MS, systemClock))) {
      this.#child.kill();
      await endsWithin(exited, KILL_MS, systemClock);
    }
    this.#child.unref();
  }

  #finish(error: DriverError): void {
    this.#end = error;
    for (const call of [...this.#calls.keys()]) this.#settle(call)?.answer.reject(error);
  }

  #checkOpen(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  async #measurePeak(): Promise<number> {
    this.#checkOpen();
    const peak = await this.#call(undefined, (call) => this.#child.send({ kind: 'peak', call }));
    return peak as number;
  }

  /** Sends a call by `send` and gives what the process answers. */
  async #call(
    signal: AbortSignal | undefined,
    send: (call: number) => void,
    onFound?: (nonce: bigint) => void,
  ): Promise<CallResult> {
    const call = ++this.#lastCall;
    const answer = createDeferred<CallResult>();
    const abort = (): void => this.#child.send({ kind: 'abort', call });
    if (this.#calls.size === 0) this.#child.ref();
    this.#calls.set(call, { answer, signal, onFound });
    signal?.addEventListener('abort', abort);
    try {
      send(call);
      return await answer.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #settle(call: number): PendingCall | undefined {
    const pending = this.#calls.get(call);
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#child.unref();
    return pending;
  }
}

interface PendingCall {
  readonly answer: Deferred<CallResult>;
  readonly signal: AbortSignal | undefined;
  readonly onFound: ((nonce: bigint) => void) | undefined;
}
