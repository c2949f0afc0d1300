import { duplexPair } from 'node:stream';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { describe, expect, it } from 'vitest';
import { ByteStream } from '../../src/p2p/byte-stream.ts';
import { FrameSealer } from '../../src/p2p/frame-cipher.ts';
import { openLink } from '../../src/p2p/handshake.ts';
import { encodeMessage, getBlockByHeight, type PeerMessage } from '../../src/p2p/messages.ts';
import { encodeNodeInfo } from '../../src/p2p/node-info.ts';
import { PacketDecoder, PING, PONG, partHead } from '../../src/p2p/packets.ts';
import { EphemeralKey } from '../../src/p2p/secret-connection.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { settle } from '../support/fake-clock.ts';
import { identityOf, infoOf, LinkRig, type RawPeer } from '../support/secret-links.ts';

const REQUEST: PeerMessage = { type: 'status-request' };
const blockOf = (length: number, fill = 5): PeerMessage => ({
  type: 'block',
  block: new Uint8Array(length).fill(fill),
});

/** The bytes of a message as packets. */
function packetsOf(bytes: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 1024) {
    const part = bytes.subarray(at, at + 1024);
    pieces.push(partHead(part.length, at + 1024 >= bytes.length), part);
  }
  return concatBytes(...pieces);
}

/** Reads packets for as long as the link sends some; returns their types. */
function collectPackets(peer: RawPeer): { readonly types: string[] } {
  const types: string[] = [];
  const packets = new PacketDecoder();
  void (async () => {
    for (;;) {
      packets.push(await peer.secret.readSome());
      for (let each = packets.next(); each; each = packets.next()) types.push(each.type);
    }
  })().catch(() => {});
  return { types };
}

describe('a link', () => {
  it('carries messages both ways, in order', async () => {
    const { a, b } = await new LinkRig().pair();
    const [atA, atB]: PeerMessage[][] = [[], []];
    a.receive((message) => void atA!.push(message));
    b.receive((message) => void atB!.push(message));
    const out = Array.from({ length: 50 }, (_, i) => getBlockByHeight(i + 1));
    for (const message of out) expect(a.send(message)).toBe(true);
    expect(b.send(blockOf(5000))).toBe(true);
    await settle();
    expect(atB).toEqual(out);
    expect(atA).toEqual([blockOf(5000)]);
    expect([a.queued, b.queued]).toEqual([0, 0]);
  });

  it('carries a message of half a megabyte', async () => {
    const { a, b } = await new LinkRig().pair();
    const arrived = createDeferred<PeerMessage>();
    b.receive(arrived.resolve);
    const block = Uint8Array.from({ length: 1 << 18 }, (_, i) => i * 7);
    expect(a.send({ type: 'new-block', block })).toBe(true);
    const message = await arrived.promise;
    expect(message.type === 'new-block' && Buffer.compare(message.block, block)).toBe(0);
    expect(b.stats.receivedBytes).toBeGreaterThan(1 << 19);
  });

  it('calls its receiver with one message at a time, and reads no further meanwhile', async () => {
    const { a, b } = await new LinkRig().pair();
    const gate = createDeferred<void>();
    let running = 0;
    let most = 0;
    let seen = 0;
    b.receive(async () => {
      most = Math.max(most, ++running);
      seen++;
      await gate.promise;
      running--;
    });
    let sent = 0;
    // Each is far larger than what streams buffer.
    for (let i = 0; i < 8; i++) {
      while (a.send(blockOf(40_000))) sent++;
      await settle();
    }
    expect(seen).toBe(1);
    expect(a.queued).toBe(100);
    const before = b.stats.receivedBytes;
    await settle();
    expect(b.stats.receivedBytes).toBe(before);
    expect(before).toBeLessThan(400_000);
    a.close();
    gate.resolve();
    await settle();
    expect(most).toBe(1);
    expect(sent).toBeLessThan(110);
  });

  it('waits with reading until there is a receiver', async () => {
    const { a, b } = await new LinkRig().pair();
    a.send(REQUEST);
    await settle();
    const seen: PeerMessage[] = [];
    b.receive((message) => void seen.push(message));
    await settle();
    expect(seen).toEqual([REQUEST]);
  });

  it('has a queue of 100 messages, and of so many bytes', async () => {
    const limits = { queue: { maxMessages: 100, maxBytes: 100_000 } };
    const { a } = await new LinkRig({ limits }).pair();
    // In one turn nothing is written yet.
    let sent = 0;
    while (a.send(REQUEST)) sent++;
    expect(sent).toBe(100);
    expect(a.queued).toBe(100);
    const other = (await new LinkRig({ limits }).pair()).a;
    expect(other.send(blockOf(100_000))).toBe(true);
    expect(other.send(REQUEST)).toBe(false);
  });

  it('sends no message that is larger than any may be', async () => {
    const { a } = await new LinkRig().pair();
    expect(a.send(blockOf(11_010_048))).toBe(false);
    expect(a.queued).toBe(0);
  });

  it('shares the bytes that may wait with the links beside it', async () => {
    const rig = new LinkRig({ sendBytes: 50_000 });
    const [one, other] = [await rig.pair(), await rig.pair()];
    expect(one.a.send(blockOf(20_000))).toBe(true);
    expect(other.a.send(blockOf(20_000))).toBe(false);
    one.a.close();
    expect(other.a.send(blockOf(20_000))).toBe(true);
    expect(rig.sendBudget.used).toBeGreaterThan(40_000);
    other.a.close();
    expect(rig.sendBudget.used).toBe(0);
  });

  it('sends and reads no faster than it may', async () => {
    const limits = { sendRate: 10_420, receiveRate: Number.POSITIVE_INFINITY };
    const rig = new LinkRig({ limits });
    const { a, b } = await rig.pair();
    let seen = 0;
    b.receive(() => void seen++);
    for (let i = 0; i < 60; i++) a.send(blockOf(500));
    const before = a.stats.sentBytes;
    await rig.clock.advance(1000);
    await rig.clock.advance(1000);
    await rig.clock.advance(1000);
    const sent = a.stats.sentBytes - before;
    // A second's worth at once, three more, and one batch that is paid for afterwards.
    expect(sent).toBeGreaterThan(3 * 10_420);
    expect(sent).toBeLessThan(4 * 10_420 + 18 * 1042);
    expect(seen).toBeGreaterThan(25);
    expect(seen).toBeLessThan(60);
  });

  it('reads no faster than it may', async () => {
    const limits = { sendRate: Number.POSITIVE_INFINITY, receiveRate: 10_420 };
    const rig = new LinkRig({ limits });
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    const before = link.stats.receivedBytes;
    void peer.secret.write(packetsOf(encodeMessage(blockOf(60_000)))).catch(() => {});
    await settle();
    const first = link.stats.receivedBytes - before;
    expect(first).toBe(11 * 1042);
    await rig.clock.advance(2000);
    const then = link.stats.receivedBytes - before;
    expect(then).toBeGreaterThan(28 * 1042);
    expect(then).toBeLessThan(33 * 1042);
    link.close();
  });
});

describe('a flood of small pieces', () => {
  it('is read as slowly where they are parts of one message', async () => {
    const rig = new LinkRig({ limits: { receiveRate: 10_420 } });
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    const one = concatBytes(partHead(1, false), Uint8Array.of(0x11));
    const before = link.stats.receivedBytes;
    void peer.secret.write(concatBytes(...new Array<Uint8Array>(10_000).fill(one))).catch(() => {});
    await rig.clock.advance(10_000);
    // 170 of them fill a frame.
    expect(link.stats.receivedBytes - before).toBeGreaterThan(2 * 1042);
    expect(link.stats.receivedBytes - before).toBeLessThan(6 * 1042);
    link.close();
  });

  it('is read as slowly where they are frames without anything in them', async () => {
    const rig = new LinkRig({ limits: { receiveRate: 10_420 } });
    const [one, other] = duplexPair();
    const opening = openLink(one, rig.options(1), rig.parts(1));
    const theirs = new ByteStream(other);
    const ephemeral = new EphemeralKey(new Uint8Array(32).fill(9));
    await theirs.write(ephemeral.publicKey);
    const { keys, challenge } = ephemeral.sessionWith(Uint8Array.from(await theirs.read(32)));
    const identity = identityOf(2);
    const type = Uint8Array.of(1);
    const proof = concatBytes(type, identity.publicKey, type, identity.sign(challenge));
    const head = [proof, encodeNodeInfo(infoOf(2))];
    await theirs.write(new FrameSealer(keys.key, keys.sendNonce).seal(head));
    const link = await opening;
    link.receive(() => {});
    const before = link.stats.receivedBytes;
    let nonce = BigInt(`0x${bytesToHex(keys.sendNonce)}`) + 2n * BigInt(head.length);
    const empty = Array.from({ length: 100 }, () => {
      const bytes = hexToBytes(nonce.toString(16).padStart(48, '0'), 'nonce', 24);
      nonce += 2n;
      return xsalsa20poly1305(keys.key, bytes).encrypt(new Uint8Array(1026));
    });
    void theirs.write(concatBytes(...empty)).catch(() => {});
    await rig.clock.advance(1000);
    expect(link.stats.receivedBytes - before).toBeGreaterThan(15 * 1042);
    expect(link.stats.receivedBytes - before).toBeLessThan(25 * 1042);
    link.close();
  });

  it('is taken in as slowly as large ones', async () => {
    const rig = new LinkRig({ limits: { receiveRate: 10_420 } });
    const { link, peer } = await rig.withRawPeer();
    let seen = 0;
    link.receive(() => void seen++);
    const one = packetsOf(encodeMessage({ type: 'filter-clear' }));
    const many = concatBytes(...new Array<Uint8Array>(2000).fill(one));
    await peer.secret.write(many);
    await rig.clock.advance(10_000);
    expect(seen).toBeGreaterThan(350);
    expect(seen).toBeLessThan(750);
  });
});

describe('the end of a link', () => {
  it('is told on both sides, once, and leaves nothing behind', async () => {
    const rig = new LinkRig();
    const { a, b } = await rig.pair();
    b.receive(() => {});
    a.receive(() => {});
    a.send(blockOf(100_000));
    a.close('no more');
    a.close('again');
    expect(await a.closed).toEqual({ code: 'closed', reason: 'no more' });
    expect((await b.closed).code).toMatch(/remote|socket/);
    expect(a.queued).toBe(0);
    expect(a.send(REQUEST)).toBe(false);
    await settle();
    expect(rig.clock.sleeping).toBe(0);
    expect(rig.sendBudget.used).toBe(0);
    expect(rig.receiveBudget.used).toBe(0);
    expect(rig.log.entries).toEqual([]);
  });

  it('comes after the messages that were sent before it', async () => {
    const { link, peer } = await new LinkRig().withRawPeer();
    const seen: PeerMessage[] = [];
    await peer.secret.write(packetsOf(encodeMessage(REQUEST)));
    link.receive((message) => void seen.push(message));
    await settle();
    peer.stream.destroy();
    await link.closed;
    expect(seen).toEqual([REQUEST]);
  });

  it('is the receiver’s doing if it throws, which is logged', async () => {
    for (const fail of [
      () => {
        throw new Error('broken');
      },
      () => Promise.reject(new Error('broken')),
    ]) {
      const rig = new LinkRig();
      const { a, b } = await rig.pair();
      b.receive(fail);
      a.send(REQUEST);
      a.send(REQUEST);
      expect(await b.closed).toEqual({ code: 'receiver', reason: 'broken' });
      expect(rig.log.of('peer link failed')).toHaveLength(1);
    }
  });

  it('calls the receiver no more', async () => {
    const { a, b } = await new LinkRig().pair();
    let seen = 0;
    b.receive(() => {
      seen++;
      b.close();
    });
    for (let i = 0; i < 20; i++) a.send(REQUEST);
    await b.closed;
    await settle();
    expect(seen).toBe(1);
  });

  it('is the peer’s doing where it breaks the protocol', async () => {
    const table: readonly (readonly [string, Uint8Array])[] = [
      ['an unknown packet', Uint8Array.of(9)],
      ['an unknown channel', Uint8Array.of(3, 0x30, 1, 0)],
      ['an unknown message', concatBytes(partHead(1, true), Uint8Array.of(0x99))],
      ['an empty message', partHead(0, true)],
      ['a message with more after it', concatBytes(partHead(2, true), Uint8Array.of(0x20, 0))],
      ['a part that is too long', Uint8Array.of(3, 0x40, 1, 2, 4, 1)],
      ['parts without an end', Uint8Array.of(3, 0x40, 0, 0)],
      ['a flood of pings', new Uint8Array(200).fill(PING)],
      ['a flood of pongs', new Uint8Array(200).fill(PONG)],
    ];
    for (const [what, bytes] of table) {
      const { link, peer } = await new LinkRig().withRawPeer();
      link.receive(() => expect.unreachable());
      await peer.secret.write(bytes);
      expect((await link.closed).code, what).toBe('wire');
    }
  });

  it('is the peer’s doing where a frame was changed', async () => {
    const { link, peer } = await new LinkRig().withRawPeer();
    link.receive(() => expect.unreachable());
    await peer.stream.write(new Uint8Array(1042));
    expect(await link.closed).toMatchObject({ code: 'wire' });
  });

  it('is nobody’s doing where the room for unfinished messages is needed', async () => {
    const rig = new LinkRig({ receiveBytes: 16_384 });
    const [one, other] = [await rig.withRawPeer(2), await rig.withRawPeer(3)];
    for (const { link } of [one, other]) link.receive(() => {});
    const half = packetsOf(new Uint8Array(10_000)).subarray(0, 9 * 1030);
    await one.peer.secret.write(half);
    await settle();
    expect(rig.receiveBudget.used).toBe(16_384);
    await other.peer.secret.write(half);
    expect((await one.link.closed).code).toBe('overload');
    await settle();
    expect(rig.receiveBudget.used).toBe(16_384);
    other.link.close();
    expect(rig.receiveBudget.used).toBe(0);
  });
});

describe('pings', () => {
  it('are sent every 40 s and timed', async () => {
    const rig = new LinkRig();
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    const { types } = collectPackets(peer);
    await rig.clock.advance(39_999);
    expect(types).toEqual([]);
    await rig.clock.advance(1);
    expect(types).toEqual(['ping']);
    expect(link.stats.pingMs).toBeUndefined();
    await rig.clock.advance(25);
    await peer.secret.write(Uint8Array.of(PONG));
    await settle();
    expect(link.stats.pingMs).toBe(25);
    await rig.clock.advance(40_000);
    expect(types).toEqual(['ping', 'ping']);
    expect(link.stats.durationMs).toBe(80_025);
  });

  it('are answered, several with one frame', async () => {
    const { link, peer } = await new LinkRig().withRawPeer();
    link.receive(() => {});
    const { types } = collectPackets(peer);
    const before = link.stats.sentBytes;
    await peer.secret.write(Uint8Array.of(PING, PING, PING));
    await settle();
    expect(types).toEqual(['pong', 'pong', 'pong']);
    expect(link.stats.sentBytes - before).toBe(1042);
  });

  it('go between the parts of a large message', async () => {
    const rig = new LinkRig({ limits: { sendRate: 20_000 } });
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    const { types } = collectPackets(peer);
    link.send(blockOf(100_000));
    await settle();
    await peer.secret.write(Uint8Array.of(PING));
    await rig.clock.advance(12_000);
    expect(types.filter((type) => type === 'part')).toHaveLength(196);
    expect(types.indexOf('pong')).toBeLessThan(60);
    expect(types.indexOf('pong')).toBeGreaterThan(0);
  });

  it('of a peer are no flood at the pace of the network', async () => {
    const rig = new LinkRig();
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    for (let i = 0; i < 120; i++) {
      await peer.secret.write(Uint8Array.of(PING, PONG));
      await rig.clock.advance(1000);
    }
    expect(link.send(REQUEST)).toBe(true);
  });
});

describe('a dead line', () => {
  it('is given up after 180 s of silence', async () => {
    const rig = new LinkRig();
    const { link } = await rig.withRawPeer();
    link.receive(() => {});
    await rig.clock.advance(199_000);
    expect(link.send(REQUEST)).toBe(true);
    await rig.clock.advance(1000);
    expect(await link.closed).toEqual({ code: 'timeout', reason: 'nothing came for 180 s' });
    expect(rig.clock.sleeping).toBe(0);
  });

  it('is not what we are when we do not read ourselves', async () => {
    const rig = new LinkRig();
    const { link, peer } = await rig.withRawPeer();
    const gate = createDeferred<void>();
    link.receive(() => gate.promise);
    await peer.secret.write(packetsOf(encodeMessage(REQUEST)));
    await rig.clock.advance(400_000);
    expect(link.send(REQUEST)).toBe(true);
    gate.resolve();
  });

  it('is one that takes nothing for 120 s', async () => {
    const rig = new LinkRig();
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    for (let i = 0; i < 4; i++) {
      while (link.send(blockOf(30_000))) await settle();
      await peer.secret.write(Uint8Array.of(PONG));
      await rig.clock.advance(40_000);
    }
    expect(await link.closed).toEqual({ code: 'timeout', reason: 'it read nothing for 120 s' });
  });

  it('is one on which a message does not end', async () => {
    const rig = new LinkRig();
    const { link, peer } = await rig.withRawPeer();
    link.receive(() => {});
    void collectPackets(peer);
    for (let i = 0; i < 30; i++) {
      await peer.secret.write(concatBytes(partHead(1, false), Uint8Array.of(0x11)));
      await rig.clock.advance(40_000);
      if (!link.send(REQUEST)) break;
    }
    expect(await link.closed).toEqual({
      code: 'timeout',
      reason: 'a message did not end for 600 s',
    });
  });
});
