import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { entryId } from '../../src/chain/entry.ts';
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  headerHash,
  headerPreimage,
  PREIMAGE_NONCE_OFFSET,
  preimageHash,
} from '../../src/chain/header.ts';
import { INITIAL_SEED, seedHeight } from '../../src/chain/seed.ts';
import { bytesToHex, concatBytes, hexToBytes, readU64, writeU64 } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';

interface HeaderVector {
  readonly height: number;
  readonly version: number;
  readonly previous_block_hash: string;
  readonly timestamp: number;
  readonly transaction_merkle_root: string;
  readonly transaction_status_hash: string;
  readonly nonce: string;
  readonly bits: string;
  readonly hash: string;
  readonly header_hex: string;
  readonly seed_height?: number | null;
  readonly links_to_previous_vector?: boolean;
  readonly raw_block?: string | null;
}

const file = JSON.parse(
  readFileSync(new URL('../vectors/block_headers.json', import.meta.url), 'utf8'),
) as { readonly mainnet: readonly HeaderVector[]; readonly others: readonly HeaderVector[] };
const vectors = [...file.mainnet, ...file.others];
const first = file.mainnet[0]!;

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex, 'vector');

function headerOf(v: HeaderVector): BlockHeader {
  return {
    version: v.version,
    height: v.height,
    previousBlockHash: bytesOf(v.previous_block_hash),
    timestamp: v.timestamp,
    transactionsMerkleRoot: bytesOf(v.transaction_merkle_root),
    transactionStatusHash: bytesOf(v.transaction_status_hash),
    nonce: BigInt(v.nonce),
    bits: BigInt(v.bits),
  };
}

describe('real headers', () => {
  it('are there', () => {
    expect([file.mainnet.length, file.others.length]).toEqual([18, 9]);
  });

  it('decode to their published fields and encode to the same bytes', () => {
    for (const v of vectors) {
      const name = `height ${v.height}`;
      const bytes = bytesOf(v.header_hex);
      const decoded = decodeHeader(bytes);
      expect(decoded.header, name).toEqual(headerOf(v));
      expect([decoded.flag, decoded.bytesRead], name).toEqual([1, bytes.length]);
      expect(bytesToHex(encodeHeader(decoded.header)), name).toBe(v.header_hex);
    }
  });

  it('hash to their published hashes', () => {
    for (const v of vectors) {
      expect(bytesToHex(headerHash(headerOf(v))), `height ${v.height}`).toBe(v.hash);
    }
  });

  it('link to each other by hash where they are neighbours', () => {
    const linked = file.mainnet.filter((v) => v.links_to_previous_vector === true);
    expect(linked.length).toBe(12);
    for (const v of linked) {
      const parent = file.mainnet[file.mainnet.indexOf(v) - 1]!;
      expect(bytesToHex(headerHash(headerOf(parent))), `height ${v.height}`).toBe(
        v.previous_block_hash,
      );
    }
  });

  it('are read from the front of whole blocks', () => {
    const blocks = vectors.filter((v) => typeof v.raw_block === 'string');
    expect(blocks.length).toBeGreaterThan(2);
    for (const v of blocks) {
      const decoded = decodeHeader(bytesOf(v.raw_block!));
      expect([decoded.flag, decoded.bytesRead]).toEqual([3, v.header_hex.length / 2]);
      expect(bytesToHex(headerHash(decoded.header)), `height ${v.height}`).toBe(v.hash);
      expect(bytesToHex(encodeHeader(decoded.header, 3))).toBe(`03${v.header_hex.slice(2)}`);
    }
  });
});

describe('preimage', () => {
  it('is 136 bytes with the nonce last and the bits before it', () => {
    const preimage = headerPreimage(headerOf(first));
    expect(preimage.length).toBe(136);
    expect(readU64(preimage, PREIMAGE_NONCE_OFFSET)).toBe(BigInt(first.nonce));
    expect(readU64(preimage, 120)).toBe(BigInt(first.bits));
    expect(bytesToHex(preimageHash(preimage))).toBe(first.hash);
  });

  it('hashes like any other entry', () => {
    const preimage = headerPreimage({ ...headerOf(first), nonce: (1n << 64n) - 1n });
    expect(preimageHash(preimage)).toEqual(entryId('blockheader', preimage));
    // Results do not share memory: a miner keeps many of them.
    const before = preimageHash(preimage);
    const copy = before.slice();
    writeU64(preimage, PREIMAGE_NONCE_OFFSET, 1n);
    expect(preimageHash(preimage)).not.toEqual(copy);
    expect(before).toEqual(copy);
  });

  it('of another length is refused', () => {
    expect(() => preimageHash(new Uint8Array(135))).toThrow(
      '"preimage" expected 136 bytes, got 135',
    );
  });
});

describe('wire form', () => {
  const wire = bytesOf(first.header_hex);

  it('fails at every truncation, naming what is missing', () => {
    for (let end = 0; end < wire.length; end++) {
      expect(() => decodeHeader(wire.subarray(0, end)), `${end} bytes`).toThrow(InputError);
    }
    expect(() => decodeHeader(wire.subarray(0, 10), 'block_header')).toThrow(
      'block_header.previousBlockHash: expected 32 bytes at byte 3, got 7 left',
    );
  });

  it('changes its hash, or fails, when any bit of a field changes', () => {
    const survivors: number[] = [];
    for (let bit = 8; bit < wire.length * 8; bit++) {
      const bytes = wire.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const { header } = decodeHeader(bytes);
        if (bytesToHex(headerHash(header)) === first.hash) survivors.push(bit);
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(InputError);
      }
    }
    expect(survivors).toEqual([]);
  });

  it('drops an unknown suffix of the commitment, which is not hashed', () => {
    const at = first.header_hex.indexOf(`40${first.transaction_merkle_root}`);
    const hex = first.header_hex;
    const suffixed = `${hex.slice(0, at)}43${hex.slice(at + 2, at + 130)}abcdef${hex.slice(at + 130)}`;
    const decoded = decodeHeader(bytesOf(suffixed));
    expect(decoded.header).toEqual(headerOf(first));
    expect(decoded.bytesRead).toBe(suffixed.length / 2);
    expect(bytesToHex(encodeHeader(decoded.header))).toBe(hex);
  });

  it('with a commitment that is too short is refused', () => {
    const at = first.header_hex.indexOf(`40${first.transaction_merkle_root}`);
    const hex = first.header_hex;
    expect(() => decodeHeader(bytesOf(`${hex.slice(0, at)}3f${hex.slice(at + 2)}`))).toThrow(
      'header.transactionStatusHash: expected 32 bytes at byte 73, got 31 left',
    );
  });

  it('with another flag is refused', () => {
    for (const flag of [0, 2, 4, 7, 255]) {
      const bytes = wire.slice();
      bytes[0] = flag;
      expect(() => decodeHeader(bytes)).toThrow(
        `header.flag: expected 1 (header) or 3 (block), got ${flag}`,
      );
    }
  });

  it('says how far it read when more follows', () => {
    const decoded = decodeHeader(concatBytes(wire, Uint8Array.of(1, 2, 3)));
    expect(decoded.bytesRead).toBe(wire.length);
  });

  it('refuses version, height and time that a number cannot hold', () => {
    const big = '8080808080808010'; // 2^53
    const rest = first.header_hex.slice(6);
    expect(() => decodeHeader(bytesOf(`01${big}7b${rest}`))).toThrow('header.version: expected');
    expect(() => decodeHeader(bytesOf(`0101${big}${rest}`))).toThrow(
      'header.height: expected at most 2^53−1 at byte 2, got 9007199254740992',
    );
  });

  it('refuses to write what the chain could not carry', () => {
    const header = headerOf(first);
    const bad: readonly (readonly [Partial<BlockHeader>, string])[] = [
      [{ nonce: 1n << 63n }, '"nonce" expected 0 … 2^63−1, got 9223372036854775808'],
      [{ bits: 1n << 63n }, '"bits" expected 0 … 2^63−1'],
      [{ height: -1 }, '"height" expected an integer 0 … 2^53−1, got -1'],
      [{ timestamp: 1.5 }, '"timestamp" expected an integer'],
      [{ version: 2 ** 53 }, '"version" expected an integer'],
      [{ previousBlockHash: new Uint8Array(31) }, '"previousBlockHash" expected 32 bytes, got 31'],
      [{ transactionStatusHash: new Uint8Array(33) }, '"transactionStatusHash" expected 32 bytes'],
    ];
    for (const [change, text] of bad) {
      expect(() => encodeHeader({ ...header, ...change }), text).toThrow(text);
    }
    expect(encodeHeader({ ...header, nonce: (1n << 63n) - 1n }).length).toBe(wire.length + 2);
  });
});

describe('seed rule', () => {
  it('names the block whose hash is the seed', () => {
    const cases: readonly (readonly [number, number])[] = [
      [0, 0],
      [1, 0],
      [255, 0],
      [256, 0],
      [257, 256],
      [512, 256],
      [513, 512],
      [58_680, 58_624],
    ];
    for (const [height, seed] of cases) expect(seedHeight(height), String(height)).toBe(seed);
    for (const v of vectors) {
      if (typeof v.seed_height === 'number') expect(seedHeight(v.height)).toBe(v.seed_height);
    }
    expect(() => seedHeight(-1)).toThrow(RangeError);
  });

  it('starts from the hash of 32 zero bytes', async () => {
    const { createHash } = await import('node:crypto');
    const expected = createHash('sha3-256').update(new Uint8Array(32)).digest('hex');
    expect(bytesToHex(INITIAL_SEED)).toBe(expected);
  });
});
