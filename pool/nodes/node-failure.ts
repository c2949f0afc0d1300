/**
 * What failures of a node's HTTP calls mean to the pool. Bytom nodes have one error code for nearly
 * everything, so the reference's texts decide; our own node uses the same ones.
 */
import { isMissingCall, NodeCallError } from '../../src/node-api/node-client.ts';
import { isStaleText } from '../../src/node-api/work.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import { NodeAccessError } from '../chain-access.ts';

/** What nodes say of a block that they have looked at: nothing else is said of it for good. */
const VERDICT = /: invalid block$|^can't submit empty block$/;
const ORPHAN = /^(submit result is orphan|block submitted is orphan)$/;
const UNKNOWN_BLOCK = /^(There are no block with given hash|can't find block in given height)/;

/** True for a node that has kept the block, and waits for its parent. */
export function isOrphanFailure(error: unknown): boolean {
  return refusalOf(error)?.match(ORPHAN) != null;
}

/** True for a node that has no such block. */
export function isUnknownBlock(error: unknown): boolean {
  return refusalOf(error)?.match(UNKNOWN_BLOCK) != null;
}

/** True for a node that ran the call and said no. */
export function isRefusal(error: unknown): boolean {
  return refusalOf(error) !== undefined;
}

/** Any failure of a call, an abort among them, as the pool's own error. */
export function accessError(node: string, error: unknown): NodeAccessError {
  const reason = clip(errorText(error), 300);
  const options = { cause: error };
  if (isMissingCall(error)) {
    const missing = `it has no such call (${reason})`;
    return new NodeAccessError(node, { code: 'refused', reason: missing }, options);
  }
  const code = error instanceof NodeCallError ? error.detail.code : undefined;
  switch (code) {
    case 'refused':
      return new NodeAccessError(
        node,
        { code: isStaleText(reason) ? 'stale' : 'refused', reason },
        options,
      );
    case 'bad-request':
      return new NodeAccessError(node, { code: 'refused', reason }, options);
    // Credentials and proxies can be put right while a block waits: all the rest is worth a retry.
    default:
      return new NodeAccessError(node, { code: 'unreachable', reason }, options);
  }
}

/**
 * The same for a block that was handed in. Only a verdict ends its submission: a node that is short of
 * files or closing, or whose device is busy, fails the call as well, and takes the block a moment later.
 */
export function submitError(node: string, error: unknown): NodeAccessError {
  const text = refusalOf(error);
  if (text !== undefined && (VERDICT.test(text) || isStaleText(text))) {
    return accessError(node, error);
  }
  const reason = clip(errorText(error), 300);
  return new NodeAccessError(node, { code: 'unreachable', reason }, { cause: error });
}

function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof NodeCallError) || error.detail.code !== 'refused') return undefined;
  return error.detail.text;
}
