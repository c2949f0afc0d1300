import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  decodePacket,
  encodePacket,
  hasValidSignature,
  MAX_PACKET_BYTES,
  packetHash,
} from '../../../src/p2p/discovery/packet.ts';
import { type PacketBody, topicHash } from '../../../src/p2p/discovery/packet-body.ts';
import { PacketError } from '../../../src/p2p/discovery/packet-error.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../../src/util/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import { signer, somePing } from './memory-network.ts';

interface Recorded {
  readonly dir: 'sent' | 'received';
  readonly packet: string;
  readonly type: number;
  readonly json: string;
}

const file = new URL('../../vectors/p2p_session.json', import.meta.url);
const RECORDED = (
  JSON.parse(readFileSync(file, 'utf8')) as { discovery_udp: { packets: Recorded[] } }
).discovery_udp.packets;
const PACKETS = RECORDED.map((each) => hexToBytes(each.packet, 'packet'));
/** The identity that sent the recorded packets: a key of 32 bytes 55. */
const RECORDER = signer(0x5555);
const HEAD_BYTES = 15 + 32 + 65;

describe('recorded packets', () => {
  it('are read, and written again byte by byte', () => {
    expect(RECORDED.length).toBe(10);
    for (const [at, { dir, json }] of RECORDED.entries()) {
      const packet = PACKETS[at]!;
      const { body, id } = decodePacket(packet);
      const again = encodePacket(body, RECORDER);
      const name = `packet ${at}`;
      expect(Buffer.from(again.subarray(HEAD_BYTES + 1)).toString(), name).toBe(json);
      // Only ours can be signed again.
      if (dir === 'sent') expect(bytesToHex(again), name).toBe(bytesToHex(packet));
      else expect(id, name).not.toEqual(RECORDER.publicKey);
    }
  });

  it('have the types, ids and tokens that they were recorded with', () => {
    const packets = PACKETS.map(decodePacket);
    expect(packets.map(({ body }) => body.type)).toEqual([
      'ping',
      'pong',
      'ping',
      'pong',
      'ping',
      'pong',
      'find-node',
      'find-hash',
      'neighbors',
      'neighbors',
    ]);
    const pong = packets[3]!.body;
    expect(pong.type === 'pong' && pong.replyToken).toEqual(packets[2]!.hash);
    expect(packets[2]!.hash).toEqual(packetHash(PACKETS[2]!));
    const answer = packets[8]!.body;
    expect(answer.type === 'neighbors' && answer.nodes).toEqual([
      {
        ip: hexToBytes('00000000000000000000FFFF7F000001', 'ip'),
        udp: 47_000,
        tcp: 47_000,
        id: RECORDER.publicKey,
      },
    ]);
  });

  it('carry signatures by the rule, the reference’s too', () => {
    for (const [at, packet] of PACKETS.entries()) {
      expect(hasValidSignature(packet), `packet ${at}`).toBe(true);
    }
  });

  it('answer the empty list of topics with the hash that the reference sends', () => {
    const pong = decodePacket(PACKETS[3]!).body;
    expect(pong.type === 'pong' && pong.topicHash).toEqual(topicHash([]));
  });
});

describe('hasValidSignature', () => {
  it('refuses another key, another signature and another end, and nothing else', () => {
    const packet = PACKETS[3]!;
    const changed = (at: number): Uint8Array => {
      const copy = packet.slice();
      copy[at]! ^= 1;
      return copy;
    };
    for (const at of [15, 46, 47, 110, packet.length - 32, packet.length - 1]) {
      expect(hasValidSignature(changed(at)), `byte ${at}`).toBe(false);
    }
    // The byte after the signature, and all of the body but its end, are not covered.
    for (const at of [111, 112, packet.length - 33]) {
      expect(hasValidSignature(changed(at)), `byte ${at}`).toBe(true);
    }
  });

  it('covers a short body with zeros before it', () => {
    const head = concatBytes(Buffer.from('bytom discovery'), RECORDER.publicKey);
    const content = Buffer.from('\u0003{}');
    const signed = concatBytes(new Uint8Array(29), content);
    const packet = concatBytes(head, RECORDER.sign(signed), Uint8Array.of(0), content);
    expect(decodePacket(packet).body).toEqual({
      type: 'find-node',
      target: new Uint8Array(32),
      expiration: 0,
    });
    expect(hasValidSignature(packet)).toBe(true);
  });
});

describe('decodePacket', () => {
  /** A packet with a body of the test's making. */
  const packetOf = (type: number, json: string): Uint8Array =>
    concatBytes(PACKETS[0]!.subarray(0, HEAD_BYTES), Uint8Array.of(type), Buffer.from(json));
  const bodyOf = (type: number, json: string): PacketBody =>
    decodePacket(packetOf(type, json)).body;
  const codeOf = (packet: Uint8Array): string => {
    try {
      decodePacket(packet);
    } catch (error) {
      if (error instanceof PacketError) return error.detail.code;
      throw error;
    }
    return 'read';
  };
  const zeros = '00'.repeat(32);

  it('takes members in any order and letter case, with spaces, and unknown ones besides', () => {
    const json = ` { "expiration" : 5, "x": [null, {}], "TARGET" : "${'aB'.repeat(32)}" } `;
    expect(bodyOf(5, json)).toEqual({
      type: 'find-hash',
      target: new Uint8Array(32).fill(0xab),
      expiration: 5,
    });
  });

  it('takes what is missing as empty or 0', () => {
    const nowhere = { ip: new Uint8Array(), udp: 0, tcp: 0 };
    expect(bodyOf(1, '{}')).toEqual({
      type: 'ping',
      version: 0,
      from: nowhere,
      to: nowhere,
      expiration: 0,
      topics: [],
      rest: new Uint8Array(),
    });
    expect(bodyOf(4, '{}')).toEqual({ type: 'neighbors', nodes: [], expiration: 0 });
    expect(bodyOf(2, '{}')).toMatchObject({ type: 'pong', replyToken: new Uint8Array() });
  });

  it.each([
    ['a quoted number', 3, '{"Expiration":"5"}'],
    ['a fraction', 3, '{"Expiration":1.5}'],
    ['a negative number', 3, '{"Expiration":-1}'],
    ['a number above 2^53', 3, '{"Expiration":18446744073709551615}'],
    ['a port above 65535', 1, '{"From":{"UDP":65536}}'],
    ['a short target', 3, '{"Target":"00"}'],
    ['a long target', 3, `{"Target":"${zeros}00"}`],
    ['a short topic hash', 2, '{"TopicHash":"00"}'],
    ['an id of another length', 4, '{"Nodes":[{"ID":"00"}]}'],
    ['null for a list', 4, '{"Nodes":null}'],
    ['an object for a list', 4, '{"Nodes":{}}'],
    ['a list of numbers for nodes', 4, '{"Nodes":[1]}'],
    ['null for topics', 1, '{"Topics":null}'],
    ['numbers for topics', 1, '{"Topics":[1]}'],
    ['null for a byte string', 2, '{"ReplyTok":null}'],
    ['null for an address', 2, '{"To":null}'],
    ['a list for an address', 2, '{"To":[]}'],
    ['what is no hex', 2, '{"ReplyTok":"0g"}'],
    ['half a byte', 2, '{"ReplyTok":"0"}'],
    ['texts for wait periods', 2, '{"WaitPeriods":["1"]}'],
    ['null for the rest', 3, '{"Rest":null}'],
    ['bytes after the end', 3, '{} {}'],
    ['a list', 3, '[]'],
    ['nothing', 3, ''],
    ['null', 3, 'null'],
    ['no JSON', 3, '{'],
    ['deep nesting', 3, `{"x":${'['.repeat(1100)}`],
  ])('refuses %s', (_what, type, json) => {
    expect(codeOf(packetOf(type, json))).toBe('body');
  });

  it('refuses other lengths, prefixes and types', () => {
    const packet = PACKETS[0]!;
    expect(codeOf(new Uint8Array())).toBe('length');
    expect(codeOf(packet.subarray(0, HEAD_BYTES))).toBe('length');
    const longest = concatBytes(packet, new Uint8Array(MAX_PACKET_BYTES - packet.length).fill(32));
    expect(codeOf(longest)).toBe('read');
    expect(codeOf(concatBytes(longest, Uint8Array.of(32)))).toBe('length');
    const other = packet.slice();
    other[14]! ^= 1;
    expect(codeOf(other)).toBe('prefix');
    for (const type of [0, 6, 7, 8, 9, 255]) expect(codeOf(packetOf(type, '{}'))).toBe('type');
  });

  it('reads a changed packet or refuses it, whatever the change', () => {
    const random = seededRandom(1);
    const upTo = (n: number): number => Math.floor(random() * n);
    const outcomes = new Set<string>();
    for (let i = 0; i < 4000; i++) {
      let packet: Uint8Array = PACKETS[upTo(PACKETS.length)]!.slice();
      for (let changes = 1 + upTo(3); changes > 0; changes--) {
        const at = HEAD_BYTES + upTo(packet.length - HEAD_BYTES);
        if (random() < 0.5) packet[at] = upTo(256);
        else packet = concatBytes(packet.subarray(0, at), packet.subarray(at + upTo(4)));
      }
      outcomes.add(codeOf(packet));
    }
    expect(outcomes).toEqual(new Set(['body', 'type', 'read']));
  });

  it('keeps nothing of the memory it reads from', () => {
    const packet = PACKETS[0]!.slice();
    const decoded = decodePacket(packet);
    const before = JSON.stringify(decoded);
    packet.fill(0);
    expect(JSON.stringify(decoded)).toBe(before);
  });
});

describe('encodePacket', () => {
  it('fits eight neighbours with the longest addresses into a packet', () => {
    const node = { ip: new Uint8Array(16).fill(255), udp: 65_535, tcp: 65_535 };
    const nodes = Array.from({ length: 8 }, () => ({ ...node, id: RECORDER.publicKey }));
    const body: PacketBody = { type: 'neighbors', nodes, expiration: 9_999_999_999 };
    const packet = encodePacket(body, RECORDER);
    expect(packet.length).toBeLessThanOrEqual(MAX_PACKET_BYTES);
    expect(decodePacket(packet).body).toEqual(body);
  });

  it('refuses to write a packet that nobody could read', () => {
    const ping = { ...somePing(), rest: new Uint8Array(600) };
    expect(() => encodePacket(ping, RECORDER)).toThrow(RangeError);
  });

  it('writes topics and random ends as others read them', () => {
    const ping = { ...somePing(), topics: ['a', 'ü"'], rest: Uint8Array.of(1, 0xab) };
    const packet = encodePacket(ping, RECORDER);
    expect(decodePacket(packet).body).toEqual(ping);
    expect(hasValidSignature(packet)).toBe(true);
    expect(Buffer.from(packet.subarray(-16)).toString()).toContain('"Rest":"01AB"}');
  });
});
