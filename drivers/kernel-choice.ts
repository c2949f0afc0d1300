/**
 * How a device comes by its kernel, for every driver that has several: each one that could run is
 * tested and timed when the device is opened, and the fastest that is right wins.
 */

/** The kernel that won. */
export interface KernelChoice {
  readonly kernel: string;
  /** In large batches. */
  readonly msPerHash: number;
}

/** What came of trying one kernel. */
export interface KernelReport {
  readonly kernel: string;
  /**
   * `timed`: right and timed; `wrong`: a hash was wrong; `unsupported`: cannot run here; `failed`: did
   * not compile or run; `skipped`: not tried, as there are better ones.
   */
  readonly outcome: 'timed' | 'wrong' | 'unsupported' | 'failed' | 'skipped';
  readonly msPerHash?: number;
  readonly reason?: string;
}

/** What happens on the way to a kernel, for whoever waits. */
export type TuningEvent =
  /** Nothing is known of this device: its kernels are tried, which may take seconds. */
  | { readonly kind: 'begun'; readonly id: string; readonly name: string }
  | { readonly kind: 'report'; readonly id: string; readonly report: KernelReport }
  | {
      readonly kind: 'crashed';
      readonly id: string;
      readonly kernel: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'chosen';
      readonly id: string;
      readonly kernel: string;
      readonly msPerHash: number;
    }
  | { readonly kind: 'not-remembered'; readonly id: string; readonly reason: string };
