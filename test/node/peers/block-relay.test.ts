import { afterEach, describe, expect, it } from 'vitest';
import { encodeBlock } from '../../../src/chain/block.ts';
import { SERVICE } from '../../../src/p2p/node-info.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { PeerRig, type PeerRigOptions, type Stranger } from './peer-rig.ts';

const rigs: PeerRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig.close();
    expect(rig.clock.sleeping, 'nothing sleeps after close').toBe(0);
  }
});

async function start(options: PeerRigOptions = {}): Promise<PeerRig> {
  const rig = await PeerRig.start(options);
  rigs.push(rig);
  return rig;
}

const announced = (stranger: Stranger): readonly Uint8Array[] =>
  stranger.of('new-block').map(({ block }) => block);

describe('a new tip', () => {
  it('is announced to full peers that are not known to have it, not to SPV clients', async () => {
    const builder = new ChainBuilder().extend(2);
    const rig = await start({ builder });
    const source = await rig.meet();
    const others = [await rig.meet(), await rig.meet(), await rig.meet()];
    const client = await rig.meet({ info: { services: SERVICE.SPV } });
    const mined = builder.block();
    await rig.rig.submit(mined, 'candidate');
    await settle();
    const received = builder.block();
    source.announce(received);
    await settle();
    expect(rig.height).toBe(4);
    const both = [mined, received].map(encodeBlock);
    for (const other of others) expect(announced(other)).toEqual(both);
    expect(announced(source)).toEqual(both.slice(0, 1));
    expect(client.received).toEqual([{ type: 'status-request' }]);
    rig.peers.announceBlock(mined.hash);
    await settle();
    expect(announced(others[0]!), 'only once').toHaveLength(2);
  });

  it('of several blocks is announced block by block, the last four at most', async () => {
    const builder = new ChainBuilder().extend(7);
    const rig = await start({ builder, height: 1 });
    const stranger = await rig.meet();
    for (const height of [7, 6, 5, 4, 3, 2]) await rig.rig.submit(builder.blocks[height]!);
    await settle();
    expect(announced(stranger)).toEqual(builder.blocks.slice(4).map(encodeBlock));
  });

  it('is no news while catching up, unless it is young; the last one is told when that is over', async () => {
    const builder = new ChainBuilder().extend(6);
    let now = builder.blocks[6]!.header.timestamp + 7200;
    const rig = await start({ builder, height: 1, now: () => now });
    let catchingUp = true;
    rig.peers.catchingUp = () => catchingUp;
    const stranger = await rig.meet();
    await rig.rig.submit(builder.blocks[2]!, 'sync');
    await rig.rig.submit(builder.blocks[3]!, 'sync');
    await settle();
    expect(announced(stranger)).toEqual([]);
    await rig.clock.advance(10_000);
    expect(stranger.of('status').at(-1)).toMatchObject({ height: 3 });
    expect(announced(stranger)).toEqual([]);
    catchingUp = false;
    await rig.clock.advance(10_000);
    expect(announced(stranger)).toEqual([encodeBlock(builder.blocks[3]!)]);
    await rig.clock.advance(10_000);
    expect(announced(stranger)).toHaveLength(1);
    catchingUp = true;
    now = builder.blocks[4]!.header.timestamp + 60;
    await rig.rig.submit(builder.blocks[4]!, 'candidate');
    await settle();
    expect(announced(stranger).at(-1)).toEqual(encodeBlock(builder.blocks[4]!));
  });
});

describe('an announced block', () => {
  it('is passed on with each of its copies until it is stored', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = await start({ builder, height: 1 });
    const given: number[] = [];
    const done = createDeferred<void>();
    rig.peers.onBlock = async (peer, bytes, header, hash) => {
      expect(peer.height).toBe(3);
      const block = builder.blocks[header.height]!;
      expect([bytes, hash]).toEqual([encodeBlock(block), block.hash]);
      given.push(header.height);
      await done.promise;
    };
    const [one, two] = [await rig.meet(), await rig.meet()];
    one.announce(builder.blocks[1]!);
    one.announce(builder.blocks[3]!);
    two.announce(builder.blocks[3]!);
    await settle();
    expect(given).toEqual([3, 3]);
    done.resolve();
    await settle();
    await rig.rig.submitAll(builder.blocks.slice(2));
    two.announce(builder.blocks[3]!);
    two.announce(builder.blocks[2]!);
    await settle();
    expect(given).toEqual([3, 3]);
    expect(rig.rig.log.of('announced block failed')).toEqual([]);
  });

  it('is dropped beyond four of one peer, and beyond a number of bytes of all', async () => {
    const builder = new ChainBuilder().extend(12);
    const size = encodeBlock(builder.blocks[5]!).length;
    const rig = await start({ builder, height: 0, maxBlockBytes: 6 * size + 20 });
    const given: number[] = [];
    let done = createDeferred<void>();
    rig.peers.onBlock = async (_peer, _bytes, { height }) => {
      given.push(height);
      await done.promise;
    };
    const [one, two] = [await rig.meet(), await rig.meet()];
    for (let height = 1; height <= 6; height++) one.announce(builder.blocks[height]!);
    await settle();
    expect(given).toEqual([1, 2, 3, 4]);
    for (let height = 5; height <= 8; height++) two.announce(builder.blocks[height]!);
    await settle();
    expect(given).toEqual([1, 2, 3, 4, 5, 6]);
    expect(rig.peers.highest, 'the height counts nevertheless').toBe(8);
    done.resolve();
    done = createDeferred();
    await settle();
    two.announce(builder.blocks[8]!);
    await settle();
    expect(given.at(-1)).toBe(8);
    done.resolve();
  });

  it('without a header is a fault', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    for (let i = 0; i < 6; i++) {
      expect(stranger.closed, `${i}`).toBe(false);
      stranger.send({ type: 'new-block', block: Uint8Array.of(3, 1, 1) });
      await settle();
    }
    expect(stranger.closed).toBe(true);
  });

  it('keeps nobody waiting: an answer that it needs may come behind it', async () => {
    const builder = new ChainBuilder().extend(2);
    const rig = await start({ builder, height: 0 });
    const got: Uint8Array[] = [];
    rig.peers.onBlock = async (peer) => {
      got.push(await peer.getBlock({ height: 1 }));
    };
    const stranger = await rig.meet();
    stranger.announce(builder.blocks[2]!);
    stranger.send({ type: 'block', block: encodeBlock(builder.blocks[1]!) });
    await settle();
    expect(got).toEqual([encodeBlock(builder.blocks[1]!)]);
  });

  it('does no harm where whoever takes it fails', async () => {
    const builder = new ChainBuilder().extend(1);
    const rig = await start({ builder, height: 0 });
    rig.peers.onBlock = () => Promise.reject(new Error('no disk'));
    const stranger = await rig.meet();
    stranger.announce(builder.blocks[1]!);
    await settle();
    expect(rig.rig.log.of('announced block failed')).toHaveLength(1);
    expect(stranger.closed).toBe(false);
  });
});
