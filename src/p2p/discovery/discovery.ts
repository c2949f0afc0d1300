/**
 * Finding other nodes over UDP. Bytom 1.x P2P: "UDP discovery".
 *
 * Every datagram may be forged and every node may lie, so: nothing is kept of a node that has not
 * answered a ping of ours from its address, and nothing but such a ping is sent to it
 * (`handshakes.ts`); questions are answered to those alone; what a node tells of others makes us ping
 * them, a few a second, and is forgotten if they do not answer; every source, and all strangers
 * together, get so much of our time and no more; and no host or network gets more than a few places
 * in the table (`node-table.ts`).
 */
import { randomBytes } from 'node:crypto';
import { untilAbort } from '../../util/abort.ts';
import { bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { LruMap } from '../../util/lru.ts';
import { sha3 } from '../../util/sha3.ts';
import { type DatagramPort, DiscoveryError } from './datagram-port.ts';
import {
  bytesToIp,
  type Endpoint,
  endpointKey,
  ipKind,
  ipToBytes,
  mayTell,
  toEndpoint,
} from './endpoint.ts';
import { type Contact, Handshakes } from './handshakes.ts';
import { Limits } from './limits.ts';
import { type LookupNode, lookUp } from './lookup.ts';
import { type KnownNode, NodeTable } from './node-table.ts';
import {
  type DecodedPacket,
  decodePacket,
  encodePacket,
  hasValidSignature,
  type NodeSigner,
  packetHash,
  type VerifySignature,
} from './packet.ts';
import { type FindNode, MAX_NEIGHBORS, type PacketBody, type PacketNode } from './packet-body.ts';
import { ANSWER_NODES, Queries } from './queries.ts';

export interface DiscoveryOptions {
  /** The key of our connections: its public half is our id. */
  readonly identity: NodeSigner;
  /** IPs of this machine, where known: with our own port they are ourselves. */
  readonly ownHosts?: readonly string[];
}

export interface DiscoveryParts {
  /** Binds the UDP port that has our TCP port's number: `openUdpPort`. */
  readonly open: () => Promise<DatagramPort>;
  /** Where to begin, whenever few nodes are known: seeds, and addresses from earlier. */
  readonly bootNodes: (signal: AbortSignal) => Promise<readonly Endpoint[]>;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  readonly log: Logger;
  readonly randomBytes?: (length: number) => Uint8Array;
  readonly verify?: VerifySignature;
}

/** With fewer nodes than these we go on looking quickly, and ask the boot nodes again. */
const FEW_NODES = 16;
const LOOKUP_MS = 60_000;
const FIRST_LOOKUP_MS = 5000;
/** While few are known the pauses grow up to this: there may be no more. */
const FEW_LOOKUP_MS = 30_000;
/** Of so many walks one goes to ourselves, the others to random places. */
const SELF_LOOKUP_EVERY = 8;
/** How often one node is pinged: the one not heard of or asked for longest, if it is so long ago. */
const CHECK_MS = 5000;
const SILENT_MS = 60_000;
const MAX_BOOT_NODES = 32;
/** Ports up to this belong to services that should not be pestered. */
const LOWEST_PORT = 1025;
/** A told address that does not answer is not pinged again for so long. */
const RETRY_MS = 20_000;
const REMEMBERED_TRIES = 4096;
const REMEMBERED_OWN = 16;

export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #parts: DiscoveryParts;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #ownKey: string;
  readonly #ownHosts: ReadonlySet<string>;
  readonly #table: NodeTable;
  readonly #handshakes: Handshakes;
  readonly #queries: Queries;
  readonly #limits: Limits;
  readonly #tried = new LruMap<string, number>(REMEMBERED_TRIES);
  /** Addresses that turned out to be ours. */
  readonly #own = new LruMap<string, true>(REMEMBERED_OWN);
  readonly #ended = new AbortController();
  #port: DatagramPort | undefined;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(options: DiscoveryOptions, parts: DiscoveryParts) {
    const { clock, wallNow } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#randomBytes = parts.randomBytes ?? randomBytes;
    this.#ownKey = bytesToHex(options.identity.publicKey);
    this.#ownHosts = new Set(options.ownHosts);
    this.#table = new NodeTable({ ownId: options.identity.publicKey });
    this.#limits = new Limits(clock);
    this.#handshakes = new Handshakes({
      clock,
      wallNow,
      randomBytes: this.#randomBytes,
      ownPort: () => this.#port?.port ?? 0,
      send: (body, to) => this.#send(body, to),
      onProved: (contact) => this.#addContact(contact),
    });
    this.#queries = new Queries({
      clock,
      wallNow,
      send: (body, to) => void this.#send(body, to),
    });
  }

  /** How many nodes are known, each of which has answered from its address. */
  get size(): number {
    return this.#table.size;
  }

  /** Binds the port and begins to look. Once. Rejects `DiscoveryError` 'bind', or 'closed'. */
  async start(): Promise<void> {
    const port = await this.#parts.open();
    if (this.#ended.signal.aborted || this.#port !== undefined) {
      await port.close();
      throw new DiscoveryError({ code: 'closed' }, 'discovery was closed, or started before');
    }
    this.#port = port;
    port.receive((datagram, from) => this.#receive(datagram, from));
    const { signal } = this.#ended;
    this.#loops = Promise.all([this.#searching(signal), this.#checking(signal)]);
    this.#parts.log.debug('discovery started', { port: port.port });
  }

  /** Idempotent. Afterwards nothing is sent or received, and no timer runs. */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#handshakes.close();
    this.#queries.close();
    await this.#port?.close();
    await this.#loops;
  }

  /**
   * Addresses worth dialling over TCP, the best first: those that answer, and of these the ones that
   * have done so for longest, which whoever turns up with a thousand new nodes cannot be. Never ours.
   */
  candidates(limit: number): readonly Endpoint[] {
    return [...this.#table.nodes()]
      .sort((a, b) => a.failures - b.failures || a.addedAt - b.addedAt)
      .slice(0, Math.max(0, limit))
      .map(({ endpoint }) => endpoint);
  }

  #receive(datagram: Uint8Array, from: Endpoint): void {
    if (!this.#isUsable(from)) return;
    const contact = this.#handshakes.at(from);
    const isStranger = contact === undefined && !this.#handshakes.expects(from);
    if (!this.#limits.takePacket(from, isStranger)) return;
    let packet: DecodedPacket;
    try {
      packet = decodePacket(datagram);
    } catch (error) {
      this.#parts.log.trace('bad discovery packet', {
        from: endpointKey(from),
        problem: errorText(error),
      });
      return;
    }
    const { id, body, hash } = packet;
    if (bytesToHex(id) === this.#ownKey) {
      if (body.type === 'ping') this.#meetOurselves(hash);
      return;
    }
    // Dear, so it comes after every question that is cheaper to ask.
    const isGenuine = (): boolean => hasValidSignature(datagram, this.#parts.verify);
    switch (body.type) {
      case 'ping':
        if (isGenuine()) this.#handshakes.receivePing(id, hash, body, datagram.length, from);
        return;
      case 'pong':
        this.#handshakes.receivePong(id, body, from, isGenuine);
        return;
      case 'find-node':
      case 'find-hash':
        if (contact?.key === bytesToHex(id) && isGenuine()) this.#answerQuestion(body, from);
        return;
      case 'neighbors':
        if (this.#queries.expects(bytesToHex(id), from) && isGenuine()) {
          this.#queries.receive(body.nodes, from);
        }
        return;
    }
  }

  #send(body: PacketBody, to: Endpoint): Uint8Array {
    const packet = encodePacket(body, this.#options.identity);
    this.#port?.send(packet, to);
    return packetHash(packet);
  }

  #answerQuestion({ target }: FindNode, from: Endpoint): void {
    if (!this.#limits.takeQuestion(from)) return;
    const nodes = this.#table
      .closest(target, this.#table.size)
      // What means another host to the asker is of no use to it, and none of its business.
      .filter(({ endpoint }) => mayTell(from.host, endpoint.host) || endpoint.host === from.host)
      .slice(0, ANSWER_NODES)
      .map(toPacketNode);
    const expiration = Math.floor(this.#parts.wallNow() / 1000) + 20;
    for (let at = 0; at < nodes.length; at += MAX_NEIGHBORS) {
      const part = nodes.slice(at, at + MAX_NEIGHBORS);
      this.#send({ type: 'neighbors', nodes: part, expiration }, from);
    }
  }

  /** A node has answered from its address. */
  #addContact(contact: Contact): void {
    const { id, endpoint } = contact;
    const now = this.#parts.clock.now();
    const outcome = this.#table.add(id, endpoint, now);
    if (outcome === 'added') {
      const { size } = this.#table;
      this.#parts.log.debug('node found', { node: endpointKey(endpoint), id: contact.key, size });
    }
    if (outcome === 'elsewhere') void this.#checkFormer(contact);
  }

  /** Signatures can be used again by others, so an id moves only when its old address is silent. */
  async #checkFormer(contact: Contact): Promise<void> {
    const former = this.#table.get(contact.id);
    if (former === undefined || !this.#limits.takeGreeting()) return;
    if (!(await this.#isAlive(former)) && this.#table.get(contact.id) === undefined) {
      this.#table.add(contact.id, contact.endpoint, this.#parts.clock.now());
    }
  }

  /** Pings a node of the table, and notes it there if it does not answer. */
  async #isAlive(node: KnownNode): Promise<boolean> {
    const contact = await this.#handshakes.ping(node.endpoint);
    if (contact?.key === node.key) return true;
    this.#noteFailure(node);
    return false;
  }

  #noteFailure(node: KnownNode): void {
    if (this.#ended.signal.aborted) return;
    const isDropped = this.#table.failed(node, this.#parts.clock.now());
    if (isDropped) this.#handshakes.forget(node.endpoint);
  }

  /** Our own ping came back: what we took for another node is us. */
  #meetOurselves(hash: Uint8Array): void {
    const endpoint = this.#handshakes.receiveOwnPing(hash);
    if (endpoint !== undefined) this.#own.set(endpointKey(endpoint), true);
  }

  async #searching(signal: AbortSignal): Promise<void> {
    let few = FIRST_LOOKUP_MS;
    for (let round = 0; !signal.aborted; round++) {
      if (this.#table.size < FEW_NODES) await this.#greetBootNodes(signal);
      const target =
        round % SELF_LOOKUP_EVERY === 0
          ? sha3(this.#options.identity.publicKey)
          : this.#randomBytes(32);
      const before = this.#table.size;
      await lookUp(
        target,
        {
          closest: (to, count) => this.#table.closest(to, count),
          ask: (node, to) => this.#ask(node, to),
        },
        signal,
      );
      if (this.#table.size > before) few = FIRST_LOOKUP_MS;
      const pause = this.#table.size < FEW_NODES ? few : LOOKUP_MS;
      few = Math.min(2 * few, FEW_LOOKUP_MS);
      await this.#parts.clock.sleep(pause, signal);
    }
  }

  async #checking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(CHECK_MS, signal);
      const node = this.#table.stalest(this.#parts.clock.now() - SILENT_MS);
      if (node !== undefined) await this.#isAlive(node);
    }
  }

  async #greetBootNodes(signal: AbortSignal): Promise<void> {
    let nodes: readonly Endpoint[] = [];
    try {
      nodes = await untilAbort(this.#parts.bootNodes(signal), signal);
    } catch (error) {
      if (!signal.aborted) this.#parts.log.warn('no boot nodes', { problem: errorText(error) });
    }
    const unknown = nodes
      .filter((node) => this.#isUsable(node) && this.#table.at(node) === undefined)
      .slice(0, MAX_BOOT_NODES);
    await Promise.all(unknown.map((node) => this.#handshakes.meet(node)));
  }

  async #ask(node: LookupNode, target: Uint8Array): Promise<readonly LookupNode[]> {
    const failed = (): readonly LookupNode[] => {
      const known = this.#table.at(node.endpoint);
      if (known?.key === node.key) this.#noteFailure(known);
      else this.#handshakes.forget(node.endpoint);
      return [];
    };
    const contact = await this.#handshakes.meet(node.endpoint);
    if (contact?.key !== node.key) return failed();
    const told = await this.#queries.ask(node.key, node.endpoint, target);
    if (told === undefined) {
      this.#handshakes.forgotUs(node.endpoint);
      return failed();
    }
    const met = await Promise.all(told.map((each) => this.#hearOf(each, node.endpoint)));
    return met.filter((each) => each !== undefined);
  }

  /** What `teller` says of a node; the node, if it shows itself. */
  async #hearOf(told: PacketNode, teller: Endpoint): Promise<LookupNode | undefined> {
    const key = bytesToHex(told.id);
    if (key === this.#ownKey) return undefined;
    const known = this.#table.get(told.id);
    if (known !== undefined) return known;
    const endpoint = toEndpoint(bytesToIp(told.ip) ?? '', told.udp);
    if (endpoint === undefined || !this.#isUsable(endpoint)) return undefined;
    if (!mayTell(teller.host, endpoint.host)) return undefined;
    if (this.#handshakes.at(endpoint) === undefined && !this.#mayGreet(endpoint)) return undefined;
    const contact = await this.#handshakes.meet(endpoint);
    return contact === undefined ? undefined : { ...contact, hash: sha3(contact.id) };
  }

  #mayGreet(endpoint: Endpoint): boolean {
    const place = endpointKey(endpoint);
    const now = this.#parts.clock.now();
    const triedAt = this.#tried.get(place);
    if (triedAt !== undefined && now - triedAt < RETRY_MS) return false;
    if (!this.#limits.takeGreeting()) return false;
    this.#tried.set(place, now);
    return true;
  }

  /** Whether a node can be there, one that is not us. */
  #isUsable(endpoint: Endpoint): boolean {
    const { host, port } = endpoint;
    const kind = ipKind(host);
    if (kind === 'unusable' || port < LOWEST_PORT) return false;
    if (host.includes(':') !== (this.#port?.family === 6)) return false;
    const isOurPort = port === this.#port?.port;
    if (isOurPort && (kind === 'loopback' || this.#ownHosts.has(host))) return false;
    return this.#own.get(endpointKey(endpoint)) === undefined;
  }
}

/** IPv4 as the reference writes it here: inside IPv6. */
function toPacketNode({ id, endpoint }: KnownNode): PacketNode {
  const bytes = ipToBytes(endpoint.host) ?? new Uint8Array(4);
  let ip = bytes;
  if (bytes.length === 4) {
    ip = new Uint8Array(16);
    ip.fill(0xff, 10, 12);
    ip.set(bytes, 12);
  }
  return { ip, udp: endpoint.port, tcp: endpoint.port, id };
}
