import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../src/chain/block.ts';
import { type Orphan, OrphanPool, type OrphanPoolOptions } from '../../src/node/orphans.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { FakeClock } from '../support/fake-clock.ts';

const chain = new ChainBuilder().extend(300);
const MINUTE_MS = 60_000;

function pool(options: OrphanPoolOptions = {}): { orphans: OrphanPool; clock: FakeClock } {
  const clock = new FakeClock();
  return { orphans: new OrphanPool(options, { clock }), clock };
}

function blocksOf(orphans: readonly Orphan[]): readonly Block[] {
  return orphans.map((orphan) => orphan.block());
}

/** The same header over another coinbase: what a spoilt copy looks like from outside. */
function variant(block: Block, coinbaseOf: Block): Block {
  return { ...block, transactions: coinbaseOf.transactions };
}

describe('OrphanPool', () => {
  it('keeps blocks by their parent, in the order of arrival', () => {
    const { orphans } = pool();
    const [a, b] = [chain.fork(9).block(), chain.fork(9).block()];
    const parent = chain.blocks[9]!;
    for (const block of [b, chain.blocks[10]!, a, b]) orphans.add(block);
    expect(blocksOf(orphans.childrenOf(parent.hash))).toEqual([b, chain.blocks[10], a]);
    expect(orphans.size).toBe(3);
    expect(orphans.has(a.hash)).toBe(true);
    expect(orphans.childrenOf(chain.blocks[8]!.hash)).toEqual([]);
  });

  it('forgets what is removed, siblings apart', () => {
    const { orphans } = pool();
    const sibling = chain.fork(9).block();
    orphans.add(chain.blocks[10]!);
    orphans.add(sibling);
    for (let i = 0; i < 2; i++) {
      orphans.remove(chain.blocks[10]!.hash);
      expect(blocksOf(orphans.childrenOf(chain.blocks[9]!.hash))).toEqual([sibling]);
    }
    const [last] = orphans.childrenOf(chain.blocks[9]!.hash);
    for (let i = 0; i < 2; i++) orphans.drop(last!);
    expect(orphans.has(sibling.hash)).toBe(false);
    expect([orphans.size, orphans.bytes]).toEqual([0, 0]);
  });

  it('keeps 256 blocks, and drops the one that expires first for another', () => {
    const { orphans } = pool();
    for (const block of chain.blocks.slice(1, 258)) orphans.add(block);
    expect(orphans.size).toBe(256);
    expect(orphans.has(chain.blocks[1]!.hash)).toBe(false);
    expect(orphans.has(chain.blocks[2]!.hash)).toBe(true);
    expect(orphans.childrenOf(chain.blocks[0]!.hash)).toEqual([]);
  });

  it('does not let a block that comes again live longer', async () => {
    const { orphans, clock } = pool({ maxBlocks: 2 });
    orphans.add(chain.blocks[1]!);
    await clock.advance(MINUTE_MS);
    orphans.add(chain.blocks[2]!);
    orphans.add(chain.blocks[1]!);
    orphans.add(chain.blocks[3]!);
    expect(orphans.has(chain.blocks[1]!.hash)).toBe(false);
  });

  it('drops what is older than an hour, without a timer', async () => {
    const { orphans, clock } = pool();
    orphans.add(chain.blocks[5]!);
    await clock.advance(30 * MINUTE_MS);
    orphans.add(chain.blocks[7]!);
    await clock.advance(30 * MINUTE_MS);
    expect([orphans.size, clock.sleeping]).toEqual([2, 0]);
    await clock.advance(1);
    expect(orphans.childrenOf(chain.blocks[4]!.hash)).toEqual([]);
    expect(orphans.has(chain.blocks[5]!.hash)).toBe(false);
    expect(blocksOf(orphans.childrenOf(chain.blocks[6]!.hash))).toEqual([chain.blocks[7]]);
    expect([orphans.size, orphans.bytes]).toEqual([1, encodeBlock(chain.blocks[7]!).length]);
  });

  it('keeps so many bytes at most, and no block that is larger than all of it', () => {
    const { orphans: unbounded } = pool();
    unbounded.add(chain.blocks[1]!);
    const one = unbounded.bytes;
    const { orphans } = pool({ maxBytes: 3 * one + 10 });
    for (const block of chain.blocks.slice(1, 6)) orphans.add(block);
    expect(orphans.size).toBe(3);
    expect(orphans.bytes).toBeLessThanOrEqual(3 * one + 10);
    expect(orphans.has(chain.blocks[5]!.hash)).toBe(true);
    const { orphans: tiny } = pool({ maxBytes: one - 1 });
    tiny.add(chain.blocks[1]!);
    expect([tiny.size, tiny.bytes]).toEqual([0, 0]);
  });

  it('keeps eight blocks of one parent, and drops the oldest of them for another', () => {
    const { orphans } = pool();
    const other = chain.blocks[20]!;
    orphans.add(other);
    const siblings = Array.from({ length: 11 }, () => chain.fork(9).block());
    for (const block of siblings) orphans.add(block);
    const kept = blocksOf(orphans.childrenOf(chain.blocks[9]!.hash));
    expect(kept).toEqual(siblings.slice(3));
    expect([orphans.size, orphans.has(other.hash)]).toEqual([9, true]);
  });

  it('keeps four blocks of one hash, each once, and drops the oldest of them for another', () => {
    const { orphans } = pool();
    const block = chain.blocks[10]!;
    const variants = [1, 2, 3, 4, 5].map((height) => variant(block, chain.blocks[height]!));
    for (const each of [...variants, variants[4]!, block]) orphans.add(each);
    const kept = orphans.childrenOf(chain.blocks[9]!.hash);
    expect(blocksOf(kept)).toEqual([...variants.slice(2), block]);
    orphans.drop(kept[1]!);
    expect([orphans.size, orphans.has(block.hash)]).toEqual([3, true]);
    orphans.remove(block.hash);
    expect([orphans.size, orphans.bytes, orphans.has(block.hash)]).toEqual([0, 0, false]);
  });

  it('keeps no more of a block than its bytes', () => {
    const { orphans } = pool();
    const block = chain.blocks[10]!;
    orphans.add(block);
    const [orphan] = orphans.childrenOf(chain.blocks[9]!.hash);
    expect(orphans.bytes).toBe(encodeBlock(block).length);
    expect(orphan!.header).toEqual(block.header);
    const { previousBlockHash } = orphan!.header;
    expect(previousBlockHash.buffer.byteLength).toBeLessThanOrEqual(2 * orphan!.bytes.length);
    expect(orphan!.block()).toEqual(block);
    expect(orphan!.block()).not.toBe(orphan!.block());
  });
});
