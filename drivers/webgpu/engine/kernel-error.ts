import { CodedError } from '../../../src/util/errors.ts';

export type KernelErrorDetail =
  | { readonly code: 'failed'; readonly reason: string }
  | { readonly code: 'wrong'; readonly expected: string; readonly actual: string };

/** A kernel that will not do on this device; another may. */
export class KernelError extends CodedError<KernelErrorDetail> {
  constructor(detail: KernelErrorDetail, options?: ErrorOptions) {
    super(kernelErrorText(detail), detail, options);
  }
}

function kernelErrorText(detail: KernelErrorDetail): string {
  return detail.code === 'failed'
    ? detail.reason
    : `expected ${detail.expected}, got ${detail.actual}`;
}
