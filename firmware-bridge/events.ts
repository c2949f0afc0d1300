/** The events of TSP/1, which a board sends unasked, as typed values for both ends. */
import { type Codec, codec } from './codec.ts';
import { LinkError } from './errors.ts';
import { ROW_BYTES } from './messages.ts';

export const EVENTS = {
  SHARE: 0xc0,
  ROWDATA: 0xc1,
  PROGRESS: 0xc2,
  DONE: 0xc3,
  FAULT: 0xc4,
  SEED_READY: 0xc5,
} as const;
export type EventName = keyof typeof EVENTS;
export const FIRST_EVENT = 0xc0;

export interface ShareEvent {
  readonly epoch: number;
  readonly jobId: number;
  readonly index: number;
  readonly nonce: bigint;
  readonly digest: Uint8Array;
}
export const SHARE: Codec<ShareEvent> = codec('SHARE', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['index', 'u16'],
  ['nonce', 'u64'],
  ['digest', 32],
]);

export interface RowdataEvent {
  readonly epoch: number;
  readonly jobId: number;
  readonly row0: number;
  readonly n: number;
  readonly rows: Uint8Array;
}
export const ROWDATA: Codec<RowdataEvent> = codec('ROWDATA', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['row0', 'u8'],
  ['n', 'u8'],
  ['rows', 'rest'],
]);

export const DONE_REASONS = {
  COMPLETE: 0,
  ABORTED: 1,
  REPLACED: 2,
  SEED: 3,
  HOT: 4,
  FAULT: 5,
  /** Not done: PROGRESS. */
  RUNNING: 0xff,
} as const;
export interface ProgressEvent {
  readonly epoch: number;
  readonly jobId: number;
  readonly shares: number;
  readonly nextNonce: bigint;
  readonly hashes: number;
  readonly reason: number;
  readonly digest: Uint8Array;
}
/** PROGRESS and DONE. */
export const PROGRESS: Codec<ProgressEvent> = codec('PROGRESS', [
  ['epoch', 'u32'],
  ['jobId', 'u16'],
  ['shares', 'u16'],
  ['nextNonce', 'u64'],
  ['hashes', 'u32'],
  ['reason', 'u8'],
  { skip: 3 },
  ['digest', 32],
]);

export const FAULTS = { STARTED: 1, HOT: 2, CHECKPOINTS: 3 } as const;
export interface FaultEvent {
  readonly fault: number;
  readonly temperature: number;
  readonly info: number;
}
export const FAULT: Codec<FaultEvent> = codec('FAULT', [
  ['fault', 'u8'],
  { skip: 1 },
  ['temperature', 'i16'],
  ['info', 'u32'],
]);

export interface SeedReadyEvent {
  readonly epoch: number;
  readonly crc: number;
  readonly ms: number;
}
export const SEED_READY: Codec<SeedReadyEvent> = codec('SEED_READY', [
  ['epoch', 'u32'],
  ['crc', 'u32'],
  ['ms', 'u32'],
]);

/** An event as the host's listeners get it. */
export type BoardEvent =
  | ({ readonly event: 'SHARE' } & ShareEvent)
  | ({ readonly event: 'ROWDATA' } & RowdataEvent)
  | ({ readonly event: 'PROGRESS' } & ProgressEvent)
  | ({ readonly event: 'DONE' } & ProgressEvent)
  | ({ readonly event: 'FAULT' } & FaultEvent)
  | ({ readonly event: 'SEED_READY' } & SeedReadyEvent);

/** Undefined for a type that this version does not know. Throws `LinkError` `malformed`. */
export function decodeEvent(type: number, payload: Uint8Array): BoardEvent | undefined {
  switch (type) {
    case EVENTS.SHARE:
      return { event: 'SHARE', ...SHARE.decode(payload) };
    case EVENTS.ROWDATA:
      return { event: 'ROWDATA', ...decodeRows(payload) };
    case EVENTS.PROGRESS:
      return { event: 'PROGRESS', ...PROGRESS.decode(payload) };
    case EVENTS.DONE:
      return { event: 'DONE', ...PROGRESS.decode(payload) };
    case EVENTS.FAULT:
      return { event: 'FAULT', ...FAULT.decode(payload) };
    case EVENTS.SEED_READY:
      return { event: 'SEED_READY', ...SEED_READY.decode(payload) };
    default:
      return undefined;
  }
}

function decodeRows(payload: Uint8Array): RowdataEvent {
  const event = ROWDATA.decode(payload);
  const expected = event.n * ROW_BYTES;
  if (event.rows.length < expected) {
    const why = `expected ${expected} bytes of rows, got ${event.rows.length}`;
    throw new LinkError({ code: 'malformed', message: 'ROWDATA', why });
  }
  return { ...event, rows: event.rows.subarray(0, expected) };
}
