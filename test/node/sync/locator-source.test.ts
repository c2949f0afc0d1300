import { describe, expect, it } from 'vitest';
import { blockLocator, LocatorSource } from '../../../src/node/sync/locator-source.ts';
import { concatBytes } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { type PeerScript, ScriptedPeer } from '../../support/sync-peers.ts';
import { codeOf, heights, signal, soon, type World, worldAt } from './source-world.ts';

describe('blockLocator', () => {
  it('has the best block and nine before it, then doubles its steps, and ends with genesis', async () => {
    const { rig, builder } = await worldAt(100);
    const at = new Map(builder.blocks.map(({ hash, header }) => [`${hash}`, header.height]));
    const locator = blockLocator(rig.chain).map((hash) => at.get(`${hash}`));
    expect(locator).toEqual([100, 99, 98, 97, 96, 95, 94, 93, 92, 91, 89, 85, 77, 61, 29, 0]);
    await rig.close();
  });

  it('is genesis alone at the start', async () => {
    const { rig, builder } = await worldAt(0);
    expect(blockLocator(rig.chain)).toEqual([builder.blocks[0]!.hash]);
    await rig.close();
  });
});

describe('LocatorSource', () => {
  const source = ({ rig }: World, peer: ScriptedPeer): LocatorSource =>
    new LocatorSource(peer, { chain: rig.chain, clock: rig.clock });
  const peerOf = ({ rig }: World, builder: ChainBuilder, script?: PeerScript): ScriptedPeer =>
    new ScriptedPeer('p', builder.blocks, { clock: rig.clock }, script);

  it('gives the headers from the fork up to the best one, and then none', async () => {
    const world = await worldAt(20);
    const other = world.builder.fork(15).extend(10);
    const headers = source(world, peerOf(world, other, { maxHeaders: 7 }));
    expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([
      16, 17, 18, 19, 20, 21, 22,
    ]);
    expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([23, 24, 25]);
    expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([]);
    await world.rig.close();
  });

  it('asks for no more than up to the best hash of when it began', async () => {
    const world = await worldAt(3);
    const longer = world.builder.fork(3).extend(10);
    const peer = new ScriptedPeer('p', longer.blocks.slice(0, 6), { clock: world.rig.clock });
    const headers = source(world, peer);
    peer.switchTo(longer.blocks);
    expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([4, 5]);
    expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([]);
    await world.rig.close();
  });

  const answers: Record<
    string,
    [string, (honest: readonly Uint8Array[]) => readonly Uint8Array[]]
  > = {
    'an empty answer': ['fault', () => []],
    'what is no header': ['illegal', () => [Uint8Array.of(1)]],
    'a block': [
      'illegal',
      (honest) => honest.map((bytes) => concatBytes(Uint8Array.of(3), bytes.subarray(1))),
    ],
    'a header that begins nowhere': ['illegal', (honest) => honest.slice(1)],
    'a header twice': ['illegal', (honest) => [honest[0]!, honest[0]!]],
  };
  for (const [what, [code, headers]] of Object.entries(answers)) {
    it(`takes ${what} for ${code}`, async () => {
      const world = await worldAt(3);
      const other = world.builder.fork(3).extend(10);
      const peer = peerOf(world, other, { headers });
      expect(await codeOf(world.rig, source(world, peer).next(signal))).toBe(code);
      await world.rig.close();
    });
  }

  it('does not blame a peer for lies that has only changed its branch', async () => {
    const world = await worldAt(3);
    const [one, two] = [world.builder.fork(3).extend(10), world.builder.fork(2).extend(12)];
    const peer = peerOf(world, one, { maxHeaders: 4 });
    const headers = source(world, peer);
    await soon(world.rig, headers.next(signal));
    peer.blocks = two.blocks;
    peer.height = 14;
    expect(await codeOf(world.rig, headers.next(signal))).toBe('fault');
    await world.rig.close();
  });

  it('gives up on answers that are short again and again', async () => {
    const world = await worldAt(0);
    const other = new ChainBuilder().extend(40);
    const headers = source(world, peerOf(world, other, { maxHeaders: 1 }));
    for (let i = 0; i < 8; i++)
      expect(heights(await soon(world.rig, headers.next(signal)))).toEqual([i + 1]);
    expect(await codeOf(world.rig, headers.next(signal))).toBe('fault');
    await world.rig.close();
  });

  it('says of a peer that it is silent, gone or busy', async () => {
    const world = await worldAt(0);
    const other = new ChainBuilder().extend(4);
    const silent = peerOf(world, other, { silentOn: ['get-headers'] });
    expect(await codeOf(world.rig, source(world, silent).next(signal))).toBe('silent');
    const busy = peerOf(world, other, { maxOutstanding: 0 });
    expect(await codeOf(world.rig, source(world, busy).next(signal))).toBe('busy');
    const gone = peerOf(world, other);
    const next = source(world, gone).next(signal);
    gone.close();
    expect(await codeOf(world.rig, next)).toBe('gone');
    await world.rig.close();
  });

  it('rejects with the reason of the signal', async () => {
    const world = await worldAt(0);
    const stop = new AbortController();
    const next = source(world, peerOf(world, new ChainBuilder().extend(4))).next(stop.signal);
    stop.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    expect(world.rig.clock.sleeping).toBe(0);
    await world.rig.close();
  });
});
