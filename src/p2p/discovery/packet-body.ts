/**
 * What stands in a packet of discovery: one type byte and a JSON object as go-wire writes it. Byte
 * strings are hex, upper case when written and either when read; integers are numbers; a list is
 * never null. Members may come in any order and letter case; unknown ones are skipped, and one that
 * is missing is empty or 0. Bytom 1.x P2P: "UDP discovery".
 */

import { bytesToHex, hexToBytes } from '../../util/bytes.ts';
import { type JsonValue, parseExact } from '../../util/json.ts';
import { isObject, type JsonObject } from '../../util/json-fields.ts';
import { sha3 } from '../../util/sha3.ts';
import { WireWriter } from '../wire.ts';
import { HASH_BYTES, ID_BYTES, PacketError } from './packet-error.ts';

/** An address inside a packet: whatever its sender says, 4 or 16 bytes of IP if it says anything. */
export interface PacketAddress {
  readonly ip: Uint8Array;
  readonly udp: number;
  readonly tcp: number;
}

export interface PacketNode extends PacketAddress {
  /** 32 bytes. */
  readonly id: Uint8Array;
}

export interface Ping {
  readonly type: 'ping';
  readonly version: number;
  readonly from: PacketAddress;
  readonly to: PacketAddress;
  /** Seconds since 1970. */
  readonly expiration: number;
  readonly topics: readonly string[];
  /** For what later versions may add; anything. */
  readonly rest: Uint8Array;
}

export interface Pong {
  readonly type: 'pong';
  readonly to: PacketAddress;
  /** The hash of the ping, as `packetHash` makes it; of another length in a pong to nothing of ours. */
  readonly replyToken: Uint8Array;
  readonly expiration: number;
  /** 32 bytes: `topicHash` of the ping's topics. */
  readonly topicHash: Uint8Array;
  readonly ticketSerial: number;
  readonly waitPeriods: readonly number[];
}

export interface FindNode {
  /** With `find-hash` the target is called a hash; the two are answered alike, and none is hashed. */
  readonly type: 'find-node' | 'find-hash';
  /** 32 bytes, compared with the SHA3-256 of ids. */
  readonly target: Uint8Array;
  readonly expiration: number;
}

export interface Neighbors {
  readonly type: 'neighbors';
  /** At most 8 when written. */
  readonly nodes: readonly PacketNode[];
  readonly expiration: number;
}

export type PacketBody = Ping | Pong | FindNode | Neighbors;

/** Most nodes of one neighbors packet. */
export const MAX_NEIGHBORS = 8;

const TYPE_BYTES: Readonly<Record<PacketBody['type'], number>> = {
  ping: 1,
  pong: 2,
  'find-node': 3,
  neighbors: 4,
  'find-hash': 5,
};
const MAX_U16 = 0xffff;
const MAX_U32 = 0xffff_ffff;

/** SHA3-256 of the topics, wire-encoded as a list of strings: what a pong says of its ping. */
export function topicHash(topics: readonly string[]): Uint8Array {
  const writer = new WireWriter();
  writer.list(topics, (topic) => writer.text(topic));
  return sha3(writer.done());
}

/** The type byte and the JSON, member by member as the reference writes them. */
export function encodeBody(body: PacketBody): Uint8Array {
  const json = JSON.stringify(bodyToJson(body));
  const bytes = Buffer.from(`\0${json}`, 'utf8');
  bytes[0] = TYPE_BYTES[body.type];
  return bytes;
}

/** Throws `PacketError`. */
export function decodeBody(content: Uint8Array): PacketBody {
  const type = content[0] ?? 0;
  switch (type) {
    case TYPE_BYTES.ping:
      return readPing(readJson(content));
    case TYPE_BYTES.pong:
      return readPong(readJson(content));
    case TYPE_BYTES['find-node']:
      return readFind('find-node', readJson(content));
    case TYPE_BYTES['find-hash']:
      return readFind('find-hash', readJson(content));
    case TYPE_BYTES.neighbors:
      return readNeighbors(readJson(content));
    default:
      throw new PacketError({ code: 'type', type }, `type ${type}`);
  }
}

function bodyToJson(body: PacketBody): unknown {
  switch (body.type) {
    case 'ping':
      return {
        Version: body.version,
        From: addressToJson(body.from),
        To: addressToJson(body.to),
        Expiration: body.expiration,
        Topics: body.topics,
        Rest: upperHex(body.rest),
      };
    case 'pong':
      return {
        To: addressToJson(body.to),
        ReplyTok: upperHex(body.replyToken),
        Expiration: body.expiration,
        TopicHash: upperHex(body.topicHash),
        TicketSerial: body.ticketSerial,
        WaitPeriods: body.waitPeriods,
        Rest: '',
      };
    case 'find-node':
    case 'find-hash':
      return { Target: upperHex(body.target), Expiration: body.expiration, Rest: '' };
    case 'neighbors':
      return {
        Nodes: body.nodes.map((node) => ({ ...addressToJson(node), ID: upperHex(node.id) })),
        Expiration: body.expiration,
        Rest: '',
      };
  }
}

function addressToJson({ ip, udp, tcp }: PacketAddress): object {
  return { IP: upperHex(ip), UDP: udp, TCP: tcp };
}

function upperHex(bytes: Uint8Array): string {
  return bytesToHex(bytes).toUpperCase();
}

function readPing(json: Members): Ping {
  return {
    type: 'ping',
    version: json.integer('Version', Number.MAX_SAFE_INTEGER),
    from: readAddress(json.object('From')),
    to: readAddress(json.object('To')),
    expiration: json.integer('Expiration', Number.MAX_SAFE_INTEGER),
    topics: json.list('Topics').map((topic) => {
      if (typeof topic !== 'string') throw bodyError('Topics', 'a list of texts');
      return topic;
    }),
    rest: json.bytes('Rest'),
  };
}

function readPong(json: Members): Pong {
  json.bytes('Rest');
  return {
    type: 'pong',
    to: readAddress(json.object('To')),
    replyToken: json.bytes('ReplyTok'),
    expiration: json.integer('Expiration', Number.MAX_SAFE_INTEGER),
    topicHash: json.fixedBytes('TopicHash', HASH_BYTES),
    ticketSerial: json.integer('TicketSerial', MAX_U32),
    waitPeriods: json
      .list('WaitPeriods')
      .map((period) => integerOf(period, 'WaitPeriods', MAX_U32)),
  };
}

function readFind(type: FindNode['type'], json: Members): FindNode {
  json.bytes('Rest');
  return {
    type,
    target: json.fixedBytes('Target', HASH_BYTES),
    expiration: json.integer('Expiration', Number.MAX_SAFE_INTEGER),
  };
}

function readNeighbors(json: Members): Neighbors {
  json.bytes('Rest');
  return {
    type: 'neighbors',
    nodes: json.list('Nodes').map((item) => {
      if (!isObject(item)) throw bodyError('Nodes', 'a list of objects');
      const node = new Members(item);
      return { ...readAddress(node), id: node.fixedBytes('ID', ID_BYTES) };
    }),
    expiration: json.integer('Expiration', Number.MAX_SAFE_INTEGER),
  };
}

function readAddress(json: Members): PacketAddress {
  return {
    ip: json.bytes('IP'),
    udp: json.integer('UDP', MAX_U16),
    tcp: json.integer('TCP', MAX_U16),
  };
}

function readJson(content: Uint8Array): Members {
  const text = Buffer.from(content.buffer, content.byteOffset + 1, content.length - 1);
  let value: JsonValue;
  try {
    value = parseExact(text.toString('utf8'));
  } catch (cause) {
    throw bodyError('body', 'JSON', { cause });
  }
  if (!isObject(value)) throw bodyError('body', 'an object');
  return new Members(value);
}

/** The members of an object, found in any letter case; of several with one name the last counts. */
class Members {
  readonly #members: ReadonlyMap<string, JsonValue>;

  constructor(object: JsonObject) {
    this.#members = new Map(
      Object.entries(object).map(([name, value]) => [name.toLowerCase(), value]),
    );
  }

  integer(name: string, max: number): number {
    const value = this.#get(name);
    return value === undefined ? 0 : integerOf(value, name, max);
  }

  object(name: string): Members {
    const value = this.#get(name);
    if (value === undefined) return new Members({});
    if (!isObject(value)) throw bodyError(name, 'an object');
    return new Members(value);
  }

  list(name: string): readonly JsonValue[] {
    const value = this.#get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw bodyError(name, 'a list');
    return value as readonly JsonValue[];
  }

  bytes(name: string): Uint8Array {
    const value = this.#get(name);
    if (value === undefined) return new Uint8Array();
    if (typeof value !== 'string') throw bodyError(name, 'hex digits');
    try {
      return hexToBytes(value, name);
    } catch (cause) {
      throw bodyError(name, 'hex digits', { cause });
    }
  }

  /** All zeros if there is no such member. */
  fixedBytes(name: string, length: number): Uint8Array {
    if (this.#get(name) === undefined) return new Uint8Array(length);
    const bytes = this.bytes(name);
    if (bytes.length !== length) throw bodyError(name, `${length} bytes`);
    return bytes;
  }

  #get(name: string): JsonValue | undefined {
    return this.#members.get(name.toLowerCase());
  }
}

function integerOf(value: JsonValue, name: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw bodyError(name, `a whole number up to ${max}`);
  }
  return value;
}

function bodyError(field: string, expected: string, options?: ErrorOptions): PacketError {
  return new PacketError({ code: 'body', field }, `"${field}" expected ${expected}`, options);
}
