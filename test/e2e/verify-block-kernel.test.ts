/** Mainnet block 123 and every header one bit away from it, hashed by the kernel in use. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeVarint63 } from '../../src/chain/varint.ts';
import type { VerifyParts } from '../../src/cli/pow-input.ts';
import {
  type BlockClaim,
  readBlockClaim,
  runVerifyBlock,
} from '../../src/cli/verify-block-command.ts';
import { openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';

const { mainnet } = JSON.parse(
  readFileSync(new URL('../vectors/block_headers.json', import.meta.url), 'utf8'),
) as {
  readonly mainnet: readonly {
    readonly header_hex: string;
    readonly seed: string;
    readonly bits: string;
  }[];
};
const { header_hex, seed, bits } = mainnet[0]!;
const wire = hexToBytes(header_hex, 'vector');
/** The bits are the last field. */
const firstOfBits = 8 * (wire.length - encodeVarint63(BigInt(bits)).length);

const hasher = openCpuHasher();
afterAll(() => hasher.close());
const table = buildMatrixTable(hexToBytes(seed, 'seed', 32));
const parts: VerifyParts = { hasher, tables: () => Promise.resolve(table) };

/** So many at once that the threads never wait for this one. */
const AT_ONCE = 16;

/** The header with one bit changed, as a claim, or undefined if it can no longer be read. */
async function flipped(bit: number, expectBits?: string): Promise<BlockClaim | undefined> {
  const changed = wire.slice();
  changed[bit >> 3]! ^= 1 << (bit & 7);
  const request = { block: bytesToHex(changed), seed };
  try {
    return await readBlockClaim(expectBits === undefined ? request : { ...request, expectBits });
  } catch (error) {
    expect(error, `bit ${bit}`).toBeInstanceOf(InputError);
    return undefined;
  }
}

/** Those of the flipped bits with which the header still verifies, and how many were hashed. */
async function stillValid(
  from: number,
  to: number,
  expectBits?: string,
): Promise<{ readonly valid: readonly number[]; readonly hashed: number }> {
  const valid: number[] = [];
  let hashed = 0;
  let next = from;
  const lane = async (): Promise<void> => {
    while (next < to) {
      const bit = next++;
      const claim = await flipped(bit, expectBits);
      if (claim === undefined) continue;
      const { result } = await runVerifyBlock(claim, parts);
      hashed++;
      if (result.valid) valid.push(bit);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return { valid, hashed };
}

describe('verify --block by the kernel in use', () => {
  it('accepts mainnet block 123', async () => {
    for (const more of [{}, { expectBits: bits }]) {
      const claim = await readBlockClaim({ block: header_hex, seed, ...more });
      expect((await runVerifyBlock(claim, parts)).result.valid).toBe(true);
    }
  });

  it('refuses it with any one bit changed before the bits', { timeout: 300_000 }, async () => {
    const { valid, hashed } = await stillValid(0, firstOfBits);
    expect(valid).toEqual([]);
    expect(hashed).toBeGreaterThan(850);
  });

  it('refuses it with any one bit of the bits changed, if they are expected', async () => {
    const { valid, hashed } = await stillValid(firstOfBits, 8 * wire.length, bits);
    expect(valid).toEqual([]);
    expect(hashed).toBeGreaterThan(50);
  });
});
