import { describe, expect, it } from 'vitest';
import { DiscoveryError } from '../../../src/p2p/discovery/datagram-port.ts';
import { decodePacket, encodePacket } from '../../../src/p2p/discovery/packet.ts';
import type { PacketBody, PacketNode } from '../../../src/p2p/discovery/packet-body.ts';
import { sha3 } from '../../../src/util/sha3.ts';
import { settle } from '../../support/fake-clock.ts';
import { DiscoveryRig, type Other, signer, somePing, somePong } from './memory-network.ts';

const TARGET = new Uint8Array(32).fill(7);

/** A rig that runs. */
async function started(ownHosts: readonly string[] = []): Promise<DiscoveryRig> {
  const rig = new DiscoveryRig('20.0.0.1', ownHosts);
  await rig.discovery.start();
  await settle();
  return rig;
}

/** Both have pinged, and been answered. */
async function acquainted(other: Other): Promise<void> {
  other.ping();
  await settle();
}

function nodeOf(id: Uint8Array, ip: readonly number[], udp = 46_657): PacketNode {
  return { id, ip: Uint8Array.from(ip), udp, tcp: udp };
}

describe('handshakes', () => {
  it('answer a stranger with a ping, and with the pong once it has answered that', async () => {
    const rig = await started();
    const stranger = rig.other(2, '30.1.1.1');
    stranger.answersPings = false;
    const hash = stranger.ping();
    await settle();
    expect(stranger.received.map(({ body }) => body.type)).toEqual(['ping']);
    expect(rig.discovery.size).toBe(0);
    stranger.pong(stranger.pings[0]!.hash);
    await settle();
    expect(stranger.bodies('pong').map(({ replyToken }) => replyToken)).toEqual([hash]);
    expect(rig.discovery.candidates(9)).toEqual([stranger.endpoint]);
    await rig.discovery.close();
  });

  it('answer both pings of a seed’s client, which has two ids for us', async () => {
    const rig = await started();
    const stranger = rig.other(2, '30.1.1.1');
    stranger.answersPings = false;
    stranger.send({ ...somePing(), expiration: 1 });
    stranger.send({ ...somePing(), expiration: 2 });
    await settle();
    expect(stranger.count('ping')).toBe(1);
    stranger.pong(stranger.pings[0]!.hash);
    await settle();
    expect(stranger.count('pong')).toBe(2);
    await rig.discovery.close();
  });

  it('send a stranger no more packets, and no larger ones, than it sends', async () => {
    const rig = await started();
    const victim = rig.other(2, '30.1.1.1');
    victim.answersPings = false;
    for (let second = 0; second < 30; second++) {
      for (let i = 0; i < 4; i++) victim.ping();
      victim.send({ ...somePing(), from: { ip: new Uint8Array(), udp: 0, tcp: 0 } });
      victim.findNode(TARGET);
      victim.pong(new Uint8Array(32));
      await rig.clock.advance(500);
    }
    const bytes = (from: string, to: string): number =>
      rig.network.between(from, to).reduce((sum, each) => sum + each.bytes.length, 0);
    // One ping a second, whatever it sends.
    expect(rig.network.count('20.0.0.1', '30.1.1.1')).toBeLessThanOrEqual(16);
    expect(bytes('20.0.0.1', '30.1.1.1')).toBeLessThan(bytes('30.1.1.1', '20.0.0.1') / 5);
    const longest = Math.max(
      ...rig.network.between('20.0.0.1', '30.1.1.1').map((each) => each.bytes.length),
    );
    expect(longest).toBeLessThanOrEqual(encodePacket(somePing(), signer(2)).length);
    await rig.discovery.close();
  });

  it('do not answer a ping that is much smaller than the answer', async () => {
    const rig = await started();
    const stranger = rig.other(2, '30.1.1.1');
    const nowhere = { ip: new Uint8Array(), udp: 0, tcp: 0 };
    stranger.send({ ...somePing(), from: nowhere, to: nowhere });
    await settle();
    expect(stranger.received).toEqual([]);
    await rig.discovery.close();
  });

  it('believe no pong with another token, from another address or without a ping', async () => {
    const rig = await started();
    const stranger = rig.other(2, '30.1.1.1');
    const liar = rig.other(3, '30.2.2.2');
    stranger.answersPings = false;
    liar.pong(new Uint8Array(32));
    stranger.ping();
    await settle();
    const { hash } = stranger.pings[0]!;
    const wrong = hash.slice();
    wrong[10]! ^= 1;
    stranger.pong(wrong);
    stranger.pong(hash.subarray(0, 31));
    stranger.pong(new Uint8Array());
    liar.pong(hash);
    await settle();
    expect(rig.discovery.size).toBe(0);
    // Too late.
    await rig.clock.advance(1001);
    stranger.pong(hash);
    await settle();
    expect(rig.discovery.size).toBe(0);
    expect(stranger.count('pong')).toBe(0);
    await rig.discovery.close();
  });

  it('use tokens that nobody can tell in advance', async () => {
    const rig = await started();
    const tokens = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const stranger = rig.other(i + 2, `30.1.1.${i + 1}`);
      stranger.ping();
      await settle();
      tokens.add(String(stranger.received[0]!.hash));
    }
    // Within one second of the clock.
    expect(tokens.size).toBe(20);
    await rig.discovery.close();
  });

  it('refuse packets with a signature of somebody else', async () => {
    const rig = await started();
    const stranger = rig.other(2, '30.1.1.1');
    const ping = encodePacket(somePing(), {
      publicKey: stranger.identity.publicKey,
      sign: (message) => signer(3).sign(message),
    });
    rig.network.inject({ bytes: ping, from: stranger.endpoint, to: rig.endpoint });
    await settle();
    expect(stranger.received).toEqual([]);
    await rig.discovery.close();
  });
});

describe('questions', () => {
  it('are answered with the nearest first, eight in a packet, the asker among them', async () => {
    const rig = await started();
    const others = Array.from({ length: 30 }, (_, i) => rig.other(i + 2, `30.${i}.1.1`));
    for (const other of others) await acquainted(other);
    expect(rig.discovery.size).toBeGreaterThanOrEqual(16);
    const known = new Set(rig.discovery.candidates(99).map(({ host }) => host));
    const byDistance = others
      .filter((other) => known.has(other.endpoint.host))
      .map((other) => ({ other, distance: distanceOf(other) }))
      .sort((a, b) => (a.distance < b.distance ? -1 : 1))
      .map(({ other }) => other.identity.publicKey);
    const asker = others[3]!;
    asker.findNode(sha3(asker.identity.publicKey));
    asker.findNode(TARGET);
    await settle();
    const answers = asker.bodies('neighbors');
    expect(answers.map(({ nodes }) => nodes.length)).toEqual([8, 8, 8, 8]);
    expect(answers[0]!.nodes[0]!.id).toEqual(asker.identity.publicKey);
    const told = answers.slice(2).flatMap(({ nodes }) => nodes.map(({ id }) => id));
    expect(told).toEqual(byDistance.slice(0, 16));
    await rig.discovery.close();
  });

  it('are not answered to strangers, under another id, or from another address', async () => {
    const rig = await started();
    const known = rig.other(2, '30.1.1.1');
    const stranger = rig.other(3, '30.2.2.2');
    await acquainted(known);
    stranger.findNode(TARGET);
    const question = encodePacket(
      { type: 'find-node', target: TARGET, expiration: 1 },
      stranger.identity,
    );
    rig.network.inject({ bytes: question, from: known.endpoint, to: rig.endpoint });
    const copied = encodePacket(
      { type: 'find-node', target: TARGET, expiration: 1 },
      known.identity,
    );
    rig.network.inject({ bytes: copied, from: stranger.endpoint, to: rig.endpoint });
    await settle();
    expect(known.count('neighbors') + stranger.count('neighbors')).toBe(0);
    await rig.discovery.close();
  });

  it('are answered only so often', async () => {
    const rig = await started();
    const asker = rig.other(2, '30.1.1.1');
    await acquainted(asker);
    for (let i = 0; i < 90; i++) asker.findNode(TARGET);
    await settle();
    expect(asker.count('neighbors')).toBe(30);
    await rig.discovery.close();
  });

  it('tell addresses of our LAN only to those who are on it', async () => {
    const rig = await started();
    const near = rig.other(2, '192.168.1.2');
    const far = rig.other(3, '30.1.1.1');
    await acquainted(near);
    await acquainted(far);
    near.findNode(TARGET);
    far.findNode(TARGET);
    await settle();
    expect(near.bodies('neighbors').map(({ nodes }) => nodes.length)).toEqual([2]);
    expect(far.bodies('neighbors').map(({ nodes }) => nodes.map(({ id }) => id))).toEqual([
      [far.identity.publicKey],
    ]);
    await rig.discovery.close();
  });
});

describe('looking for nodes', () => {
  /** A boot node that is asked, and answers `nodes` to the first question. */
  async function askedBoot(
    nodes: (boot: Other) => readonly PacketNode[],
    rig: DiscoveryRig = new DiscoveryRig(),
    host = '30.1.1.1',
  ): Promise<{ rig: DiscoveryRig; boot: Other }> {
    const boot = rig.other(2, host);
    rig.boot = [boot.endpoint];
    await rig.discovery.start();
    await settle();
    boot.ping();
    await rig.clock.advance(900);
    expect(boot.count('find-hash')).toBe(1);
    boot.send({ type: 'neighbors', nodes: nodes(boot), expiration: 1 });
    await settle();
    return { rig, boot };
  }

  it('learns a boot node’s id from its pong, and asks once it has pinged back', async () => {
    const rig = new DiscoveryRig();
    const boot = rig.other(2, '30.1.1.1');
    rig.boot = [boot.endpoint];
    await rig.discovery.start();
    await settle();
    expect(rig.discovery.candidates(1)).toEqual([boot.endpoint]);
    expect(boot.count('find-hash')).toBe(0);
    const hash = boot.ping();
    await settle();
    expect(boot.bodies('pong').map(({ replyToken }) => replyToken)).toEqual([hash]);
    expect(boot.bodies('find-hash').map(({ target }) => target)).toEqual([
      sha3(rig.identity.publicKey),
    ]);
    await rig.discovery.close();
  });

  it('asks a node that does not ping back a second later', async () => {
    const rig = new DiscoveryRig();
    const boot = rig.other(2, '30.1.1.1');
    rig.boot = [boot.endpoint];
    await rig.discovery.start();
    await rig.clock.advance(999);
    expect(boot.count('find-hash')).toBe(0);
    await rig.clock.advance(1);
    expect(boot.count('find-hash')).toBe(1);
    await rig.discovery.close();
  });

  it('pings who it is told of, and asks those that answer', async () => {
    const rig = new DiscoveryRig();
    const third = rig.other(3, '30.3.3.3');
    const gone = signer(4).publicKey;
    await askedBoot(
      () => [nodeOf(third.identity.publicKey, [30, 3, 3, 3]), nodeOf(gone, [30, 4, 4, 4])],
      rig,
    );
    expect(third.count('ping')).toBe(1);
    await rig.clock.advance(2100);
    expect(third.count('find-hash')).toBe(1);
    expect(rig.discovery.candidates(9).map(({ host }) => host)).toEqual(['30.1.1.1', '30.3.3.3']);
    expect(rig.network.count('20.0.0.1', '30.4.4.4')).toBe(1);
    await rig.discovery.close();
  });

  it('waits for the second packet of a long answer', async () => {
    const first = Array.from({ length: 8 }, (_, i) =>
      nodeOf(signer(50 + i).publicKey, [31, i, 0, 1]),
    );
    const { rig, boot } = await askedBoot(() => first);
    expect(rig.network.count('20.0.0.1', '31.0.0.1')).toBe(0);
    const second = Array.from({ length: 8 }, (_, i) =>
      nodeOf(signer(60 + i).publicKey, [32, i, 0, 1]),
    );
    boot.send({ type: 'neighbors', nodes: second, expiration: 1 });
    await settle();
    for (let i = 0; i < 8; i++) {
      expect(rig.network.count('20.0.0.1', `31.${i}.0.1`), `first ${i}`).toBe(1);
      expect(rig.network.count('20.0.0.1', `32.${i}.0.1`), `second ${i}`).toBe(1);
    }
    await rig.discovery.close();
  });

  it('does with the first packet if the second is lost', async () => {
    const first = Array.from({ length: 8 }, (_, i) =>
      nodeOf(signer(50 + i).publicKey, [31, i, 0, 1]),
    );
    const { rig } = await askedBoot(() => first);
    await rig.clock.advance(1000);
    expect(rig.network.count('20.0.0.1', '31.0.0.1')).toBe(1);
    await rig.discovery.close();
  });

  it.each([
    ['our own id', [30, 3, 3, 3], 46_657, 1],
    ['our own address', [20, 0, 0, 1], 46_657, 9],
    ['port 0', [30, 3, 3, 3], 0, 9],
    ['a port of a service', [30, 3, 3, 3], 1024, 9],
    ['no address', [0, 0, 0, 0], 46_657, 9],
    ['an address of 5 bytes', [30, 3, 3, 3, 3], 46_657, 9],
    ['a multicast address', [224, 0, 0, 1], 46_657, 9],
    ['broadcast', [255, 255, 255, 255], 46_657, 9],
    ['a reserved address', [192, 0, 2, 1], 46_657, 9],
    ['a loopback address from afar', [127, 0, 0, 1], 46_658, 9],
    ['a LAN address from afar', [192, 168, 1, 1], 46_657, 9],
    ['a mapped LAN address', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1], 46_657, 9],
    ['IPv6, which this socket does not reach', [0x26, ...new Array<number>(15).fill(1)], 46_657, 9],
  ])('pings nobody for %s', async (_what, ip, udp, seed) => {
    const rig = new DiscoveryRig('20.0.0.1', ['20.0.0.1']);
    await askedBoot((boot) => {
      rig.network.sent.length = 0;
      expect(boot.identity).toBeDefined();
      return [nodeOf(signer(seed).publicKey, ip, udp)];
    }, rig);
    const to = rig.network.sent.filter(({ from }) => from.host === '20.0.0.1');
    expect(to.map((each) => each.to.host)).toEqual([]);
    await rig.discovery.close();
  });

  it('takes LAN addresses from a node of the LAN', async () => {
    const { rig } = await askedBoot(
      () => [nodeOf(signer(9).publicKey, [192, 168, 7, 7])],
      new DiscoveryRig(),
      '192.168.1.1',
    );
    expect(rig.network.count('20.0.0.1', '192.168.7.7')).toBe(1);
    await rig.discovery.close();
  });

  it('takes no neighbours that it has not asked for, or from somebody else', async () => {
    const rig = await started();
    const known = rig.other(2, '30.1.1.1');
    const other = rig.other(3, '30.2.2.2');
    await acquainted(known);
    await acquainted(other);
    const nodes = [nodeOf(signer(9).publicKey, [30, 9, 9, 9])];
    known.send({ type: 'neighbors', nodes, expiration: 1 });
    await settle();
    expect(rig.network.count('20.0.0.1', '30.9.9.9')).toBe(0);
    // While `known` is asked, `other` answers.
    await rig.clock.advance(5000);
    expect(known.count('find-hash')).toBe(1);
    const forged = encodePacket({ type: 'neighbors', nodes, expiration: 1 }, other.identity);
    rig.network.inject({ bytes: forged, from: known.endpoint, to: rig.endpoint });
    await settle();
    expect(rig.network.count('20.0.0.1', '30.9.9.9')).toBe(0);
    await rig.discovery.close();
  });

  it('does not ping one address again and again because others name it', async () => {
    const victim = [30, 9, 9, 9];
    const { rig, boot } = await askedBoot(() =>
      Array.from({ length: 7 }, (_, i) => nodeOf(signer(70 + i).publicKey, victim)),
    );
    for (let i = 0; i < 20; i++) {
      await rig.clock.advance(5000);
      boot.send({
        type: 'neighbors',
        nodes: [nodeOf(signer(80 + i).publicKey, victim)],
        expiration: 1,
      });
    }
    // Seven ids at once are one ping; later there is one in twenty seconds at the most.
    expect(rig.network.count('20.0.0.1', '30.9.9.9')).toBeLessThanOrEqual(5);
    await rig.discovery.close();
  });

  it('comes to an end however many nodes are made up on the way', async () => {
    const rig = new DiscoveryRig();
    rig.boot = [{ host: '30.1.1.1', port: 46_657 }];
    // Behind every address is a node that knows eight that nobody has heard of.
    let made = 0;
    const asked: string[] = [];
    rig.network.elsewhere = ({ bytes, from, to }) => {
      const { body, hash } = decodePacket(bytes);
      const identity = signer(Number(to.host.split('.')[1]) * 256 + Number(to.host.split('.')[2]));
      const answer = (reply: PacketBody): void =>
        rig.network.inject({ bytes: encodePacket(reply, identity), from: to, to: from });
      if (body.type === 'ping') {
        answer(somePing());
        answer(somePong(hash));
      }
      if (body.type !== 'find-hash') return;
      asked.push(to.host);
      const nodes = Array.from({ length: 7 }, () => {
        made++;
        const id = signer(made).publicKey;
        return nodeOf(id, [40 + (made % 60), made >> 8, made & 0xff, 1]);
      });
      answer({ type: 'neighbors', nodes, expiration: 1 });
    };
    await rig.discovery.start();
    await rig.clock.advance(4000);
    expect(asked.length).toBeGreaterThan(16);
    expect(asked.length).toBeLessThanOrEqual(48);
    const pinged = new Set(rig.network.sent.map(({ to }) => to.host));
    expect(pinged.size).toBeLessThanOrEqual(2 + 64 + 4 * 16);
    await rig.discovery.close();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('asks the boot nodes again while few are known, with growing pauses', async () => {
    const rig = new DiscoveryRig();
    rig.boot = [{ host: '30.1.1.1', port: 46_657 }];
    await rig.discovery.start();
    await rig.clock.advance(300_000);
    const pings = rig.network.count('20.0.0.1', '30.1.1.1');
    expect(pings).toBeGreaterThanOrEqual(9);
    expect(pings).toBeLessThanOrEqual(13);
    await rig.discovery.close();
  });
});

describe('the table', () => {
  it('drops a node that does not answer any more, and not for one lost packet', async () => {
    const rig = await started();
    const other = rig.other(2, '30.1.1.1');
    other.neighbors = [];
    await acquainted(other);
    await rig.clock.advance(50_000);
    let lost = 0;
    rig.network.loses = ({ to }) => to.host === '30.1.1.1' && lost++ < 1;
    await rig.clock.advance(300_000);
    expect(lost).toBeGreaterThan(1);
    expect(rig.discovery.size).toBe(1);
    other.answersPings = false;
    await rig.clock.advance(250_000);
    expect(rig.discovery.size).toBe(0);
    await rig.discovery.close();
  });

  it('keeps a node at its address while it answers there, whoever else has its id', async () => {
    const rig = await started();
    const real = rig.other(2, '30.1.1.1');
    await acquainted(real);
    const thief = rig.other(2, '30.2.2.2');
    for (let i = 0; i < 5; i++) {
      thief.ping();
      await rig.clock.advance(1100);
    }
    expect(rig.discovery.candidates(9)).toEqual([real.endpoint]);
    // It has moved in earnest: there is nobody at the old address.
    real.answersPings = false;
    await rig.clock.advance(3_600_000);
    thief.ping();
    await rig.clock.advance(1100);
    expect(rig.discovery.candidates(9)).toEqual([thief.endpoint]);
    await rig.discovery.close();
  });

  it('has but one node for an address, the one that answers there now', async () => {
    const rig = await started();
    const before = rig.other(2, '30.1.1.1');
    await acquainted(before);
    const after = rig.other(3, '30.1.1.1');
    after.ping();
    await settle();
    expect(rig.discovery.size).toBe(1);
    after.findNode(TARGET);
    await settle();
    expect(after.bodies('neighbors')[0]?.nodes.map(({ id }) => id)).toEqual([
      after.identity.publicKey,
    ]);
    await rig.discovery.close();
  });

  it('cannot be filled by one host or one network', async () => {
    const rig = await started();
    for (let i = 0; i < 60; i++) {
      await acquainted(rig.other(i + 2, '30.1.1.1', 2000 + i));
    }
    expect(rig.discovery.size).toBeLessThanOrEqual(2);
    for (let i = 0; i < 60; i++) {
      await rig.clock.advance(100);
      await acquainted(rig.other(i + 100, `31.1.1.${i + 1}`));
    }
    expect(rig.discovery.size).toBeLessThanOrEqual(12);
    await rig.discovery.close();
  });

  it('takes nobody who has our own id, and learns which address is ours', async () => {
    const rig = new DiscoveryRig();
    const mirror = { host: '30.1.1.1', port: 46_657 };
    rig.boot = [mirror];
    // A router that sends back what is for our own outer address.
    rig.network
      .port(mirror.host, mirror.port)
      .receive((bytes) => rig.network.inject({ bytes, from: mirror, to: rig.endpoint }));
    await rig.discovery.start();
    await rig.clock.advance(120_000);
    expect(rig.discovery.size).toBe(0);
    expect(rig.network.count('20.0.0.1', '30.1.1.1')).toBe(1);
    const twin = rig.other(1, '30.2.2.2');
    twin.ping();
    await settle();
    expect(twin.received).toEqual([]);
    await rig.discovery.close();
  });
});

describe('floods', () => {
  it('of strangers from everywhere are looked at only so often', async () => {
    const rig = await started();
    const known = rig.other(2, '30.1.1.1');
    await acquainted(known);
    const bytes = encodePacket(somePing(), signer(9));
    const before = rig.network.sent.length;
    for (let i = 0; i < 3000; i++) {
      const from = { host: `${50 + (i % 70)}.${i & 0xff}.${i >> 8}.1`, port: 46_657 };
      rig.network.inject({ bytes, from, to: rig.endpoint });
    }
    // A node that we know is heard all the same.
    const hash = known.ping();
    await settle();
    const answers = rig.network.sent.slice(before).filter(({ from }) => from.host === '20.0.0.1');
    expect(answers.length).toBeLessThanOrEqual(201);
    expect(known.bodies('pong').at(-1)?.replyToken).toEqual(hash);
    await rig.discovery.close();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('of one source do not keep others out', async () => {
    const rig = await started();
    const bytes = encodePacket(somePing(), signer(9));
    for (let i = 0; i < 3000; i++) {
      const from = { host: '30.9.9.9', port: 2000 + i };
      rig.network.inject({ bytes, from, to: rig.endpoint });
    }
    await acquainted(rig.other(2, '30.1.1.1'));
    expect(rig.discovery.candidates(9).map(({ host }) => host)).toEqual(['30.1.1.1']);
    await rig.discovery.close();
  });

  it('of garbage leave it running', async () => {
    const rig = await started();
    const packet = encodePacket(somePing(), signer(2));
    const garbage = [new Uint8Array(), new Uint8Array(1500), packet.subarray(0, 112)];
    for (let i = 0; i < 40; i++) garbage.push(packet.map((byte, at) => (at % 40 === i ? 0 : byte)));
    for (const bytes of garbage) {
      rig.network.inject({ bytes, from: { host: '30.9.9.9', port: 2000 }, to: rig.endpoint });
    }
    await acquainted(rig.other(2, '30.1.1.1'));
    expect(rig.discovery.size).toBe(1);
    await rig.discovery.close();
  });
});

describe('start and close', () => {
  it('leave no timer behind, whatever was under way', async () => {
    const rig = new DiscoveryRig();
    rig.boot = [{ host: '30.1.1.1', port: 46_657 }];
    await rig.discovery.start();
    await settle();
    rig.other(2, '30.2.2.2').ping();
    await rig.discovery.close();
    await rig.discovery.close();
    await settle();
    expect(rig.clock.sleeping).toBe(0);
    const sent = rig.network.sent.length;
    rig.other(3, '30.3.3.3').ping();
    await rig.clock.advance(100_000);
    expect(rig.network.sent.length).toBe(sent + 1);
    await expect(rig.discovery.start()).rejects.toThrow(DiscoveryError);
  });

  it('start only once', async () => {
    const rig = await started();
    await expect(rig.discovery.start()).rejects.toMatchObject({ detail: { code: 'closed' } });
    await rig.discovery.close();
  });
});

function distanceOf(other: Other): bigint {
  const hash = sha3(other.identity.publicKey);
  return BigInt(`0x${Buffer.from(hash.map((byte, i) => byte ^ TARGET[i]!)).toString('hex')}`);
}
