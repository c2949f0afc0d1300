/** Peers that send whatever they like: the node goes on, and owes them nothing. */
import { afterEach, describe, expect, it } from 'vitest';
import { encodeBlock } from '../../../src/chain/block.ts';
import { encodeHeader } from '../../../src/chain/header.ts';
import { encodeMessage, type PeerMessage } from '../../../src/p2p/messages.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { FEE, keyOwner, transaction } from '../../support/spending.ts';
import { PeerRig } from './peer-rig.ts';

const rigs: PeerRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig.close();
    expect(rig.clock.sleeping, 'nothing sleeps after close').toBe(0);
  }
});

const builder = new ChainBuilder().extend(102);

function messages(random: () => number): () => PeerMessage {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const block = (): Uint8Array => damaged(encodeBlock(pick(builder.blocks)));
  const header = (): Uint8Array => damaged(encodeHeader(pick(builder.blocks).header));
  const hash = (): Uint8Array => damaged(pick(builder.blocks).hash.slice());
  const height = (): number => pick([0, 1, 50, 102, 103, 2 ** 32, Number.MAX_SAFE_INTEGER]);
  const coin = builder.coinbase(1);
  const tx = transaction({ from: [coin], to: [{ to: keyOwner(1), amount: coin.amount - FEE }] });
  const some = <T>(make: () => T): readonly T[] =>
    Array.from({ length: Math.floor(random() * 4) }, make);
  function damaged(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    if (random() < 0.3) copy[Math.floor(random() * copy.length)]! ^= 1 << Math.floor(random() * 8);
    return copy;
  }
  const makers: readonly (() => PeerMessage)[] = [
    () => ({ type: 'get-block', height: height(), hash: hash() }),
    () => ({ type: 'block', block: block() }),
    () => ({ type: 'get-headers', locator: some(hash), stop: hash() }),
    () => ({ type: 'headers', headers: some(header) }),
    () => ({ type: 'get-blocks', locator: some(hash), stop: hash() }),
    () => ({ type: 'blocks', blocks: some(block) }),
    () => ({ type: 'status-request' }),
    () => ({
      type: 'status',
      height: height(),
      bestHash: hash(),
      genesisHash: random() < 0.95 ? builder.blocks[0]!.hash : hash(),
    }),
    () => ({ type: 'transaction', transaction: damaged(tx.raw) }),
    () => ({ type: 'new-block', block: block() }),
    () => ({ type: 'filter-load', programs: some(hash) }),
    () => ({ type: 'filter-add', program: hash() }),
    () => ({ type: 'filter-clear' }),
    () => ({ type: 'get-merkle-block', height: height(), hash: hash() }),
  ];
  return () => pick(makers)();
}

describe('a node among hostile peers', () => {
  it.each([1, 2, 3])(
    'keeps its chain, answers others, and forgets nothing (seed %i)',
    async (seed) => {
      const rig = await PeerRig.start({ builder });
      rigs.push(rig);
      const random = seededRandom(seed);
      const next = messages(random);
      const honest = await rig.meet({ height: 102, bestHash: builder.tip.hash });
      for (let round = 0; round < 4; round++) {
        const strangers = [
          await rig.meet({ address: `10.8.${round}.1`, status: random() < 0.8 }),
          await rig.meet({ address: `10.8.${round}.2` }),
        ];
        const peers = rig.peers.syncPeers();
        for (const peer of peers) {
          if (peer.id === honest.id) continue;
          peer.getBlock({ height: 1 + Math.floor(random() * 102) }).catch(() => {});
          peer.getHeaders([builder.blocks[5]!.hash], builder.tip.hash).catch(() => {});
        }
        for (let i = 0; i < 40; i++) {
          for (const stranger of strangers) {
            if (random() < 0.98) stranger.send(next());
            else {
              const bytes = encodeMessage(next()).slice();
              bytes[0] = Math.floor(random() * 256);
              stranger.link.sendBytes(bytes);
            }
          }
          if (i % 10 === 0) await rig.clock.advance(500);
        }
        await settle();
      }
      expect(rig.height).toBe(102);
      expect(rig.rig.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
      expect(honest.closed).toBe(false);
      const before = honest.of('block').length;
      honest.send({ type: 'get-block', height: 7, hash: builder.blocks[7]!.hash });
      await rig.clock.advance(1000);
      expect(honest.of('block').slice(before)).toEqual([
        { type: 'block', block: encodeBlock(builder.blocks[7]!) },
      ]);
    },
  );
});
