import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../../src/chain/block.ts';
import { encodeHeader } from '../../../src/chain/header.ts';
import { statusLeaf, verifyMerkleProof } from '../../../src/chain/merkle.ts';
import type { Tx } from '../../../src/chain/tx.ts';
import { Peer, type ServedMessage } from '../../../src/node/peers/peer.ts';
import { BlockServer, type ServeOptions } from '../../../src/node/peers/serve.ts';
import { decodeMessage, encodeMessage, type PeerMessage } from '../../../src/p2p/messages.ts';
import { bytesToHex, hexToBytes } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';
import { settle } from '../../support/fake-clock.ts';
import { createLinkPair, testNodeInfo } from '../../support/memory-link.ts';
import { knownHasher, solonetChain } from '../../support/solonet-chain.ts';
import {
  type Coin,
  FEE,
  issuer,
  keyOwner,
  programOwner,
  transaction,
} from '../../support/spending.ts';
import { PeerRig, type PeerRigOptions, type Stranger } from './peer-rig.ts';

const rigs: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close();
});

async function start(options: PeerRigOptions = {}): Promise<PeerRig> {
  const rig = await PeerRig.start(options);
  rigs.push(rig);
  return rig;
}

const ZERO: Uint8Array = new Uint8Array(32);

/** What a stranger is sent for a request, all of it. */
async function ask(stranger: Stranger, message: PeerMessage): Promise<readonly PeerMessage[]> {
  const before = stranger.received.length;
  stranger.send(message);
  await settle();
  return stranger.received.slice(before);
}

describe('the session that was recorded with the reference node', () => {
  it('has the same answers when it is we who are asked', async () => {
    const { messages } = JSON.parse(
      readFileSync(new URL('../../vectors/p2p_session.json', import.meta.url), 'utf8'),
    ) as { messages: readonly { dir: string; bytes: string; what: string }[] };
    const vector = solonetChain();
    const blocks = vector.blocks
      .slice(1, 140)
      .map(({ raw_block }) => decodeBlock(hexToBytes(raw_block, 'block')));
    const chain = new ChainRig({ hasher: knownHasher(vector) });
    rigs.push(chain);
    await chain.submitAll(blocks);
    expect(chain.chain.tip.header.height).toBe(139);
    const { peer, sent } = readyPeer(chain);
    const asked = messages.slice(4);
    expect(asked.map(({ dir }) => dir)).toEqual([...'0123'].flatMap(() => ['sent', 'received']));
    for (let i = 0; i < asked.length; i += 2) {
      await peer(decodeMessage(hexToBytes(asked[i]!.bytes, 'message')) as ServedMessage);
      await settle();
      const answer = sent.at(-1)!;
      expect(bytesToHex(encodeMessage(answer)), asked[i]!.what).toBe(asked[i + 1]!.bytes);
    }
    expect(sent).toHaveLength(4);
  });
});

/** A server, and what one peer is sent by it. */
function readyPeer(
  rig: ChainRig,
  options: ServeOptions = {},
): { peer: (message: ServedMessage) => void | Promise<void>; sent: readonly PeerMessage[] } {
  const { chain, clock, log } = rig;
  const server = new BlockServer(options, { chain, clock, log });
  const { a, b } = createLinkPair(testNodeInfo(1), testNodeInfo(2));
  b.receive(() => {});
  const ignore = (): void => {};
  const peer = new Peer(
    { genesisHash: chain.network.genesis.hash },
    {
      link: a,
      clock,
      hooks: {
        tip: () => ({ height: 0, hash: ZERO }),
        ready: ignore,
        heightChanged: ignore,
        request: ignore,
        transaction: ignore,
        block: ignore,
        blamed: ignore,
      },
    },
  );
  rigs.push({ close: async () => peer.close('end') });
  return { peer: (message) => server.request(peer, message), sent: a.sent };
}

describe('message 10', () => {
  it('is answered by height and by hash, from any branch, and not at all for the unknown', async () => {
    const builder = new ChainBuilder().extend(3);
    const rig = await start({ builder });
    const side = builder.fork(1).block();
    await rig.rig.submit(side);
    const stranger = await rig.meet();
    const block = (height: number): PeerMessage => ({
      type: 'block',
      block: encodeBlock(builder.blocks[height]!),
    });
    const get = (height: number, hash = ZERO): Promise<readonly PeerMessage[]> =>
      ask(stranger, { type: 'get-block', height, hash });
    expect(await get(2)).toEqual([block(2)]);
    expect(await get(2, builder.blocks[1]!.hash), 'the height counts').toEqual([block(2)]);
    expect(await get(0, builder.blocks[3]!.hash)).toEqual([block(3)]);
    expect(await get(0, builder.blocks[0]!.hash)).toEqual([block(0)]);
    expect(await get(0, side.hash)).toEqual([{ type: 'block', block: encodeBlock(side) }]);
    expect(await get(4)).toEqual([]);
    expect(await get(2 ** 53 - 1)).toEqual([]);
    expect(await get(0)).toEqual([]);
  });
});

describe('messages 12 and 14', () => {
  const builder = new ChainBuilder().extend(140);
  const other = builder.fork(20).extend(3);
  const { blocks } = builder;
  const hash = (height: number): Uint8Array => blocks[height]!.hash;
  const headers = (from: number, to: number): readonly PeerMessage[] => [
    {
      type: 'headers',
      headers: blocks.slice(from, to + 1).map(({ header }) => encodeHeader(header)),
    },
  ];
  const whole = (from: number, to: number): readonly PeerMessage[] => [
    { type: 'blocks', blocks: blocks.slice(from, to + 1).map(encodeBlock) },
  ];

  it.each<readonly [string, readonly Uint8Array[], Uint8Array, number, number]>([
    [
      'from the first locator hash that is on the main chain',
      [other.tip.hash, hash(5), hash(3)],
      hash(9),
      6,
      9,
    ],
    ['from genesis where none is', [ZERO], hash(4), 1, 4],
    ['from genesis without a locator', [], hash(2), 1, 2],
    ['by the height of a stop that is on another branch', [hash(18)], other.tip.hash, 19, 23],
  ])('begin and end right: %s', async (_title, locator, stop, from, to) => {
    const rig = await start({ builder });
    await rig.rig.submitAll(other.blocks.slice(21));
    const stranger = await rig.meet();
    expect(await ask(stranger, { type: 'get-headers', locator, stop })).toEqual(headers(from, to));
    expect(await ask(stranger, { type: 'get-blocks', locator, stop })).toEqual(whole(from, to));
  });

  it.each<readonly [string, readonly Uint8Array[], Uint8Array]>([
    ['the stop is unknown', [hash(1)], ZERO],
    ['there is nothing after the locator', [hash(9)], hash(9)],
    ['the stop is below the locator', [hash(9)], hash(3)],
  ])('are not answered where %s', async (_title, locator, stop) => {
    const rig = await start({ builder });
    const stranger = await rig.meet();
    expect(await ask(stranger, { type: 'get-headers', locator, stop })).toEqual([]);
    expect(await ask(stranger, { type: 'get-blocks', locator, stop })).toEqual([]);
  });

  it('give 128 blocks at most', async () => {
    const rig = await start({ builder });
    const stranger = await rig.meet();
    const request = { locator: [hash(3)], stop: hash(140) };
    expect(await ask(stranger, { type: 'get-blocks', ...request })).toEqual(whole(4, 131));
    expect(await ask(stranger, { type: 'get-headers', ...request })).toEqual(headers(4, 140));
  });

  it('look at no more than 128 hashes of a locator', async () => {
    const rig = await start({ builder });
    const stranger = await rig.meet();
    const far = (count: number): Uint8Array[] => [
      ...Array.from({ length: count }, () => ZERO),
      hash(7),
    ];
    const stop = hash(8);
    expect(await ask(stranger, { type: 'get-headers', locator: far(127), stop })).toEqual(
      headers(8, 8),
    );
    expect(await ask(stranger, { type: 'get-headers', locator: far(128), stop })).toEqual(
      headers(1, 8),
    );
  });
});

describe('message 60', () => {
  it('gets the transactions that match, with proofs that they are in the block', async () => {
    const builder = new ChainBuilder().extend(104);
    const paid = keyOwner(7);
    const pay = (height: number, to = paid): ReturnType<typeof transaction> =>
      transaction({
        from: [builder.coinbase(height)],
        to: [{ to, amount: builder.coinbase(height).amount - FEE }],
      });
    const transactions = [pay(1), pay(2, keyOwner(8)), pay(3)];
    const block = builder.block({ transactions });
    const rig = await start({ builder });
    const stranger = await rig.meet();
    const get = (): Promise<readonly PeerMessage[]> =>
      ask(stranger, { type: 'get-merkle-block', height: 105, hash: ZERO });
    const proven = async (indexes: readonly number[]): Promise<void> => {
      const [answer, ...more] = await get();
      expect(more).toEqual([]);
      if (answer?.type !== 'merkle-block') throw new Error('expected a merkle block');
      const { flags, transactionHashes, statusHashes, statuses } = answer;
      expect(answer.header).toEqual(encodeHeader(block.header));
      const txs = indexes.map((index) => block.transactions[index]!);
      expect(answer.transactions).toEqual(txs.map(({ raw }) => raw));
      const { transactionsMerkleRoot, transactionStatusHash } = block.header;
      const ids = txs.map(({ id }) => id);
      const proof = { flags, hashes: transactionHashes };
      expect(verifyMerkleProof(transactionsMerkleRoot, proof, ids)).toBe(true);
      const statusProof = { flags, hashes: statusHashes };
      expect(statuses).toEqual(indexes.map(() => statusLeaf(false)));
      expect(verifyMerkleProof(transactionStatusHash, statusProof, statuses)).toBe(true);
    };
    await proven([]);
    stranger.send({ type: 'filter-load', programs: [paid.program] });
    await proven([1, 3]);
    stranger.send({ type: 'filter-add', program: keyOwner(8).program });
    await proven([1, 2, 3]);
    stranger.send({ type: 'filter-clear' });
    await proven([]);
    expect(await ask(stranger, { type: 'get-merkle-block', height: 106, hash: ZERO })).toEqual([]);
  });
});

describe('what a peer can make us send', () => {
  /** Of more than 80 KB as it travels. */
  function largeTx(coin: Coin): Tx {
    const asset = issuer(programOwner(Uint8Array.of(0x51)), new Uint8Array(40_000));
    return transaction({
      from: [coin],
      issue: [{ issuer: asset, amount: 1n }],
      to: [
        { to: keyOwner(1), amount: coin.amount - 4n * FEE },
        { to: keyOwner(1), amount: 1n, assetId: asset.assetId },
      ],
    });
  }

  /** With one such transaction in its block 102. */
  function chainWithLargeBlock(): ChainBuilder {
    const builder = new ChainBuilder().extend(101);
    builder.block({ transactions: [largeTx(builder.coinbase(1))] });
    return builder;
  }

  /** Stops a stranger from reading; gives how to let it go on. */
  function hold(stranger: Stranger): () => void {
    let release = (): void => {};
    stranger.held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      stranger.held = undefined;
      release();
    };
  }

  const blocksOf = (stranger: Stranger): readonly number[] =>
    stranger.of('block').map(({ block }) => block.length);
  const small: PeerMessage = { type: 'get-block', height: 1, hash: ZERO };
  const large: PeerMessage = { type: 'get-block', height: 102, hash: ZERO };

  it('is no more than a few answers that it has not read', async () => {
    const rig = await start({ builder: chainWithLargeBlock() });
    expect(rig.height).toBe(102);
    const stranger = await rig.meet();
    const release = hold(stranger);
    for (let i = 0; i < 60; i++) stranger.send(small);
    for (let i = 0; i < 5; i++) stranger.send(large);
    await rig.clock.advance(5000);
    expect(blocksOf(stranger)).toHaveLength(1);
    release();
    await settle();
    expect(blocksOf(stranger).length).toBeLessThan(1 + 34);
    await rig.clock.advance(5000);
    expect(blocksOf(stranger)).toHaveLength(65);
    expect(blocksOf(stranger).filter((length) => length > 40_000)).toHaveLength(5);
  });

  it('is a share of blocks in one answer, whatever their size', async () => {
    const builder = new ChainBuilder().extend(116);
    const coins = Array.from({ length: 16 }, (_, i) => builder.coinbase(1 + i));
    // Four blocks of 320 KB as they travel.
    for (let i = 0; i < 16; i += 4) {
      builder.block({ transactions: coins.slice(i, i + 4).map(largeTx) });
    }
    const stranger = await (await start({ builder })).meet();
    const countFrom = async (height: number): Promise<number | undefined> => {
      const locator = [builder.blocks[height]!.hash];
      const [answer] = await ask(stranger, { type: 'get-blocks', locator, stop: builder.tip.hash });
      return answer?.type === 'blocks' ? answer.blocks.length : undefined;
    };
    expect(await countFrom(116)).toBe(3);
  });

  it('is no Merkle block after the other of a large block', async () => {
    const rig = await start({ builder: chainWithLargeBlock() });
    const made = async (height: number): Promise<number> => {
      const stranger = await rig.meet();
      for (let i = 0; i < 20; i++) {
        stranger.send({ type: 'get-merkle-block', height, hash: ZERO });
      }
      await rig.clock.advance(1000);
      return stranger.of('merkle-block').length;
    };
    expect(await made(1)).toBe(20);
    expect(await made(102)).toBeGreaterThan(5);
    expect(await made(102)).toBeLessThan(12);
  });

  it('is one large answer at a time, and for all peers no more than a number of bytes', async () => {
    const rig = await start({ builder: chainWithLargeBlock(), maxWaitingBytes: 100_000 });
    const [one, two] = [await rig.meet(), await rig.meet()];
    const release = hold(one);
    one.send(small, large, large, large);
    await rig.clock.advance(1000);
    two.send(large, small);
    await rig.clock.advance(1000);
    expect([blocksOf(one).length, blocksOf(two).length]).toEqual([1, 0]);
    release();
    await settle();
    expect(blocksOf(one), 'what was queued for it').toHaveLength(2);
    await rig.clock.advance(3000);
    expect([blocksOf(one).length, blocksOf(two).length]).toEqual([4, 2]);
  });

  it('ends where it does not read, after two minutes', async () => {
    const rig = await start({ builder: new ChainBuilder().extend(2) });
    const stranger = await rig.meet();
    stranger.held = new Promise(() => {});
    for (let i = 0; i < 60; i++) stranger.send({ type: 'get-block', height: 1, hash: ZERO });
    await rig.clock.advance(119_000);
    expect(stranger.closed).toBe(false);
    await rig.clock.advance(2000);
    expect(stranger.closed).toBe(true);
  });
});
