/** `solonet-chain.json.gz`: a chain of the reference node, with every proof of work known. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type Block, decodeBlock } from '../../src/chain/block.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { StandInHasher, type StandInOptions } from './stand-in-hasher.ts';

export interface SolonetBlock {
  readonly height: number;
  readonly hash: string;
  readonly raw_block: string;
  /** Indexes of the transactions that failed. */
  readonly status_fail: readonly number[];
  readonly seed: string;
  /** The PoW hash; the genesis block has none. */
  readonly pow?: string;
}

export interface SolonetChain {
  readonly best_height: number;
  readonly best_hash: string;
  readonly utxo_count_at_best: number;
  readonly utxo_digest_at_best: string;
  /** Genesis first. */
  readonly blocks: readonly SolonetBlock[];
}

/** The file itself: beside the sources, wherever this file was compiled to. */
export const SOLONET_CHAIN_FILE: string = ['../vectors/', '../../../test/vectors/']
  .map((folder) => fileURLToPath(new URL(`${folder}solonet-chain.json.gz`, import.meta.url)))
  .find((path) => existsSync(path))!;

export function solonetChain(): SolonetChain {
  return JSON.parse(gunzipSync(readFileSync(SOLONET_CHAIN_FILE)).toString('utf8')) as SolonetChain;
}

/** Blocks `from` … `to`, one in hex a line. */
export function chainLines(chain: SolonetChain, from: number, to: number): string {
  return chain.blocks
    .slice(from, to + 1)
    .map(({ raw_block }) => `${raw_block}\n`)
    .join('');
}

export function decodeAll(chain: SolonetChain): readonly Block[] {
  return chain.blocks.map(({ raw_block }) => decodeBlock(hexToBytes(raw_block, 'raw_block')));
}

/** A hasher that knows the proofs of work of the chain, and gives 2^256−1 for everything else. */
export function knownHasher(
  chain: SolonetChain,
  options: Omit<StandInOptions, 'hash'> = {},
): StandInHasher {
  const known = new Map(
    chain.blocks.flatMap(({ hash, seed, pow }) =>
      pow === undefined ? [] : [[hash + seed, hexToBytes(pow, 'pow', 32)]],
    ),
  );
  const unknown = new Uint8Array(32).fill(0xff);
  return new StandInHasher({
    maxBatch: 64,
    ...options,
    hash: (seed, hash) => known.get(bytesToHex(hash) + bytesToHex(seed)) ?? unknown,
  });
}
