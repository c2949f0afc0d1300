/**
 * What keeps the chain's data from being used: the disk, another process, or what is stored. The
 * messages are one line each, for the person who runs the program.
 */
import { CodedError, clip } from '../util/errors.ts';

export type StoreErrorDetail = { readonly directory: string } & (
  | { readonly code: 'locked'; readonly pid: number | undefined }
  | { readonly code: 'no-space' }
  | { readonly code: 'io'; readonly problem: string }
  | { readonly code: 'empty' }
  | {
      readonly code: 'other-network';
      readonly expected: NetworkIdentity;
      readonly got: NetworkIdentity;
    }
  | { readonly code: 'newer-schema'; readonly found: number; readonly supported: number }
  | {
      readonly code: 'unknown-schema';
      readonly found: number;
      readonly supported: number;
      readonly reason: 'no-upgrade' | 'read-only';
    }
  | { readonly code: 'damaged'; readonly key: string; readonly problem: string }
);

/**
 * - `locked`: another process has the data directory.
 * - `no-space`: a disk, quota or size limit is full; what was written before is still there.
 * - `io`: anything else that the operating system or the database refused.
 * - `empty`: opened for reading only, and there is no chain yet.
 * - `other-network`: the data belong to the chain of another network.
 * - `newer-schema`: written by a newer version of this program.
 * - `unknown-schema`: written by an older one, and there is no upgrade or none for a reader.
 * - `damaged`: a value is not what was written; `key` as people read it: `block 15073fdc…`.
 */
export class StoreError extends CodedError<StoreErrorDetail> {
  constructor(detail: StoreErrorDetail, options?: ErrorOptions) {
    super(`${detail.directory}: ${storeMessage(detail)}`, detail, options);
  }
}

export interface NetworkIdentity {
  readonly name: string;
  /** As hex. */
  readonly genesisHash: string;
}

function storeMessage(detail: StoreErrorDetail): string {
  switch (detail.code) {
    case 'locked': {
      const who = detail.pid === undefined ? 'another process' : `process ${detail.pid}`;
      return `in use by ${who}; stop it or choose another data directory`;
    }
    case 'no-space':
      return 'no space left (disk, quota or file size limit); free some and start again, what was written before is still there';
    case 'io':
      return clip(detail.problem, 200);
    case 'empty':
      return 'no chain in this data directory yet';
    case 'other-network':
      return `holds the chain of ${networkText(detail.got)}, not of ${networkText(detail.expected)}; choose that network or another data directory`;
    case 'newer-schema':
      return `written with schema ${detail.found}, this program knows up to ${detail.supported}; use the newer version that wrote it, or import into a new directory`;
    case 'unknown-schema': {
      const found = `written with schema ${detail.found}, this program needs ${detail.supported}`;
      return detail.reason === 'read-only'
        ? `${found}; start the node once, it upgrades the data`
        : `${found} and has no upgrade for it; import into a new directory`;
    }
    case 'damaged':
      return `damaged at ${detail.key} (${clip(detail.problem, 120)}); check the disk, then import into a new directory`;
  }
}

function networkText(network: NetworkIdentity): string {
  return `${clip(network.name, 20)} (genesis ${network.genesisHash})`;
}
