import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../src/chain/block.ts';
import { createCoinbase } from '../../src/consensus/coinbase.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { bytesOf, chainVectors } from '../chain/vectors.ts';

const PROGRAM = Uint8Array.of(0x51);

describe('a coinbase', () => {
  it('is, to the byte, what the reference made for its blocks', () => {
    let said = 0;
    for (const { height, raw_block } of chainVectors().slice(1, 400)) {
      const [made] = decodeBlock(bytesOf(raw_block)).transactions;
      const [output] = made!.outputs;
      const [input] = made!.inputs;
      if (input?.type !== 'coinbase') throw new Error(`block ${height} has no coinbase`);
      const extra = input.arbitrary.subarray(1 + `${height}`.length);
      if (extra.length > 0) said++;
      const { controlProgram: program, amount } = output!;
      const coinbase = createCoinbase({ height, program, amount, extra });
      expect(bytesToHex(coinbase.raw), `block ${height}`).toBe(bytesToHex(made!.raw));
      expect(coinbase.id).toEqual(made!.id);
    }
    expect(said).toBeGreaterThan(0);
  });

  it('has room for 107 bytes of the miner, at any height', () => {
    const height = Number.MAX_SAFE_INTEGER;
    const options = { height, program: PROGRAM, amount: 1n };
    const [input] = createCoinbase({ ...options, extra: new Uint8Array(107) }).inputs;
    expect(input).toMatchObject({ type: 'coinbase' });
    expect(() => createCoinbase({ ...options, extra: new Uint8Array(108) })).toThrow(
      new RangeError('"extra" expected at most 107 bytes, got 108'),
    );
  });

  it('is refused for what is no height', () => {
    for (const height of [-1, 1.5, 2 ** 53]) {
      expect(() => createCoinbase({ height, program: PROGRAM, amount: 1n }), `${height}`).toThrow(
        RangeError,
      );
    }
  });
});
