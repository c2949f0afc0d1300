/** A job that a simulated board has taken, and how far it is. */
import { concatBytes, writeU64 } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { bytesToU256 } from '../../src/util/u256.ts';
import { JOB_FLAGS, type JobRequest } from '../messages.ts';

export class SimulatedJob {
  readonly request: JobRequest;
  readonly target: bigint;
  /** Ends the hash under way. */
  readonly stop: AbortController = new AbortController();
  shares = 0;
  hashes = 0;
  /** The nonce that is hashed. */
  next: bigint;
  /** Of the last nonce; zeros at first. */
  digest: Uint8Array = new Uint8Array(32);
  /** When PROGRESS was sent. */
  lastProgress: number = Number.NEGATIVE_INFINITY;

  constructor(request: JobRequest) {
    this.request = request;
    this.target = bytesToU256(request.target);
    this.next = request.nonceStart;
  }
}

const ENTRY_PREFIX: Uint8Array = new TextEncoder().encode('entryid:blockheader:');

/** The header hash of a nonce: Bytom's hash of a block. */
export function headerHashOf(request: JobRequest, nonce: bigint): Uint8Array {
  if ((request.flags & JOB_FLAGS.HEADER_HASH) !== 0) return request.preimage;
  const preimage = request.preimage.slice();
  writeU64(preimage, request.nonceOffset, nonce);
  return sha3(concatBytes(ENTRY_PREFIX, sha3(preimage)));
}
