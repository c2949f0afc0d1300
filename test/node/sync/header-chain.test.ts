import { describe, expect, it } from 'vitest';
import type { Block } from '../../../src/chain/block.ts';
import type { Checkpoints } from '../../../src/consensus/checkpoints.ts';
import { RuleError } from '../../../src/consensus/rule-error.ts';
import { HeaderChain } from '../../../src/node/sync/header-chain.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';

async function rigAt(builder: ChainBuilder, height: number): Promise<ChainRig> {
  const rig = new ChainRig({ hasher: builder.pow.hasher() });
  await rig.submitAll(builder.blocks.slice(1, height + 1));
  return rig;
}

function windowOn(
  rig: ChainRig,
  options: { readonly capacity?: number; readonly checkpoints?: Checkpoints } = {},
): HeaderChain {
  const { capacity = 4096, checkpoints } = options;
  return new HeaderChain({ capacity, checkpoints }, { store: rig.store, now: () => 4_000_000_000 });
}

/** The rule that refuses it. */
function ruleOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof RuleError) return error.detail.rule;
    throw error;
  }
  return undefined;
}

describe('HeaderChain', () => {
  it('claims the same of a header as the chain does, over epochs, on its own branch', async () => {
    const builder = new ChainBuilder().extend(300);
    const other = builder.fork(200).extend(330);
    const rig = await rigAt(builder, 300);
    const headers = windowOn(rig);
    for (const block of other.blocks.slice(201)) {
      const checked = headers.append(block);
      expect(builder.pow.has(checked!.claim.seed, block.hash), `${block.header.height}`).toBe(true);
    }
    expect(headers.size).toBe(330);
    expect(headers.at(0)!.header.height).toBe(201);
    await rig.close();
  });

  it('knows the difficulty after a retarget that it has seen only the headers of', async () => {
    const builder = new ChainBuilder();
    for (let i = 0; i < 2018; i++) builder.block({ timestamp: builder.tip.header.timestamp + 10 });
    const rig = await rigAt(builder, 5);
    const headers = windowOn(rig);
    for (const block of builder.blocks.slice(6)) headers.append(block);
    expect(headers.at(2011)!.header.bits).not.toBe(headers.at(2010)!.header.bits);
    const same = builder.draft({ header: { bits: headers.at(2010)!.header.bits } });
    expect(ruleOf(() => headers.append(same))).toBe('header-bits');
    await rig.close();
  });

  it('skips what is stored', async () => {
    const builder = new ChainBuilder().extend(10);
    const rig = await rigAt(builder, 6);
    const headers = windowOn(rig);
    const taken = builder.blocks.slice(3).map((block) => headers.append(block)?.header.height);
    expect(taken).toEqual([undefined, undefined, undefined, undefined, 7, 8, 9, 10]);
    expect(headers.tip?.hash).toEqual(builder.tip.hash);
    await rig.close();
  });

  it('moves up, and goes on from where it was when it was empty', async () => {
    const builder = new ChainBuilder().extend(6);
    const rig = await rigAt(builder, 0);
    const headers = windowOn(rig, { capacity: 3 });
    for (const block of builder.blocks.slice(1, 4)) headers.append(block);
    expect(headers.room).toBe(0);
    expect(() => headers.append(builder.blocks[4]!)).toThrow(RangeError);
    await rig.submitAll(builder.blocks.slice(1, 4));
    for (let i = 0; i < 3; i++) headers.shift();
    expect(headers.has(builder.blocks[3]!.hash)).toBe(false);
    headers.append(builder.blocks[4]!);
    expect(headers.at(0)!.header.height).toBe(4);
    expect(headers.has(builder.blocks[4]!.hash)).toBe(true);
    await rig.close();
  });

  it('is of one branch: nothing is appended but what follows the last one', async () => {
    const builder = new ChainBuilder().extend(5);
    const other = builder.fork(3).extend(2);
    const rig = await rigAt(builder, 2);
    const headers = windowOn(rig);
    for (const block of builder.blocks.slice(3, 5)) headers.append(block);
    expect(ruleOf(() => headers.append(other.blocks[5]!))).toBe('previous-block');
    const unknown = new ChainBuilder({ start: builder.blocks }).block();
    expect(() => windowOn(rig).append(unknown)).toThrow(RangeError);
    await rig.close();
  });

  const bad: Record<string, (builder: ChainBuilder) => Block> = {
    'header-version': (builder) => builder.draft({ header: { version: 2 } }),
    'header-height': (builder) => builder.draft({ header: { height: 9 } }),
    'header-bits': (builder) => builder.draft({ header: { bits: 1n } }),
    'timestamp-too-early': (builder) => builder.draft({ timestamp: 1 }),
    'timestamp-too-late': (builder) => builder.draft({ timestamp: 4_000_003_601 }),
  };
  for (const [rule, draft] of Object.entries(bad)) {
    it(`refuses by ${rule}`, async () => {
      const builder = new ChainBuilder().extend(4);
      const rig = await rigAt(builder, 4);
      expect(ruleOf(() => windowOn(rig).append(draft(builder)))).toBe(rule);
      await rig.close();
    });
  }

  it('refuses what contradicts a checkpoint, unless they are ignored', async () => {
    const builder = new ChainBuilder().extend(6);
    const other = builder.fork(2).extend(3);
    const checkpoints = new Map([[4, bytesToHex(builder.blocks[4]!.hash)]]);
    const rig = await rigAt(builder, 2);
    const headers = windowOn(rig, { checkpoints });
    headers.append(other.blocks[3]!);
    expect(ruleOf(() => headers.append(other.blocks[4]!))).toBe('checkpoint');
    const free = windowOn(rig);
    for (const block of other.blocks.slice(3)) free.append(block);
    // Once it is passed, nothing new below it is taken.
    await rig.submitAll(builder.blocks.slice(3));
    expect(ruleOf(() => windowOn(rig, { checkpoints }).append(other.blocks[3]!))).toBe(
      'checkpoint',
    );
    await rig.close();
  });
});
