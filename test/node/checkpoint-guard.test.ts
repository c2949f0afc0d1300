import { describe, expect, it } from 'vitest';
import { SOLONET } from '../../src/consensus/network.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig } from '../support/chain-rig.ts';

const builder = new ChainBuilder().extend(10);
const at = (...heights: readonly number[]): Map<number, string> =>
  new Map(heights.map((height) => [height, bytesToHex(builder.blocks[height]!.hash)]));

describe('CheckpointGuard', () => {
  it('refuses new blocks below a checkpoint once the main chain has passed it', async () => {
    const network = { ...SOLONET, checkpoints: at(8, 5).set(20_000, '00'.repeat(32)) };
    const rig = new ChainRig({ hasher: builder.pow.hasher(), network });
    await rig.submitAll(builder.blocks.slice(1, 5));
    const early = builder.fork(0).block();
    expect(await rig.submit(early)).toBe('side');
    // In the same window as the blocks that pass it: what counts is whose turn is first.
    const late = builder.fork(0).block();
    const window = [...builder.blocks.slice(5, 8), late];
    expect((await rig.submitAll(window)).at(-1)).toBe('checkpoint');
    expect(await rig.submit(builder.fork(4).block())).toBe('checkpoint');
    expect(await rig.submit(builder.fork(5).block())).toBe('side');
    await rig.submitAll(builder.blocks.slice(8));
    expect(await rig.submit(builder.fork(6).block())).toBe('checkpoint');
    expect(await rig.submit(builder.fork(8).block())).toBe('side');
    expect(await rig.submit(early)).toBe('known');
    expect(await rig.submit(builder.blocks[3]!)).toBe('known');
    await rig.chain.close();
    const lax = new ChainRig({
      hasher: builder.pow.hasher(),
      network,
      kv: rig.kv,
      checkpoints: 'ignore',
    });
    expect(await lax.submit(builder.fork(0).block())).toBe('side');
  });

  it('lets a chain find back that has another block than the checkpoint', async () => {
    const network = { ...SOLONET, checkpoints: at(3) };
    const other = builder.fork(1).extend(4);
    const first = new ChainRig({ hasher: builder.pow.hasher(), network, checkpoints: 'ignore' });
    await first.submitAll(other.blocks.slice(1));
    await first.chain.close();
    const rig = new ChainRig({ hasher: builder.pow.hasher(), network, kv: first.kv });
    expect(await rig.submit(other.block())).toBe('connected');
    await rig.submitAll(builder.blocks.slice(2));
    expect(rig.tipHash).toBe(bytesToHex(builder.tip.hash));
    expect(await rig.submit(builder.fork(2).block())).toBe('checkpoint');
    await rig.close();
  });
});
