/** Where a branch comes from: one peer, which gives its headers in order, with their blocks or without. */
import {
  BLOCK_FLAG,
  type BlockHeader,
  decodeHeader,
  HEADER_FLAG,
  headerHash,
} from '../../chain/header.ts';
import type { HashedHeader } from '../../consensus/branch.ts';
import { errorText, InputError } from '../../util/errors.ts';
import { PeerRequestError, type SyncPeer } from '../peers/sync-peer.ts';
import { SourceError } from './source-error.ts';

/** A header as it came: nothing about it has been checked but its link to the one before. */
export interface SourcedHeader extends HashedHeader {
  /** The block's wire form, if it came with it. */
  readonly body?: Uint8Array;
}

export interface HeaderSource {
  readonly peer: SyncPeer;
  /** True if the blocks come with their headers, and take memory as long as they wait. */
  readonly withBodies: boolean;
  /**
   * The next headers of the peer's branch, the lowest first: the first of all has a parent that is
   * stored, every other the one before it. None if there are no more. Rejects `SourceError`, or the
   * signal's reason.
   */
  next(signal: AbortSignal): Promise<readonly SourcedHeader[]>;
}

/**
 * The header that all of `bytes`, or of a block the start, is; it keeps nothing of them alive. Throws
 * `InputError`.
 */
export function readHeader(bytes: Uint8Array, kind: 'header' | 'block'): HashedHeader {
  const { flag, bytesRead } = decodeHeader(bytes, kind);
  const wanted = kind === 'header' ? HEADER_FLAG : BLOCK_FLAG;
  if (flag !== wanted) throw new InputError(`${kind}.flag`, `${wanted}`, `${flag}`);
  if (kind === 'header' && bytesRead !== bytes.length) {
    throw new InputError(kind, `${bytesRead} bytes`, `${bytes.length}`);
  }
  const header: BlockHeader = decodeHeader(bytes.slice(0, bytesRead), kind).header;
  return { header, hash: headerHash(header) };
}

/** The same, with a `SourceError` for what is no header. */
export function readSourced(bytes: Uint8Array, kind: 'header' | 'block'): HashedHeader {
  try {
    return readHeader(bytes, kind);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new SourceError('illegal', error.message, { cause: error });
  }
}

/** What a peer's request comes to, its failure as a `SourceError`. */
export async function asked<T>(request: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (signal.aborted || !(error instanceof PeerRequestError)) throw error;
    throw new SourceError(codeOf(error), errorText(error), { cause: error });
  }
}

function codeOf({ detail }: PeerRequestError): 'silent' | 'gone' | 'busy' {
  switch (detail.code) {
    case 'timeout':
      return 'silent';
    case 'closed':
      return 'gone';
    case 'busy':
      return 'busy';
  }
}
