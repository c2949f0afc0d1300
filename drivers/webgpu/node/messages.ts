/**
 * What the miner and a GPU process say to each other, by Node's IPC with structured clones. Matrix
 * tables go another way: 16 MiB are four times as fast as raw bytes in a pipe (`TABLE_FD`) of their own.
 */
import type { HasherErrorDetail } from '../../../src/tensority/hasher.ts';
import { HasherError } from '../../../src/tensority/hasher.ts';
import { errorText } from '../../../src/util/errors.ts';
import {
  type DeviceInfo,
  DriverError,
  type DriverErrorDetail,
  type NonceRange,
  type SearchResult,
  type Telemetry,
  type Work,
} from '../../driver.ts';
import type { KernelChoice, KernelReport } from '../engine/open-gpu.ts';

/** The child's file descriptor that the bytes of matrix tables come in by, in the order of the calls. */
export const TABLE_FD = 4;

/** How often a process with something to do says that it lives. */
export const BEAT_MS = 100;

/** What leads to one adapter of this machine. */
export interface AdapterTarget {
  /** Dawn's name of the interface: 'vulkan', 'metal', 'd3d12'. */
  readonly backend: string;
  /** The adapter's full name there. */
  readonly name: string;
}

/** What an adapter says of itself. */
export interface AdapterFacts extends AdapterTarget {
  readonly vendor: string;
  readonly architecture: string;
  /** Holds the version of the driver. */
  readonly description: string;
  readonly isSoftware: boolean;
  readonly workgroupBytes: number;
  readonly bindingBytes: number;
  readonly hasSubgroupMatrices: boolean;
}

export type ToChild =
  | { readonly kind: 'list'; readonly backends: readonly string[] }
  | OpenMessage
  | LoadSeedMessage
  | HashMessage
  | SearchMessage
  | { readonly kind: 'peak'; readonly call: number }
  | { readonly kind: 'abort'; readonly call: number }
  | { readonly kind: 'close' };

export interface OpenMessage {
  readonly kind: 'open';
  readonly target: AdapterTarget;
  readonly info: Pick<DeviceInfo, 'id' | 'name' | 'processor' | 'pciBus' | 'details'>;
  readonly batchMs: number;
  readonly intensity: number | undefined;
  readonly kernel: string | undefined;
  readonly remembered: KernelChoice | undefined;
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

export type ToParent =
  | PackageMessage
  | { readonly kind: 'adapters'; readonly targets: readonly AdapterTarget[] }
  | { readonly kind: 'adapter'; readonly facts: AdapterFacts }
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

/** Whether the npm package is there, which is the first thing that can be missing. */
export interface PackageMessage {
  readonly kind: 'package';
  /** Why it does not load, as Node says it. */
  readonly problem?: string;
  readonly isMissing?: boolean;
}

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
      // A driver rejects with errors of ours: this is a defect of the engine, and ends the device.
      return new DriverError({ code: 'lost', reason: failure.message });
  }
}
