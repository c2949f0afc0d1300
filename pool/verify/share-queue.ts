/**
 * The shares that wait for the pool's hasher. Nothing is dropped, and two things follow from a long
 * queue, by number or by time: `isFull` asks connections to be read no more, and the load factor makes
 * shares harder, so that fewer come.
 *
 * Who has proven something goes before who has not: a name costs nothing, and whoever has many of them
 * would fill the queue. Only the backlog of the proven makes shares harder, and asks the proven to wait, or
 * strangers could do that.
 */
import type { PowPriority } from '../../src/pow/hash-queue.ts';
import { PowError } from '../../src/pow/pow-error.ts';
import type { PowRequest, PowResult, PowVerifier } from '../../src/pow/pow-verifier.ts';
import { WaitList } from '../../src/pow/wait-list.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { HasherPace } from './hasher-pace.ts';
import { LoadFactor } from './load-factor.ts';

export interface ShareQueueParts {
  readonly verifier: Pick<PowVerifier, 'verify' | 'maxQueued' | 'batchSize'>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Where a share waits. */
export interface Place {
  /** A candidate does not. */
  readonly priority: PowPriority & ('candidate' | 'share');
  /** Whether its login has proven something. */
  readonly isProven: boolean;
}

interface Entry extends Place {
  readonly request: PowRequest;
  readonly signal: AbortSignal | undefined;
  readonly answer: Deferred<PowResult>;
  isStarted: boolean;
}

/** How often the load is looked at. */
const LOOK_MS = 250;
/** Until those are asked for again that the verifier had to refuse in favour of the node's blocks. */
const RETRY_MS = 100;
/**
 * So many batches are handed over, where the order is that of arrival: two are under way, a third has
 * to be ready, and the next may be twice as large.
 */
const HANDED_OVER = 4;
/** Of so many places one is a stranger's, if any waits: new miners come in whatever the load. */
const STRANGERS_EVERY = 4;

/** Full, too, is what takes so long, … */
const FULL_SECONDS = 5;
/** … until it takes only so long. */
const ROOM_SECONDS = 2;

export class ShareQueue {
  readonly #maxQueued: number;
  readonly #parts: ShareQueueParts;
  readonly #pace: HasherPace;
  readonly #load: LoadFactor;
  readonly #listeners = new Set<(factor: number) => void>();
  /** What was refused for want of room goes first. */
  readonly #waitingAgain = new WaitList<Entry>();
  readonly #proven = new WaitList<Entry>();
  readonly #strangers = new WaitList<Entry>();
  #place = 0;
  /** Everything without an answer of the hasher yet. */
  readonly #open = new Set<Entry>();
  /** Those of them that are of proven logins. */
  #openProven = 0;
  /** Shares that wait for something else. */
  #elsewhere = 0;
  /** Those that the verifier has and that are no candidates. */
  #handedOver = 0;
  #isHolding = false;
  /** For anybody, and for the proven. */
  #isFull = false;
  #isFullForProven = false;
  /** Fewest that were open since the load was last looked at. */
  #fewest = 0;
  readonly #closing = new AbortController();

  /** `maxQueued`: from three quarters of it on `isFull`, down to a half. Throws `RangeError`. */
  constructor({ maxQueued }: { readonly maxQueued: number }, parts: ShareQueueParts) {
    this.#maxQueued = maxQueued;
    if (!Number.isInteger(maxQueued) || maxQueued < 1) {
      throw new RangeError(`"maxQueued" expected a whole number from 1, got ${maxQueued}`);
    }
    this.#parts = parts;
    this.#pace = new HasherPace(parts);
    this.#load = new LoadFactor(parts);
    void this.#watchLoad();
  }

  /** Shares without an answer of the hasher yet, and those that wait for something else. */
  get queued(): number {
    return this.#open.size + this.#elsewhere;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Strangers wait behind everybody, the proven only behind each other. */
  isFullFor(isProven: boolean): boolean {
    return isProven ? this.#isFullForProven : this.#isFull;
  }

  get backlogSeconds(): number {
    return this.#pace.secondsFor(this.#open.size);
  }

  get loadFactor(): number {
    return this.#load.factor;
  }

  onLoad(listener: (factor: number) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Counts a share that waits for something else, until what this gives is called. */
  occupy(): () => void {
    this.#elsewhere++;
    this.#lookIfFull();
    return () => {
      this.#elsewhere--;
      this.#lookIfFull();
    };
  }

  /** The hasher's answer, in its turn. Rejects `PowError` where there is none, or the signal's reason. */
  async hash(request: PowRequest, place: Place, signal?: AbortSignal): Promise<PowResult> {
    signal?.throwIfAborted();
    if (this.#closing.signal.aborted) throw new PowError({ code: 'closed' });
    const entry: Entry = {
      ...{ request, signal, priority: place.priority, isProven: place.isProven },
      answer: createDeferred(),
      isStarted: false,
    };
    if (this.#open.size === 0) this.#pace.setBusy(true);
    this.#open.add(entry);
    if (entry.isProven) this.#openProven++;
    this.#lookIfFull();
    if (entry.priority === 'candidate') void this.#start(entry);
    else {
      (entry.isProven ? this.#proven : this.#strangers).add(entry);
      this.#pump();
    }
    const leave = (): void => this.#settle(entry, () => entry.answer.reject(signal?.reason));
    signal?.addEventListener('abort', leave);
    try {
      return await entry.answer.promise;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Rejects what has no answer yet. Idempotent. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    const error = new PowError({ code: 'closed' });
    this.#closing.abort(error);
    for (const entry of [...this.#open]) this.#settle(entry, () => entry.answer.reject(error));
    for (const list of [this.#waitingAgain, this.#proven, this.#strangers]) list.clear();
  }

  #pump(): void {
    const { maxQueued, batchSize } = this.#parts.verifier;
    const room = Math.min(this.#maxQueued, maxQueued, HANDED_OVER * batchSize);
    while (this.#handedOver < room && !this.#isHolding) {
      const entry = take(this.#waitingAgain) ?? this.#next();
      if (entry === undefined) return;
      void this.#start(entry);
    }
  }

  #next(): Entry | undefined {
    const isStrangers = this.#place % STRANGERS_EVERY === STRANGERS_EVERY - 1;
    const entry = isStrangers
      ? (take(this.#strangers) ?? take(this.#proven))
      : (take(this.#proven) ?? take(this.#strangers));
    if (entry !== undefined) this.#place++;
    return entry;
  }

  /** Never rejects. */
  async #start(entry: Entry): Promise<void> {
    const { request, priority, signal, answer } = entry;
    const isCandidate = priority === 'candidate';
    if (!isCandidate) this.#handedOver++;
    entry.isStarted = true;
    try {
      const options = { confirm: false };
      const result = await this.#parts.verifier.verify(request, priority, signal, options);
      this.#pace.addDone();
      this.#settle(entry, () => answer.resolve(result));
    } catch (error) {
      // It had to make room for the node's blocks, which is no reason to lose a share.
      if (isOverloaded(error) && this.#open.has(entry)) this.#startAgain(entry);
      else this.#settle(entry, () => answer.reject(asPowError(error, signal)));
    } finally {
      if (!isCandidate) this.#handedOver--;
      this.#pump();
    }
  }

  #startAgain(entry: Entry): void {
    entry.isStarted = false;
    this.#waitingAgain.add(entry);
    if (this.#isHolding) return;
    this.#isHolding = true;
    void this.#parts.clock.sleep(RETRY_MS, this.#closing.signal).then(() => {
      this.#isHolding = false;
      this.#pump();
    });
  }

  /** Once: whoever comes later finds it gone. */
  #settle(entry: Entry, settle: () => void): void {
    if (!this.#open.delete(entry)) return;
    if (entry.isProven) this.#openProven--;
    if (!entry.isStarted) {
      for (const list of [this.#waitingAgain, this.#proven, this.#strangers]) list.delete(entry);
    }
    this.#fewest = Math.min(this.#fewest, this.#open.size);
    if (this.#open.size === 0) this.#pace.setBusy(false);
    this.#lookIfFull();
    settle();
  }

  #lookIfFull(): void {
    this.#isFull = this.#isFullNow(this.#isFull, this.queued, this.backlogSeconds);
    const proven = this.#openProven + this.#elsewhere;
    this.#isFullForProven = this.#isFullNow(this.#isFullForProven, proven, this.#provenSeconds);
  }

  #isFullNow(wasFull: boolean, queued: number, seconds: number): boolean {
    // What is one batch is done at once; and before the first answer the pace is not known.
    const hasPace = this.#pace.perSecond > 0 && queued > this.#parts.verifier.batchSize;
    if (4 * queued >= 3 * this.#maxQueued || (hasPace && seconds > FULL_SECONDS)) return true;
    if (2 * queued > this.#maxQueued || (hasPace && seconds >= ROOM_SECONDS)) return wasFull;
    return false;
  }

  /** Until the last one of a proven login has its turn, strangers have theirs as well. */
  get #provenSeconds(): number {
    const strangers = this.#open.size - this.#openProven;
    const between = Math.min(strangers, Math.floor(this.#openProven / (STRANGERS_EVERY - 1)));
    return this.#pace.secondsFor(this.#openProven + between);
  }

  /** Never rejects. */
  async #watchLoad(): Promise<void> {
    const { clock, log, verifier } = this.#parts;
    const { signal } = this.#closing;
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      // With a third batch ready the hasher never waits for us.
      const used = this.#pace.measure(this.#fewest >= 3 * verifier.batchSize);
      this.#fewest = this.#open.size;
      this.#lookIfFull();
      const backlogSeconds = this.#provenSeconds;
      // Nobody has proven anything before the first answer: there is no step until then.
      if (!this.#load.observe(backlogSeconds, used)) continue;
      const { factor } = this.#load;
      log.warn('share difficulties follow the load of the hasher', {
        factor,
        queued: this.queued,
        backlogSeconds: Number(backlogSeconds.toFixed(1)),
      });
      for (const listener of [...this.#listeners]) this.#tell(listener, factor);
    }
  }

  #tell(listener: (factor: number) => void, factor: number): void {
    try {
      listener(factor);
    } catch (error) {
      this.#parts.log.error('load factor not passed on', { reason: errorText(error) });
    }
  }
}

function isOverloaded(error: unknown): boolean {
  return error instanceof PowError && error.detail.code === 'overloaded';
}

/** Errors of ours and the signal's as they are; of anything else it is enough that there is no verdict. */
function asPowError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof PowError || signal?.aborted === true) return error;
  return new PowError({ code: 'unavailable', reason: errorText(error) }, { cause: error });
}

/** Takes the oldest. */
function take(list: WaitList<Entry>): Entry | undefined {
  for (const entry of list) {
    list.delete(entry);
    return entry;
  }
  return undefined;
}
