import { afterEach, describe, expect, it } from 'vitest';
import type { Tx } from '../../../src/chain/tx.ts';
import { createTx, decodeTx } from '../../../src/chain/tx-codec.ts';
import type { Peer } from '../../../src/node/peers/peer.ts';
import { SERVICE } from '../../../src/p2p/node-info.ts';
import { keyText } from '../../../src/store/kv.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { type Coin, coinOf, FEE, keyOwner, transaction } from '../../support/spending.ts';
import { PeerRig, type Stranger } from './peer-rig.ts';

const builder = new ChainBuilder().extend(140);

const rigs: PeerRig[] = [];

afterEach(async () => {
  for (const rig of rigs.splice(0)) {
    await rig.close();
    expect(rig.clock.sleeping, 'nothing sleeps after close').toBe(0);
  }
});

async function start(): Promise<PeerRig> {
  const rig = await PeerRig.start({ builder });
  rigs.push(rig);
  return rig;
}

/** Spends the coinbase of a height: all of them are mature below 41. */
function pay(height: number, to = keyOwner(1), change: Partial<Tx> = {}): Tx {
  const coin = builder.coinbase(height);
  const tx = transaction({ from: [coin], to: [{ to, amount: coin.amount - FEE }] });
  return createTx({ ...tx, ...change });
}

const raw = (txs: readonly Tx[]): readonly Uint8Array[] => txs.map((tx) => tx.raw);
const ids = (txs: readonly Tx[]): readonly string[] => txs.map((tx) => bytesToHex(tx.id));
const got = (stranger: Stranger): readonly string[] =>
  ids(stranger.of('transaction').map((message) => decodeTx(message.transaction)));

describe('outgoing transactions', () => {
  it('are sent to every peer that is not known to have them, gathered for a tick', async () => {
    const rig = await start();
    const source = await rig.meet();
    const others = [await rig.meet(), await rig.meet()];
    const [mine, theirs] = [pay(1), pay(2)];
    await rig.mempool.submit(mine, { source: 'local' });
    source.send({ type: 'transaction', transaction: theirs.raw });
    await settle();
    expect(others.flatMap((other) => got(other))).toEqual([]);
    await rig.clock.advance(100);
    for (const other of others) expect(got(other)).toEqual(ids([mine, theirs]));
    expect(got(source), 'not what it has sent itself').toEqual(ids([mine]));
    rig.peers.announceTransactions([mine, theirs]);
    await rig.clock.advance(1000);
    for (const other of others) expect(got(other), 'only once').toHaveLength(2);
  });

  it('are the whole mempool for a new peer, parents first, as fast as it reads', async () => {
    const rig = await start();
    const { amount } = builder.coinbase(1);
    const share = amount / 100n;
    const fan = transaction({
      from: [builder.coinbase(1)],
      to: Array.from({ length: 70 }, () => ({ to: keyOwner(1), amount: share })),
    });
    await rig.mempool.submit(fan, { source: 'local' });
    for (let i = 0; i < 70; i++) {
      const from = [coinOf(fan, i, keyOwner(1))];
      const child = transaction({ from, to: [{ to: keyOwner(2), amount: share - FEE }] });
      await rig.mempool.submit(child, { source: 'local' });
    }
    const slow = await rig.meet();
    let release = (): void => {};
    slow.held = new Promise((resolve) => {
      release = resolve;
    });
    const fast = await rig.meet();
    await rig.clock.advance(1000);
    const all = ids(rig.mempool.transactions().map(({ tx }) => tx));
    expect(all).toHaveLength(71);
    expect(all[0]).toBe(bytesToHex(fan.id));
    expect(got(fast)).toEqual(all);
    expect(got(slow)).toEqual(all.slice(0, 1));
    slow.held = undefined;
    release();
    await settle();
    expect(got(slow), 'what was queued for it').toEqual(all.slice(0, 65));
    await rig.clock.advance(100);
    expect(got(slow)).toEqual(all);
  });

  it('are left out if the mempool has lost them before their turn', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    const [taken, kept] = [pay(1), pay(2)];
    await rig.mempool.submit(taken, { source: 'local' });
    await rig.mempool.submit(kept, { source: 'local' });
    await rig.rig.submit(builder.draft({ transactions: [taken] }));
    await rig.clock.advance(100);
    expect(got(stranger)).toEqual(ids([kept]));
  });

  it('go to an SPV client if they match its filter, in what they spend or pay', async () => {
    const rig = await start();
    const client = await rig.meet({ info: { services: 0 } });
    const full = await rig.meet({ info: { services: SERVICE.FULL_NODE } });
    client.send({ type: 'filter-load', programs: [keyOwner(3).program] });
    await settle();
    const paid = pay(1, keyOwner(3));
    const spent = transaction({
      from: [{ ...coin(paid), owner: keyOwner(3) }],
      to: [{ to: keyOwner(4), amount: paid.outputs[0]!.amount - FEE }],
    });
    const other = pay(2);
    for (const tx of [paid, spent, other]) await rig.mempool.submit(tx, { source: 'local' });
    await rig.clock.advance(100);
    expect(got(client)).toEqual(ids([paid, spent]));
    expect(got(full)).toEqual(ids([paid, spent, other]));
    client.send({ type: 'filter-clear' });
    await settle();
    await rig.mempool.submit(pay(3, keyOwner(3)), { source: 'local' });
    await rig.clock.advance(100);
    expect(got(client)).toHaveLength(2);
  });
});

describe('received transactions', () => {
  it('are remembered as those of the peer where the mempool has them, not where anybody can make them up', async () => {
    const rig = await start();
    const stranger = await rig.meet();
    const parent = pay(1);
    const orphan = transaction({
      from: [coin(parent)],
      to: [{ to: keyOwner(2), amount: parent.outputs[0]!.amount - FEE }],
    });
    for (const { raw } of [orphan, pay(2)])
      stranger.send({ type: 'transaction', transaction: raw });
    await settle();
    const [peer] = rig.peers.syncPeers() as Peer[];
    const known = [orphan, pay(2)].map(({ id }) => peer!.knowsTransaction(keyText(id)));
    expect(known).toEqual([false, true]);
  });

  async function afterSending(txs: readonly Uint8Array[]): Promise<{ rig: PeerRig; bans: number }> {
    const rig = await start();
    const stranger = await rig.meet();
    for (const transaction of txs) {
      stranger.send({ type: 'transaction', transaction });
      await settle();
    }
    return { rig, bans: rig.peers.counts.bans };
  }

  it('get into the mempool, and make the peer useful', async () => {
    const { rig, bans } = await afterSending(raw([pay(1), pay(2), pay(1)]));
    expect([rig.mempool.size, bans]).toEqual([2, 0]);
  });

  it('are blamed if they break a rule: six lead to a ban', async () => {
    const unbalanced = [1, 2, 3, 4, 5, 6].map((height) => {
      const tx = pay(height);
      const [output] = tx.outputs;
      return createTx({ ...tx, outputs: [{ ...output!, amount: output!.amount * 2n }] }).raw;
    });
    expect((await afterSending(unbalanced.slice(1))).bans).toBe(0);
    expect((await afterSending(unbalanced)).bans).toBe(1);
  });

  it('are blamed if they do not parse, or are too long to be valid', async () => {
    const garbage = new Array<Uint8Array>(6).fill(Uint8Array.of(7, 1, 0));
    expect((await afterSending(garbage.slice(1))).bans).toBe(0);
    expect((await afterSending(garbage)).bans).toBe(1);
    expect((await afterSending(new Array(6).fill(new Uint8Array(200_001)))).bans).toBe(1);
  });

  it("are nobody's fault as orphans, dust and double spends", async () => {
    const orphans = [1, 2, 3].map((height) => {
      const parent = pay(height);
      return transaction({
        from: [coin(parent)],
        to: [{ to: keyOwner(2), amount: parent.outputs[0]!.amount - FEE }],
      });
    });
    const dust = [11, 12, 13, 14, 15, 16, 17].map((height) => {
      const tx = pay(height);
      return createTx({ ...tx, outputs: [...tx.outputs, { ...tx.outputs[0]!, amount: 0n }] });
    });
    const conflicts = [30, 31, 32, 33, 34, 35, 36, 37].map((seed) => pay(9, keyOwner(seed)));
    const { rig, bans } = await afterSending(raw([...orphans, ...dust, ...conflicts]));
    expect(bans).toBe(0);
    expect(rig.mempool.size).toBe(1);
    expect(rig.mempool.orphanCount).toBe(3);
  });
});

function coin(tx: Tx): Coin {
  return coinOf(tx, 0, keyOwner(1));
}
