/**
 * The requests of TSP/1 and their answers as typed values, for both ends (PROTOCOL.md has the same tables
 * in words). The events are in events.ts.
 */
import { type Codec, codec } from './codec.ts';
import type { NakName } from './errors.ts';

/** Types of requests; the answer's is this with `ANSWER` set. */
export const TYPES = {
  HELLO: 0x01,
  SEED: 0x02,
  CKPT: 0x03,
  JOB: 0x10,
  ROWS: 0x11,
  ABORT: 0x12,
  STATUS: 0x20,
  SET: 0x21,
  BAUD: 0x22,
  PING: 0x23,
  SELFTEST: 0x24,
  REBOOT: 0x30,
} as const;
export type RequestName = keyof typeof TYPES;

export const ANSWER = 0x80;

export const NAK = 0xff;

/** By code; index 0 is no code. */
export const NAK_NAMES: readonly (NakName | undefined)[] = [
  undefined,
  'BAD_CRC',
  'BAD_LEN',
  'UNKNOWN_TYPE',
  'BAD_VERSION',
  'BUSY',
  'NO_SEED',
  'WRONG_EPOCH',
  'RANGE',
  'HOT',
  'FAULT',
];

export const CHECKPOINTS = 128;
export const CHECKPOINT_BYTES = 128;
export const ROW_BYTES = 256;
/** In ABORT: every job. In STATUS: none. */
export const ALL_JOBS = 0xffff;
/** The epoch of a golden row. */
export const GOLDEN_EPOCH = 0xffff_ffff;
/** A temperature without a sensor, as an i16. */
export const NO_TEMPERATURE = -0x8000;
/** Longest preimage of a job. */
export const MAX_PREIMAGE = 256;

export interface HelloRequest {
  readonly nonce: Uint8Array;
}
export const HELLO: Codec<HelloRequest> = codec('HELLO', [['nonce', 8]]);

export interface HelloAnswer {
  readonly nonce: Uint8Array;
  readonly lowestVersion: number;
  readonly highestVersion: number;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly buildId: number;
  readonly boardId: number;
  readonly uid: Uint8Array;
  readonly tlvs: Uint8Array;
}
export const HELLO_ANSWER: Codec<HelloAnswer> = codec('answer to HELLO', [
  ['nonce', 8],
  ['lowestVersion', 'u8'],
  ['highestVersion', 'u8'],
  ['major', 'u8'],
  ['minor', 'u8'],
  ['patch', 'u16'],
  { skip: 2 },
  ['buildId', 'u32'],
  ['boardId', 'u16'],
  { skip: 2 },
  ['uid', 12],
  ['tlvs', 'rest'],
]);

export const TLVS = {
  RAM: 0x01,
  MODES: 0x02,
  MAX_FRAME: 0x03,
  QUEUE: 0x04,
  BAUDS: 0x05,
  SENSORS: 0x06,
  NAME: 0x07,
} as const;

export const MODES = { HASH: 1, ROWS: 2, CKPT: 4, TABLE: 8 } as const;
export const SENSORS = { TEMPERATURE: 1, CLOCK: 2 } as const;

/** SEED's flag: the checkpoints will be sent. */
export const SEED_WITH_CHECKPOINTS = 1;
export interface SeedRequest {
  readonly epoch: number;
  readonly flags: number;
  readonly seed: Uint8Array;
}
export const SEED: Codec<SeedRequest> = codec('SEED', [
  ['epoch', 'u32'],
  ['flags', 'u8'],
  { skip: 3 },
  ['seed', 32],
]);

export const SEED_STATES = { DERIVING: 0, SEND_CHECKPOINTS: 1, READY: 2 } as const;
export interface SeedAnswer {
  readonly epoch: number;
  readonly state: number;
}
export const SEED_ANSWER: Codec<SeedAnswer> = codec('answer to SEED', [
  ['epoch', 'u32'],
  ['state', 'u8'],
  { skip: 3 },
]);

export interface CkptRequest {
  readonly epoch: number;
  readonly index: number;
  readonly n: number;
  readonly checkpoints: Uint8Array;
}
export const CKPT: Codec<CkptRequest> = codec('CKPT', [
  ['epoch', 'u32'],
  ['index', 'u8'],
  ['n', 'u8'],
  { skip: 2 },
  ['checkpoints', 'rest'],
]);

export interface CkptAnswer {
  readonly epoch: number;
  readonly received: number;
}
export const CKPT_ANSWER: Codec<CkptAnswer> = codec('answer to CKPT', [
  ['epoch', 'u32'],
  ['received', 'u16'],
  { skip: 2 },
]);

export const JOB_FLAGS = { REPLACE: 1, UPDATE: 2, HEADER_HASH: 4 } as const;
export interface JobRequest {
  readonly epoch: number;
  readonly jobId: number;
  readonly flags: number;
  readonly nonceOffset: number;
  readonly preimageLength: number;
  readonly count: number;
  readonly nonceStart: bigint;
  readonly target: Uint8Array;
  readonly preimage: Uint8Array;
}
export const JOB: Codec<JobRequest> = codec('JOB', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['flags', 'u8'],
  { skip: 1 },
  ['nonceOffset', 'u16'],
  ['preimageLength', 'u16'],
  ['count', 'u32'],
  ['nonceStart', 'u64'],
  ['target', 32],
  ['preimage', 'rest'],
]);

export interface JobAnswer {
  readonly epoch: number;
  readonly jobId: number;
  readonly ahead: number;
}
export const JOB_ANSWER: Codec<JobAnswer> = codec('answer to JOB', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['ahead', 'u8'],
  { skip: 1 },
]);

export interface RowsRequest {
  readonly epoch: number;
  readonly jobId: number;
  readonly row0: number;
  readonly n: number;
  readonly headerHash: Uint8Array;
}
export const ROWS: Codec<RowsRequest> = codec('ROWS', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['row0', 'u8'],
  ['n', 'u8'],
  ['headerHash', 32],
]);

export interface RowsAnswer {
  readonly epoch: number;
  readonly jobId: number;
}
export const ROWS_ANSWER: Codec<RowsAnswer> = codec('answer to ROWS', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  { skip: 2 },
]);

export interface AbortRequest {
  readonly jobId: number;
}
export const ABORT: Codec<AbortRequest> = codec('ABORT', [['jobId', 'u16'], { skip: 2 }]);

export interface AbortAnswer {
  readonly jobId: number;
  readonly count: number;
}
export const ABORT_ANSWER: Codec<AbortAnswer> = codec('answer to ABORT', [
  ['jobId', 'u16'],
  ['count', 'u8'],
  { skip: 1 },
]);

export const STATES = {
  IDLE: 0,
  DERIVING: 1,
  HASHING: 2,
  ROWS: 3,
  HOT: 4,
  FAULT: 5,
  WAITING_FOR_CHECKPOINTS: 6,
} as const;
export type StateName = keyof typeof STATES;

export interface StatusAnswer {
  readonly state: number;
  readonly duty: number;
  /** 0.1 °C, or `NO_TEMPERATURE`. */
  readonly temperature: number;
  readonly clockKhz: number;
  readonly uptimeS: number;
  readonly hashes: number;
  readonly crcErrors: number;
  readonly otherErrors: number;
  readonly restarts: number;
  readonly epoch: number;
  readonly jobId: number;
  readonly shares: number;
  readonly nextNonce: bigint;
  readonly product: number;
  readonly waiting: number;
}
export const STATUS_ANSWER: Codec<StatusAnswer> = codec('answer to STATUS', [
  ['state', 'u8'],
  ['duty', 'u8'],
  ['temperature', 'i16'],
  ['clockKhz', 'u32'],
  ['uptimeS', 'u32'],
  ['hashes', 'u32'],
  ['crcErrors', 'u32'],
  ['otherErrors', 'u32'],
  ['restarts', 'u32'],
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['shares', 'u16'],
  ['nextNonce', 'u64'],
  ['product', 'u16'],
  ['waiting', 'u8'],
  { skip: 1 },
]);

export const SET_MASK = { DUTY: 1, LIMITS: 2, IDENTIFY: 4 } as const;
export interface Settings {
  readonly mask: number;
  readonly duty: number;
  readonly identify: number;
  /** 0.1 °C */
  readonly soft: number;
  readonly hard: number;
}
/** Request and answer alike. */
export const SET: Codec<Settings> = codec('SET', [
  ['mask', 'u8'],
  ['duty', 'u8'],
  ['identify', 'u8'],
  { skip: 1 },
  ['soft', 'i16'],
  ['hard', 'i16'],
]);

export interface BaudRequest {
  readonly rate: number;
  readonly fallbackMs: number;
}
export const BAUD: Codec<BaudRequest> = codec('BAUD', [
  ['rate', 'u32'],
  ['fallbackMs', 'u16'],
  { skip: 2 },
]);

export interface BaudAnswer {
  readonly rate: number;
}
export const BAUD_ANSWER: Codec<BaudAnswer> = codec('answer to BAUD', [
  ['rate', 'u32'],
  { skip: 4 },
]);

export const SELFTESTS = { GOLDEN_ROW: 0, DOT: 1, FINISH: 2, HEADER: 3 } as const;
export interface SelftestMessage {
  readonly kind: number;
  readonly data: Uint8Array;
}
/** Request and answer alike; what `data` holds depends on the kind. */
export const SELFTEST: Codec<SelftestMessage> = codec('SELFTEST', [
  ['kind', 'u8'],
  { skip: 3 },
  ['data', 'rest'],
]);

export const REBOOT_TARGETS = { APPLICATION: 0, BOOT_LOADER: 1 } as const;
export interface RebootMessage {
  readonly target: number;
}
export const REBOOT: Codec<RebootMessage> = codec('REBOOT', [['target', 'u8'], { skip: 3 }]);

export interface NakMessage {
  readonly seq: number;
  readonly nak: number;
  readonly type: number;
  readonly info: number;
}
export const NAK_MESSAGE: Codec<NakMessage> = codec('NAK', [
  ['seq', 'u16'],
  ['nak', 'u8'],
  ['type', 'u8'],
  ['info', 'u32'],
]);
