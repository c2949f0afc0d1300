/**
 * What the miner and the process of a device say to each other, by Node's IPC with structured clones.
 * Matrix tables go another way: 16 MiB are four times as fast as raw bytes in a pipe (`TABLE_FD`) of
 * their own.
 */
import type { HasherErrorDetail } from '../../src/tensority/hasher.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { errorText } from '../../src/util/errors.ts';
import {
  type DeviceInfo,
  DriverError,
  type DriverErrorDetail,
  type NonceRange,
  type SearchResult,
  type Telemetry,
  type Work,
} from '../driver.ts';
import type { KernelChoice, KernelReport } from '../kernel-choice.ts';

/** The child's file descriptor that the bytes of matrix tables come in by, in the order of the calls. */
export const TABLE_FD = 4;

/** How often a process with something to do says that it lives. */
export const BEAT_MS = 100;

export type ToChild<Question = unknown, Target = unknown> =
  | { readonly kind: 'list'; readonly question: Question }
  | OpenMessage<Target>
  | LoadSeedMessage
  | HashMessage
  | SearchMessage
  | { readonly kind: 'peak'; readonly call: number }
  | { readonly kind: 'abort'; readonly call: number }
  | { readonly kind: 'close' };

export interface OpenMessage<Target = unknown> {
  readonly kind: 'open';
  readonly request: OpenRequest<Target>;
}

/** The wish for an open device. */
export interface OpenRequest<Target> {
  /** What leads to the device, as its driver puts it; can be structurally cloned. */
  readonly target: Target;
  /** As it was listed. */
  readonly info: DeviceInfo;
  readonly batchMs: number;
  readonly intensity: number | undefined;
  /** Only this kernel; `unsupported` if it does not run here. */
  readonly kernel: string | undefined;
  /** Tested, but not timed again. If it fails its test, everything is tried. */
  readonly remembered: KernelChoice | undefined;
  /** Kernels that are not tried: those that took the process down before. */
  readonly avoid: readonly string[];
}

/** Its table's bytes follow in the pipe. */
export interface LoadSeedMessage {
  readonly kind: 'load-seed';
  readonly call: number;
  readonly seed: Uint8Array;
}

export interface HashMessage {
  readonly kind: 'hash';
  readonly call: number;
  readonly seed: Uint8Array;
  readonly headerHashes: Uint8Array;
}

export interface SearchMessage {
  readonly kind: 'search';
  readonly call: number;
  readonly work: Work;
  readonly range: NonceRange;
  /** Its signal had aborted before it was sent. */
  readonly isAborted: boolean;
}

export type ToParent<News = unknown> =
  | { readonly kind: 'news'; readonly news: News }
  | { readonly kind: 'listed' }
  | { readonly kind: 'try'; readonly kernel: string }
  | { readonly kind: 'report'; readonly report: KernelReport }
  | OpenedMessage
  | { readonly kind: 'not-opened'; readonly failure: Failure }
  | { readonly kind: 'found'; readonly call: number; readonly nonce: bigint }
  | DoneMessage
  | {
      readonly kind: 'failed';
      readonly call: number;
      readonly failure: Failure;
      readonly telemetry: Telemetry;
    }
  | { readonly kind: 'beat'; readonly telemetry: Telemetry | undefined }
  | { readonly kind: 'lost'; readonly reason: string };

export interface OpenedMessage {
  readonly kind: 'opened';
  readonly info: DeviceInfo;
  readonly maxBatch: number;
  readonly canMeasurePeak: boolean;
  readonly choice: KernelChoice;
}

export interface DoneMessage {
  readonly kind: 'done';
  readonly call: number;
  readonly result: CallResult;
  readonly telemetry: Telemetry;
}

/** Nothing for a loaded seed, hashes, a finished search, hashes a second at the peak. */
export type CallResult = undefined | Uint8Array | SearchResult | number;

/** An error on its way from one process to the other. */
export type Failure =
  | { readonly type: 'driver'; readonly detail: DriverErrorDetail }
  | { readonly type: 'hasher'; readonly detail: HasherErrorDetail }
  | { readonly type: 'range'; readonly message: string }
  /** The call ended with the reason of its signal, which stays where the signal is. */
  | { readonly type: 'aborted' }
  | { readonly type: 'other'; readonly message: string };

export function failureOf(error: unknown, signal?: AbortSignal): Failure {
  if (signal?.aborted === true && error === signal.reason) return { type: 'aborted' };
  if (error instanceof DriverError) return { type: 'driver', detail: error.detail };
  if (error instanceof HasherError) return { type: 'hasher', detail: error.detail };
  if (error instanceof RangeError) return { type: 'range', message: error.message };
  return { type: 'other', message: errorText(error) };
}

/** The error again; `reason` is that of the call's signal. */
export function errorOfFailure(failure: Failure, reason?: unknown): unknown {
  switch (failure.type) {
    case 'driver':
      return new DriverError(failure.detail);
    case 'hasher':
      return new HasherError(failure.detail);
    case 'range':
      return new RangeError(failure.message);
    case 'aborted':
      return reason;
    case 'other':
      // A driver rejects with errors of ours: this is a defect of the driver, and ends the device.
      return new DriverError({ code: 'lost', reason: failure.message });
  }
}
