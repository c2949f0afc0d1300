/**
 * A board as a device: it counts nonces itself, holds one seed, and takes so long for a hash that it is
 * judged by rows. What keeps it going is in the parts: the station (the line, restarts, the reset
 * ladder), the jobs, the watch, the auditor and the heat governor.
 *
 * What may surprise: a device that was found wrong three times within ten minutes, or before it was
 * ever right, refuses everything with `self-test`, until it is closed and has passed the tests of another
 * opening. And the first nonce of its first search is a job of its own whose hash has to be a share: the
 * self-tests of an opening come by the way from a job to its share only where that takes no longer
 * than a moment.
 */
import type { Board } from '../../firmware-bridge/board.ts';
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import { checkBatch, checkTable, type Seed } from '../../src/tensority/hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { untilAbort } from '../../src/util/abort.ts';
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import { type Clock, endsWithin } from '../../src/util/clock.ts';
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
import { checkSearch } from '../search-arguments.ts';
import { Auditor, type RowMaker } from './audit.ts';
import { CallQueue } from './call-queue.ts';
import { ControlShares, LARGEST_TARGET } from './control-shares.ts';
import { HeatGovernor, type HeatLimits } from './heat.ts';
import { HotWait } from './hot-wait.ts';
import type { Wrong } from './job-ledger.ts';
import { type JobPlan, Jobs, type Task } from './jobs.ts';
import { Mistakes } from './mistakes.ts';
import { Notices } from './notices.ts';
import { setIfItCan } from './open-board.ts';
import type { Rehash } from './rehash.ts';
import { checkRows, RowReader } from './row-reader.ts';
import { searchTask } from './search-task.ts';
import { Station } from './station.ts';
import { Watch } from './watch.ts';

export interface SerialDeviceOptions {
  readonly info: DeviceInfo;
  /** What people should hear of it from the start. */
  readonly notices?: readonly string[];
  readonly limits: HeatLimits;
  /** Percent of the time that the board computes. */
  readonly duty: number;
  /** What the golden row took, in ms: how slow the board may be at most. */
  readonly rowMs?: number;
}

export interface SerialDeviceParts {
  readonly board: Board;
  /** Opens the port again and identifies what is there. Rejects `DriverError`. */
  readonly reconnect: (signal: AbortSignal) => Promise<Board>;
  readonly rehash: Rehash;
  /** What rows are judged by. */
  readonly makeRows: RowMaker;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Called once, when the device is closed and its port with it. */
  readonly onClosed: () => Promise<void>;
}

/** The seed that the board holds. */
interface Held {
  readonly epoch: number;
  readonly table: MatrixTable;
}

/** How long a board that is closed may take to end its work. */
const BYE_MS = 250;
const ALL_SEEDS = 0xffff_fffd;

export class SerialDevice implements Device {
  readonly info: DeviceInfo;
  readonly maxBatch = 1;
  readonly lost: Promise<DriverError | undefined>;
  readonly #parts: SerialDeviceParts;
  readonly #lost: Deferred<DriverError | undefined> = createDeferred();
  readonly #station: Station;
  readonly #jobs: Jobs;
  readonly #auditor: Auditor;
  readonly #heat: HeatGovernor;
  readonly #limits: HeatLimits;
  readonly #mistakes: Mistakes;
  readonly #controls: ControlShares = new ControlShares();
  readonly #rows: RowReader;
  readonly #queue: CallQueue = new CallQueue();
  /** Aborts with why the device does nothing any more. */
  readonly #end: AbortController = new AbortController();
  readonly #notices: Notices = new Notices();
  #closing: Promise<void> | undefined;
  #held: Held | undefined;
  #epoch: number;
  #status: BoardStatus | undefined;
  /** A job of the board has brought a share. */
  #isProbed = false;
  #hashes = 0;
  /** Of those, the ones before the last audit that went well. */
  #hashesAudited = 0;
  #found = 0;
  #busyMs = 0;
  #busySince: number | undefined;

  constructor(options: SerialDeviceOptions, parts: SerialDeviceParts) {
    const { clock, random } = parts;
    this.info = options.info;
    for (const text of options.notices ?? []) this.#notices.add(text);
    this.lost = this.#lost.promise;
    this.#parts = parts;
    this.#limits = options.limits;
    this.#heat = new HeatGovernor(options.limits, options.duty);
    this.#mistakes = new Mistakes(() => clock.now());
    this.#epoch = 1 + Math.floor(random() * ALL_SEEDS);
    const onWrong = (wrong: Wrong): void => this.#onWrong(wrong);
    const station = new Station(parts.board, {
      clock,
      rowMs: options.rowMs,
      runningJob: () => this.#jobs.running?.id,
      reconnect: parts.reconnect,
      settings: () => this.#settings(),
      onLost: (error) => this.#finish(error),
      onWrong,
      onNotice: (text) => this.#notices.add(text),
    });
    this.#station = station;
    const mayWork = (): boolean => !this.#heat.isCut;
    const onNotice = (text: string): void => this.#notices.add(text);
    const hot = new HotWait({ clock, onNotice });
    this.#jobs = new Jobs({ station, clock, mayWork, hot, onWrong, onNotice, random });
    this.#rows = new RowReader({
      station,
      clock,
      hot,
      isCut: () => this.#heat.isCut,
      newId: () => this.#jobs.newId(),
      end: this.#end.signal,
    });
    this.#auditor = new Auditor({
      clock,
      random,
      rehash: parts.rehash,
      makeRows: parts.makeRows,
      row: (epoch, headerHash, row) => this.#rows.audit(epoch, headerHash, row),
      onWrong,
      onGood: (hashes) => {
        this.#hashesAudited = hashes;
      },
      hashes: () => this.#hashes,
    });
    const watch = new Watch({
      station,
      jobs: this.#jobs,
      clock,
      onStatus: (status) => this.#onStatus(status),
      rowMs: options.rowMs,
    });
    void watch.run(this.#end.signal);
    void this.#auditor.run(this.#end.signal);
  }

  /** The line and the board behind it, for those who open devices. */
  get board(): Board {
    return this.#station.board;
  }

  onNotice(listener: (text: string) => void): void {
    this.#notices.onNotice(listener);
  }

  async loadSeed(seed: Seed, table: MatrixTable, signal?: AbortSignal): Promise<void> {
    this.#checkOpen();
    checkTable(seed, table);
    await this.#call(async () => {
      signal?.throwIfAborted();
      if (this.#isHeld(seed)) return;
      this.#held = undefined;
      // Another number each time: what a board still has to say of an older seed is nothing to us.
      this.#epoch = 1 + (this.#epoch % ALL_SEEDS);
      const held = { epoch: this.#epoch, table };
      await this.#station.load(held.epoch, table, signal);
      this.#held = held;
    }, signal);
  }

  async hash(
    seed: Seed,
    headerHashes: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#checkOpen();
    checkBatch(1, seed, headerHashes, out);
    const headerHash = headerHashes.slice();
    const digest = await this.#call(async () => {
      const held = this.#heldOf(seed);
      let digest: Uint8Array | undefined;
      const task: Task = {
        start: 0n,
        count: 1,
        target: undefined,
        plan: () => ({ count: 1, told: 0n }),
        send: (board, job, stop) => board.hashJob(held.epoch, job.jobId, headerHash, stop),
        onFound: () => {},
        onHashes: ({ count, claim }) => {
          digest = claim.digest;
          this.#hashes += count;
          const claimed = { last: { headerHash, digest }, share: undefined, isProbe: false };
          this.#auditor.claim({ ...held, count, ...claimed, headerHashAt: () => headerHash });
        },
      };
      await this.#work(task, signal ?? this.#end.signal);
      signal?.throwIfAborted();
      return digest;
    }, signal);
    if (digest !== undefined) out.set(digest);
  }

  async search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult> {
    this.#checkOpen();
    checkSearch(work, range);
    const preimage = work.preimage.slice();
    const found = new Set<bigint>();
    let scanned = 0;
    try {
      scanned = await this.#call(async () => {
        const held = this.#heldOf(work.seed);
        if (signal.aborted) return 0;
        return this.#work(
          this.#searchTask(held, { ...work, preimage }, range, (nonce) => {
            if (found.has(nonce)) return;
            found.add(nonce);
            this.#found++;
            onFound?.(nonce);
          }),
          signal,
        );
      }, signal);
    } catch (error) {
      // It waited for its turn.
      if (!signal.aborted || error !== signal.reason) throw error;
    }
    const end = range.start + BigInt(scanned);
    // One beyond was found before it was known that all before it were hashed: it will be found again.
    const nonces = [...found].filter((nonce) => nonce < end).sort((a, b) => (a < b ? -1 : 1));
    return { scanned, nonces, aborted: scanned < range.count };
  }

  async rows(
    seed: Seed,
    headerHash: Uint8Array,
    row0: number,
    n: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    this.#checkOpen();
    checkRows(headerHash, row0, n);
    return this.#call(() => {
      const { epoch } = this.#heldOf(seed);
      return this.#rows.read({ epoch, headerHash, row0, n }, signal);
    }, signal);
  }

  telemetry(): Telemetry {
    const { temperatureC, clockMhz } = this.#status ?? {};
    const since = this.#busySince;
    return {
      hashes: this.#mistakes.isTooMany ? this.#hashesAudited : this.#hashes,
      busyMs: this.#busyMs + (since === undefined ? 0 : this.#parts.clock.now() - since),
      found: this.#found,
      mismatches: this.#mistakes.total,
      silentMs: this.#station.silentMs,
      ...(temperatureC !== undefined && { temperatureC }),
      ...(clockMhz !== undefined && { coreMhz: clockMhz }),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { board, isReady } = this.#station;
    this.#finish(undefined);
    // A board that nobody listens to any more should not go on; at its first rate others find it.
    if (isReady) await endsWithin(sayBye(board), BYE_MS, this.#parts.clock);
    // The station may have another one by now.
    await this.board.link.close();
    await this.#parts.onClosed();
  }

  /** Ends everything, once: the device was closed (undefined), is lost, or was found wrong too often. */
  #finish(error: DriverError | undefined): void {
    const isWrong = error?.detail.code === 'self-test';
    if (!isWrong) this.#lost.resolve(error);
    if (this.#end.signal.aborted) return;
    this.#end.abort(error ?? new DriverError({ code: 'lost', reason: 'it was closed' }));
    this.#station.close();
  }

  #checkOpen(): void {
    this.#end.signal.throwIfAborted();
  }

  /** One call at a time; rejects at once when the device ends. */
  #call<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return untilAbort(this.#queue.run(call, signal), this.#end.signal);
  }

  async #work(task: Task, signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    this.#busySince = clock.now();
    try {
      const done = await this.#jobs.run(task, signal);
      this.#checkOpen();
      return done;
    } finally {
      this.#busyMs += clock.now() - this.#busySince;
      this.#busySince = undefined;
    }
  }

  #searchTask(held: Held, work: Work, range: NonceRange, onFound: Task['onFound']): Task {
    return searchTask(held.epoch, work, range, {
      plan: (most) => this.#plan(work, most),
      onFound,
      onHashes: ({ shares, told, ...claimed }) => {
        this.#hashes += claimed.count;
        this.#auditor.claim({ ...held, ...claimed, isProbe: !this.#isProbed });
        this.#isProbed = true;
        const wrong = this.#controls.add(claimed.count, shares, told);
        if (wrong !== undefined) this.#onWrong(wrong, true);
      },
    });
  }

  #plan({ target }: Work, most: number): JobPlan {
    if (!this.#isProbed) return { count: 1, told: LARGEST_TARGET };
    const { busyMs } = this.telemetry();
    const hashesPerS = busyMs > 0 ? (this.#hashes * 1000) / busyMs : 0;
    return { count: most, told: this.#controls.told(target, most, hashesPerS) };
  }

  #isHeld(seed: Seed): boolean {
    return this.#held !== undefined && bytesEqual(this.#held.table.seed, seed);
  }

  #heldOf(seed: Seed): Held {
    if (this.#held !== undefined && this.#isHeld(seed)) return this.#held;
    throw new DriverError({ code: 'seed-not-loaded', seed: bytesToHex(seed) });
  }

  #settings(): { readonly duty: number; readonly softC: number; readonly hardC: number } {
    return { duty: Math.max(1, this.#heat.duty), ...this.#limits };
  }

  #onStatus(status: BoardStatus): void {
    this.#status = status;
    const { duty, isCut } = this.#heat;
    const notice = this.#heat.observe(status.temperatureC, this.#parts.clock.now());
    if (notice !== undefined) this.#notices.add(notice);
    if (this.#heat.isCut) this.#station.alive();
    if (this.#heat.isCut !== isCut) this.#station.bell.ring();
    if (this.#heat.duty === duty) return;
    setIfItCan(this.board, { duty: this.#heat.duty }).catch((error: unknown) => {
      this.#station.failed(error);
    });
  }

  /** `isFinal`: this one alone is too many. So is any before the board was right even once. */
  #onWrong(wrong: Wrong, isFinal = false): void {
    this.#mistakes.add(isFinal || !this.#auditor.isProven);
    this.#notices.add(`wrong: expected ${wrong.expected}, got ${wrong.actual}`);
    if (this.#mistakes.isTooMany) this.#finish(new DriverError({ code: 'self-test', ...wrong }));
  }
}

async function sayBye(board: Board): Promise<void> {
  await board.abort();
  const [first] = board.identity.bauds;
  if (first !== undefined && board.link.port.setBaud !== undefined) await board.changeBaud(first);
}
