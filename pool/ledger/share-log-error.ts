/** What keeps the pool from writing down or reading its records: one line each, for who runs it. */
import { CodedError, clip } from '../../src/util/errors.ts';

export type ShareLogErrorDetail =
  | { readonly code: 'not-kept'; readonly reason: string }
  | { readonly code: 'locked'; readonly directory: string; readonly pid: number | undefined }
  | {
      readonly code: 'damaged';
      readonly file: string;
      readonly offset: number;
      readonly problem: string;
    }
  | {
      readonly code: 'other-log';
      readonly file: string;
      readonly expected: string;
      readonly got: string;
    }
  | { readonly code: 'io'; readonly directory: string; readonly problem: string };

/**
 * - `not-kept`: what was to be written is not known to be on disk, and must not be acknowledged. (A
 *   crash right then may leave it in the log all the same.)
 * - `locked`: another process writes to this directory.
 * - `damaged`: what was once written is not as it was; `offset` in bytes from the start of `file`.
 * - `other-log`: a file of another kind of log, network or version of the format.
 * - `io`: anything else that the operating system refused.
 */
export class ShareLogError extends CodedError<ShareLogErrorDetail> {
  constructor(detail: ShareLogErrorDetail, options?: ErrorOptions) {
    super(message(detail), detail, options);
  }
}

function message(detail: ShareLogErrorDetail): string {
  switch (detail.code) {
    case 'not-kept':
      return `not written down: ${clip(detail.reason, 200)}`;
    case 'locked': {
      const who = detail.pid === undefined ? 'another process' : `process ${detail.pid}`;
      return `${detail.directory}: in use by ${who}; stop it or choose another data directory`;
    }
    case 'damaged':
      return `${detail.file}: damaged at byte ${detail.offset}: ${clip(detail.problem, 200)}; check the disk, and restore the file or move it and those after it away`;
    case 'other-log':
      return `${detail.file}: expected ${detail.expected}, got ${clip(detail.got, 120)}`;
    case 'io':
      return `${detail.directory}: ${clip(detail.problem, 200)}`;
  }
}
