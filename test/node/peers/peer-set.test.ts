import { afterEach, describe, expect, it } from 'vitest';
import type { PeerSet } from '../../../src/node/peers/peer-set.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { settle } from '../../support/fake-clock.ts';
import { FEE, keyOwner, transaction } from '../../support/spending.ts';
import { MemoryNetwork, PeerRig, type PeerRigOptions, PORT, type Stranger } from './peer-rig.ts';

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

/** Whether a stranger is let in, as a word. */
async function knock(rig: PeerRig, address: string, seed?: number): Promise<string> {
  try {
    const stranger = await rig.meet(seed === undefined ? { address } : { address, seed });
    return stranger.closed ? 'closed' : 'in';
  } catch {
    return 'refused';
  }
}

async function misbehave(stranger: Stranger): Promise<void> {
  for (let i = 0; i < 6; i++) {
    stranger.send({ type: 'transaction', transaction: new Uint8Array(200_001) });
    await settle();
  }
}

describe('admission', () => {
  it('leaves places for the connections we make ourselves', async () => {
    const rig = await start({ maxPeers: 6, maxOutgoing: 2 });
    const outcomes: string[] = [];
    for (let i = 1; i <= 6; i++) outcomes.push(await knock(rig, `10.2.0.${i}`));
    expect(outcomes).toEqual(['in', 'in', 'in', 'in', 'refused', 'refused']);
    rig.network.listen(50, '10.5.0.1');
    rig.network.listen(51, '10.5.0.2');
    rig.network.listen(52, '10.5.0.3');
    for (const host of ['10.5.0.1', '10.5.0.2']) rig.peers.connect(host, PORT).catch(() => {});
    await settle();
    expect(rig.peers.counts).toMatchObject({ inbound: 4, outbound: 2 });
    await expect(rig.peers.connect('10.5.0.3', PORT)).rejects.toMatchObject({
      detail: { code: 'full' },
    });
  });

  it('takes three peers of one address, of one IPv6 network, and any number of loopback', async () => {
    const rig = await start();
    const outcomes = async (addresses: readonly string[]): Promise<readonly string[]> => {
      const all: string[] = [];
      for (const address of addresses) all.push(await knock(rig, address));
      return all;
    };
    const three = ['in', 'in', 'in', 'refused'];
    expect(await outcomes(new Array(4).fill('10.2.0.1'))).toEqual(three);
    const network = ['::1', '::2', ':1::', ':1::3'].map((end) => `2001:db8:0:7${end}`);
    expect(await outcomes(network)).toEqual(three);
    expect(await outcomes(['2001:db8:0:8::1'])).toEqual(['in']);
    expect(await outcomes(new Array(5).fill('127.0.0.1'))).toEqual(new Array(5).fill('in'));
    expect(await outcomes(new Array(5).fill('::1'))).toEqual(new Array(5).fill('in'));
  });

  it('takes one connection of a node, and none of this node itself', async () => {
    const rig = await start();
    expect(await knock(rig, '10.2.0.1', 70)).toBe('in');
    expect(await knock(rig, '10.2.0.2', 70)).toBe('closed');
    expect(await knock(rig, '10.2.0.3', 1)).toBe('closed');
    expect(rig.peers.counts.inbound).toBe(1);
  });

  it('lets a newcomer take the place of the peer that was useless for longest, one a minute', async () => {
    const builder = new ChainBuilder().extend(1);
    const rig = await start({ builder, maxPeers: 2 });
    const useful = await rig.meet({ address: '10.2.0.1' });
    const useless = await rig.meet({ address: '10.2.0.2' });
    await rig.clock.advance(599_000);
    useful.announce(builder.block());
    await settle();
    expect(rig.height).toBe(2);
    expect(await knock(rig, '10.2.0.3')).toBe('refused');
    await rig.clock.advance(2000);
    expect(await knock(rig, '10.2.0.3')).toBe('in');
    expect([useful.closed, useless.closed]).toEqual([false, true]);
    await rig.clock.advance(650_000);
    expect(await knock(rig, '10.2.0.4')).toBe('in');
    expect(useful.closed).toBe(true);
    expect(await knock(rig, '10.2.0.5'), 'one a minute').toBe('refused');
    await rig.clock.advance(60_000);
    expect(await knock(rig, '10.2.0.5')).toBe('in');
    expect(rig.peers.counts.inbound).toBe(2);
  });
});

describe('a ban', () => {
  it('ends every connection of the address, and lasts an hour', async () => {
    const rig = await start();
    const one = await rig.meet({ address: '10.2.0.1' });
    const two = await rig.meet({ address: '10.2.0.1' });
    const other = await rig.meet({ address: '10.2.0.2' });
    await misbehave(one);
    expect([one.closed, two.closed, other.closed]).toEqual([true, true, false]);
    expect(rig.peers.counts).toMatchObject({ inbound: 1, bans: 1 });
    expect(await knock(rig, '10.2.0.1')).toBe('refused');
    rig.network.listen(50, '10.2.0.1');
    await expect(rig.peers.connect('10.2.0.1', PORT)).rejects.toMatchObject({
      detail: { code: 'banned' },
    });
    await rig.clock.advance(3_599_000);
    expect(await knock(rig, '10.2.0.1')).toBe('refused');
    await rig.clock.advance(2000);
    expect(await knock(rig, '10.2.0.1')).toBe('in');
  });

  it('counts the offences of all connections of an address, past ones included', async () => {
    const rig = await start();
    for (let i = 0; i < 6; i++) {
      const stranger = await rig.meet({ address: '10.2.0.1' });
      stranger.link.sendBytes(Uint8Array.of(0x99));
      await settle();
      expect(stranger.closed, `${i}`).toBe(true);
    }
    expect(rig.peers.counts.bans).toBe(1);
    expect(await knock(rig, '10.2.0.1')).toBe('refused');
  });

  it('is not for a connection that ends, or for a mistake of our own', async () => {
    const rig = await start();
    for (let i = 0; i < 8; i++) {
      const stranger = await rig.meet({ address: '10.2.0.1' });
      if (i % 2 === 0) stranger.link.close();
      else stranger.link.break();
      await settle();
    }
    expect(rig.peers.counts.bans).toBe(0);
  });
});

describe('targets of the operator', () => {
  const target = { host: '10.9.0.1', port: PORT };
  const key = `${target.host}:${PORT}`;

  it('are dialled again with pauses that double up to a minute', async () => {
    const rig = await start({ connect: [target] });
    const times: number[] = [];
    let before = 0;
    for (let second = 0; second <= 200; second++) {
      const dials = rig.network.dials.get(key) ?? 0;
      if (dials > before) times.push(second);
      before = dials;
      await rig.clock.advance(1000);
    }
    expect(times).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183]);
    expect(rig.dialled.at(-1)).toBe(`${key} failed`);
  });

  it('are connected again when a connection ends, and at once if it was stable', async () => {
    const network = new MemoryNetwork();
    const met = network.listen(50, target.host);
    const rig = await start({ network, connect: [target] });
    const genesis = rig.builder.blocks[0]!.hash;
    expect(met).toHaveLength(1);
    met[0]!.status(0, genesis, genesis);
    await rig.clock.advance(120_000);
    expect(rig.peers.counts).toMatchObject({ outbound: 1, ready: 1 });
    met[0]!.link.close();
    await rig.clock.advance(1000);
    expect(met).toHaveLength(2);
    met[1]!.link.close();
    await rig.clock.advance(1900);
    expect(met).toHaveLength(2);
    await rig.clock.advance(200);
    expect(met).toHaveLength(3);
    expect(rig.dialled).toEqual([`${key} connected`]);
  });

  it('that have come to us are taken as connected', async () => {
    const network = new MemoryNetwork();
    network.listen(50, target.host);
    const rig = await start({ network, seed: 60, maxPerIp: 1 });
    await rig.meet({ seed: 50, address: target.host });
    expect(await rig.peers.connect(target.host, PORT)).toMatchObject({ outbound: false });
    expect(rig.peers.counts).toMatchObject({ inbound: 1, outbound: 0 });
  });
});

describe('connections to known addresses', () => {
  const hosts = Array.from({ length: 6 }, (_, i) => `10.7.${i}.1`);
  const source = {
    candidates: () => [
      { host: '10.7.0.1', port: 9 },
      ...hosts.map((host) => ({ host, port: PORT })),
    ],
  };

  it('are made until there are as many as asked for, one for each address', async () => {
    const network = new MemoryNetwork();
    const met = hosts.map((host, i) => network.listen(50 + i, host));
    const rig = await start({ network, maxOutgoing: 3, sources: [source] });
    const genesis = rig.builder.blocks[0]!.hash;
    for (let i = 0; i < 4; i++) {
      for (const [stranger] of met) stranger?.status(0, genesis, genesis);
      await rig.clock.advance(5000);
    }
    expect(rig.peers.counts).toMatchObject({ outbound: 3, ready: 3 });
    expect(network.dials.get('10.7.0.1:9')).toBe(1);
    expect(network.dials.get(`10.7.0.1:${PORT}`)).toBe(1);
    const connected = rig.peers.list().map(({ remoteAddress }) => remoteAddress);
    expect(connected.toSorted()).toEqual(hosts.slice(0, 3));
  });

  it('are not all made within one network', async () => {
    const network = new MemoryNetwork();
    const near = Array.from({ length: 10 }, (_, i) => `30.7.${i}.1`);
    const all = [...near, '30.8.0.1'];
    const met = all.map((host, i) => network.listen(50 + i, host));
    const candidates = all.map((host) => ({ host, port: PORT }));
    const rig = await start({
      network,
      maxOutgoing: 8,
      sources: [{ candidates: () => candidates }],
    });
    const genesis = rig.builder.blocks[0]!.hash;
    for (let i = 0; i < 20; i++) {
      for (const [stranger] of met) stranger?.status(0, genesis, genesis);
      await rig.clock.advance(5000);
    }
    const connected = rig.peers.list().map(({ remoteAddress }) => remoteAddress);
    expect(connected.toSorted()).toEqual([...near.slice(0, 4), '30.8.0.1']);
  });

  it('are not tried again for a while after they have failed or ended', async () => {
    const network = new MemoryNetwork();
    const only = { candidates: () => [{ host: hosts[1]!, port: PORT }] };
    const rig = await start({ network, maxOutgoing: 3, sources: [only] });
    const key = `${hosts[1]}:${PORT}`;
    await rig.clock.advance(29_000);
    expect(network.dials.get(key)).toBe(1);
    await rig.clock.advance(6000);
    expect(network.dials.get(key)).toBe(2);
    await rig.clock.advance(54_000);
    expect(network.dials.get(key)).toBe(2);
    const met = network.listen(50, hosts[1]!);
    await rig.clock.advance(10_000);
    expect(network.dials.get(key)).toBe(3);
    met[0]!.link.close();
    await rig.clock.advance(115_000);
    expect(network.dials.get(key)).toBe(3);
    await rig.clock.advance(10_000);
    expect(network.dials.get(key)).toBe(4);
    expect(rig.dialled.every((line) => line === `${key} failed`)).toBe(true);
  });

  it('are given up where the peer stays behind', async () => {
    const network = new MemoryNetwork();
    const met = network.listen(50, hosts[1]!);
    const builder = new ChainBuilder().extend(70);
    const only = { candidates: () => [{ host: hosts[1]!, port: PORT }] };
    const rig = await start({ network, builder, maxOutgoing: 1, sources: [only] });
    const genesis = builder.blocks[0]!.hash;
    met[0]!.status(3, genesis, genesis);
    await rig.clock.advance(599_000);
    expect(met[0]!.closed).toBe(false);
    await rig.clock.advance(302_000);
    expect(met[0]!.closed).toBe(true);
  });
});

describe('what the API asks for', () => {
  it('is a list of peers, a connection, and its end', async () => {
    const rig = await start();
    expect(rig.peers.listening).toBe(true);
    const met = rig.network.listen(0xab, '10.9.0.1');
    const connecting = rig.peers.connect('10.9.0.1', PORT);
    await settle();
    const genesis = rig.builder.blocks[0]!.hash;
    met[0]!.status(4, genesis, genesis);
    const id = met[0]!.id;
    const expected = {
      id,
      remoteAddress: '10.9.0.1',
      remotePort: PORT,
      outbound: true,
      height: 4,
      pingMs: 0,
      connectedMs: 1500,
    };
    expect(await connecting).toMatchObject(expected);
    expect(rig.peers.list()).toMatchObject([expected]);
    expect(rig.peers.highest).toBe(4);
    expect(rig.peers.disconnect(id.toLowerCase())).toBe(false);
    expect(rig.peers.disconnect(id)).toBe(true);
    expect(rig.peers.list()).toEqual([]);
    expect(rig.peers.highest).toBe(0);
    expect(rig.peers.counts.bytesReceived).toBeGreaterThan(70);
    await expect(rig.peers.connect('10.9.0.2', PORT)).rejects.toMatchObject({
      detail: { code: 'connect' },
    });
  });

  it('fails where the peer is not one of ours', async () => {
    const rig = await start();
    const met = rig.network.listen(50, '10.9.0.1');
    const connecting = rig.peers.connect('10.9.0.1', PORT);
    const outcome = expect(connecting).rejects.toMatchObject({ detail: { code: 'ended' } });
    await settle();
    met[0]!.status(0, new Uint8Array(32), new Uint8Array(32));
    await outcome;
  });

  it('fails after close', async () => {
    const rig = await start();
    rig.network.listen(50, '10.9.0.1');
    await rig.peers.close();
    await rig.peers.close();
    await expect(rig.peers.connect('10.9.0.1', PORT)).rejects.toMatchObject({
      detail: { code: 'closed' },
    });
    await expect(rig.meet()).rejects.toThrow('ECONNREFUSED');
    expect(rig.peers.listening).toBe(false);
  });
});

describe('nodes of our own', () => {
  const builder = new ChainBuilder().extend(104);

  async function nodes(count: number): Promise<{ all: readonly PeerRig[]; pass: Pass }> {
    const network = new MemoryNetwork();
    const all: PeerRig[] = [];
    for (let seed = 1; seed <= count; seed++) {
      all.push(await start({ builder: builder.fork(104), network, seed }));
    }
    const pass: Pass = async (ms) => {
      await Promise.all(all.map((rig) => rig.clock.advance(ms)));
      await settle();
    };
    return { all, pass };
  }
  type Pass = (ms: number) => Promise<void>;

  it('pass blocks and transactions on, along a line of them', async () => {
    const { all, pass } = await nodes(3);
    const [a, b, c] = all as [PeerRig, PeerRig, PeerRig];
    await a.peers.connect(b.address, PORT);
    await b.peers.connect(c.address, PORT);
    const coin = a.builder.coinbase(1);
    const tx = transaction({
      from: [coin],
      to: [{ to: keyOwner(1), amount: coin.amount - FEE }],
    });
    await a.mempool.submit(tx, { source: 'local' });
    for (let i = 0; i < 3; i++) await pass(100);
    expect(all.map((rig) => rig.mempool.has(tx.id))).toEqual([true, true, true]);
    const block = c.builder.block({ transactions: [tx] });
    await c.rig.submit(block, 'candidate');
    await pass(0);
    expect(all.map((rig) => rig.height)).toEqual([105, 105, 105]);
    expect(all.map((rig) => rig.mempool.size)).toEqual([0, 0, 0]);
    const bestOf = (rig: PeerRig): readonly (readonly [number, string])[] =>
      rig.peers.syncPeers().map(({ height, bestHash }) => [height, bytesToHex(bestHash)]);
    const best = [105, bytesToHex(block.hash)];
    expect([bestOf(a), bestOf(b)]).toEqual([[best], [[104, expect.anything()], best]]);
    await pass(10_000);
    expect(bestOf(c)).toEqual([best]);
  });

  it('keep one of two connections that crossed', async () => {
    const { all, pass } = await nodes(2);
    const [a, b] = all as [PeerRig, PeerRig];
    const dial = (from: PeerSet, to: PeerRig): Promise<unknown> =>
      from.connect(to.address, PORT).catch(() => undefined);
    await Promise.all([dial(a.peers, b), dial(b.peers, a)]);
    await pass(0);
    expect(a.peers.counts).toMatchObject({ inbound: 0, outbound: 1, ready: 1 });
    expect(b.peers.counts).toMatchObject({ inbound: 1, outbound: 0, ready: 1 });
  });

  it('get blocks from each other', async () => {
    const { all } = await nodes(2);
    const [a, b] = all as [PeerRig, PeerRig];
    await a.peers.connect(b.address, PORT);
    const [peer] = a.peers.syncPeers();
    const hash = (height: number): Uint8Array => builder.blocks[height]!.hash;
    expect(await peer!.getHeaders([hash(0)], hash(104))).toHaveLength(104);
    expect(await peer!.getBlocks([hash(90)], hash(104))).toHaveLength(14);
    const many = Array.from({ length: 16 }, (_, i) => peer!.getBlock({ height: i + 1 }));
    expect(await Promise.all(many)).toHaveLength(16);
  });
});
