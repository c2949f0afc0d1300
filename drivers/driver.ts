/**
 * The driver seam. A driver makes one runtime (WASM on the CPU, WebGPU, ONNX Runtime, a serial
 * board) available as devices; a device is a `BatchHasher` that can also search nonces.
 *
 * The cut is *a batch of header hashes under a seed*, not a matrix product: each runtime keeps its
 * own fastest shape inside. All arguments are plain bytes and numbers, so a driver can move into
 * its own process without changing callers. How to add one: README.md in this folder.
 */
import type { BatchHasher, HasherErrorDetail, Seed } from '../src/tensority/hasher.ts';
import type { Target } from '../src/tensority/target.ts';
import { CodedError } from '../src/util/errors.ts';

export type DriverKind = 'cpu' | 'webgpu' | 'onnx' | 'gpujs' | 'serial' | 'mock';

/** One runtime. Importing its file is cheap; a native package loads on first call. */
export interface Driver {
  readonly kind: DriverKind;
  /**
   * Lists devices without claiming any. Never rejects: a missing package or permission comes back as
   * `unavailable`. `selection` is what the user asked for, where something was: devices that cannot be
   * found by looking, such as a board behind a socket, are listed because it names them.
   */
  enumerate(selection?: string): Promise<Enumeration>;
  /** Claims one device. Rejects `not-found` | `busy` | `unsupported` (naming what is missing). */
  open(id: string, options: OpenOptions): Promise<Device>;
  /**
   * Resolves as soon as a device that is gone can be opened again, and when `signal` aborts; never
   * rejects. For hardware that people plug in: whoever waits for it need not try.
   */
  returns?(id: string, signal: AbortSignal): Promise<void>;
}

export interface Enumeration {
  readonly devices: readonly DeviceInfo[];
  /** Why this runtime offers nothing, or less than it could, in one line. */
  readonly unavailable?: string;
}

export interface OpenOptions {
  /** Longest batch in ms: bounds how late an abort takes effect. */
  readonly batchMs: number;
  /** Runtime-specific settings, as `--intensity` and its like give them; 1 … 100 % of the device. */
  readonly intensity?: number;
  readonly signal?: AbortSignal;
}

/** What is known of a device before and after it is opened. */
export interface DeviceInfo {
  /** Stable across runs; what `--device` takes: 'cpu', 'gpu0', 'onnx0', 'serial:/dev/ttyACM0'. */
  readonly id: string;
  readonly name: string;
  /** Matrix tables it can keep resident. */
  readonly tableSlots: number;
  /** True if the device counts nonces itself; otherwise `search` is built on `hash`. */
  readonly rollsNonce: boolean;
  /** The kernel that runs, once the device is open ('vnni-ymm', 'dp4a'). */
  readonly kernel?: string;
  /** Operating-system threads that compute, where the device is made of them. */
  readonly threads?: number;
  /**
   * Physical processor behind it: `all` opens one device for each. Absent where the runtime does not
   * tell: `all` leaves such a device out, since another driver may have the same chip.
   */
  readonly processor?: string;
  /** Nobody wants it who can have another: it is taken by its full name alone. */
  readonly isLastResort?: true;
  readonly pciBus?: string;
  /** What else people want to know of it, in short lines. */
  readonly details?: readonly string[];
}

export interface Device extends BatchHasher {
  readonly info: DeviceInfo;
  /** Resolves once, when the device is gone; `undefined` if we closed it. Never rejects. */
  readonly lost: Promise<DriverError | undefined>;
  /**
   * Tries nonces start … start+count−1 of `work`, whose seed must be loaded. Aborting resolves
   * early with what was scanned, so hashes are never uncounted. Rejects only if the device failed.
   * `onFound` hears of a nonce as soon as the device knows it, so that a share need not wait for
   * the end of the range; a device may leave it uncalled, and `nonces` of the result is always complete.
   */
  search(
    work: Work,
    range: NonceRange,
    signal: AbortSignal,
    onFound?: (nonce: bigint) => void,
  ): Promise<SearchResult>;
  /** A snapshot; cheap; never touches the device. */
  telemetry(): Telemetry;
  /**
   * Rows `row0` … `row0 + n − 1` (n × 256 bytes) of the four slices' last matrices, added up byte by
   * byte, as `summedRows` has them. A device that takes seconds for a hash has this, and is tested by
   * it. Rejects as `hash` does.
   */
  rows?(
    seed: Seed,
    headerHash: Uint8Array,
    row0: number,
    n: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** Hears what people should know while the device works, in a line each: too hot, started anew. */
  onNotice?(listener: (text: string) => void): void;
  /**
   * Hashes per second that the kernel's multiply-accumulate instructions alone would allow, measured
   * now on registers. For benchmarks: takes a second or so, and the device does nothing else.
   */
  measurePeak?(): Promise<number>;
}

/** `generation` grows with every clean job; a result from an older generation is stale and is dropped. */
export interface Work {
  readonly jobId: string;
  readonly generation: number;
  /** 136 bytes; the device writes the nonce, u64 little-endian, at offset 128. */
  readonly preimage: Uint8Array;
  readonly seed: Seed;
  readonly target: Target;
}

export interface NonceRange {
  /** u64 */
  readonly start: bigint;
  readonly count: number;
}

export interface SearchResult {
  /** Nonces tried, from the range's start without a gap. */
  readonly scanned: number;
  readonly nonces: readonly bigint[];
  readonly aborted: boolean;
}

/** Totals since open. */
export interface Telemetry {
  readonly hashes: number;
  readonly busyMs: number;
  readonly found: number;
  /** Found nonces whose hash another path computed differently. */
  readonly mismatches: number;
  /**
   * Ms since the device was last seen to go on, where it can tell that between two hashes: one that takes
   * minutes for a hash, or waits until it is cool, is not hung. What the device cannot get over by
   * itself it may not count as going on.
   */
  readonly silentMs?: number;
  readonly temperatureC?: number;
  readonly powerW?: number;
  readonly fanPercent?: number;
  readonly coreMhz?: number;
  readonly memoryMhz?: number;
}

export type DriverErrorDetail =
  | {
      readonly code: 'not-found';
      readonly id: string;
      readonly available?: readonly string[];
      /** The selection names devices that exist and excludes them all. */
      readonly allExcluded?: true;
      /** Why a runtime that could have such a device has none. */
      readonly reason?: string;
    }
  | { readonly code: 'busy'; readonly id: string }
  | { readonly code: 'unsupported'; readonly missing: string }
  | { readonly code: 'self-test'; readonly expected: string; readonly actual: string }
  | { readonly code: 'timeout'; readonly afterMs: number }
  | HasherErrorDetail;

/** The world's mistake, not the caller's: a device that is missing, busy, wrong or gone. */
export class DriverError extends CodedError<DriverErrorDetail> {
  constructor(detail: DriverErrorDetail, options?: ErrorOptions) {
    super(driverErrorText(detail), detail, options);
  }
}

function driverErrorText(detail: DriverErrorDetail): string {
  switch (detail.code) {
    case 'not-found':
      return (
        (detail.allExcluded === true
          ? `no device is left of ${detail.id}${availableText(detail.available)}`
          : `no such device: ${detail.id}${availableText(detail.available)}`) +
        (detail.reason === undefined ? '' : `: ${detail.reason}`)
      );
    case 'busy':
      return `device ${detail.id} is in use`;
    case 'unsupported':
      return `device not supported: ${detail.missing}`;
    case 'seed-not-loaded':
      return `seed ${detail.seed} is not loaded`;
    case 'self-test':
      return `self-test failed: expected ${detail.expected}, got ${detail.actual}`;
    case 'timeout':
      return `no answer for ${detail.afterMs} ms`;
    case 'lost':
      return `device lost: ${detail.reason}`;
  }
}

function availableText(available: readonly string[] | undefined): string {
  if (available === undefined) return '';
  return available.length === 0 ? ' (there are none)' : ` (there are: ${available.join(', ')})`;
}
