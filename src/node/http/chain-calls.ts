/** What explorers and miners ask of the chain. Bytom 1.x mining interfaces, A.5. */
import { z } from 'zod';
import type { Block } from '../../chain/block.ts';
import { encodeHeader } from '../../chain/header.ts';
import { blockWork } from '../../consensus/difficulty.ts';
import { createTransactionProof } from '../../consensus/light-proof.ts';
import { NEU_PER_GAS } from '../../consensus/params.ts';
import type { IndexEntry } from '../../store/chain-store.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { ApiChain } from './api-parts.ts';
import { BLOCK_OBJECT, blockObject } from './block-json.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { CallError } from './envelope.ts';
import { type Field, hexField, listField, uint64Field, type Values } from './fields.ts';
import { COUNT, DECIMAL, HASH, HEX, UINT64 } from './schemas.ts';

const WHICH = { block_height: uint64Field, block_hash: hexField } as const;

const STATUS_DATA = z.strictObject({
  version: COUNT,
  verify_status: z.array(z.strictObject({ status_fail: z.literal(true).optional() })),
});

export function chainCalls({ chain }: { readonly chain: ApiChain }): readonly ApiCall[] {
  return [
    bareCall({
      name: 'get-block-count',
      summary: 'Height of the best block.',
      data: z.strictObject({ block_count: COUNT }),
      run: () => ({ block_count: chain.tip.header.height }),
    }),
    bareCall({
      name: 'get-block-hash',
      summary: 'Hash of the best block.',
      data: z.strictObject({ block_hash: HASH }),
      run: () => ({ block_hash: bytesToHex(chain.tip.hash) }),
    }),
    bodyCall({
      name: 'get-block-header',
      summary: 'The header of a block, and what its coinbase pays.',
      fields: WHICH,
      data: z.strictObject({ block_header: HEX, reward: UINT64 }),
      run: (which) => {
        const { header, transactions } = blockOf(chain, entryOf(chain, which));
        return {
          block_header: bytesToHex(encodeHeader(header)),
          reward: transactions[0]?.outputs[0]?.amount ?? 0,
        };
      },
    }),
    bodyCall({
      name: 'get-raw-block',
      summary: 'A block in its wire form, and which of its transactions failed.',
      fields: WHICH,
      data: z.strictObject({ raw_block: HEX, transaction_status: STATUS_DATA }),
      run: (which) => {
        const { hash, statusFail } = entryOf(chain, which);
        const bytes = chain.blockBytes(hash);
        if (bytes === undefined) throw unknownHash(hash);
        const verify_status = statusFail.map((failed) => (failed ? { status_fail: true } : {}));
        return {
          raw_block: bytesToHex(bytes),
          transaction_status: { version: 1, verify_status },
        };
      },
    }),
    bodyCall({
      name: 'get-block',
      summary: 'A block as an object.',
      fields: WHICH,
      data: BLOCK_OBJECT,
      run: (which) => {
        const entry = entryOf(chain, which);
        return blockObject(blockOf(chain, entry), entry, chain.network.addressPrefix);
      },
    }),
    bodyCall({
      name: 'get-difficulty',
      summary: 'Bits of a block, and the work they mean.',
      fields: WHICH,
      data: z.strictObject({ hash: HASH, height: COUNT, bits: UINT64, difficulty: DECIMAL }),
      run: (which) => {
        const { hash, header } = entryOf(chain, which);
        const { height, bits } = header;
        return { hash: bytesToHex(hash), height, bits, difficulty: `${blockWork(bits)}` };
      },
    }),
    bodyCall({
      name: 'get-hash-rate',
      summary: 'Hashes a second that a block stands for; of the best one if none is named.',
      fields: WHICH,
      data: z.strictObject({ hash: HASH, height: COUNT, hash_rate: UINT64 }),
      run: (which) => hashRate(chain, which),
    }),
    bodyCall({
      name: 'get-merkle-proof',
      summary: 'Proves that transactions are in a block, for who has its header.',
      fields: { tx_ids: listField(hexField), block_hash: hexField },
      data: z.strictObject({
        block_header: HEX,
        tx_hashes: z.array(HASH),
        status_hashes: z.array(HASH),
        flags: z.array(z.int().min(0).max(2)),
        matched_tx_ids: z.array(HASH).nullable(),
      }),
      run: ({ tx_ids = [], block_hash }) => {
        const entry = entryOf(chain, { block_hash, block_height: undefined });
        return merkleProof(blockOf(chain, entry), entry, tx_ids);
      },
    }),
    bareCall({
      name: 'gas-rate',
      summary: 'Neu that a unit of gas costs.',
      data: z.strictObject({ gas_rate: COUNT }),
      run: () => ({ gas_rate: NEU_PER_GAS }),
    }),
  ];
}

type Which = Values<{
  readonly block_height: Field<bigint>;
  readonly block_hash: Field<Uint8Array>;
}>;

/** The hash wins; one of another length than 32 bytes is as good as none. */
function entryOf(chain: ApiChain, { block_hash: named, block_height: height }: Which): IndexEntry {
  if (named?.length === 32) {
    const entry = chain.entry(named);
    if (entry === undefined) throw unknownHash(named);
    return entry;
  }
  const hash = chain.hashAt(Number(height ?? 0n));
  const entry = hash === undefined ? undefined : chain.entry(hash);
  if (entry === undefined) throw new CallError("can't find block in given height");
  return entry;
}

function blockOf(chain: ApiChain, { hash }: IndexEntry): Block {
  const block = chain.block(hash);
  if (block === undefined) throw unknownHash(hash);
  return block;
}

function unknownHash(hash: Uint8Array): CallError {
  return new CallError(`There are no block with given hash ${bytesToHex(hash)}`);
}

function hashRate(chain: ApiChain, which: Which): Record<string, unknown> {
  const { block_hash: named, block_height: height = 0n } = which;
  if (named !== undefined && named.length !== 0 && named.length !== 32) {
    throw new CallError('Block hash format error.');
  }
  const best = named?.length !== 32 && height === 0n;
  const { hash, header } = best ? chain.tip : entryOf(chain, which);
  const parent = chain.entry(header.previousBlockHash);
  if (parent === undefined) throw unknownHash(header.previousBlockHash);
  const seconds = BigInt(header.timestamp) - BigInt(parent.header.timestamp);
  const work = blockWork(header.bits);
  return {
    hash: bytesToHex(hash),
    height: header.height,
    // A few bits more than 64 take a target that no chain gets to.
    hash_rate: BigInt.asUintN(64, work / (seconds > 0n ? seconds : 1n)),
  };
}

function merkleProof(
  { header, transactions }: Block,
  { statusFail }: IndexEntry,
  wanted: readonly Uint8Array[],
): Record<string, unknown> {
  const ids = new Set(wanted.map(bytesToHex));
  const indexes = [...transactions.keys()].filter((i) => ids.has(bytesToHex(transactions[i]!.id)));
  const proven = transactions.map(({ id }, i) => ({ id, failed: statusFail[i] ?? false }));
  const proof = createTransactionProof(proven, indexes);
  const matched = indexes.map((i) => bytesToHex(transactions[i]!.id));
  return {
    block_header: bytesToHex(encodeHeader(header)),
    tx_hashes: proof.transactionHashes.map(bytesToHex),
    status_hashes: proof.statusHashes.map(bytesToHex),
    flags: [...proof.flags],
    matched_tx_ids: matched.length === 0 ? null : matched,
  };
}
