/**
 * What a board says unasked, its events and its log: who hears it, who waits for it, and how much was
 * missed. What may surprise: a listener that throws is no matter of the line's. The others hear the
 * event all the same, and the error goes where nothing catches it.
 */
import { untilAbort } from '../src/util/abort.ts';
import { bytesEqual } from '../src/util/bytes.ts';
import { createDeferred } from '../src/util/deferred.ts';
import type { PortError } from './errors.ts';
import { type BoardEvent, decodeEvent, FAULTS } from './events.ts';
import type { Frame } from './frame.ts';

export class Inbox {
  readonly #eventListeners = new Set<(event: BoardEvent) => void>();
  readonly #logListeners = new Set<(line: string) => void>();
  /** Rejects what waits for an event. */
  readonly #waiters = new Set<(error: PortError) => void>();
  readonly #onListenerError: (error: unknown) => void;
  #last: Frame | undefined;
  #missed = 0;
  #gone: PortError | undefined;

  /** Gets what a listener throws; by default that is thrown outside, where nothing catches it. */
  constructor(onListenerError: (error: unknown) => void = throwOutside) {
    this.#onListenerError = onListenerError;
  }

  /** Events that gaps in their seq tell of. */
  get missed(): number {
    return this.#missed;
  }

  /** Returns what takes the listener away. */
  onEvent(listener: (event: BoardEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** Returns what takes the listener away. */
  onLog(listener: (line: string) => void): () => void {
    this.#logListeners.add(listener);
    return () => this.#logListeners.delete(listener);
  }

  /** `Link.event` */
  async event<T extends BoardEvent>(
    pick: (event: BoardEvent) => T | undefined,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#gone !== undefined) throw this.#gone;
    const picked = createDeferred<T>();
    const unsubscribe = this.onEvent((event) => {
      try {
        const value = pick(event);
        if (value !== undefined) picked.resolve(value);
      } catch (error) {
        picked.reject(error);
      }
    });
    this.#waiters.add(picked.reject);
    try {
      return await untilAbort(picked.promise, signal);
    } finally {
      this.#waiters.delete(picked.reject);
      unsubscribe();
    }
  }

  /** The next event may have any seq. */
  forgetSeq(): void {
    this.#last = undefined;
  }

  /**
   * Reads an event. Undefined for what nobody needs to hear: one that comes twice, or of a type of a later
   * version. Throws `LinkError` `malformed`.
   */
  read(frame: Frame): BoardEvent | undefined {
    const last = this.#last;
    const event = decodeEvent(frame.type, frame.payload);
    const isStart = event?.event === 'FAULT' && event.fault === FAULTS.STARTED;
    if (last !== undefined && !isStart) {
      if (isSame(last, frame)) return undefined;
      const missed = (frame.seq - last.seq - 1) & 0xffff;
      // One that goes back comes late, or once more: those behind it are not missed again.
      if (missed >= 0x8000) return event;
      this.#missed += missed;
    }
    this.#last = frame;
    return event;
  }

  tellEvent(event: BoardEvent): void {
    this.#tell(this.#eventListeners, event);
  }

  tellLine(line: string): void {
    this.#tell(this.#logListeners, line);
  }

  /** Rejects whoever waits for an event, or will. */
  lose(error: PortError): void {
    this.#gone = error;
    for (const reject of [...this.#waiters]) reject(error);
  }

  #tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of [...listeners]) {
      try {
        listener(value);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}

function throwOutside(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** The same event twice: a line that duplicates. */
function isSame(a: Frame, b: Frame): boolean {
  return a.seq === b.seq && a.type === b.type && bytesEqual(a.payload, b.payload);
}
