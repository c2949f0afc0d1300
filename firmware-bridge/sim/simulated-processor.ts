/**
 * What computes in a simulated board: one processor that derives, hashes and makes rows, one thing at
 * a time and as slowly as the script wants. What may surprise: rows interrupt a hash, as they do on
 * the board, and every wait ends at once when something changes.
 */
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import type { MatrixTable, TableProvider } from '../../src/tensority/table.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import {
  DONE_REASONS,
  EVENTS,
  FAULT,
  FAULTS,
  PROGRESS,
  ROWDATA,
  SEED_READY,
  SHARE,
} from '../events.ts';
import { JOB_FLAGS, type JobRequest, type RowsRequest } from '../messages.ts';
import type { SimulatedScript } from './script.ts';
import { SimulatedHeat } from './simulated-heat.ts';
import { headerHashOf, SimulatedJob } from './simulated-job.ts';
import { SimulatedSeed } from './simulated-seed.ts';

/** PROGRESS comes at most so often. */
const PROGRESS_MS = 250;
/** Longest time without a look at the temperature. */
const PIECE_MS = 250;
/** A look at whether a stuck board still is. */
const STUCK_MS = 20;
/** How many more hashes a board that lies about its progress claims for each that it made. */
const CLAIMED = 9;
/** The fault of a board whose hasher fails. */
const FAULT_OF_HASHER = 16;
const PRODUCTS = 256;

/** Rows of a header hash from a table: `n` × 256 bytes. */
export type RowMaker = (
  headerHash: Uint8Array,
  table: MatrixTable,
  row0: number,
  n: number,
) => Uint8Array;

export interface ProcessorParts {
  readonly tables: TableProvider;
  readonly hasher: BatchHasher;
  readonly rows: RowMaker;
  readonly clock: Clock;
  readonly script: SimulatedScript;
  readonly hasSensor: boolean;
  /** Where events go. */
  readonly send: (type: number, payload: Uint8Array) => void;
  readonly log: (line: string) => void;
}

/** Rows that were asked for. `table` is there for a golden row, once it is made. */
interface RowsTask {
  readonly request: RowsRequest;
  readonly goldenSeed: Uint8Array | undefined;
}

export class SimulatedProcessor {
  readonly heat: SimulatedHeat;
  seed: SimulatedSeed | undefined;
  jobs: SimulatedJob[] = [];
  rowsTask: RowsTask | undefined;
  /** Since its start. */
  hashes = 0;
  fault = 0;
  readonly #parts: ProcessorParts;
  #product = 0;
  #isRunning = false;
  #nudge: AbortController = new AbortController();

  constructor(parts: ProcessorParts) {
    this.#parts = parts;
    this.heat = new SimulatedHeat(parts.script, parts.hasSensor);
  }

  /** Of the hash under way. */
  get product(): number {
    return this.jobs.length === 0 ? 0 : this.#product;
  }

  get isHot(): boolean {
    this.checkHeat();
    return this.heat.isHot;
  }

  /** As after power came. */
  reset(): void {
    for (const job of this.jobs) job.stop.abort();
    this.jobs = [];
    this.seed = undefined;
    this.rowsTask = undefined;
    this.hashes = 0;
    this.fault = 0;
    this.heat.reset();
    this.#wake();
  }

  /** Takes a seed; the same one under the same epoch is kept. */
  takeSeed(epoch: number, seed: Uint8Array, isSent: boolean): SimulatedSeed {
    this.endJobs(DONE_REASONS.SEED);
    this.rowsTask = undefined;
    const held = this.seed;
    if (held?.epoch === epoch && bytesEqual(held.seed, seed) && isAsWanted(held, isSent)) {
      if (held.state === 'ready') this.#sendSeedReady(held);
      this.#wake();
      return held;
    }
    const next = new SimulatedSeed(epoch, seed, isSent, this.#parts.clock.now());
    this.seed = next;
    this.#wake();
    return next;
  }

  /** Checkpoints have come. */
  checkpointsChanged(): void {
    this.#wake();
  }

  takeJob(request: JobRequest): number {
    if ((request.flags & JOB_FLAGS.REPLACE) !== 0) this.endJobs(DONE_REASONS.REPLACED);
    this.jobs.push(new SimulatedJob(request));
    this.#wake();
    return this.jobs.length - 1;
  }

  takeRows(request: RowsRequest, goldenSeed?: Uint8Array): void {
    if (goldenSeed !== undefined) {
      this.endJobs(DONE_REASONS.SEED);
      this.seed = undefined;
    }
    this.rowsTask = { request, goldenSeed };
    this.#wake();
  }

  /** Ends the jobs that are meant, running or not, and tells so. How many there were. */
  endJobs(reason: number, isMeant: (jobId: number) => boolean = () => true): number {
    const ended = this.jobs.filter((job) => isMeant(job.request.jobId));
    this.jobs = this.jobs.filter((job) => !isMeant(job.request.jobId));
    for (const job of ended) {
      job.stop.abort();
      this.#report(EVENTS.DONE, job, reason);
    }
    if (ended.length > 0) this.#wake();
    return ended.length;
  }

  endRows(isMeant: (jobId: number) => boolean): void {
    if (this.rowsTask === undefined || !isMeant(this.rowsTask.request.jobId)) return;
    this.rowsTask = undefined;
    this.#wake();
  }

  /** The checkpoints in its memory have changed. */
  corruptSeed(): void {
    this.endJobs(DONE_REASONS.FAULT);
    this.rowsTask = undefined;
    this.seed = undefined;
    this.sendFault(FAULTS.CHECKPOINTS, 0);
    this.#wake();
  }

  sendFault(fault: number, info: number): void {
    this.#send(EVENTS.FAULT, FAULT.encode({ fault, temperature: this.heat.temperature, info }));
  }

  checkHeat(): void {
    if (!this.heat.check(this.#parts.clock.now())) return;
    this.endJobs(DONE_REASONS.HOT);
    this.sendFault(FAULTS.HOT, 0);
  }

  #wake(): void {
    this.#nudge.abort();
    this.#nudge = new AbortController();
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const { seed, rowsTask } = this;
        const job = this.jobs[0];
        if (rowsTask !== undefined) await this.#makeRows(rowsTask);
        else if (
          seed?.state === 'deriving' ||
          (seed?.received === 128 && seed.state === 'waiting')
        ) {
          await this.#derive(seed);
        } else if (job !== undefined && seed?.table !== undefined) {
          await this.#hashNext(job, seed, seed.table);
        } else break;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isRunning = false;
    }
  }

  #fail(error: unknown): void {
    this.fault = FAULT_OF_HASHER;
    this.rowsTask = undefined;
    this.seed = undefined;
    const jobs = this.jobs;
    this.jobs = [];
    for (const job of jobs) this.#report(EVENTS.DONE, job, DONE_REASONS.FAULT);
    this.sendFault(FAULT_OF_HASHER, 0);
    this.#parts.log(error instanceof Error ? error.message : String(error));
  }

  async #derive(seed: SimulatedSeed): Promise<void> {
    const table = await this.#parts.tables(seed.seed);
    const isStill = (): boolean => this.seed === seed;
    if (seed.state === 'deriving') await this.#spend(this.#parts.script.deriveMs, isStill);
    if (!isStill()) return;
    seed.complete(table, this.#parts.clock.now());
    this.#sendSeedReady(seed);
  }

  async #makeRows(task: RowsTask): Promise<void> {
    const { request, goldenSeed } = task;
    const { script, rows } = this.#parts;
    const isStill = (): boolean => this.rowsTask === task;
    const table =
      goldenSeed === undefined ? this.seed?.table : await this.#parts.tables(goldenSeed);
    if (goldenSeed !== undefined) await this.#spend(script.deriveMs, isStill);
    await this.#spend(script.msPerRow * request.n, isStill);
    if (!isStill()) return;
    this.rowsTask = undefined;
    if (table === undefined) return;
    const bytes = rows(request.headerHash, table, request.row0, request.n);
    if (script.lies.has('rows')) for (let i = 0; i < bytes.length; i += 256) bytes[i]! ^= 1;
    if (goldenSeed === undefined && this.seed?.isTrue === false) bytes[0]! ^= 0x80;
    const { epoch, jobId, row0, n } = request;
    this.#send(EVENTS.ROWDATA, ROWDATA.encode({ epoch, jobId, row0, n, rows: bytes }));
  }

  async #hashNext(job: SimulatedJob, seed: SimulatedSeed, table: MatrixTable): Promise<void> {
    const isStill = (): boolean => this.jobs[0] === job;
    const nonce = this.#nonceOf(job);
    const computing = this.#compute(job, seed, table, nonce);
    // The other waits come first; what goes wrong meanwhile is thrown afterwards.
    computing.catch(() => undefined);
    const total = this.#parts.script.msPerHash / this.heat.share;
    this.#product = 0;
    await this.#spend(total, isStill, (spent) => {
      this.#product = Math.min(PRODUCTS - 1, Math.floor((PRODUCTS * spent) / total));
    });
    if (!isStill()) return;
    const digest = await computing;
    if (!isStill() || digest === undefined) return;
    this.#hashed(job, nonce, digest, seed.isTrue);
  }

  /** The next to be hashed; a board that skips some says later that it had them all. */
  #nonceOf({ next, request }: SimulatedJob): bigint {
    if (!this.#parts.script.lies.has('skip')) return next;
    const last = request.nonceStart + BigInt(request.count) - 1n;
    const nonce = next + BigInt(CLAIMED);
    return nonce < last ? nonce : last;
  }

  /** Undefined if the job has ended meanwhile. */
  async #compute(
    job: SimulatedJob,
    seed: SimulatedSeed,
    table: MatrixTable,
    nonce: bigint,
  ): Promise<Uint8Array | undefined> {
    const { hasher } = this.#parts;
    const digest = new Uint8Array(32);
    const headerHash = headerHashOf(job.request, nonce);
    try {
      // The hasher may serve others too, and have dropped this seed.
      await hasher.loadSeed(seed.seed, table, job.stop.signal);
      await hasher.hash(seed.seed, headerHash, digest, job.stop.signal);
    } catch (error) {
      if (job.stop.signal.aborted) return undefined;
      throw error;
    }
    return digest;
  }

  #hashed(job: SimulatedJob, nonce: bigint, digest: Uint8Array, isTrue: boolean): void {
    const { lies } = this.#parts.script;
    const { request } = job;
    if (!isTrue) digest[0]! ^= 0x80;
    const isInvented = lies.has('nonce') && job.hashes === 0 && !meetsTarget(digest, job.target);
    const isShare = !lies.has('no-shares') && meetsTarget(digest, job.target);
    job.hashes += Number(nonce + 1n - job.next);
    job.next = nonce + 1n;
    this.hashes++;
    if (lies.has('progress')) {
      const end = request.nonceStart + BigInt(request.count);
      const claimed = nonce + 1n + BigInt(CLAIMED);
      job.next = claimed < end ? claimed : end;
      job.hashes = Number(job.next - request.nonceStart);
    }
    job.digest = lies.has('digests')
      ? digest.map((byte, i) => (i === 0 ? byte ^ 1 : byte))
      : digest;
    if (isShare || isInvented) {
      const { epoch, jobId } = request;
      const index = job.shares++ & 0xffff;
      const told = isInvented ? new Uint8Array(32) : job.digest;
      this.#send(EVENTS.SHARE, SHARE.encode({ epoch, jobId, index, nonce, digest: told }));
    }
    if (job.next >= request.nonceStart + BigInt(request.count)) {
      this.jobs = this.jobs.filter((each) => each !== job);
      this.#report(EVENTS.DONE, job, DONE_REASONS.COMPLETE);
      return;
    }
    const now = this.#parts.clock.now();
    if (now - job.lastProgress < PROGRESS_MS) return;
    job.lastProgress = now;
    this.#report(EVENTS.PROGRESS, job, DONE_REASONS.RUNNING);
  }

  #report(type: number, job: SimulatedJob, reason: number): void {
    const { epoch, jobId } = job.request;
    const { digest, hashes } = job;
    const shares = job.shares & 0xffff;
    const nextNonce = BigInt.asUintN(64, job.next);
    this.#send(type, PROGRESS.encode({ epoch, jobId, shares, nextNonce, hashes, reason, digest }));
  }

  #sendSeedReady(seed: SimulatedSeed): void {
    const { epoch, crc, ms } = seed;
    const told = this.#parts.script.lies.has('crc') ? (crc ^ 1) >>> 0 : crc;
    this.#send(EVENTS.SEED_READY, SEED_READY.encode({ epoch, crc: told, ms }));
  }

  #send(type: number, payload: Uint8Array): void {
    this.#parts.send(type, payload);
  }

  /**
   * Lets `ms` pass in work, as long as it is wanted; a stuck board gets nowhere. Work with an
   * `onProgress` can be interrupted by rows.
   */
  async #spend(
    ms: number,
    isStill: () => boolean,
    onProgress?: (spentMs: number) => void,
  ): Promise<void> {
    const { clock, script } = this.#parts;
    let spent = 0;
    while (isStill()) {
      const nudge = this.#nudge.signal;
      if (script.stuck !== 'no') {
        await clock.sleep(STUCK_MS, nudge);
        continue;
      }
      // Sums of fractions: what is left of rounding would be slept for without time passing.
      if (ms - spent < 0.001) return;
      const { rowsTask } = this;
      if (rowsTask !== undefined && onProgress !== undefined) {
        await this.#makeRows(rowsTask);
        continue;
      }
      const from = clock.now();
      await clock.sleep(Math.min(PIECE_MS, ms - spent), nudge);
      spent += clock.now() - from;
      onProgress?.(spent);
      this.checkHeat();
    }
  }
}

function isAsWanted(held: SimulatedSeed, isSent: boolean): boolean {
  return held.state === 'ready' || (held.state === 'waiting') === isSent;
}
