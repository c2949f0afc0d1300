/** What explorers ask. Bytom 1.x mining interfaces, A.5. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeHeader } from '../../../src/chain/header.ts';
import { verifyTransactionProof } from '../../../src/consensus/light-proof.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import type { JsonValue } from '../../../src/util/json.ts';
import { decodeAll, knownHasher, solonetChain } from '../../support/solonet-chain.ts';
import { ApiRig } from './api-rig.ts';

interface Proof {
  readonly block_header: string;
  readonly tx_hashes: readonly string[];
  readonly status_hashes: readonly string[];
  readonly flags: readonly number[];
  readonly matched_tx_ids: readonly string[] | null;
}

const FAR = 300;
const chain = solonetChain();
const blocks = decodeAll({ ...chain, blocks: chain.blocks.slice(0, FAR + 1) });
const hashOf = (height: number): string => chain.blocks[height]!.hash;
/** The first block with more than one transaction, one of which failed. */
const FAILED = chain.blocks.findIndex(({ status_fail }) => status_fail.length > 0);

let rig: ApiRig;
beforeAll(async () => {
  rig = await ApiRig.open({ hasher: knownHasher(chain) });
  await rig.addBlocks(blocks.slice(1));
});
afterAll(async () => {
  await rig.close();
});

const heightOf = async (body: unknown, path = '/get-difficulty'): Promise<JsonValue> =>
  ((await rig.data(path, body)) as { readonly height: JsonValue }).height;

describe('a block is named', () => {
  it('by its hash before its height, and is the genesis block by default', async () => {
    expect(await heightOf({})).toBe(0);
    expect(await heightOf({ block_height: 5 })).toBe(5);
    expect(await heightOf({ block_height: 5, block_hash: hashOf(6) })).toBe(6);
    expect(await heightOf({ block_height: 5, block_hash: hashOf(6).toUpperCase() })).toBe(6);
    expect(await heightOf({ block_hash: hashOf(FAR) })).toBe(FAR);
  });

  it('by its height if the hash has another length than 32 bytes', async () => {
    for (const block_hash of ['', 'ab', hashOf(6).slice(2), `${hashOf(6)}00`]) {
      for (const path of ['/get-block', '/get-difficulty']) {
        expect(await heightOf({ block_height: 5, block_hash }, path), block_hash).toBe(5);
      }
    }
    expect((await rig.post('/get-block', { block_hash: 'abc' })).status).toBe(400);
  });

  it('and if there is none, that is said', async () => {
    for (const path of ['/get-block', '/get-raw-block', '/get-block-header', '/get-difficulty']) {
      for (const block_height of [FAR + 1, 2 ** 53, 2n ** 64n - 1n]) {
        expect(await rig.failure(path, { block_height }), path).toBe(
          "can't find block in given height",
        );
      }
      expect(await rig.failure(path, { block_height: 1, block_hash: '11'.repeat(32) })).toBe(
        `There are no block with given hash ${'11'.repeat(32)}`,
      );
    }
  });
});

describe('a raw block', () => {
  it('is what was recorded, with the status of each transaction', async () => {
    for (const height of [0, 1, FAILED, FAR]) {
      const { raw_block, status_fail } = chain.blocks[height]!;
      const verify_status = blocks[height]!.transactions.map((_, i) =>
        status_fail.includes(i) ? { status_fail: true } : {},
      );
      expect(await rig.data('/get-raw-block', { block_height: height })).toEqual({
        raw_block,
        transaction_status: { version: 1, verify_status },
      });
    }
  });
});

describe('a hash rate', () => {
  it('is that of the best block unless another is named', async () => {
    expect(await heightOf({}, '/get-hash-rate')).toBe(FAR);
    expect(await heightOf({ block_height: 0 }, '/get-hash-rate')).toBe(FAR);
    expect(await heightOf({ block_height: 7 }, '/get-hash-rate')).toBe(7);
    expect(await heightOf({ block_hash: hashOf(8) }, '/get-hash-rate')).toBe(8);
  });

  it('needs a parent, and a hash of the right length', async () => {
    expect(await rig.failure('/get-hash-rate', { block_hash: hashOf(0) })).toBe(
      `There are no block with given hash ${'00'.repeat(32)}`,
    );
    expect(await rig.failure('/get-hash-rate', { block_hash: 'ab' })).toBe(
      'Block hash format error.',
    );
  });

  it('is the work over the seconds since the parent, one at least', async () => {
    for (let height = 1; height < 20; height++) {
      const seconds = blocks[height]!.header.timestamp - blocks[height - 1]!.header.timestamp;
      const data = await rig.data('/get-hash-rate', { block_height: height });
      // The first period's work is 20 a block.
      const hash_rate = Math.floor(20 / Math.max(1, seconds));
      expect(data).toEqual({ hash: hashOf(height), height, hash_rate });
    }
  });
});

describe('a Merkle proof', () => {
  const prove = async (tx_ids: readonly string[], height: number): Promise<Proof> =>
    (await rig.data('/get-merkle-proof', {
      tx_ids,
      block_hash: hashOf(height),
    })) as unknown as Proof;

  it('convinces who has the header, whichever transactions it is for, failed ones too', async () => {
    const many = blocks.findIndex(({ transactions }) => transactions.length > 3);
    for (const height of [0, 1, FAILED, many]) {
      const { header, transactions } = blocks[height]!;
      const { status_fail } = chain.blocks[height]!;
      const ids = transactions.map(({ id }) => bytesToHex(id));
      const picks = [...ids.keys()].map((i) => [i]).concat([[...ids.keys()]]);
      for (const picked of picks) {
        // In another order, twice, and beside one that is not there.
        const asked = [...picked.map((i) => ids[i]!).reverse(), ids[picked[0]!]!, '77'.repeat(32)];
        const proof = await prove(asked, height);
        expect(proof.matched_tx_ids).toEqual(picked.map((i) => ids[i]));
        const bytes = (list: readonly string[]): Uint8Array[] =>
          list.map((hex) => hexToBytes(hex, 'proof', 32));
        verifyTransactionProof(
          decodeHeader(hexToBytes(proof.block_header, 'header')).header,
          {
            flags: Uint8Array.from(proof.flags),
            transactionHashes: bytes(proof.tx_hashes),
            statusHashes: bytes(proof.status_hashes),
          },
          picked.map((i) => ({ id: transactions[i]!.id, failed: status_fail.includes(i) })),
        );
        expect(decodeHeader(hexToBytes(proof.block_header, 'header')).header).toEqual(header);
      }
    }
  });

  it('of nothing is the root, and says that nothing matched', async () => {
    const root = bytesToHex(blocks[0]!.header.transactionsMerkleRoot);
    for (const body of [{}, { tx_ids: [] }, { tx_ids: ['', 'ab'], block_hash: 'abcd' }]) {
      const proof = (await rig.data('/get-merkle-proof', body)) as unknown as Proof;
      expect(proof).toMatchObject({ tx_hashes: [root], flags: [0], matched_tx_ids: null });
    }
    expect(await rig.failure('/get-merkle-proof', { block_hash: '11'.repeat(32) })).toMatch(
      /^There are no block/,
    );
    for (const tx_ids of ['ab', [1], ['x'], [null, {}]]) {
      expect((await rig.post('/get-merkle-proof', { tx_ids })).status).toBe(400);
    }
  });
});
