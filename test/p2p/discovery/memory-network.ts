/** A network of datagrams in memory, with everything that the real one does to them on request. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { DatagramPort } from '../../../src/p2p/discovery/datagram-port.ts';
import { Discovery } from '../../../src/p2p/discovery/discovery.ts';
import { type Endpoint, endpointKey } from '../../../src/p2p/discovery/endpoint.ts';
import {
  type DecodedPacket,
  decodePacket,
  encodePacket,
  type NodeSigner,
  packetHash,
} from '../../../src/p2p/discovery/packet.ts';
import type { PacketBody, PacketNode, Ping, Pong } from '../../../src/p2p/discovery/packet-body.ts';
import { sha3 } from '../../../src/util/sha3.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { RecordingLog } from '../../support/recording-log.ts';

export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: Endpoint;
  readonly to: Endpoint;
}

type Receiver = (bytes: Uint8Array, from: Endpoint) => void;

export class MemoryNetwork {
  readonly #receivers = new Map<string, Receiver>();
  /** Everything that was sent, in order. */
  readonly sent: Datagram[] = [];
  /** Says which datagrams get lost. */
  loses: (datagram: Datagram) => boolean = () => false;
  /** Gets what is for an address where nobody is. */
  elsewhere: (datagram: Datagram) => void = () => {};

  port(host: string, port: number): DatagramPort {
    const from: Endpoint = { host, port };
    const key = endpointKey(from);
    return {
      port,
      family: 4,
      send: (bytes, to) => this.inject({ bytes: bytes.slice(), from, to }),
      receive: (receiver) => void this.#receivers.set(key, receiver),
      close: async () => void this.#receivers.delete(key),
    };
  }

  /** Sends a datagram that may say it is from anywhere. */
  inject(datagram: Datagram): void {
    this.sent.push(datagram);
    if (this.loses(datagram)) return;
    queueMicrotask(() => {
      const receiver = this.#receivers.get(endpointKey(datagram.to));
      if (receiver === undefined) this.elsewhere(datagram);
      else receiver(datagram.bytes, datagram.from);
    });
  }

  /** How many datagrams went from one address to another. */
  count(from: string, to: string): number {
    return this.between(from, to).length;
  }

  between(from: string, to: string): readonly Datagram[] {
    return this.sent.filter((each) => each.from.host === from && each.to.host === to);
  }
}

/** PKCS #8 before the 32 bytes of an Ed25519 key. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An identity that is the same in every run: the key is the low byte 32 times, the high one first. */
export function signer(seed: number): NodeSigner {
  const secret = Buffer.alloc(32, seed & 0xff);
  secret[0] = seed >> 8;
  const der = Buffer.concat([PKCS8_HEAD, secret]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

/** One whose signatures cost nothing and prove as little, for `verifyCheaply`. */
export function cheapSigner(seed: number): NodeSigner {
  const publicKey = sha3(Uint8Array.of(seed >> 8, seed));
  return { publicKey, sign: (message) => cheapSignature(publicKey, message) };
}

export function verifyCheaply(id: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return Buffer.compare(cheapSignature(id, message), signature) === 0;
}

function cheapSignature(id: Uint8Array, message: Uint8Array): Uint8Array {
  const hash = sha3(Buffer.concat([id, message]));
  return Buffer.concat([hash, hash]);
}

/** Numbers for tests: bytes from a seeded generator. */
export function seededBytes(seed: number): (length: number) => Uint8Array {
  const random = seededRandom(seed);
  return (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** One node under test, and all of its surroundings. */
export class DiscoveryRig {
  readonly clock = new FakeClock();
  readonly network = new MemoryNetwork();
  readonly log = new RecordingLog();
  readonly identity: NodeSigner = signer(1);
  readonly endpoint: Endpoint;
  readonly discovery: Discovery;
  /** What the boot nodes are. */
  boot: readonly Endpoint[] = [];

  constructor(host = '20.0.0.1', ownHosts: readonly string[] = []) {
    this.endpoint = { host, port: 46_657 };
    this.discovery = new Discovery(
      { identity: this.identity, ownHosts },
      {
        open: async () => this.network.port(this.endpoint.host, this.endpoint.port),
        bootNodes: async () => this.boot,
        clock: this.clock,
        wallNow: () => this.clock.now(),
        log: this.log,
        randomBytes: seededBytes(7),
      },
    );
  }

  /** A node that does what the test says. */
  other(seed: number, host: string, port = 46_657): Other {
    return new Other(this, signer(seed), { host, port });
  }
}

/** Speaks the protocol, but does nothing by itself. */
export class Other {
  readonly endpoint: Endpoint;
  readonly identity: NodeSigner;
  readonly received: DecodedPacket[] = [];
  readonly #rig: DiscoveryRig;
  readonly #port: DatagramPort;
  /** Pings of the node under test that were not answered yet. */
  readonly pings: DecodedPacket[] = [];
  /** Whether pings are answered as soon as they come. */
  answersPings = true;
  /** What questions are answered with, as soon as they come; `undefined`: they are not. */
  neighbors: readonly PacketNode[] | undefined;

  constructor(rig: DiscoveryRig, identity: NodeSigner, endpoint: Endpoint) {
    this.#rig = rig;
    this.identity = identity;
    this.endpoint = endpoint;
    this.#port = rig.network.port(endpoint.host, endpoint.port);
    this.#port.receive((bytes) => {
      const packet = decodePacket(bytes);
      this.received.push(packet);
      if (packet.body.type === 'find-hash' && this.neighbors !== undefined) {
        this.send({ type: 'neighbors', nodes: this.neighbors, expiration: 1 });
      }
      if (packet.body.type !== 'ping') return;
      if (this.answersPings) this.pong(packet.hash);
      else this.pings.push(packet);
    });
  }

  /** How many packets of a type have come. */
  count(type: PacketBody['type']): number {
    return this.received.filter(({ body }) => body.type === type).length;
  }

  bodies<T extends PacketBody['type']>(type: T): readonly Extract<PacketBody, { type: T }>[] {
    return this.received
      .map(({ body }) => body)
      .filter((body): body is Extract<PacketBody, { type: T }> => body.type === type);
  }

  /** Returns the hash of what was sent. */
  send(body: PacketBody): Uint8Array {
    const packet = encodePacket(body, this.identity);
    this.#port.send(packet, this.#rig.endpoint);
    return packetHash(packet);
  }

  ping(): Uint8Array {
    return this.send(somePing());
  }

  pong(replyToken: Uint8Array): void {
    this.send(somePong(replyToken));
  }

  findNode(target: Uint8Array): void {
    this.send({ type: 'find-hash', target, expiration: 1 });
  }
}

const NOWHERE = { ip: new Uint8Array(16), udp: 46_657, tcp: 46_657 };

/** A ping as the reference writes it. */
export function somePing(): Ping {
  return {
    type: 'ping',
    version: 4,
    from: NOWHERE,
    to: { ip: Uint8Array.of(20, 0, 0, 1), udp: 46_657, tcp: 46_657 },
    expiration: 1_795_887_306,
    topics: [],
    rest: new Uint8Array(),
  };
}

export function somePong(replyToken: Uint8Array): Pong {
  return {
    type: 'pong',
    to: NOWHERE,
    replyToken,
    expiration: 1,
    topicHash: new Uint8Array(32),
    ticketSerial: 0,
    waitPeriods: [],
  };
}
