import { describe, expect, it } from 'vitest';
import { type Block, encodeBlock } from '../../../src/chain/block.ts';
import { ChainBuilder, KnownPow } from '../../support/chain-builder.ts';
import { seededRandom } from '../../support/random.ts';
import type { PeerScript, ScriptedPeer } from '../../support/sync-peers.ts';
import { SyncRig } from '../../support/sync-rig.ts';

const FULL_NODE = 1;
const FAST_SYNC = 3;
const HEIGHT = 70;

type Random = (below: number) => number;

interface World {
  readonly builder: ChainBuilder;
  readonly rig: SyncRig;
  readonly random: Random;
}

/** Every way in which a peer can be of no use, or worse. */
const FAULTS: Readonly<Record<string, (world: World) => ScriptedPeer>> = {
  'claims a height it has not': ({ rig, builder, random }) =>
    rig.peer(builder.blocks.slice(0, random(HEIGHT) + 1), {
      height: HEIGHT + random(1000),
      bestHash: new Uint8Array(32).fill(random(256)),
    }),
  'says nothing': ({ rig, builder }) =>
    rig.peer(builder.blocks, { silentOn: ['get-headers', 'get-blocks', 'get-block'] }),
  'withholds blocks': ({ rig, builder }) =>
    rig.peer(builder.blocks, { silentOn: ['get-blocks', 'get-block'] }),
  vanishes: ({ rig, builder, random }) => rig.peer(builder.blocks, { answers: 1 + random(6) }),
  'is slow': ({ rig, builder }) => rig.peer(builder.blocks, { delayMs: 29_000 }),
  'is on a shorter branch': ({ rig, builder, random }) => {
    const fork = random(HEIGHT - 1);
    return rig.peer(builder.fork(fork).extend(1 + random(HEIGHT - fork - 1)).blocks);
  },
  'sends garbage for headers': ({ rig, builder, random }) =>
    rig.peer(builder.blocks, {
      headers: (honest) => honest.map((bytes) => bytes.slice(random(9))),
    }),
  'sends headers in disorder': ({ rig, builder }) =>
    rig.peer(builder.blocks, { headers: (honest) => honest.toReversed() }),
  'cuts blocks off': ({ rig, builder }) =>
    rig.peer(builder.blocks, { block: (block) => encodeBlock(block).slice(0, -1) }),
  'sends other blocks': ({ rig, builder }) =>
    rig.peer(builder.blocks, { block: () => encodeBlock(builder.blocks[1]!) }),
  'spoils some blocks': ({ rig, builder, random }) => {
    const spoilt = random(HEIGHT) + 1;
    const block = (honest: Block): Uint8Array =>
      honest.header.height === spoilt
        ? encodeBlock({ ...honest, transactions: builder.blocks[spoilt - 1]!.transactions })
        : encodeBlock(honest);
    return rig.peer(builder.blocks, { block });
  },
  'has a branch without work': ({ rig, builder, random }) => {
    const start = builder.blocks.slice(0, random(HEIGHT) + 1);
    return rig.peer(unmined(start).extend(HEIGHT + 20 - start.length).blocks);
  },
  'has a branch that breaks a rule for headers': ({ rig, builder, random }) => {
    const bad = builder.fork(random(HEIGHT));
    bad.block({ header: { version: 2 } });
    return rig.peer(bad.extend(HEIGHT).blocks);
  },
  'has a branch that breaks a rule for blocks': ({ rig, builder, random }) => {
    const bad = builder.fork(random(HEIGHT));
    bad.block({ overpay: 1n });
    return rig.peer(bad.extend(HEIGHT).blocks);
  },
  'is busy': ({ rig, builder }) => rig.peer(builder.blocks, { maxOutstanding: 0 }),
};

/** Builds blocks that are not those of any other builder, and that count as mined for nobody else. */
function unmined(start: readonly Block[]): ChainBuilder {
  const pow = new KnownPow();
  pow.branches = 1000;
  return new ChainBuilder({ start, pow });
}

describe('Sync, with any mixture of peers', () => {
  for (let seed = 1; seed <= 24; seed++) {
    it(`ends at the tip of the honest ones (seed ${seed})`, async () => {
      const next = seededRandom(seed);
      const random: Random = (below) => Math.floor(next() * below);
      const builder = new ChainBuilder().extend(HEIGHT);
      const window = [16, 64, 4096][random(3)]!;
      const rig = new SyncRig({ hasher: builder.pow.hasher(), sync: { window } });
      const world = { builder, rig, random };
      const before = builder.fork(random(HEIGHT)).extend(random(5)).blocks;
      if (before.length < HEIGHT) await rig.rig.submitAll(before.slice(1));
      const names: string[] = [];
      const honest: ScriptedPeer[] = [];
      const places = 1 + random(8);
      const real = random(places);
      for (let place = 0; place < places; place++) {
        if (place === real || random(6) === 0) {
          const services = random(3) === 0 ? FULL_NODE : FAST_SYNC;
          const script: PeerScript = { services, maxBlocks: 1 + random(128), delayMs: random(800) };
          honest.push(rig.peer(builder.blocks, script));
          names.push('honest');
        } else {
          const name = Object.keys(FAULTS)[random(Object.keys(FAULTS).length)]!;
          FAULTS[name]!(world);
          names.push(name);
        }
      }
      rig.start();
      try {
        await rig.untilTip(builder.tip, 30 * 60_000);
      } catch (error) {
        throw new Error(names.join(', '), { cause: error });
      }
      for (const { blames } of honest) {
        expect(
          blames.filter(({ kind }) => kind === 'illegal'),
          names.join(', '),
        ).toEqual([]);
      }
      await rig.close();
      expect(rig.rig.clock.sleeping).toBe(0);
    });
  }
});
