import { describe, expect, it } from 'vitest';
import { encodeBlock } from '../../../src/chain/block.ts';
import { encodeHeader } from '../../../src/chain/header.ts';
import { readHeader } from '../../../src/node/sync/header-source.ts';
import { HeightSource } from '../../../src/node/sync/height-source.ts';
import { SourceError } from '../../../src/node/sync/source-error.ts';
import { concatBytes } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { type PeerScript, ScriptedPeer } from '../../support/sync-peers.ts';
import { codeOf, heights, signal, soon, type World, worldAt } from './source-world.ts';

const FULL_NODE = 1;

describe('readHeader', () => {
  it('keeps nothing of what it was read from alive', () => {
    const { tip } = new ChainBuilder().extend(1);
    const bytes = encodeBlock(tip);
    const { header, hash } = readHeader(bytes, 'block');
    expect(hash).toEqual(tip.hash);
    expect(header.previousBlockHash.buffer).not.toBe(bytes.buffer);
  });
});

describe('HeightSource', () => {
  const source = ({ rig }: World, peer: ScriptedPeer): HeightSource =>
    new HeightSource(peer, { chain: rig.chain });
  const peerOf = ({ rig }: World, builder: ChainBuilder, script?: PeerScript): ScriptedPeer =>
    new ScriptedPeer('p', builder.blocks, { clock: rig.clock }, { services: FULL_NODE, ...script });

  async function all(world: World, headers: HeightSource): Promise<readonly number[]> {
    const got: number[] = [];
    for (;;) {
      const next = heights(await soon(world.rig, headers.next(signal)));
      if (next.length === 0) return got;
      got.push(...next);
    }
  }

  it('begins after the tip, and comes with the blocks', async () => {
    const world = await worldAt(5);
    const longer = world.builder.fork(5).extend(30);
    const headers = source(world, peerOf(world, longer));
    const first = await soon(world.rig, headers.next(signal));
    if (first instanceof SourceError) throw first;
    expect(first[0]!.body).toEqual(encodeBlock(longer.blocks[6]!));
    expect(await all(world, headers)).toEqual(Array.from({ length: 29 }, (_, i) => i + 7));
    await world.rig.close();
  });

  it('steps back 1, 2, 4 … to a block that fits', async () => {
    const world = await worldAt(40);
    const other = world.builder.fork(20).extend(30);
    const peer = peerOf(world, other);
    const got = await all(world, source(world, peer));
    const steps = peer.requests.map(({ from }) => from).slice(0, 6);
    expect(steps).toEqual([41, 40, 38, 34, 26, 10]);
    expect(got).toEqual(Array.from({ length: 41 }, (_, i) => i + 10));
    await world.rig.close();
  });

  it('refuses a chain with another genesis block', async () => {
    const world = await worldAt(9);
    const [genesis] = world.builder.blocks;
    const header = { ...genesis!.header, timestamp: 7 };
    const { hash } = readHeader(encodeHeader(header), 'header');
    const other = new ChainBuilder({ start: [{ ...genesis!, header, hash }] }).extend(12);
    expect(await codeOf(world.rig, source(world, peerOf(world, other)).next(signal))).toBe(
      'illegal',
    );
    await world.rig.close();
  });

  it('refuses what is no block, or one of another height', async () => {
    const world = await worldAt(0);
    const other = new ChainBuilder().extend(5);
    const garbage = peerOf(world, other, { block: () => Uint8Array.of(3) });
    expect(await codeOf(world.rig, source(world, garbage).next(signal))).toBe('illegal');
    const another = peerOf(world, other, { block: () => encodeBlock(other.blocks[2]!) });
    expect(await codeOf(world.rig, source(world, another).next(signal))).toBe('illegal');
    await world.rig.close();
  });

  it('asks for fewer at a time where blocks are large', async () => {
    const world = await worldAt(0);
    const other = new ChainBuilder().extend(40);
    const block = (honest: (typeof other.blocks)[0]): Uint8Array =>
      concatBytes(encodeBlock(honest), new Uint8Array(600_000));
    const peer = peerOf(world, other, { block });
    await all(world, source(world, peer));
    expect(peer.mostOutstanding).toBeLessThanOrEqual(2);
    await world.rig.close();
  });

  it('keeps what came before a request that failed', async () => {
    const world = await worldAt(0);
    const other = new ChainBuilder().extend(12);
    const peer = peerOf(world, other, { height: 14 });
    const headers = source(world, peer);
    const got: number[] = [];
    for (;;) {
      const next = await soon(world.rig, headers.next(signal));
      if (next instanceof SourceError) {
        expect(next.detail.code).toBe('silent');
        break;
      }
      got.push(...heights(next));
    }
    expect(got).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    await world.rig.close();
  });
});
