/** Work as nodes give it, told apart: whether it is news, and whether what was found on it came too late. */
import { bytesEqual } from '../util/bytes.ts';
import type { WorkTemplate } from './node-client.ts';

/** Bytom nodes have one error code for everything; this text is what marks a stale submission. */
const STALE_TEXT = 'pending mining block has been changed';

/** True for the words of a node whose best block is another one than the work continues. */
export function isStaleText(text: string): boolean {
  return text.includes(STALE_TEXT);
}

/**
 * True if miners need not hear of `now`: nothing but less than `refreshMs` has passed since `before`.
 * Either way, since a clock that was set back makes the old timestamp one from the future.
 */
export function isSameWork(before: WorkTemplate, now: WorkTemplate, refreshMs: number): boolean {
  const a = before.header;
  const b = now.header;
  return (
    a.version === b.version &&
    a.height === b.height &&
    a.bits === b.bits &&
    bytesEqual(a.previousBlockHash, b.previousBlockHash) &&
    bytesEqual(a.transactionsMerkleRoot, b.transactionsMerkleRoot) &&
    bytesEqual(a.transactionStatusHash, b.transactionStatusHash) &&
    bytesEqual(before.seed, now.seed) &&
    Math.abs(b.timestamp - a.timestamp) * 1000 < refreshMs
  );
}
