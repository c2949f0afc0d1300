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
import { summedRows } from '../../src/tensority/rows.ts';
import { matrixOf } from '../../src/tensority/table.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes, writeU64 } from '../../src/util/bytes.ts';
import { bytesToU256 } from '../../src/util/u256.ts';
import { FakeClock } from '../support/fake-clock.ts';
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

describe('selfTest of a device that gives rows', () => {
  /** Rows take a while, and are the same in most tests. */
  const rowsMade = new Map<string, Uint8Array>();
  async function rowsOf(
    seed: Uint8Array,
    headerHash: Uint8Array,
    row0: number,
    n: number,
  ): Promise<Uint8Array> {
    const key = `${bytesToHex(seed)} ${bytesToHex(headerHash)} ${row0} ${n}`;
    const rows = rowsMade.get(key) ?? summedRows(headerHash, await standInTable(seed), row0, n);
    rowsMade.set(key, rows);
    return rows.slice();
  }

  /** A device that takes so long for a row and for a hash, and what it was asked for. */
  class RowDevice {
    readonly clock: FakeClock = new FakeClock();
    readonly asked: string[] = [];
    readonly searched: bigint[] = [];
    wrongAt: number | undefined;
    /** What it finds instead, in its n-th search. */
    readonly finds: Map<number, bigint[]> = new Map();
    device!: Device;
    loads: readonly string[] = [];

    static async open(rowMs: number, hashMs: number): Promise<RowDevice> {
      const of = new RowDevice();
      const hasher = new StandInHasher({ hash: known });
      of.loads = hasher.loads;
      const driver = new MockDriver(1, { hasher: () => hasher });
      const device = await driver.open('mock0', { batchMs: 5 });
      const { clock, asked } = of;
      device.hash = async () => expect.fail('whole hashes were asked for');
      device.rows = async (seed, headerHash, row0, n) => {
        asked.push(`${bytesToHex(seed)} ${bytesToHex(headerHash)} ${row0} ${n}`);
        await clock.sleep(rowMs);
        const rows = await rowsOf(seed, headerHash, row0, n);
        if (asked.length - 1 === of.wrongAt) rows[255]! ^= 1;
        return rows;
      };
      device.search = async (work, range, signal) => {
        of.searched.push(work.target);
        await clock.sleep(hashMs, signal);
        if (signal.aborted) return { scanned: 0, nonces: [], aborted: true };
        const { nonce, powHash } = SELF_TEST_SEARCH;
        const isFound = meetsTarget(hexToBytes(powHash, 'powHash', 32), work.target);
        const nonces = of.finds.get(of.searched.length) ?? (isFound ? [nonce] : []);
        return { scanned: range.count, nonces, aborted: false };
      };
      of.device = device;
      return of;
    }

    /** How the test ends, and how long it takes. */
    async test(random: () => number = () => 0): Promise<number> {
      const began = this.clock.now();
      let endedAt = 0;
      const test = selfTest(this.device, standInTable, undefined, random, this.clock);
      const ended = test.finally(() => {
        endedAt = this.clock.now();
      });
      ended.catch(() => undefined);
      for (let i = 0; i < 100 && endedAt === 0; i++) await this.clock.advance(100);
      await ended;
      expect(this.clock.sleeping, 'sleeps left behind').toBe(0);
      return endedAt - began;
    }
  }

  it('asks a slow one for a random row under each real seed, and for nothing else', async () => {
    const of = await RowDevice.open(1000, 4000);
    const numbers = [0.99, 0.5, 0, 0.999];
    await of.test(() => numbers.shift() ?? 0);
    const real = SELF_TEST_GROUPS.filter((group) => group.seed !== 'extreme');
    expect(of.asked).toEqual([
      `${real[0]?.seed} ${real[0]?.vectors[1]?.headerHash} 128 1`,
      `${real[1]?.seed} ${real[1]?.vectors[0]?.headerHash} 255 1`,
    ]);
    expect(of.loads).toEqual(real.map(({ seed }) => seed));
    expect(of.searched).toEqual([]);
    await of.device.close();
  });

  it('fails it for one wrong byte under either', async () => {
    for (const wrongAt of [0, 1]) {
      const of = await RowDevice.open(1000, 4000);
      of.wrongAt = wrongAt;
      await expect(of.test(), `row ${wrongAt}`).rejects.toMatchObject({
        detail: { code: 'self-test', expected: expect.stringMatching(/ at 248 of row 0$/) },
      });
      await of.device.close();
    }
  });

  it('loses no more than a second to one whose rows do not show that it is slow', async () => {
    const of = await RowDevice.open(100, 4000);
    expect(await of.test()).toBe(1200);
    expect(of.searched).toHaveLength(1);
    await of.device.close();
  });

  it('gives a fast one jobs around a known hash', async () => {
    const of = await RowDevice.open(100, 900);
    expect(await of.test()).toBe(2900);
    const hash = bytesToU256(hexToBytes(SELF_TEST_SEARCH.powHash, 'powHash', 32));
    expect(of.searched).toEqual([(1n << 256n) - 1n, hash, hash - 1n]);
    await of.device.close();
  });

  it.each([
    ['finds nothing', 1, []],
    ['finds another nonce', 1, [5n]],
    ['misses a hash that is its target', 2, []],
    ['finds a hash above its target', 3, [SELF_TEST_SEARCH.nonce]],
  ] as const)('fails one that %s', async (_what, nth, nonces) => {
    const of = await RowDevice.open(1, 1);
    of.finds.set(nth, [...nonces]);
    await expect(of.test()).rejects.toMatchObject({
      detail: { code: 'self-test', expected: expect.stringMatching(/^1 scanned, found/) },
    });
    await of.device.close();
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
