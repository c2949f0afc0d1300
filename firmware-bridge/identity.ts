/** What a board says of itself in HELLO and STATUS, as values without the wire's conventions. */
import { bytesToHex } from '../src/util/bytes.ts';
import { LinkError } from './errors.ts';
import { FIRST_MAX_FRAME, HOST_MAX_FRAME } from './frame.ts';
import {
  ALL_JOBS,
  type HelloAnswer,
  MODES,
  NO_TEMPERATURE,
  SENSORS,
  STATES,
  type StateName,
  type StatusAnswer,
  TLVS,
} from './messages.ts';
import { plainText } from './plain-text.ts';

/** Characters of a name that are kept. */
const MAX_NAME = 40;

export interface BoardIdentity {
  /** At most 40 characters, without control or format codes. */
  readonly name: string;
  readonly boardId: number;
  /** 24 hex digits. */
  readonly uid: string;
  /** As in `1.2.3`. */
  readonly firmware: string;
  /** 8 hex digits. */
  readonly buildId: string;
  readonly ramBytes?: number;
  readonly modes: {
    readonly hash: boolean;
    readonly rows: boolean;
    readonly ckpt: boolean;
    readonly table: boolean;
  };
  /** Bytes, before SLIP: at least what holds without a word about it, at most `HOST_MAX_FRAME`. */
  readonly maxFrame: number;
  /** Jobs, the running one included. */
  readonly queue: number;
  /** The first is the one it starts with; none where rates mean nothing. */
  readonly bauds: readonly number[];
  readonly sensors: { readonly temperature: boolean; readonly clock: boolean };
}

export interface BoardStatus {
  /** A number where this version does not know it. */
  readonly state: StateName | number;
  /** Percent. */
  readonly duty: number;
  readonly temperatureC?: number;
  readonly clockMhz?: number;
  readonly uptimeS: number;
  /** Since its start, modulo 2³². */
  readonly hashes: number;
  readonly crcErrors: number;
  readonly otherErrors: number;
  readonly restarts: number;
  /** Absent without a seed. */
  readonly epoch?: number;
  /** The running one. */
  readonly job?: {
    readonly jobId: number;
    readonly shares: number;
    readonly nextNonce: bigint;
    readonly product: number;
  };
  /** Jobs behind it. */
  readonly waiting: number;
}

/** Throws `LinkError` `malformed` for TLVs that do not add up, or a board that can do nothing. */
export function readIdentity(answer: HelloAnswer): BoardIdentity {
  const tlvs = readTlvs(answer.tlvs);
  const modes = tlvs.number(TLVS.MODES, 4) ?? 0;
  if ((modes & (MODES.HASH | MODES.ROWS)) === 0) throw malformed('neither HASH nor ROWS in MODES');
  const ramBytes = tlvs.number(TLVS.RAM, 4);
  const sensors = tlvs.number(TLVS.SENSORS, 1) ?? 0;
  return {
    name: nameOf(tlvs.bytes(TLVS.NAME), answer.boardId),
    boardId: answer.boardId,
    uid: bytesToHex(answer.uid),
    firmware: `${answer.major}.${answer.minor}.${answer.patch}`,
    buildId: answer.buildId.toString(16).padStart(8, '0'),
    ...(ramBytes === undefined ? {} : { ramBytes }),
    modes: {
      hash: (modes & MODES.HASH) !== 0,
      rows: (modes & MODES.ROWS) !== 0,
      ckpt: (modes & MODES.CKPT) !== 0,
      table: (modes & MODES.TABLE) !== 0,
    },
    maxFrame: Math.max(
      FIRST_MAX_FRAME,
      Math.min(HOST_MAX_FRAME, tlvs.number(TLVS.MAX_FRAME, 2) ?? 0),
    ),
    queue: Math.max(1, tlvs.number(TLVS.QUEUE, 1) ?? 0),
    bauds: ratesOf(tlvs.bytes(TLVS.BAUDS)),
    sensors: {
      temperature: (sensors & SENSORS.TEMPERATURE) !== 0,
      clock: (sensors & SENSORS.CLOCK) !== 0,
    },
  };
}

export function readStatus(answer: StatusAnswer, identity: BoardIdentity): BoardStatus {
  const { jobId, shares, nextNonce, product, temperature } = answer;
  // A zero of a board without a sensor is no temperature; anything else is taken seriously.
  const isMissing =
    temperature === NO_TEMPERATURE || (temperature === 0 && !identity.sensors.temperature);
  return {
    state: stateName(answer.state) ?? answer.state,
    duty: answer.duty,
    ...(isMissing ? {} : { temperatureC: temperature / 10 }),
    ...(answer.clockKhz === 0 ? {} : { clockMhz: answer.clockKhz / 1000 }),
    uptimeS: answer.uptimeS,
    hashes: answer.hashes,
    crcErrors: answer.crcErrors,
    otherErrors: answer.otherErrors,
    restarts: answer.restarts,
    ...(answer.epoch === 0 ? {} : { epoch: answer.epoch }),
    ...(jobId === ALL_JOBS ? {} : { job: { jobId, shares, nextNonce, product } }),
    waiting: answer.waiting,
  };
}

function stateName(state: number): StateName | undefined {
  const names = Object.keys(STATES) as StateName[];
  return names.find((name) => STATES[name] === state);
}

interface Tlvs {
  bytes(type: number): Uint8Array | undefined;
  /** Of 1, 2 or 4 bytes; what a later version appends is ignored. */
  number(type: number, size: 1 | 2 | 4): number | undefined;
}

function readTlvs(bytes: Uint8Array): Tlvs {
  const values = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at]!;
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (at + 2 > bytes.length || end > bytes.length) {
      throw malformed(`TLV ${type} ends at ${end} of ${bytes.length} bytes`);
    }
    values.set(type, bytes.subarray(at + 2, end));
    at = end;
  }
  return {
    bytes: (type) => values.get(type),
    number: (type, size) => {
      const value = values.get(type);
      if (value === undefined) return undefined;
      if (value.length < size) {
        throw malformed(`TLV ${type} expected ${size} bytes, got ${value.length}`);
      }
      return littleEndian(value.subarray(0, size));
    },
  };
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

function nameOf(bytes: Uint8Array | undefined, boardId: number): string {
  const text = plainText(new TextDecoder().decode(bytes ?? new Uint8Array(0)), MAX_NAME);
  return text === '' ? `board ${boardId}` : text;
}

function ratesOf(bytes: Uint8Array | undefined): number[] {
  const rates: number[] = [];
  for (let at = 0; bytes !== undefined && at + 4 <= bytes.length; at += 4) {
    rates.push(littleEndian(bytes.subarray(at, at + 4)));
  }
  return rates;
}

function malformed(why: string): LinkError {
  return new LinkError({ code: 'malformed', message: 'answer to HELLO', why });
}
