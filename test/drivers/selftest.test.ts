import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Device } from '../../drivers/driver.ts';
import { extremeTable } from '../../drivers/extreme-table.ts';
import { MockDriver } from '../../drivers/mock.ts';
import { SELF_TEST_GROUPS, SELF_TEST_SEARCH, selfTest } from '../../drivers/selftest.ts';
import { preimageHash } from '../../src/chain/header.ts';
import { fold } from '../../src/tensority/matmul.ts';
import { DIM } from '../../src/tensority/params.ts';
import { sliceSequence, tensority } from '../../src/tensority/reference.ts';
import { matrixOf } from '../../src/tensority/table.ts';
import { bytesToHex, hexToBytes, writeU64 } from '../../src/util/bytes.ts';
import { StandInHasher, type standInHash, standInTable } from '../support/stand-in-hasher.ts';

const TABLE = extremeTable();

/** A stand-in that knows the right answers: seed and header hash → PoW hash. */
const ANSWERS = new Map(
  SELF_TEST_GROUPS.flatMap(({ seed, vectors }) => {
    const name = seed === 'extreme' ? 'ee'.repeat(32) : seed;
    return vectors.map((v): [string, string] => [`${name} ${v.headerHash}`, v.powHash]);
  }),
);
const known: typeof standInHash = (seed, headerHash) => {
  const answer = ANSWERS.get(`${bytesToHex(seed)} ${bytesToHex(headerHash)}`);
  return answer === undefined ? new Uint8Array(32).fill(0xff) : hexToBytes(answer, 'answer');
};

async function openDevice(hash: typeof standInHash, maxBatch = 16): Promise<Device> {
  const driver = new MockDriver(1, { hasher: () => new StandInHasher({ hash, maxBatch }) });
  return driver.open('mock0', { batchMs: 5 });
}

describe('selfTest', () => {
  it('passes a device that answers rightly, whatever its batch', async () => {
    for (const maxBatch of [1, 3, 16]) {
      const device = await openDevice(known, maxBatch);
      await selfTest(device, standInTable);
      await device.close();
    }
  });

  it('fails a device for one wrong bit in any of the vectors', async () => {
    for (const key of ANSWERS.keys()) {
      const device = await openDevice((seed, headerHash) => {
        const answer = known(seed, headerHash);
        if (key === `${bytesToHex(seed)} ${bytesToHex(headerHash)}`) answer[31]! ^= 0x80;
        return answer;
      });
      await expect(selfTest(device, standInTable), key).rejects.toMatchObject({
        detail: { code: 'self-test' },
      });
      await device.close();
    }
  });

  it('fails a device that hashes well and searches badly', async () => {
    const device = await openDevice(known);
    const search = device.search.bind(device);
    for (const wrong of [[], [SELF_TEST_SEARCH.nonce + 1n], [SELF_TEST_SEARCH.nonce, 1n]]) {
      device.search = async (...args) => ({ ...(await search(...args)), nonces: wrong });
      await expect(selfTest(device, standInTable), `[${wrong}]`).rejects.toMatchObject({
        detail: { code: 'self-test', expected: '3 scanned, found 8946685314549' },
      });
    }
    await device.close();
  });

  it('stops when its signal aborts', async () => {
    const device = await openDevice(known);
    const reason = new Error('stopped');
    await expect(selfTest(device, standInTable, AbortSignal.abort(reason))).rejects.toBe(reason);
    await device.close();
  });
});

describe('the vectors of the self-test', () => {
  it('are the published ones under the real seeds', () => {
    const { cases } = JSON.parse(readFileSync('test/vectors/tensority.json', 'utf8')) as {
      cases: { seed: string; header_hash: string; result: string }[];
    };
    const published = new Map(cases.map((c) => [`${c.seed} ${c.header_hash}`, c.result]));
    const real = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme');
    expect(real).toHaveLength(2);
    for (const { seed, vectors } of real) {
      for (const v of vectors) {
        expect(published.get(`${seed} ${v.headerHash}`), v.headerHash).toBe(v.powHash);
      }
    }
  });

  it('search for the nonce of a real block', () => {
    const { preimage, nonce, powHash } = SELF_TEST_SEARCH;
    const bytes = hexToBytes(preimage, 'preimage', 136);
    writeU64(bytes, 128, nonce);
    const hash = bytesToHex(preimageHash(bytes));
    expect(hash).toBe('531e1ebdd6f38924bfdd86331bc1286b1626da0d0b5b6f6da233a2d054d7f041');
    expect(ANSWERS.get(`${SELF_TEST_SEARCH.seed} ${hash}`)).toBe(powHash);
  });

  // Two hashes in plain TypeScript: some seconds.
  it('hold the hashes that the reference computes with the extreme table', () => {
    for (const { headerHash, powHash } of extremeVectors()) {
      const hash = tensority(hexToBytes(headerHash, 'headerHash'), TABLE);
      expect(bytesToHex(hash), headerHash).toBe(powHash);
    }
  });
});

describe('the extreme table', () => {
  /** Rows of a slice's result, computed with `product` in place of the true one. */
  type Product = (a: Int8Array, at: number, matrix: Int8Array, row: number) => number;
  // A local copy of the constant: imported ones are slow in the hot loops of a test.
  const n = DIM;
  const exact: Product = (a, at, matrix, row) => {
    let v = 0;
    for (let k = 0; k < n; k++) v += a[at + k]! * matrix[row + k]!;
    return v;
  };

  function sliceRows(headerHash: string, slice: number, product: Product, finish = fold): string {
    const rows = [3, 254];
    let a = new Int8Array(rows.length * n);
    rows.forEach((row, i) => {
      a[i * n + row] = 1;
    });
    const sequence = sliceSequence(hexToBytes(headerHash, 'headerHash'), slice);
    for (const name of [...sequence, ...sequence]) {
      const matrix = matrixOf(TABLE, name);
      const next = new Int8Array(a.length);
      for (let i = 0; i < a.length; i++) {
        next[i] = finish(product(a, i - (i % n), matrix, (i % n) * n));
      }
      a = next;
    }
    return bytesToHex(new Uint8Array(a.buffer));
  }

  /** True if every slice of every vector comes out otherwise than it should. */
  function everywhereWrong(product: Product, finish = fold): boolean {
    return extremeVectors().every(({ headerHash }) =>
      [0, 1, 2, 3].every(
        (slice) =>
          sliceRows(headerHash, slice, product, finish) !== sliceRows(headerHash, slice, exact),
      ),
    );
  }

  it('holds regular matrices at the ends of int8, each met by a vector', () => {
    const met = new Set(
      extremeVectors().flatMap(({ headerHash }) =>
        [0, 1, 2, 3].flatMap((slice) => [
          ...sliceSequence(hexToBytes(headerHash, 'headerHash'), slice),
        ]),
      ),
    );
    for (const index of [0, 1, 2, 3, 4]) {
      expect(met, `matrix ${index}`).toContain(index);
      const values = new Set(matrixOf(TABLE, index));
      expect(
        [...values].every((v) => v === -128 || v === 127),
        `matrix ${index}`,
      ).toBe(true);
    }
    expect(TABLE.seed).toEqual(new Uint8Array(32).fill(0xee));
  });

  it('exposes kernels that saturate pairs of products at 16 bits', () => {
    const saturating: Product = (a, at, matrix, row) => {
      let v = 0;
      for (let k = 0; k < n; k += 2) {
        // As x86 has it: unsigned times signed, hence the offset of 128 and its correction.
        const pair =
          (a[at + k]! + 128) * matrix[row + k]! + (a[at + k + 1]! + 128) * matrix[row + k + 1]!;
        v += Math.max(-32768, Math.min(32767, pair));
        v -= 128 * (matrix[row + k]! + matrix[row + k + 1]!);
      }
      return v;
    };
    expect(everywhereWrong(saturating)).toBe(true);
  });

  it('exposes sums kept in half floats', () => {
    const rounding: Product = (a, at, matrix, row) => {
      let v = 0;
      // 11 significant bits, as a half float has.
      for (let k = 0; k < n; k++) v = roundTo11Bits(v + a[at + k]! * matrix[row + k]!);
      return v;
    };
    expect(everywhereWrong(rounding)).toBe(true);
  });

  it('exposes a truncation in place of the fold', () => {
    expect(everywhereWrong(exact, (v) => (v << 24) >> 24)).toBe(true);
  });

  it('exposes a product with the matrix itself in place of its transpose', () => {
    const untransposed: Product = (a, at, matrix, row) => {
      let v = 0;
      for (let k = 0; k < n; k++) v += a[at + k]! * matrix[k * n + row / n]!;
      return v;
    };
    expect(everywhereWrong(untransposed)).toBe(true);
  });
});

function extremeVectors(): readonly { readonly headerHash: string; readonly powHash: string }[] {
  return SELF_TEST_GROUPS.find((group) => group.seed === 'extreme')?.vectors ?? [];
}

function roundTo11Bits(v: number): number {
  const size = Math.abs(v);
  if (size < 2048) return v;
  const unit = 1 << (21 - Math.clz32(size));
  return Math.round(v / unit) * unit;
}
