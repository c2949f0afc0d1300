import { describe, expect, it } from 'vitest';
import { createTx } from '../../../src/chain/tx-codec.ts';
import { SpvFilter } from '../../../src/node/peers/spv-filter.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { issueInput, issuer, keyOwner, outputOf, transaction } from '../../support/spending.ts';

const programs = (from: number, count: number, bytes = 22): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, i) => {
    const program = new Uint8Array(bytes);
    new DataView(program.buffer).setUint32(0, from + i);
    return program;
  });

describe('an SPV filter', () => {
  const builder = new ChainBuilder().extend(1);
  const owner = keyOwner(1);
  const paid = transaction({ from: [builder.coinbase(1)], to: [{ to: owner, amount: 5n }] });

  it('matches what one of its programs is paid or spends', () => {
    const filter = new SpvFilter();
    expect(filter.matches(paid)).toBe(false);
    filter.add(keyOwner(2).program);
    expect(filter.matches(paid)).toBe(false);
    filter.add(owner.program);
    expect(filter.matches(paid)).toBe(true);
    filter.load([builder.coinbase(1).owner.program]);
    expect(filter.matches(paid), 'spent').toBe(true);
    filter.clear();
    expect(filter.matches(paid)).toBe(false);
  });

  it('does not match who issues', () => {
    const by = issuer(owner);
    const tx = createTx({
      version: 1n,
      timeRange: 0n,
      inputs: [issueInput({ issuer: by, amount: 1n })],
      outputs: [outputOf({ to: keyOwner(2), amount: 1n, assetId: by.assetId })],
    });
    const filter = new SpvFilter();
    filter.add(owner.program);
    expect(filter.matches(tx)).toBe(false);
  });

  it('holds 4096 programs, and 256 KiB of them', () => {
    const filter = new SpvFilter();
    expect(filter.load(programs(0, 4096))).toBe(true);
    expect(filter.add(programs(0, 1)[0]!), 'one that it has').toBe(true);
    expect(filter.add(programs(5000, 1)[0]!)).toBe(false);
    expect(filter.load(programs(0, 257, 1024))).toBe(false);
    expect(filter.size, 'as it was').toBe(4096);
    expect(filter.load(programs(0, 256, 1024))).toBe(true);
    expect(filter.add(Uint8Array.of(1))).toBe(false);
  });
});
