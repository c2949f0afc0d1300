/** A template and the nonce that solves it: the block, and its bytes where the template has them. */
import {
  BLOCK_FLAG,
  type BlockHeader,
  decodeHeader,
  encodeHeader,
} from '../../src/chain/header.ts';
import { bytesEqual, concatBytes } from '../../src/util/bytes.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { SolvedBlock } from '../chain-access.ts';
import type { PoolTemplate } from '../template.ts';

/**
 * `header` has the nonce, `hash` is its hash. A whole block that is not the header's is left out, with a
 * line in the log: the header alone is enough for the node that made the template.
 */
export function solvedBlock(
  template: PoolTemplate,
  header: BlockHeader,
  hash: Uint8Array,
  log: Logger,
): SolvedBlock {
  const { node } = template;
  const rawBlock = wholeBlock(template, header, log);
  return { header, hash, node, ...(rawBlock === undefined ? {} : { rawBlock }) };
}

function wholeBlock(
  template: PoolTemplate,
  header: BlockHeader,
  log: Logger,
): Uint8Array | undefined {
  const { node } = template;
  const { height } = header;
  try {
    // Some templates are encoded only when they are asked for it.
    const { rawBlock } = template;
    const solved = rawBlock && solvedRawBlock(rawBlock, header);
    if (rawBlock === undefined || solved !== undefined) return solved;
    log.error('whole block does not fit its header', { node, height });
  } catch (error) {
    log.error('no whole block', { node, height, reason: errorText(error) });
  }
  return undefined;
}

/**
 * `rawBlock` (whose nonce does not count) under `header`: the nonce has a length of its own, so the
 * header is written anew. `undefined` for bytes that are no block with the roots of `header`.
 */
export function solvedRawBlock(rawBlock: Uint8Array, header: BlockHeader): Uint8Array | undefined {
  let read: ReturnType<typeof decodeHeader>;
  try {
    read = decodeHeader(rawBlock);
  } catch {
    return undefined;
  }
  const { transactionsMerkleRoot, transactionStatusHash } = read.header;
  if (
    read.flag !== BLOCK_FLAG ||
    !bytesEqual(transactionsMerkleRoot, header.transactionsMerkleRoot) ||
    !bytesEqual(transactionStatusHash, header.transactionStatusHash)
  ) {
    return undefined;
  }
  return concatBytes(encodeHeader(header, BLOCK_FLAG), rawBlock.subarray(read.bytesRead));
}
