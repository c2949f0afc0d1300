import { afterEach, describe, expect, it } from 'vitest';
import { encodeBlock } from '../../../src/chain/block.ts';
import { encodeHeader } from '../../../src/chain/header.ts';
import type { PeerChange } from '../../../src/node/peers/peer-set.ts';
import type { SyncPeer } from '../../../src/node/peers/sync-peer.ts';
import type { PeerMessage } from '../../../src/p2p/messages.ts';
import { SERVICE } from '../../../src/p2p/node-info.ts';
import { hexToBytes } from '../../../src/util/bytes.ts';
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

function onlyPeer(rig: PeerRig): SyncPeer {
  const [peer, ...others] = rig.peers.syncPeers();
  expect(others).toEqual([]);
  return peer!;
}

const ZERO: Uint8Array = new Uint8Array(32);

describe('the start of a session', () => {
  it('asks for the status at once, and answers the same question before and after', async () => {
    const rig = await start({ builder: new ChainBuilder().extend(3) });
    const stranger = await rig.meet({ status: false });
    expect(stranger.received).toEqual([{ type: 'status-request' }]);
    stranger.send({ type: 'status-request' });
    await settle();
    const genesisHash = rig.builder.blocks[0]!.hash;
    const status = { type: 'status', height: 3, bestHash: rig.builder.tip.hash, genesisHash };
    expect(stranger.of('status')).toEqual([status]);
    expect(rig.peers.syncPeers()).toEqual([]);
    stranger.status(7, ZERO, genesisHash);
    stranger.send({ type: 'status-request' });
    await settle();
    expect(stranger.of('status')).toHaveLength(2);
    expect(onlyPeer(rig)).toMatchObject({ id: stranger.id, height: 7, bestHash: ZERO });
  });

  it('ends where the status tells of another genesis block', async () => {
    const rig = await start();
    const stranger = await rig.meet({ status: false });
    stranger.status(7, ZERO, ZERO);
    await settle();
    expect(stranger.closed).toBe(true);
    expect(rig.peers.counts).toMatchObject({ inbound: 0, ready: 0 });
  });

  it('ends where no status comes within 10 seconds, whatever else does', async () => {
    const rig = await start();
    const silent = await rig.meet({ status: false });
    const ready = await rig.meet();
    await rig.clock.advance(9900);
    silent.send({ type: 'status-request' });
    await settle();
    expect(silent.closed).toBe(false);
    await rig.clock.advance(200);
    expect([silent.closed, ready.closed]).toEqual([true, false]);
  });

  it('processes nothing but 20 and 21 before the status has come', async () => {
    const rig = await start({ builder: new ChainBuilder().extend(1) });
    const stranger = await rig.meet({ status: false });
    const next = rig.builder.draft();
    stranger.announce(next);
    stranger.send(
      { type: 'get-block', height: 1, hash: ZERO },
      { type: 'transaction', transaction: Uint8Array.of(1) },
      { type: 'blocks', blocks: [Uint8Array.of(1)] },
      { type: 'filter-add', program: Uint8Array.of(1) },
    );
    await settle();
    expect(stranger.received).toEqual([{ type: 'status-request' }]);
    expect(rig.height).toBe(1);
    expect(stranger.closed).toBe(false);
  });

  it('tells listeners of a peer that is ready, of its height, and of its end', async () => {
    const rig = await start();
    const changes: string[] = [];
    const listener = ({ peer, change }: PeerChange): number =>
      changes.push(`${change} ${peer.height}`);
    const unlisten = rig.peers.onChange(listener);
    const stranger = await rig.meet({ height: 5 });
    const genesisHash = rig.builder.blocks[0]!.hash;
    stranger.status(5, ZERO, genesisHash);
    stranger.status(9, ZERO, genesisHash);
    stranger.status(8, ZERO, genesisHash);
    await settle();
    stranger.link.close();
    await settle();
    expect(changes).toEqual(['ready 5', 'height 9', 'height 8', 'gone 8']);
    unlisten();
    await rig.meet();
    expect(changes).toHaveLength(4);
  });

  it('raises the height of a peer that announces a higher block, known or not', async () => {
    const builder = new ChainBuilder().extend(2);
    const rig = await start({ builder });
    const stranger = await rig.meet();
    stranger.announce(builder.blocks[2]!);
    await settle();
    expect(onlyPeer(rig)).toMatchObject({ height: 2, bestHash: builder.tip.hash });
    stranger.announce(builder.blocks[1]!);
    await settle();
    expect(onlyPeer(rig).height, 'a lower one changes nothing').toBe(2);
  });

  it('is no peer to sync from without flag 1', async () => {
    const rig = await start();
    await rig.meet({ info: { services: SERVICE.SPV } });
    expect(rig.peers.syncPeers()).toEqual([]);
    expect(rig.peers.counts.ready).toBe(1);
  });
});

describe('requests to a peer', () => {
  const builder = new ChainBuilder().extend(12);
  const { blocks } = builder;
  const block = (height: number): Uint8Array => encodeBlock(blocks[height]!);
  const header = (height: number): Uint8Array => encodeHeader(blocks[height]!.header);
  const hash = (height: number): Uint8Array => blocks[height]!.hash;

  async function met(): Promise<{ rig: PeerRig; stranger: Stranger; peer: SyncPeer }> {
    const rig = await start({ builder, height: 0 });
    const stranger = await rig.meet({ height: 12, bestHash: builder.tip.hash });
    return { rig, stranger, peer: onlyPeer(rig) };
  }

  it('are answered by what the answer says, not by its place', async () => {
    const { stranger, peer } = await met();
    const answers = [
      peer.getBlock({ height: 3 }),
      peer.getBlock({ hash: hash(4) }),
      peer.getBlocks([hash(0)], hash(12)),
      peer.getBlocks([hash(6), hash(0)], hash(12)),
      peer.getHeaders([hash(2)], hash(12)),
    ];
    await settle();
    expect(stranger.received.slice(1)).toEqual([
      { type: 'get-block', height: 3, hash: ZERO },
      { type: 'get-block', height: 0, hash: hash(4) },
      { type: 'get-blocks', locator: [hash(0)], stop: hash(12) },
      { type: 'get-blocks', locator: [hash(6), hash(0)], stop: hash(12) },
      { type: 'get-headers', locator: [hash(2)], stop: hash(12) },
    ]);
    stranger.send(
      { type: 'headers', headers: [header(3), header(4)] },
      { type: 'blocks', blocks: [block(7), block(8)] },
      { type: 'blocks', blocks: [block(1)] },
      { type: 'block', block: block(4) },
      { type: 'block', block: block(3) },
    );
    expect(await Promise.all(answers)).toEqual([
      block(3),
      block(4),
      [block(1)],
      [block(7), block(8)],
      [header(3), header(4)],
    ]);
  });

  it('take a peer that begins at genesis, since it knows no hash of the locator', async () => {
    const { stranger, peer } = await met();
    const answer = peer.getHeaders([hash(9)], hash(12));
    stranger.send({ type: 'headers', headers: [header(1)] });
    expect(await answer).toEqual([header(1)]);
  });

  it('are refused as busy beyond 1, 2 and 16 outstanding ones', async () => {
    const { rig, stranger, peer } = await met();
    const outcomes: string[] = [];
    const ask = (what: Promise<unknown>): void => {
      void what.catch((error) => outcomes.push(error.detail.code));
    };
    for (let i = 0; i < 3; i++) ask(peer.getHeaders([hash(0)], hash(12)));
    for (let i = 0; i < 3; i++) ask(peer.getBlocks([hash(0)], hash(12)));
    for (let i = 1; i < 12; i++) ask(peer.getBlock({ height: i }));
    for (let i = 1; i < 12; i++) ask(peer.getBlock({ hash: hash(i) }));
    await settle();
    expect(outcomes).toEqual(new Array(2 + 1 + 6).fill('busy'));
    expect(stranger.received).toHaveLength(1 + 1 + 2 + 16);
    await rig.clock.advance(30_000);
    expect(outcomes.slice(9)).toEqual(new Array(19).fill('timeout'));
  });

  it('time out after 30 s without any answer, and each answer gives the others more time', async () => {
    const { rig, stranger, peer } = await met();
    const outcomes: string[] = [];
    void peer.getBlock({ height: 1 }).then(() => outcomes.push('1 came'));
    void peer.getBlock({ height: 2 }).catch((error) => outcomes.push(`2 ${error.message}`));
    await rig.clock.advance(29_000);
    stranger.send({ type: 'block', block: block(1) });
    await rig.clock.advance(29_000);
    expect(outcomes).toEqual(['1 came']);
    await rig.clock.advance(1000);
    expect(outcomes).toEqual(['1 came', '2 get-block: no answer after 30000 ms']);
    // It comes late, and is no offence; a second one is an answer to nothing.
    for (let i = 0; i < 4; i++) stranger.send({ type: 'block', block: block(2) });
    await settle();
    expect(stranger.closed).toBe(false);
  });

  it('give up at last on one that a peer passes over', async () => {
    const { rig, stranger, peer } = await met();
    let outcome = '';
    void peer.getBlock({ height: 1 }).catch((error) => {
      outcome = error.detail.code;
    });
    for (let i = 0; i < 6; i++) {
      const other = peer.getBlock({ height: 2 });
      await rig.clock.advance(20_000);
      if (outcome !== '') expect(i).toBe(5);
      stranger.send({ type: 'block', block: block(2) });
      await other;
    }
    expect(outcome).toBe('timeout');
  });

  it('end with the connection', async () => {
    const { stranger, peer } = await met();
    const answer = peer.getBlock({ height: 1 });
    await settle();
    stranger.link.close();
    await expect(answer).rejects.toMatchObject({ detail: { code: 'closed' } });
    expect(peer.closed).toBe(true);
    await expect(peer.getBlock({ height: 2 })).rejects.toMatchObject({
      detail: { code: 'closed' },
    });
  });

  it('keep their place after an abort, until the answer or the time is over', async () => {
    const { rig, stranger, peer } = await met();
    const abort = new AbortController();
    const reason = new Error('enough');
    const answer = peer.getHeaders([hash(0)], hash(12), abort.signal);
    abort.abort(reason);
    await expect(answer).rejects.toBe(reason);
    await expect(peer.getHeaders([hash(0)], hash(12))).rejects.toMatchObject({
      detail: { code: 'busy' },
    });
    stranger.send({ type: 'headers', headers: [header(1)] });
    await settle();
    const second = peer.getHeaders([hash(0)], hash(12), new AbortController().signal);
    const outcome = expect(second).rejects.toMatchObject({ detail: { code: 'timeout' } });
    await rig.clock.advance(30_000);
    await outcome;
    await expect(peer.getHeaders([], ZERO, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('are refused as busy where the queue is full', async () => {
    const { stranger, peer } = await met();
    let release = (): void => {};
    stranger.held = new Promise((resolve) => {
      release = resolve;
    });
    for (let i = 0; i < 200; i++) peer.refreshStatus();
    await expect(peer.getBlock({ height: 1 })).rejects.toMatchObject({ detail: { code: 'busy' } });
    release();
  });

  it('blame a peer for answers that nobody asked for, but for the first ones', async () => {
    const { rig, stranger, peer } = await met();
    const unasked: readonly PeerMessage[] = [
      { type: 'block', block: block(1) },
      { type: 'headers', headers: [] },
      { type: 'blocks', blocks: [block(1)] },
      {
        type: 'merkle-block',
        header: header(1),
        transactionHashes: [],
        transactions: [],
        statusHashes: [],
        statuses: [],
        flags: ZERO,
      },
    ];
    for (let i = 0; i < 2; i++) stranger.send(...unasked);
    await settle();
    expect(stranger.closed).toBe(false);
    // One of another block than the one that was asked for is no answer either.
    void peer.getBlock({ height: 5 }).catch(() => {});
    for (let i = 0; i < 5; i++) stranger.send({ type: 'block', block: block(6) });
    await settle();
    expect(stranger.closed).toBe(false);
    stranger.send(unasked[2]!);
    await settle();
    expect(stranger.closed).toBe(true);
    expect(rig.peers.counts.bans).toBe(1);
  });

  it('blame a peer for an answer without a header', async () => {
    const { stranger, peer } = await met();
    const answer = peer.getBlock({ height: 1 });
    answer.catch(() => {});
    for (let i = 0; i < 6; i++) {
      expect(stranger.closed, `${i}`).toBe(false);
      stranger.send({ type: 'block', block: hexToBytes('0301ff', 'bytes') });
      await settle();
    }
    expect(stranger.closed).toBe(true);
    await expect(answer).rejects.toMatchObject({ detail: { code: 'closed' } });
  });
});

describe('a flood', () => {
  it('is read more slowly, and then at the cost of a ban', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    const genesisHash = rig.builder.blocks[0]!.hash;
    let sent = 0;
    for (let second = 0; second < 600 && !stranger.closed; second++) {
      while (stranger.link.queued < 90) {
        stranger.status(++sent, ZERO, genesisHash);
      }
      await rig.clock.advance(1000);
    }
    expect(stranger.closed).toBe(true);
    expect(rig.peers.counts.bans).toBe(1);
    expect(sent).toBeLessThan(64 + 90 + 2 * 120);
  });

  it('of requests for what we do not have is a fault', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    for (let i = 0; i < 200; i++) {
      stranger.send({ type: 'get-headers', locator: [], stop: ZERO });
      await settle();
    }
    expect(stranger.closed).toBe(true);
  });
});

describe('a filter', () => {
  it('is bounded, and who sends more than it holds is blamed', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    const large = (i: number): Uint8Array => new Uint8Array(1024).fill(i, 0, 2).fill(i >> 8, 2, 4);
    for (let i = 0; i < 256; i++) {
      stranger.send({ type: 'filter-add', program: large(i) });
      await settle();
    }
    expect(rig.peers.counts.bans).toBe(0);
    for (let i = 256; i < 262; i++) {
      stranger.send({ type: 'filter-add', program: large(i) });
      await settle();
    }
    expect(stranger.closed).toBe(true);
  });
});
