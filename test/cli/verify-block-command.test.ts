import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader, headerHash } from '../../src/chain/header.ts';
import { INITIAL_SEED } from '../../src/chain/seed.ts';
import { encodeVarint63 } from '../../src/chain/varint.ts';
import { KernelsDisagreeError, type VerifyParts } from '../../src/cli/pow-input.ts';
import {
  parseBits,
  readBlockClaim,
  runVerifyBlock,
  type VerifyBlockRequest,
} from '../../src/cli/verify-block-command.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { stringifyExact } from '../../src/util/json.ts';
import { emptyTables, type KnownHash, LookupHasher } from './lookup-hasher.ts';

interface HeaderVector {
  readonly header_hex: string;
  readonly hash: string;
  readonly target: string;
  readonly raw_block?: string | null;
}

function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

const { mainnet, others } = readVectors<{
  readonly mainnet: readonly HeaderVector[];
  readonly others: readonly HeaderVector[];
}>('block_headers.json');
const { cases } = readVectors<{ readonly cases: readonly KnownHash[] }>('tensority.json');

const block123 = mainnet[0]!;
const header = decodeHeader(hexToBytes(block123.header_hex, 'vector')).header;
const seed = bytesToHex(INITIAL_SEED);
/** The published PoW hash of block 123. */
const pow123 = cases.find((c) => c.header_hash === block123.hash)!;

const folder = mkdtempSync(join(tmpdir(), 'bytom-block-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Knows the PoW hash of block 123; everything else gets a hash that meets no real target. */
const parts: VerifyParts = { hasher: new LookupHasher([pow123]), tables: emptyTables };

async function verify(
  block: string,
  more: Partial<VerifyBlockRequest> = {},
  using: VerifyParts = parts,
): ReturnType<typeof runVerifyBlock> {
  return runVerifyBlock(await readBlockClaim({ block, seed, ...more }), using);
}

/** Block 123 with other bits, and a hasher that gives it the PoW hash `result`. */
function withBits(bits: bigint, result: string): [string, VerifyParts] {
  const changed = { ...header, bits };
  const known = { seed, header_hash: bytesToHex(headerHash(changed)), result };
  return [
    bytesToHex(encodeHeader(changed)),
    { hasher: new LookupHasher([known]), tables: emptyTables },
  ];
}

describe('verify --block', () => {
  it('finds mainnet block 123 valid, with exact numbers', async () => {
    expect(pow123.seed).toBe(seed);
    const output = await verify(block123.header_hex);
    expect(stringifyExact(output.result)).toBe(
      `{"valid":true,"read":"header","blockHash":"${block123.hash}","powHash":"${pow123.result}",` +
        `"target":"${block123.target}","difficulty":15154807,"bits":2161727821137910632,` +
        '"height":123,"nonce":8946685314549}',
    );
    expect(output.exitCode).toBe(0);
    expect(output.text).toMatch(/^valid\n/);
    expect(output.text).not.toContain('note:');
  });

  it('finds it not valid, or unreadable, after any single bit of it changes', async () => {
    const wire = hexToBytes(block123.header_hex, 'vector');
    // The bits are the last field. Changed, they may mean a target that the new hash meets by
    // chance, as a real kernel's might: there it takes the expected bits to see the change.
    const firstOfBits = 8 * (wire.length - encodeVarint63(header.bits).length);
    const expectBits = String(header.bits);
    const valid: number[] = [];
    let unreadable = 0;
    for (let bit = 0; bit < wire.length * 8; bit++) {
      const changed = wire.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const { result } = await verify(
          bytesToHex(changed),
          bit >= firstOfBits ? { expectBits } : {},
        );
        if (result.valid) valid.push(bit);
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(InputError);
        unreadable++;
      }
    }
    expect(valid).toEqual([]);
    expect(unreadable).toBeGreaterThan(10);
    expect(unreadable).toBeLessThan(60);
  });

  it('says what is wrong with work that misses its target', async () => {
    const [hex, using] = withBits(header.bits, 'ff'.repeat(32));
    const output = await verify(hex, {}, using);
    expect(output.result).toMatchObject({
      valid: false,
      reason: 'the PoW hash is above the target',
    });
    expect(output.exitCode).toBe(1);
    expect(output.text).toMatch(/^not valid: the PoW hash is above the target\n/);
  });

  it('says so when the bits let any hash pass', async () => {
    const [hex, using] = withBits((0x22n << 56n) | 0x10_0000n, 'ff'.repeat(32));
    const output = await verify(hex, {}, using);
    expect(output.result).toMatchObject({ valid: true, anyHashMeets: true, difficulty: 0n });
    expect(output.text).toContain('a target that any hash meets');
  });

  it('says so when no hash could pass', async () => {
    const [negative, usingNegative] = withBits((0x1en << 56n) | (1n << 55n) | 5n, '00'.repeat(32));
    expect((await verify(negative, {}, usingNegative)).result).toMatchObject({
      valid: false,
      reason: 'the target is negative: no hash meets it',
      target: `-${'5'.padStart(10, '0')}${'0'.repeat(54)}`,
      difficulty: 0n,
    });
    const [zero, usingZero] = withBits(0n, `01${'00'.repeat(31)}`);
    expect((await verify(zero, {}, usingZero)).result).toMatchObject({
      valid: false,
      reason: 'the target is zero: only a hash of all zeros would meet it',
      target: '0'.repeat(64),
    });
  });

  it('compares the bits with those expected, in decimal or hex', async () => {
    for (const good of ['2161727821137910632', '0x1e000000011b6800', '0X1E000000011B6800']) {
      const bits = parseBits(good, 'f');
      const expected = good.startsWith('2') ? header.bits : BigInt(good.toLowerCase());
      expect(bits).toBe(expected);
    }
    const hex = `0x${header.bits.toString(16)}`;
    expect((await verify(block123.header_hex, { expectBits: hex })).result.valid).toBe(true);
    const output = await verify(block123.header_hex, { expectBits: '2161727821137910633' });
    expect(output.result.valid).toBe(false);
    expect(output.result.reason).toBe(
      `the header has bits 2161727821137910632 (${hex}), ` +
        `expected 2161727821137910633 (0x${(header.bits + 1n).toString(16)})`,
    );
    for (const bad of ['', '-1', '1.5', '0x', 'abc', '18446744073709551616', '1e3']) {
      const work = verify(block123.header_hex, { expectBits: bad });
      await expect(work, bad).rejects.toThrow('expect-bits: expected an integer 0 … 2^64−1');
    }
  });

  it('hints at the seed when a low block is checked under another one', async () => {
    const output = await verify(block123.header_hex, { seed: '11'.repeat(32) });
    expect(output.result.valid).toBe(false);
    expect(output.text).toContain(`heights up to 256 use the seed ${seed}`);
  });

  it('asks a second kernel before saying no, and gives no answer if they differ', async () => {
    const wrong: KnownHash = { ...pow123, result: 'ff'.repeat(32) };
    const second = new LookupHasher([pow123]);
    const work = verify(
      block123.header_hex,
      {},
      { ...parts, hasher: new LookupHasher([wrong]), confirm: second },
    );
    await expect(work).rejects.toThrow(KernelsDisagreeError);
    const agreeing = new LookupHasher([wrong]);
    const output = await verify(
      block123.header_hex,
      {},
      { ...parts, hasher: new LookupHasher([wrong]), confirm: agreeing },
    );
    expect(output.result.valid).toBe(false);
    expect(agreeing.batches).toEqual([1]);
  });

  it('does not trouble the second kernel with a yes', async () => {
    const second = new LookupHasher([pow123]);
    await verify(block123.header_hex, {}, { ...parts, confirm: second });
    expect(second.batches).toEqual([]);
  });
});

describe('the block to verify', () => {
  const wholeBlock = others.find((v) => typeof v.raw_block === 'string')!;

  it('may be a whole block, of which only the header counts', async () => {
    const output = await verify(wholeBlock.raw_block!);
    expect(output.result).toMatchObject({ read: 'block', blockHash: wholeBlock.hash });
    expect(output.text).toContain('only its header was looked at');
  });

  it('may be a file of hex, of hex in lines, or of bytes', async () => {
    const hex = block123.header_hex;
    const files: readonly (readonly [string, string | Uint8Array])[] = [
      ['plain', `${hex}\n`],
      ['lines', `${hex.slice(0, 64)}\r\n  ${hex.slice(64).toUpperCase()}\n`],
      ['bytes', hexToBytes(hex, 'vector')],
    ];
    for (const [name, content] of files) {
      const path = join(folder, name);
      writeFileSync(path, content);
      expect((await verify(path)).result.valid, name).toBe(true);
    }
  });

  it('that cannot be read is refused, naming field and find', async () => {
    const hex = block123.header_hex;
    writeFileSync(join(folder, 'text'), 'not hex');
    writeFileSync(join(folder, 'empty'), '');
    const bad: readonly (readonly [string, string])[] = [
      ['', 'block: expected the name of a file or hex digits, got nothing'],
      ['no-such-file', 'block: expected the name of a file or hex digits, got "no-such-file"'],
      [folder, `block: expected a file or hex digits, got the directory "`],
      [
        join(folder, 'text'),
        'block: expected a file of hex digits or of a serialised block, got "nothex"',
      ],
      [join(folder, 'empty'), 'got nothing'],
      [hex.slice(0, -1), 'block: expected an even number of hex digits'],
      [hex.slice(0, -2), 'block.bits: expected a whole varint at byte'],
      [`${hex}abcd`, `block: expected the end after ${hex.length / 2} bytes, got 2 more: abcd`],
      [
        `03${hex.slice(2)}`,
        'block.transactions: expected the rest of the block (flag 3), got the end',
      ],
      [`02${hex.slice(2)}`, 'block.flag: expected 1 (header) or 3 (block), got 2'],
    ];
    for (const [block, message] of bad) {
      await expect(verify(block), block.slice(0, 60)).rejects.toThrow(message);
      await expect(verify(block), block.slice(0, 60)).rejects.toBeInstanceOf(InputError);
    }
    for (const [text, got] of [
      ['ab', '2 characters "ab"'],
      [`${seed}0`, '65 characters'],
      [`x${seed.slice(1)}`, '"x" at position 0'],
    ] as const) {
      const work = verify(hex, { seed: text });
      await expect(work, text).rejects.toThrow(`seed: expected 64 hex digits, got ${got}`);
    }
  });
});
