/** Work for miners, and what they have found. Bytom 1.x mining interfaces, A.3. */
import { z } from 'zod';
import { type Block, encodeBlock } from '../../chain/block.ts';
import { type BlockHeader, encodeHeader, headerHash } from '../../chain/header.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { SubmitOutcome } from '../submissions.ts';
import type { ApiParts } from './api-parts.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { badBody, busy, CallError } from './envelope.ts';
import { blockFailure, callFailure } from './failure-texts.ts';
import { BLOCK_HEADER_OBJECT, HASH, HEX } from './schemas.ts';
import { blockHexField, headerHexField, headerJsonField } from './wire-fields.ts';

/** The largest block of 10 million gas takes some 10 MiB, its hex twice that. */
const BLOCK_BODY_BYTES = 24 * 2 ** 20;
/** Blocks that are checked at a time: decoded, one takes some fifteen times its bytes. */
const MAX_BLOCKS = 4;

type WorkParts = Pick<ApiParts, 'chain' | 'templates'>;

export function workCalls(parts: WorkParts): readonly ApiCall[] {
  const { chain, templates } = parts;
  let blocks = 0;
  return [
    bareCall({
      name: 'get-work',
      summary: 'A header to find the nonce of, with its seed.',
      data: z.strictObject({ block_header: HEX, seed: HASH }),
      run: async () => {
        const { header, seed } = await currentTemplate(templates);
        return { block_header: bytesToHex(encodeHeader(header)), seed: bytesToHex(seed) };
      },
    }),
    bareCall({
      name: 'get-work-json',
      summary: 'The same as an object; nonce and bits need a reader of exact integers.',
      data: z.strictObject({ block_header: BLOCK_HEADER_OBJECT, seed: HASH }),
      run: async () => {
        const { header, seed } = await currentTemplate(templates);
        return { block_header: headerObject(header), seed: bytesToHex(seed) };
      },
    }),
    bareCall({
      name: 'get-block-template',
      summary: 'The whole block to find the nonce of, which submit-block takes; not in bytomd.',
      data: z.strictObject({ raw_block: HEX, seed: HASH }),
      run: async () => {
        const { header, transactions, seed } = await currentTemplate(templates);
        return {
          raw_block: bytesToHex(encodeBlock({ header, transactions })),
          seed: bytesToHex(seed),
        };
      },
    }),
    bodyCall({
      name: 'submit-work',
      summary: 'A header with its nonce; of the rest only previous hash and timestamp count.',
      refusesNull: true,
      fields: { block_header: headerHexField },
      data: z.literal(true),
      run: async ({ block_header }) => {
        if (block_header === undefined) throw new CallError("can't submit empty block");
        return submitWork(templates, block_header);
      },
    }),
    bodyCall({
      name: 'submit-work-json',
      summary: 'The same as an object.',
      refusesNull: true,
      fields: { block_header: headerJsonField },
      data: z.literal(true),
      run: async ({ block_header }) => {
        if (block_header === undefined) throw badBody('block_header: missing');
        return submitWork(templates, block_header);
      },
    }),
    bodyCall({
      name: 'submit-block',
      summary: 'A whole block, to be treated like one of a peer.',
      refusesNull: true,
      maxBodyBytes: BLOCK_BODY_BYTES,
      fields: { raw_block: blockHexField },
      data: z.literal(true),
      run: async ({ raw_block }) => {
        if (raw_block === undefined) throw badBody('raw_block: missing');
        if (blocks >= MAX_BLOCKS) throw busy();
        blocks++;
        try {
          return 'headerOnly' in raw_block
            ? submitHeaderOnly(chain, raw_block.headerOnly)
            : await submitBlock(chain, raw_block);
        } finally {
          blocks--;
        }
      },
    }),
  ];
}

function headerObject(header: BlockHeader): Record<string, unknown> {
  return {
    version: header.version,
    height: header.height,
    previous_block_hash: bytesToHex(header.previousBlockHash),
    timestamp: header.timestamp,
    nonce: header.nonce,
    bits: header.bits,
    block_commitment: {
      transaction_merkle_root: bytesToHex(header.transactionsMerkleRoot),
      transaction_status_hash: bytesToHex(header.transactionStatusHash),
    },
  };
}

async function currentTemplate(
  templates: ApiParts['templates'],
): ReturnType<ApiParts['templates']['current']> {
  try {
    return await templates.current();
  } catch (error) {
    throw callFailure(error);
  }
}

async function submitWork(templates: ApiParts['templates'], header: BlockHeader): Promise<true> {
  let outcome: SubmitOutcome;
  try {
    outcome = await templates.submit(header);
  } catch (error) {
    throw blockFailure(error);
  }
  if (outcome.result === 'orphan') throw new CallError('submit result is orphan');
  return true;
}

/**
 * Not ended when the client goes away: a block that was found is worth more than the answer. Urgent,
 * since it is likely to be our own.
 */
async function submitBlock(chain: ApiParts['chain'], block: Block): Promise<true> {
  let outcome: SubmitOutcome;
  try {
    outcome = await chain.submit(block, { priority: 'candidate' });
  } catch (error) {
    throw blockFailure(error);
  }
  if (outcome.result === 'orphan') throw new CallError('block submitted is orphan');
  return true;
}

/** A header says whether we have its block. It is never kept as an orphan, which it would stand for. */
function submitHeaderOnly(chain: ApiParts['chain'], header: BlockHeader): true {
  if (chain.entry(headerHash(header)) !== undefined) return true;
  if (chain.entry(header.previousBlockHash) === undefined) {
    throw new CallError('block submitted is orphan');
  }
  throw new CallError('block is empty: wrong coinbase transaction: invalid block');
}
