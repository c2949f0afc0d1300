/**
 * A board that has answered HELLO: its requests as functions of plain values. It checks what it can
 * check without computing (epochs, ids, lengths, the checkpoints' CRC); whether hashes and rows are right is
 * for the caller to find out.
 */
import { randomBytes } from 'node:crypto';
import type { MatrixTable } from '../src/tensority/table.ts';
import { concatBytes } from '../src/util/bytes.ts';
import { u256ToBytes } from '../src/util/u256.ts';
import { checkSame } from './answers.ts';
import { arrivalOf, type WaitOptions } from './arrival.ts';
import { changeBaud, pingOver } from './baud.ts';
import { LinkError } from './errors.ts';
import { DONE_REASONS, ROWDATA } from './events.ts';
import { FRAME_OVERHEAD } from './frame.ts';
import { type BoardIdentity, type BoardStatus, readIdentity, readStatus } from './identity.ts';
import type { Link } from './link.ts';
import {
  ABORT,
  ABORT_ANSWER,
  ALL_JOBS,
  GOLDEN_EPOCH,
  JOB,
  JOB_ANSWER,
  JOB_FLAGS,
  MAX_PREIMAGE,
  REBOOT,
  REBOOT_TARGETS,
  ROW_BYTES,
  ROWS,
  ROWS_ANSWER,
  type RowsRequest,
  SELFTEST,
  SELFTESTS,
  SET,
  SET_MASK,
  STATUS_ANSWER,
} from './messages.ts';
import { isDeriving, seedBoard } from './seeding.ts';

export type { BoardIdentity, BoardStatus, WaitOptions };

const NO_BYTES: Uint8Array = new Uint8Array(0);
const HASH_BYTES = 32;
const DOT_BYTES = 256;
const PING_BYTES = 8;
const FALLBACK_MS = 1000;
/** Rows begin only when the product of a job is done, and until then nothing tells of them. */
const IDLE_LOOKS_OF_ROWS = 4;

export interface BoardJob {
  /** Of the seed that it is for. */
  readonly epoch: number;
  /** 0 … FFFE */
  readonly jobId: number;
  /** `replace` drops every job before it, `update` waits behind them. */
  readonly place: 'replace' | 'update';
  /** At most 256 bytes. */
  readonly preimage: Uint8Array;
  /** Where in the preimage the nonce goes, u64 little-endian. */
  readonly nonceOffset: number;
  readonly nonceStart: bigint;
  /** Nonces, 1 or more. */
  readonly count: number;
  /** A PoW hash that is at most this is a share: 0 … 2²⁵⁶ − 1. */
  readonly target: bigint;
}

export interface BoardSettings {
  /** Percent, 1 … 100. */
  readonly duty: number;
  readonly softC: number;
  readonly hardC: number;
  /** Whether the identify LED is lit. */
  readonly identify: boolean;
}

/**
 * Unless it says otherwise, a method rejects `LinkError` `silent` | `refused` | `malformed`, `PortError`, or
 * the signal's reason; a `RangeError` for an argument that the protocol cannot carry.
 */
export class Board {
  readonly link: Link;
  #identity: BoardIdentity;

  private constructor(link: Link, identity: BoardIdentity) {
    this.link = link;
    this.#identity = identity;
  }

  /** Says HELLO, and takes the frames that the board takes. Rejects also `LinkError` `version`. */
  static async identify(link: Link, signal?: AbortSignal): Promise<Board> {
    return new Board(link, await identityOf(link, signal));
  }

  get identity(): BoardIdentity {
    return this.#identity;
  }

  /** HELLO anew, after a restart. Rejects also `LinkError` `version`. */
  async hello(signal?: AbortSignal): Promise<BoardIdentity> {
    this.#identity = await identityOf(this.link, signal);
    return this.#identity;
  }

  /**
   * Gives the board a seed under an epoch (1 … 2³² − 1), with the checkpoints if it asks for them, and
   * waits until it is ready. Resolves with the ms that it took by the board's own account. Rejects also
   * `LinkError` `wrong` if its checkpoints are not those of the table, `restarted`, and `stuck` if the
   * options set a patience.
   */
  async seed(
    epoch: number,
    table: MatrixTable,
    options?: WaitOptions,
  ): Promise<{ readonly ms: number }> {
    return seedBoard(this, epoch, table, options);
  }

  /** Resolves with the number of jobs before this one. */
  async job(job: BoardJob, signal?: AbortSignal): Promise<number> {
    const place = job.place === 'replace' ? JOB_FLAGS.REPLACE : JOB_FLAGS.UPDATE;
    return this.#giveJob(job, place, signal);
  }

  /** A job that hashes one header hash, in place of all others. DONE brings the digest; no SHARE comes. */
  async hashJob(
    epoch: number,
    jobId: number,
    headerHash: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    if (headerHash.length !== HASH_BYTES) throw lengthError('headerHash', '32', headerHash.length);
    const flags = JOB_FLAGS.REPLACE | JOB_FLAGS.HEADER_HASH;
    const one = { nonceOffset: 0, nonceStart: 0n, count: 1, target: 0n };
    await this.#giveJob({ epoch, jobId, preimage: headerHash, ...one }, flags, signal);
  }

  /**
   * The PoW hash of one header hash: `hashJob`, and its DONE, which is asked for again if it gets lost.
   * `onStatus` hears how far it is: `job.product` of 256. Rejects also `LinkError` `ended` if the board
   * ends the job early, `restarted`, and `stuck` if the options set a patience.
   */
  async hash(
    epoch: number,
    jobId: number,
    headerHash: Uint8Array,
    options?: WaitOptions,
  ): Promise<Uint8Array> {
    const done = await arrivalOf(
      this.link,
      {
        request: 'JOB',
        ask: (stop) => this.hashJob(epoch, jobId, headerHash, stop),
        status: (stop) => this.status(stop),
        isUnderWay: ({ job }) => job?.jobId === jobId,
        pick: (event) =>
          event.event === 'DONE' && event.epoch === epoch && event.jobId === jobId
            ? event
            : undefined,
      },
      options,
    );
    if (done.reason !== DONE_REASONS.COMPLETE) throw ended(done.reason);
    if (done.hashes !== 1) {
      const actual = `${done.hashes} hashes`;
      throw new LinkError({ code: 'wrong', what: 'end of a job', expected: '1 hash', actual });
    }
    return done.digest;
  }

  /** Ends one job, or all of them and rows too. Resolves with how many DONEs will follow. */
  async abort(jobId: number = ALL_JOBS, signal?: AbortSignal): Promise<number> {
    const payload = await this.link.request('ABORT', ABORT.encode({ jobId }), { signal });
    const answer = ABORT_ANSWER.decode(payload);
    checkSame('answer to ABORT', 'job id', jobId, answer.jobId);
    return answer.count;
  }

  /** Most rows of one call of `rows`. */
  get maxRows(): number {
    return Math.floor((this.#identity.maxFrame - FRAME_OVERHEAD - ROWDATA.bytes) / ROW_BYTES);
  }

  /**
   * Rows `row0` … `row0` + `n` − 1 as `summedRows` has them, n × 256 bytes; at most `maxRows`. If they get
   * lost they are asked for again. Rejects also `LinkError` `restarted` and `stuck`.
   */
  async rows(request: RowsRequest, options?: WaitOptions): Promise<Uint8Array> {
    const { epoch, jobId, row0, n } = request;
    if (n < 1 || n > this.maxRows || row0 + n > ROW_BYTES) {
      throw new RangeError(`rows expected 1 … ${this.maxRows} of 256, got ${n} from row ${row0}`);
    }
    const payload = ROWS.encode(request);
    return this.#awaitRows(
      'ROWS',
      { epoch, jobId, row0, n },
      async (stop) => {
        const answer = ROWS_ANSWER.decode(
          await this.link.request('ROWS', payload, { signal: stop }),
        );
        checkSame('answer to ROWS', 'epoch', epoch, answer.epoch);
        checkSame('answer to ROWS', 'job id', jobId, answer.jobId);
      },
      options,
    );
  }

  /**
   * A row of the hash of 32 zero bytes under the seed of 32 zero bytes, which the board derives first: its
   * own seed and jobs are gone. Rejects also `LinkError` `restarted` and `stuck`.
   */
  async goldenRow(jobId: number, row: number, options?: WaitOptions): Promise<Uint8Array> {
    const data = Uint8Array.of(jobId & 0xff, jobId >> 8, row, 0);
    const wanted = { epoch: GOLDEN_EPOCH, jobId, row0: row, n: 1 };
    // Only to check the two numbers.
    ROWDATA.encode({ ...wanted, rows: NO_BYTES });
    return this.#awaitRows(
      'SELFTEST',
      wanted,
      (stop) => this.#selftest(SELFTESTS.GOLDEN_ROW, data, 0, stop),
      options,
    );
  }

  /** Σ a·b modulo 2¹⁶ of 256 values each, by the board's kernel. */
  async dot(a: Int8Array, b: Int8Array, signal?: AbortSignal): Promise<number> {
    if (a.length !== DOT_BYTES) throw lengthError('a', `${DOT_BYTES}`, a.length);
    if (b.length !== DOT_BYTES) throw lengthError('b', `${DOT_BYTES}`, b.length);
    const data = concatBytes(new Uint8Array(a), new Uint8Array(b));
    const sum = await this.#selftest(SELFTESTS.DOT, data, 4, signal);
    return sum[0]! | (sum[1]! << 8);
  }

  /** The finish of a hash over bytes that xorshift32 makes from `start` (1 … 2³² − 1). */
  async finish(start: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (!Number.isInteger(start) || start < 1 || start > 0xffff_ffff) {
      throw new RangeError(`"start" expected 1 … 2^32 − 1, got ${start}`);
    }
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, start, true);
    return this.#selftest(SELFTESTS.FINISH, data, HASH_BYTES, signal);
  }

  /** SHA3-256 of at most 256 bytes. */
  async header(preimage: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    if (preimage.length > MAX_PREIMAGE) {
      throw lengthError('preimage', `at most ${MAX_PREIMAGE}`, preimage.length);
    }
    return this.#selftest(SELFTESTS.HEADER, preimage, HASH_BYTES, signal);
  }

  async status(signal?: AbortSignal): Promise<BoardStatus> {
    const payload = await this.link.request('STATUS', NO_BYTES, { signal });
    return readStatus(STATUS_ANSWER.decode(payload), this.#identity);
  }

  /** Changes what is given and resolves with all settings. One of the two limits alone keeps the other. */
  async set(settings: Partial<BoardSettings>, signal?: AbortSignal): Promise<BoardSettings> {
    const { duty, softC, hardC, identify } = settings;
    const isAbout = (...values: unknown[]): boolean => values.some((each) => each !== undefined);
    let mask = 0;
    if (isAbout(duty)) mask |= SET_MASK.DUTY;
    if (isAbout(softC, hardC)) mask |= SET_MASK.LIMITS;
    if (isAbout(identify)) mask |= SET_MASK.IDENTIFY;
    const isHalf = isAbout(softC, hardC) && !(isAbout(softC) && isAbout(hardC));
    const kept = isHalf ? await this.set({}, signal) : { softC: 0, hardC: 0 };
    const payload = SET.encode({
      mask,
      duty: duty ?? 0,
      identify: identify === true ? 1 : 0,
      soft: Math.round((softC ?? kept.softC) * 10),
      hard: Math.round((hardC ?? kept.hardC) * 10),
    });
    const now = SET.decode(await this.link.request('SET', payload, { signal }));
    return {
      duty: now.duty,
      softC: now.soft / 10,
      hardC: now.hard / 10,
      identify: now.identify !== 0,
    };
  }

  /**
   * Another rate, in baud, for both sides. If the board does not answer at it within `fallbackMs` both
   * go back, and the error is what PING rejected with. A `RangeError` if the port has no rate.
   */
  async changeBaud(rate: number, fallbackMs: number = FALLBACK_MS): Promise<void> {
    await changeBaud(this.link, rate, fallbackMs);
  }

  /** Up to 64 bytes there and back; 8 random ones by default. Rejects also `LinkError` `wrong`. */
  async ping(
    bytes: Uint8Array = new Uint8Array(randomBytes(PING_BYTES)),
    signal?: AbortSignal,
  ): Promise<void> {
    await pingOver((...call) => this.link.request(...call), bytes, signal);
  }

  /** Starts the board anew; it answers first. Rejects `refused` `RANGE` without such a boot loader. */
  async reboot(target: 'application' | 'boot-loader', signal?: AbortSignal): Promise<void> {
    const code = target === 'application' ? REBOOT_TARGETS.APPLICATION : REBOOT_TARGETS.BOOT_LOADER;
    const payload = await this.link.request('REBOOT', REBOOT.encode({ target: code }), { signal });
    checkSame('answer to REBOOT', 'target', code, REBOOT.decode(payload).target);
  }

  async #giveJob(
    job: Omit<BoardJob, 'place'>,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { epoch, jobId, preimage, nonceOffset, nonceStart, count } = job;
    if (preimage.length > MAX_PREIMAGE) {
      throw lengthError('preimage', `at most ${MAX_PREIMAGE}`, preimage.length);
    }
    const target = u256ToBytes(job.target);
    const preimageLength = preimage.length;
    const payload = await this.link.request(
      'JOB',
      JOB.encode({
        epoch,
        jobId,
        flags,
        nonceOffset,
        preimageLength,
        count,
        nonceStart,
        target,
        preimage,
      }),
      { signal },
    );
    const answer = JOB_ANSWER.decode(payload);
    checkSame('answer to JOB', 'epoch', epoch, answer.epoch);
    checkSame('answer to JOB', 'job id', jobId, answer.jobId);
    return answer.ahead;
  }

  async #awaitRows(
    request: 'ROWS' | 'SELFTEST',
    wanted: Omit<RowsRequest, 'headerHash'>,
    ask: (signal: AbortSignal) => Promise<unknown>,
    options: WaitOptions | undefined,
  ): Promise<Uint8Array> {
    const { epoch, jobId, row0, n } = wanted;
    const { rows } = await arrivalOf(
      this.link,
      {
        request,
        ask,
        status: (stop) => this.status(stop),
        idleLooks: IDLE_LOOKS_OF_ROWS,
        // The golden row derives its seed first.
        isUnderWay: (status) => status.state === 'ROWS' || isDeriving(status),
        pick: (event) =>
          event.event === 'ROWDATA' &&
          event.epoch === epoch &&
          event.jobId === jobId &&
          event.row0 === row0 &&
          event.n === n
            ? event
            : undefined,
      },
      options,
    );
    return rows;
  }

  /** Resolves with the answer's data, of which there are at least so many bytes. */
  async #selftest(
    kind: number,
    data: Uint8Array,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const payload = SELFTEST.encode({ kind, data });
    const answer = SELFTEST.decode(await this.link.request('SELFTEST', payload, { signal }));
    checkSame('answer to SELFTEST', 'kind', kind, answer.kind);
    if (answer.data.length < bytes) {
      const why = `expected ${bytes} bytes of result, got ${answer.data.length}`;
      throw new LinkError({ code: 'malformed', message: 'answer to SELFTEST', why });
    }
    return answer.data.subarray(0, bytes);
  }
}

async function identityOf(link: Link, signal: AbortSignal | undefined): Promise<BoardIdentity> {
  const identity = readIdentity(await link.hello(signal));
  link.raise(identity.maxFrame);
  return identity;
}

function ended(reason: number): LinkError {
  const names = Object.keys(DONE_REASONS) as (keyof typeof DONE_REASONS)[];
  const name = names.find((each) => DONE_REASONS[each] === reason);
  const isEnd = name !== undefined && name !== 'COMPLETE' && name !== 'RUNNING';
  return new LinkError({ code: 'ended', reason: isEnd ? name : reason });
}

function lengthError(name: string, expected: string, got: number): RangeError {
  return new RangeError(`"${name}" expected ${expected} bytes, got ${got}`);
}
