/** Every program that runs on any adapter, against the reference in plain TypeScript. */
import { describe, expect, it, type TestContext } from 'vitest';
import { variantsFor } from '../../drivers/webgpu/engine/variants.ts';
import { preimageHash } from '../../src/chain/header.ts';
import { sliceSequence } from '../../src/tensority/reference.ts';
import { meetsTarget, type Target } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes, writeU64 } from '../../src/util/bytes.ts';
import { bytesToU256 } from '../../src/util/u256.ts';
import {
  type CompiledProgram,
  compileProgram,
  createBuffer,
  gpuOrSkip,
  readBuffer,
  runProgram,
} from '../support/gpu.ts';
import { matrixGpu } from '../support/gpu-capabilities.ts';
import { foldedRows, hashOfSum } from '../support/gpu-products.ts';
import { seededRandom } from '../support/random.ts';

const TWO_64 = 1n << 64n;

describe('headers', () => {
  const N = 70;
  const preimage = randomBytes(seededRandom(1), 136);

  it.for([
    ['the first nonces', 0n],
    ['nonces on both sides of 2^32', (1n << 32n) - 35n],
    ['nonces whose high word changes as well', 0x1234_5678_ffff_ffe0n],
    ['the last nonces there are', TWO_64 - BigInt(N)],
  ] as const)('hashes preimages with %s', async ([, start], ctx) => {
    const gpu = await gpuOrSkip(ctx);
    const uniform = new Uint8Array(160);
    uniform.set(preimage);
    writeU64(uniform, 144, start);
    new DataView(uniform.buffer).setUint32(152, N, true);
    // One hash more than is asked for, which must stay as it is.
    const out = createBuffer(gpu.device, new Uint8Array(32 * (N + 1)).fill(0xee));
    await runProgram(gpu, {
      program: 'headers',
      entry: 'hash_headers',
      workgroups: [Math.ceil(N / 64)],
      bindings: [uniform, out],
      uniforms: [0],
    });
    const expected = Array.from({ length: N }, (_, i) => {
      const bytes = preimage.slice();
      writeU64(bytes, 128, start + BigInt(i));
      return bytesToHex(preimageHash(bytes));
    });
    expect(lines(await readBuffer(gpu.device, out))).toEqual([...expected, 'ee'.repeat(32)]);
  });
});

describe('sequences', () => {
  it('are the SHA3-256 of each slice of a header hash', async (ctx) => {
    const gpu = await gpuOrSkip(ctx);
    const n = 37;
    const headerHashes = randomBytes(seededRandom(2), 32 * n);
    const out = createBuffer(gpu.device, new Uint8Array(128 * n + 32).fill(0xee));
    await runProgram(gpu, {
      program: 'sequences',
      entry: 'make_sequences',
      workgroups: [Math.ceil((4 * n) / 64)],
      bindings: [Uint32Array.of(n, 0, 0, 0), headerHashes, out],
      uniforms: [0],
    });
    const expected = Array.from({ length: 4 * n }, (_, i) => {
      const hash = headerHashes.subarray(32 * (i >> 2), 32 * (i >> 2) + 32);
      return bytesToHex(sliceSequence(hash, i & 3));
    });
    expect(lines(await readBuffer(gpu.device, out))).toEqual([...expected, 'ee'.repeat(32)]);
  });
});

describe('finish', () => {
  const N = 70;
  const random = seededRandom(4);
  /** Sums whose last hashes are as good as any: the program sees only rows. */
  const sums = Array.from({ length: N }, () => randomBytes(random, 65_536));
  const expected = sums.map(hashOfSum);
  let compiled: Promise<CompiledProgram> | undefined;

  interface Finished {
    readonly powHashes: readonly string[];
    readonly found: Uint32Array;
  }

  async function finish(
    ctx: Pick<TestContext, 'skip'>,
    rows: Uint32Array<ArrayBuffer>,
    { count = N, blocks = 4, any = 0, target = 0n, foundWords = 3 },
  ): Promise<Finished> {
    const gpu = await gpuOrSkip(ctx);
    const uniform = new Uint8Array(48);
    new Uint32Array(uniform.buffer).set([count, blocks, any]);
    for (let i = 0; i < 4; i++) {
      writeU64(uniform, 16 + 8 * i, (target >> BigInt(64 * i)) & (TWO_64 - 1n));
    }
    const powHashes = createBuffer(gpu.device, new Uint8Array(32 * N).fill(0xee));
    const found = createBuffer(gpu.device, new Uint32Array(foundWords).fill(0xffff_ffff));
    const entry = 'finish_hashes';
    compiled ??= compileProgram(gpu, { program: 'finish', entry, uniforms: [0] });
    const program = await compiled;
    await program.dispatch([Math.ceil(count / 64)], [uniform, rows, powHashes, found]);
    const bits = await readBuffer(gpu.device, found);
    return {
      powHashes: lines(await readBuffer(gpu.device, powHashes)),
      found: new Uint32Array(bits.buffer),
    };
  }

  function rowsOf(blocks: number, count = N): Uint32Array<ArrayBuffer> {
    const rows = new Uint32Array(count * blocks * 64);
    for (const [i, sum] of sums.slice(0, count).entries()) {
      rows.set(foldedRows(sum, blocks), i * blocks * 64);
    }
    return rows;
  }

  it.for([2, 4, 8, 16, 32, 64])(
    'folds the rows of %i blocks and hashes them',
    async (blocks, ctx) => {
      const { powHashes } = await finish(ctx, rowsOf(blocks, 5), { count: 5, blocks });
      expect(powHashes.slice(0, 5)).toEqual(expected.slice(0, 5));
      expect(powHashes.slice(5)).toEqual(new Array(N - 5).fill('ee'.repeat(32)));
    },
  );

  it('marks exactly the hashes that meet the target', async (ctx) => {
    const rows = rowsOf(4);
    const values = expected.map((hex) => bytesToU256(hexToBytes(hex, 'powHash')));
    const targets: Target[] = [0n, (1n << 256n) - 1n, 1n << 255n];
    // Next to a hash, in its lowest bit and in each of its words.
    for (const i of [0, 31, 32, 63, 64, 69])
      targets.push(values[i]! - 1n, values[i]!, values[i]! + 1n);
    for (let word = 0n; word < 8n; word++) {
      targets.push(values[7]! ^ (1n << (32n * word + 5n)));
    }
    for (let i = 0; i < 10; i++)
      targets.push(bytesToU256(randomBytes(random, 32)) >> BigInt(i % 4));
    for (const target of targets) {
      const { powHashes, found } = await finish(ctx, rows, { target });
      expect(powHashes).toEqual(expected);
      const bits = bitmask(expected.map((hex) => meetsTarget(hexToBytes(hex, 'powHash'), target)));
      expect([...found], `target ${target.toString(16)}`).toEqual(bits);
    }
  });

  it('marks all or none where the target is out of range, and none beyond the count', async (ctx) => {
    const rows = rowsOf(4);
    const all = await finish(ctx, rows, { any: 1, count: 66 });
    expect([...all.found]).toEqual([0xffff_ffff, 0xffff_ffff, 3]);
    const none = await finish(ctx, rows, { any: 2, target: (1n << 256n) - 1n });
    expect([...none.found]).toEqual([0, 0, 0]);
  });

  it('leaves what does not fit the bitmask alone', async (ctx) => {
    const { found } = await finish(ctx, rowsOf(4), { any: 1, count: 20, foundWords: 1 });
    expect([...found]).toEqual([0xf_ffff]);
  });
});

describe('peak programs', () => {
  it.for(['peak-dp4a', 'peak-f32'] as const)(
    '%s computes something in every thread',
    async (program, ctx) => {
      const gpu = await gpuOrSkip(ctx);
      const { peak } = variantsFor(matrixGpu([])).usable.find(
        (each) => each.peak.program === program,
      )!;
      const out = createBuffer(gpu.device, 3 * peak.outBytesPerWorkgroup);
      const bindings = [out];
      await runProgram(gpu, {
        program,
        constants: peak.constants,
        entry: 'measure_peak',
        workgroups: [2],
        bindings,
      });
      const words = new Uint32Array((await readBuffer(gpu.device, out)).buffer);
      const perGroup = peak.outBytesPerWorkgroup / 4;
      const [one, two, beyond] = [0, 1, 2].map((i) =>
        words.slice(i * perGroup, (i + 1) * perGroup),
      );
      expect(one!.filter((word) => word === 0).length, 'threads that wrote nothing').toBeLessThan(
        2,
      );
      expect(two).toEqual(one);
      expect(beyond).toEqual(new Uint32Array(perGroup));
    },
  );
});

function randomBytes(random: () => number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Lines of 32 bytes in hex. */
function lines(bytes: Uint8Array): string[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) =>
    bytesToHex(bytes.subarray(32 * i, 32 * i + 32)),
  );
}

function bitmask(bits: readonly boolean[]): number[] {
  const words = new Array<number>(Math.ceil(bits.length / 32)).fill(0);
  for (const [i, bit] of bits.entries()) if (bit) words[i >> 5]! |= 1 << (i & 31);
  return words.map((word) => word >>> 0);
}
