/**
 * What a benchmark hashes: the header of mainnet block 123 with nonces 0 … 63 under the initial
 * seed, over and over, and what must come out. Every hash of a run is compared.
 */
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../src/chain/header.ts';
import type { Seed } from '../src/tensority/hasher.ts';
import { hexToBytes, writeU64 } from '../src/util/bytes.ts';
import { SELF_TEST_SEARCH } from './selftest.ts';

export const BENCHMARK_INPUTS = 64;

/** The initial seed of the chain. Never written to. */
export const BENCHMARK_SEED: Seed = hexToBytes(SELF_TEST_SEARCH.seed, 'seed', 32);

/** XOR of the 64 PoW hashes, computed with two kernels and checked by the plain reference. */
export const BENCHMARK_CHECKSUM =
  '8fa31a466a92f1c962621a9f13c1452e8704d7112a7b4315be4ee67458e2f403';

/** The first four bytes of each of the 64 PoW hashes. */
export const BENCHMARK_PREFIXES: string =
  'a5acb0e8e8854c9c0606a9c8d1904385b002e7a3bb9b118a4415167386bbc1e1' +
  '57b929a117da31f43993cd7886fc70771aefd695e62eaa6e74eed14e8e5f3743' +
  '9bdbb84558314e12478fc32a3003ae4ac61002f13eaf3968a4c723e43860c3a6' +
  'ecf670d8ce240728c0b394da1182105d4f3c76511e38ec27db9aa4aea7202977' +
  'b1419bb84253c4da71217cad53f5eda124b7dadff02148b6470d0779414f5c56' +
  '3e6d056559ddae2fb55a46d1ddf5aea237879a17368ea8a52064ea72ad0a0416' +
  '2efa1f0261474c849c4c43556b9eaecbe307cbaef6e92b5b7fc9233932bebb1f' +
  '964c8a0f189e343ad20d4ac18d7e1804364a078d5a19c984a9c987315fd34d98';

/** The 64 header hashes, 32 bytes each. */
export function benchmarkInputs(): Uint8Array {
  const preimage = hexToBytes(SELF_TEST_SEARCH.preimage, 'preimage', 136);
  const inputs = new Uint8Array(32 * BENCHMARK_INPUTS);
  for (let nonce = 0; nonce < BENCHMARK_INPUTS; nonce++) {
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, BigInt(nonce));
    inputs.set(preimageHash(preimage), 32 * nonce);
  }
  return inputs;
}
