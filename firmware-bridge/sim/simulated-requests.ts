/** What a simulated board answers to each request but HELLO, and what it refuses (PROTOCOL.md). */
import { finishHash } from '../../src/tensority/reference.ts';
import { sha3 } from '../../src/util/sha3.ts';
import type { NakName } from '../errors.ts';
import { DONE_REASONS } from '../events.ts';
import { FRAME_OVERHEAD } from '../frame.ts';
import {
  ABORT,
  ABORT_ANSWER,
  ALL_JOBS,
  BAUD,
  BAUD_ANSWER,
  CHECKPOINT_BYTES,
  CHECKPOINTS,
  CKPT,
  CKPT_ANSWER,
  GOLDEN_EPOCH,
  JOB,
  JOB_ANSWER,
  JOB_FLAGS,
  type JobRequest,
  MAX_PREIMAGE,
  REBOOT,
  REBOOT_TARGETS,
  type RequestName,
  ROW_BYTES,
  ROWS,
  ROWS_ANSWER,
  SEED,
  SEED_ANSWER,
  SEED_STATES,
  SEED_WITH_CHECKPOINTS,
  SELFTEST,
  SELFTESTS,
  SET,
  SET_MASK,
  STATES,
  STATUS_ANSWER,
} from '../messages.ts';
import type { SimulatedScript } from './script.ts';
import type { SimulatedProcessor } from './simulated-processor.ts';
import type { SimulatedSeed } from './simulated-seed.ts';

/** How long a host is told to wait. */
const BUSY_MS = 50;
const MAX_PING = 64;
const ROWDATA_BYTES = 8;

/** A NAK. */
export class Refused extends Error {
  readonly nak: NakName;
  readonly info: number;

  constructor(nak: NakName, info: number) {
    super(`${nak} (${info})`);
    this.nak = nak;
    this.info = info;
  }
}

export interface RequestOptions {
  readonly maxFrame: number;
  readonly queue: number;
  readonly bauds: readonly number[];
  readonly clockKhz: number;
  readonly hasBootLoader: boolean;
}

export interface RequestParts {
  readonly processor: SimulatedProcessor;
  readonly script: SimulatedScript;
  readonly counters: () => {
    readonly uptimeS: number;
    readonly crcErrors: number;
    readonly otherErrors: number;
    readonly restarts: number;
  };
}

export class SimulatedRequests {
  readonly #options: RequestOptions;
  readonly #parts: RequestParts;
  readonly #processor: SimulatedProcessor;
  #identify = 0;

  constructor(options: RequestOptions, parts: RequestParts) {
    this.#options = options;
    this.#parts = parts;
    this.#processor = parts.processor;
  }

  /** The LED by which people find it. */
  get identify(): boolean {
    return this.#identify === 1;
  }

  reset(): void {
    this.#identify = 0;
  }

  /** The answer's payload. Throws `Refused`. */
  answer(name: Exclude<RequestName, 'HELLO'>, payload: Uint8Array): Uint8Array {
    switch (name) {
      case 'SEED':
        return this.#seed(payload);
      case 'CKPT':
        return this.#checkpoints(payload);
      case 'JOB':
        return this.#job(payload);
      case 'ROWS':
        return this.#rows(payload);
      case 'ABORT':
        return this.#abort(payload);
      case 'STATUS':
        return this.#status();
      case 'SET':
        return this.#set(payload);
      case 'BAUD':
        return this.#baud(payload);
      case 'PING':
        if (payload.length > MAX_PING) throw new Refused('BAD_LEN', MAX_PING);
        return payload;
      case 'SELFTEST':
        return this.#selftest(payload);
      case 'REBOOT':
        return this.#reboot(payload);
    }
  }

  #seed(payload: Uint8Array): Uint8Array {
    const { epoch, flags, seed } = read(SEED, payload);
    if (epoch === 0) throw new Refused('RANGE', 0);
    if ((flags & ~SEED_WITH_CHECKPOINTS) !== 0) throw new Refused('RANGE', 4);
    const isSent = (flags & SEED_WITH_CHECKPOINTS) !== 0 || !this.#parts.script.derives;
    const held = this.#processor.takeSeed(epoch, seed, isSent);
    return SEED_ANSWER.encode({ epoch, state: seedStateOf(held) });
  }

  #checkpoints(payload: Uint8Array): Uint8Array {
    const { epoch, index, n, checkpoints } = read(CKPT, payload);
    const bytes = n * CHECKPOINT_BYTES;
    if (checkpoints.length !== bytes) throw new Refused('BAD_LEN', CKPT.bytes + bytes);
    if (index >= CHECKPOINTS) throw new Refused('RANGE', 4);
    if (n === 0 || index + n > CHECKPOINTS) throw new Refused('RANGE', 5);
    const { seed } = this.#processor;
    if (seed === undefined) throw new Refused('NO_SEED', 0);
    if (seed.epoch !== epoch) throw new Refused('WRONG_EPOCH', seed.epoch);
    if (seed.state !== 'waiting') throw new Refused('BUSY', BUSY_MS);
    seed.receive(index, checkpoints);
    this.#processor.checkpointsChanged();
    return CKPT_ANSWER.encode({ epoch, received: seed.received });
  }

  #job(payload: Uint8Array): Uint8Array {
    const job = read(JOB, payload);
    checkJob(job, payload.length);
    this.#checkSeed(job.epoch);
    const isUpdate = (job.flags & JOB_FLAGS.UPDATE) !== 0;
    if (isUpdate && this.#processor.jobs.length >= this.#options.queue) {
      throw new Refused('BUSY', BUSY_MS);
    }
    const ahead = this.#processor.takeJob(job);
    return JOB_ANSWER.encode({ epoch: job.epoch, jobId: job.jobId, ahead });
  }

  #rows(payload: Uint8Array): Uint8Array {
    const rows = read(ROWS, payload);
    const { epoch, jobId, row0, n } = rows;
    const most = Math.floor((this.#options.maxFrame - FRAME_OVERHEAD - ROWDATA_BYTES) / ROW_BYTES);
    if (n === 0 || n > most || row0 + n > ROW_BYTES) throw new Refused('RANGE', 7);
    this.#checkSeed(epoch);
    this.#checkRowsFree();
    this.#processor.takeRows(rows);
    return ROWS_ANSWER.encode({ epoch, jobId });
  }

  #abort(payload: Uint8Array): Uint8Array {
    const { jobId } = read(ABORT, payload);
    const isMeant = (id: number): boolean => jobId === ALL_JOBS || jobId === id;
    this.#processor.endRows(isMeant);
    const count = this.#processor.endJobs(DONE_REASONS.ABORTED, isMeant);
    return ABORT_ANSWER.encode({ jobId, count });
  }

  #status(): Uint8Array {
    const processor = this.#processor;
    const job = processor.jobs[0];
    return STATUS_ANSWER.encode({
      state: this.#state(),
      duty: processor.heat.duty,
      temperature: processor.heat.temperature,
      clockKhz: this.#options.clockKhz,
      hashes: processor.hashes >>> 0,
      ...this.#parts.counters(),
      epoch: processor.seed?.epoch ?? 0,
      jobId: job?.request.jobId ?? ALL_JOBS,
      shares: (job?.shares ?? 0) & 0xffff,
      nextNonce: BigInt.asUintN(64, job?.next ?? 0n),
      product: processor.product,
      waiting: Math.max(0, processor.jobs.length - 1),
    });
  }

  #state(): number {
    const { isHot, fault, rowsTask, jobs, seed } = this.#processor;
    if (fault !== 0) return STATES.FAULT;
    if (isHot) return STATES.HOT;
    if (rowsTask !== undefined) return STATES.ROWS;
    if (jobs.length > 0) return STATES.HASHING;
    if (seed?.state === 'deriving') return STATES.DERIVING;
    return seed?.state === 'waiting' ? STATES.WAITING_FOR_CHECKPOINTS : STATES.IDLE;
  }

  #set(payload: Uint8Array): Uint8Array {
    const { mask, duty, identify, soft, hard } = read(SET, payload);
    const { heat } = this.#processor;
    const isDuty = (mask & SET_MASK.DUTY) !== 0;
    const isLimits = (mask & SET_MASK.LIMITS) !== 0;
    const known = SET_MASK.DUTY | SET_MASK.LIMITS | SET_MASK.IDENTIFY;
    if ((mask & ~known) !== 0) throw new Refused('RANGE', 0);
    const isIdentify = (mask & SET_MASK.IDENTIFY) !== 0;
    if (isDuty && (duty < 1 || duty > 100)) throw new Refused('RANGE', 1);
    if (isIdentify && identify > 1) throw new Refused('RANGE', 2);
    if (isLimits && soft >= hard) throw new Refused('RANGE', 4);
    if (isDuty) heat.duty = duty;
    if (isIdentify) this.#identify = identify;
    if (isLimits) Object.assign(heat, { softC: soft / 10, hardC: hard / 10 });
    return SET.encode({
      mask,
      duty: heat.duty,
      identify: this.#identify,
      soft: Math.round(heat.softC * 10),
      hard: Math.round(heat.hardC * 10),
    });
  }

  #baud(payload: Uint8Array): Uint8Array {
    const { rate, fallbackMs } = read(BAUD, payload);
    if (!this.#options.bauds.includes(rate)) throw new Refused('RANGE', 0);
    if (fallbackMs === 0) throw new Refused('RANGE', 4);
    return BAUD_ANSWER.encode({ rate });
  }

  #reboot(payload: Uint8Array): Uint8Array {
    const { target } = read(REBOOT, payload);
    const isKnown =
      target === REBOOT_TARGETS.APPLICATION ||
      (target === REBOOT_TARGETS.BOOT_LOADER && this.#options.hasBootLoader);
    if (!isKnown) throw new Refused('RANGE', 0);
    return REBOOT.encode({ target });
  }

  #selftest(payload: Uint8Array): Uint8Array {
    const { kind, data } = read(SELFTEST, payload);
    const answer = (bytes: Uint8Array): Uint8Array => SELFTEST.encode({ kind, data: bytes });
    const { lies } = this.#parts.script;
    switch (kind) {
      case SELFTESTS.GOLDEN_ROW:
        this.#goldenRow(data);
        return answer(new Uint8Array());
      case SELFTESTS.DOT:
        return answer(dotAnswer(expect(data, 512, 4), lies.has('dot')));
      case SELFTESTS.FINISH: {
        const start = viewOf(expect(data, 4, 4)).getUint32(0, true);
        if (start === 0) throw new Refused('RANGE', 4);
        if (this.#state() !== STATES.IDLE) throw new Refused('BUSY', BUSY_MS);
        return answer(spoilt(finishHash(xorshift(start)), lies.has('finish')));
      }
      case SELFTESTS.HEADER:
        if (data.length > MAX_PREIMAGE) throw new Refused('BAD_LEN', 4 + MAX_PREIMAGE);
        return answer(spoilt(sha3(data), lies.has('header')));
      default:
        throw new Refused('RANGE', 0);
    }
  }

  #goldenRow(data: Uint8Array): void {
    if (!this.#parts.script.derives) throw new Refused('RANGE', 0);
    const view = viewOf(expect(data, 4, 4));
    const { isHot, heat } = this.#processor;
    if (isHot) throw new Refused('HOT', heat.temperature & 0xffff);
    this.#checkRowsFree();
    const request = {
      epoch: GOLDEN_EPOCH,
      jobId: view.getUint16(0, true),
      row0: view.getUint8(2),
      n: 1,
      headerHash: new Uint8Array(32),
    };
    this.#processor.takeRows(request, new Uint8Array(32));
  }

  #checkRowsFree(): void {
    if (this.#processor.rowsTask !== undefined) throw new Refused('BUSY', BUSY_MS);
  }

  /** That it can compute under this epoch. */
  #checkSeed(epoch: number): void {
    const { seed, fault, isHot, heat } = this.#processor;
    if (fault !== 0) throw new Refused('FAULT', fault);
    if (seed === undefined) throw new Refused('NO_SEED', 0);
    if (seed.epoch !== epoch) throw new Refused('WRONG_EPOCH', seed.epoch);
    if (seed.state !== 'ready') throw new Refused('NO_SEED', 0);
    if (isHot) throw new Refused('HOT', heat.temperature & 0xffff);
  }
}

function checkJob(job: JobRequest, length: number): void {
  const { flags, jobId, nonceOffset, preimageLength, count, nonceStart } = job;
  const place = flags & ~JOB_FLAGS.HEADER_HASH;
  const isHash = (flags & JOB_FLAGS.HEADER_HASH) !== 0;
  const expected = JOB.bytes + preimageLength;
  if (preimageLength <= MAX_PREIMAGE && length !== expected) throw new Refused('BAD_LEN', expected);
  if (jobId === ALL_JOBS) throw new Refused('RANGE', 4);
  if (place !== JOB_FLAGS.REPLACE && place !== JOB_FLAGS.UPDATE) throw new Refused('RANGE', 6);
  if (preimageLength > MAX_PREIMAGE || (isHash && preimageLength !== 32)) {
    throw new Refused('RANGE', 10);
  }
  if (!isHash && nonceOffset + 8 > preimageLength) throw new Refused('RANGE', 8);
  if (count === 0 || (isHash && count !== 1)) throw new Refused('RANGE', 12);
  if (nonceStart + BigInt(count) > 1n << 64n) throw new Refused('RANGE', 16);
}

function seedStateOf(seed: SimulatedSeed): number {
  switch (seed.state) {
    case 'deriving':
      return SEED_STATES.DERIVING;
    case 'waiting':
      return SEED_STATES.SEND_CHECKPOINTS;
    case 'ready':
      return SEED_STATES.READY;
  }
}

/** Decodes a request; one that is too short is refused. */
function read<T>(
  codec: { readonly bytes: number; decode(payload: Uint8Array): T },
  payload: Uint8Array,
): T {
  if (payload.length < codec.bytes) throw new Refused('BAD_LEN', codec.bytes);
  return codec.decode(payload);
}

function expect(data: Uint8Array, bytes: number, before: number): Uint8Array {
  if (data.length < bytes) throw new Refused('BAD_LEN', before + bytes);
  return data.subarray(0, bytes);
}

function dotAnswer(data: Uint8Array, isLie: boolean): Uint8Array {
  const view = viewOf(data);
  let sum = isLie ? 1 : 0;
  for (let k = 0; k < 256; k++) sum += view.getInt8(k) * view.getInt8(256 + k);
  return Uint8Array.of(sum & 0xff, (sum >> 8) & 0xff, 0, 0);
}

/** 65,536 bytes of xorshift32 (13, 17, 5); the first is that of `start` itself. */
function xorshift(start: number): Uint8Array {
  const out = new Uint8Array(65_536);
  let x = start >>> 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = x & 0xff;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return out;
}

function spoilt(digest: Uint8Array, isLie: boolean): Uint8Array {
  return isLie ? digest.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) : digest;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
