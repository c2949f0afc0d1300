/**
 * Says what is right: the CPU's hashes of what the GPU is measured with. The CPU is held against the
 * stored values of the benchmark first.
 */
import {
  BENCHMARK_CHECKSUM,
  BENCHMARK_INPUTS,
  BENCHMARK_SEED,
  benchmarkInputs,
} from '../../drivers/benchmark-inputs.ts';
import { DriverError, type SearchResult } from '../../drivers/driver.ts';
import { SELF_TEST_SEARCH } from '../../drivers/selftest.ts';
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { meetsTarget, type Target } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes, writeU64 } from '../../src/util/bytes.ts';

/** Of what was found, and of what was not, so many nonces are hashed again. */
const SAMPLES = 16;

export class GpuJudge {
  readonly #hasher = openCpuHasher({ slots: 2 });
  readonly #table = buildMatrixTable(BENCHMARK_SEED);
  /** PoW hashes of nonces 0 … 63. */
  #known: readonly Uint8Array[] = [];

  /** Rejects `self-test` if the CPU itself is wrong. */
  static async open(): Promise<GpuJudge> {
    const judge = new GpuJudge();
    judge.#known = await judge.#hash(judge.#table, benchmarkInputs());
    const sum = new Uint8Array(32);
    for (const hash of judge.#known) for (let i = 0; i < 32; i++) sum[i]! ^= hash[i]!;
    if (bytesToHex(sum) !== BENCHMARK_CHECKSUM) {
      throw wrong(`the CPU's hashes, whose checksum is ${BENCHMARK_CHECKSUM}`, bytesToHex(sum));
    }
    return judge;
  }

  /** Checks a search from nonce 0 under the seed and the header of the benchmark. */
  async checkSearch({ scanned, nonces }: SearchResult, target: Target): Promise<void> {
    const expected = this.#known
      .slice(0, scanned)
      .flatMap((hash, nonce) => (meetsTarget(hash, target) ? [BigInt(nonce)] : []));
    const actual = nonces.filter((nonce) => nonce < BENCHMARK_INPUTS);
    if (expected.join() !== actual.join()) {
      throw wrong(`found nonces ${expected.join()}`, actual.join() || 'none');
    }
    const found = new Set(nonces);
    const rest = { start: BENCHMARK_INPUTS, length: scanned - BENCHMARK_INPUTS };
    const passed = spread(SAMPLES, rest.length)
      .map((i) => BigInt(rest.start + i))
      .filter((nonce) => !found.has(nonce));
    const sampled = [...spread(SAMPLES, nonces.length).map((i) => nonces[i]!), ...passed];
    if (sampled.length === 0) return;
    const hashes = await this.#hash(this.#table, headerHashesOf(sampled));
    for (const [i, nonce] of sampled.entries()) {
      if (meetsTarget(hashes[i]!, target) === found.has(nonce)) continue;
      const claim = `nonce ${nonce} ${found.has(nonce) ? 'found' : 'passed over'}`;
      throw wrong(`${claim} rightly`, `its hash ${bytesToHex(hashes[i]!)}`);
    }
  }

  /** Checks one hash under any seed. */
  async checkHash(table: MatrixTable, headerHash: Uint8Array, powHash: Uint8Array): Promise<void> {
    const [expected] = await this.#hash(table, headerHash);
    if (bytesToHex(expected!) !== bytesToHex(powHash)) {
      throw wrong(bytesToHex(expected!), bytesToHex(powHash));
    }
  }

  close(): Promise<void> {
    return this.#hasher.close();
  }

  async #hash(table: MatrixTable, headerHashes: Uint8Array): Promise<readonly Uint8Array[]> {
    const { seed } = table;
    // Other seeds may have taken its place.
    await this.#hasher.loadSeed(seed, table);
    const hashes: Uint8Array[] = [];
    const most = 32 * this.#hasher.maxBatch;
    for (let at = 0; at < headerHashes.length; at += most) {
      const part = headerHashes.subarray(at, at + most);
      const out = new Uint8Array(part.length);
      await this.#hasher.hash(seed, part, out);
      for (let i = 0; i < out.length; i += 32) hashes.push(out.subarray(i, i + 32));
    }
    return hashes;
  }
}

/** The header of the benchmark, whose nonce is open. */
export function benchmarkPreimage(): Uint8Array {
  return hexToBytes(SELF_TEST_SEARCH.preimage, 'preimage', 136);
}

function headerHashesOf(nonces: readonly bigint[]): Uint8Array {
  const preimage = benchmarkPreimage();
  const headerHashes = new Uint8Array(32 * nonces.length);
  for (const [i, nonce] of nonces.entries()) {
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, nonce);
    headerHashes.set(preimageHash(preimage), 32 * i);
  }
  return headerHashes;
}

/** Up to `count` of the numbers 0 … length − 1, the first and the last among them. */
function spread(count: number, length: number): readonly number[] {
  if (length <= count) return Array.from({ length: Math.max(0, length) }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}

function wrong(expected: string, actual: string): DriverError {
  return new DriverError({ code: 'self-test', expected, actual });
}
