/**
 * Pings and pongs: who has shown to be where it says. Bytom 1.x P2P: "UDP discovery".
 *
 * The source of a datagram can be anybody's address, so a stranger's ping is answered with a ping of
 * ours and nothing else: about as large as its own, one a second at the most for an address. The pong
 * to that repeats 64 random bits, so it comes from there; only then does the stranger get its pong,
 * well within the second that the reference waits. Where we have pinged first, by our own decision, a
 * ping that comes back gets its pong at once: else two such nodes would wait for each other.
 */
import { bytesEqual, bytesToHex } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { createDeferred, type Deferred } from '../../util/deferred.ts';
import { LruMap } from '../../util/lru.ts';
import { type Endpoint, endpointKey, ipToBytes } from './endpoint.ts';
import { type PacketAddress, type Ping, type Pong, topicHash } from './packet-body.ts';

/** A node that has answered a ping of ours from this address. */
export interface Contact {
  readonly id: Uint8Array;
  /** `id` as lower-case hex. */
  readonly key: string;
  readonly endpoint: Endpoint;
  /** When it did so last. */
  readonly provedAt: number;
  /** When we last answered a ping of its, or waited for one in vain; `undefined`: never. */
  readonly metAt: number | undefined;
}

export interface HandshakeParts {
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Our UDP port, which is our TCP port. */
  readonly ownPort: () => number;
  /** Sends; returns the hash of the packet that was sent. */
  readonly send: (body: Ping | Pong, to: Endpoint) => Uint8Array;
  /** Called each time that a node has shown where it is. */
  readonly onProved: (contact: Contact) => void;
}

/** How long a reply may take. */
export const REPLY_MS = 1000;
/** An address may have changed hands since, so it is asked anew. */
const PROOF_MS = 3_600_000;
/** Contacts that are remembered. */
const MAX_CONTACTS = 2048;
/** Pings of ours without an answer yet: those we decided on, and those that strangers made us send. */
const MAX_OWN_PINGS = 256;
const MAX_STRANGERS = 256;
/** Pings answered for one proof: a seed is pinged under two ids at once. */
const MAX_HELD = 2;
/** Seconds that a packet says it is good for. Nobody looks. */
const EXPIRATION_SECONDS = 20;
const VERSION = 4;
const NONCE_BYTES = 8;
/** A stranger's ping is not answered if ours would be longer by more than a few digits of ports. */
const SHORTEST_PING_BYTES = 252;
const IPV6_EXTRA_BYTES = 24;

interface HeldPing {
  readonly id: Uint8Array;
  readonly hash: Uint8Array;
  readonly topics: readonly string[];
}

interface Outstanding {
  readonly endpoint: Endpoint;
  readonly hash: Uint8Array;
  readonly done: Deferred<Contact | undefined>;
  readonly timer: AbortController;
  /** Whether we decided on it. */
  own: boolean;
  readonly held: HeldPing[];
  /** How many pings from there were answered meanwhile, without a proof yet. */
  answers: number;
  /** Whose ping from there was answered meanwhile: the id as hex. */
  answered: string | undefined;
}

interface OwnContact extends Contact {
  provedAt: number;
  metAt: number | undefined;
}

export class Handshakes {
  readonly #parts: HandshakeParts;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #contacts = new LruMap<string, OwnContact>(MAX_CONTACTS);
  /** Those who wait until a contact has pinged us, by its endpoint. */
  readonly #waiting = new Map<string, AbortController>();
  #strangers = 0;
  #closed = false;

  constructor(parts: HandshakeParts) {
    this.#parts = parts;
  }

  /** Whoever has shown to be at this address, within the last hour. */
  at(endpoint: Endpoint): Contact | undefined {
    return this.#at(endpointKey(endpoint));
  }

  /** Whether a pong from there is expected. */
  expects(endpoint: Endpoint): boolean {
    return this.#outstanding.has(endpointKey(endpoint));
  }

  /** Pings. Resolves with who answered; `undefined` if nobody did in time, or too much is under way. */
  ping(endpoint: Endpoint): Promise<Contact | undefined> {
    const running = this.#outstanding.get(endpointKey(endpoint));
    if (running === undefined) return this.#ping(endpoint, true)?.done.promise ?? NOBODY;
    if (!running.own) {
      running.own = true;
      this.#strangers--;
      for (const ping of running.held.splice(0)) this.#answer(ping, endpoint);
    }
    return running.done.promise;
  }

  /**
   * Pings, and then gives the node a second to ping us: it answers no questions before we have
   * answered that. Resolves at once where both were done within the last hour.
   */
  async meet(endpoint: Endpoint): Promise<Contact | undefined> {
    const key = endpointKey(endpoint);
    const known = this.#at(key);
    if (this.#isRecent(known?.metAt)) return known;
    const contact = await this.ping(endpoint);
    if (contact === undefined || this.#isRecent(contact.metAt)) return contact;
    const waiting = this.#waiting.get(key) ?? new AbortController();
    this.#waiting.set(key, waiting);
    await this.#parts.clock.sleep(REPLY_MS, waiting.signal);
    if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    // Without a ping by now, it knows us from earlier.
    const met = this.#at(key);
    if (met?.key === contact.key) met.metAt ??= this.#parts.clock.now();
    return contact;
  }

  /** Takes a ping with a good signature, of `bytes` bytes. */
  receivePing(id: Uint8Array, hash: Uint8Array, ping: Ping, bytes: number, from: Endpoint): void {
    if (this.#closed) return;
    const key = endpointKey(from);
    const held: HeldPing = { id, hash, topics: ping.topics };
    const contact = this.#at(key);
    const running = this.#outstanding.get(key);
    if (contact !== undefined) {
      this.#answer(held, from);
      // Somebody else at the same address: it has to show itself too.
      if (contact.key !== bytesToHex(id) && running === undefined) this.#ping(from, false);
      return;
    }
    if (running?.own === true) {
      if (running.answers++ < MAX_HELD) this.#answer(held, from);
      return;
    }
    if (running !== undefined) {
      if (running.held.length < MAX_HELD) running.held.push(held);
      return;
    }
    const extra = from.host.includes(':') ? IPV6_EXTRA_BYTES : 0;
    if (bytes < SHORTEST_PING_BYTES + extra) return;
    this.#ping(from, false)?.held.push(held);
  }

  /** Takes a pong; `isGenuine` checks its signature, which is dear. False: nothing of ours. */
  receivePong(id: Uint8Array, pong: Pong, from: Endpoint, isGenuine: () => boolean): boolean {
    const running = this.#outstanding.get(endpointKey(from));
    if (running === undefined || !bytesEqual(running.hash, pong.replyToken)) return false;
    if (!isGenuine()) return false;
    const contact = this.#prove(id, from);
    if (running.answered === contact.key) contact.metAt = contact.provedAt;
    this.#parts.onProved(contact);
    this.#end(running, contact);
    for (const ping of running.held) this.#answer(ping, from);
    return true;
  }

  /** A ping under our own id with this hash: the address that it was for, if it was one of ours. */
  receiveOwnPing(hash: Uint8Array): Endpoint | undefined {
    for (const running of this.#outstanding.values()) {
      if (!bytesEqual(running.hash, hash)) continue;
      this.#end(running, undefined);
      return running.endpoint;
    }
    return undefined;
  }

  /** Forgets that we ever answered a contact: it does not know us any more, and must ping anew. */
  forgotUs(endpoint: Endpoint): void {
    const contact = this.#contacts.get(endpointKey(endpoint));
    if (contact !== undefined) contact.metAt = undefined;
  }

  /** The node at this address does not answer: whoever is there has to show itself again. */
  forget(endpoint: Endpoint): void {
    const contact = this.#contacts.get(endpointKey(endpoint));
    if (contact !== undefined) contact.provedAt = Number.NEGATIVE_INFINITY;
    this.forgotUs(endpoint);
  }

  /** Ends every wait; nothing is sent any more. */
  close(): void {
    this.#closed = true;
    for (const running of [...this.#outstanding.values()]) this.#end(running, undefined);
    for (const waiting of this.#waiting.values()) waiting.abort();
    this.#waiting.clear();
  }

  #ping(endpoint: Endpoint, own: boolean): Outstanding | undefined {
    const strangers = this.#strangers;
    const isFull = own
      ? this.#outstanding.size - strangers >= MAX_OWN_PINGS
      : strangers >= MAX_STRANGERS;
    if (this.#closed || isFull) return undefined;
    const port = this.#parts.ownPort();
    const hash = this.#parts.send(
      {
        type: 'ping',
        version: VERSION,
        from: { ip: new Uint8Array(4), udp: port, tcp: port },
        to: packetAddress(endpoint),
        expiration: this.#seconds() + EXPIRATION_SECONDS,
        topics: [],
        // Otherwise the hash, which is the end of the packet, could be told in advance.
        rest: this.#parts.randomBytes(NONCE_BYTES),
      },
      endpoint,
    );
    const done = createDeferred<Contact | undefined>();
    const timer = new AbortController();
    const running: Outstanding = {
      endpoint,
      hash,
      done,
      timer,
      own,
      held: [],
      answers: 0,
      answered: undefined,
    };
    this.#outstanding.set(endpointKey(endpoint), running);
    if (!own) this.#strangers++;
    void this.#parts.clock.sleep(REPLY_MS, timer.signal).then(() => this.#end(running, undefined));
    return running;
  }

  #end(running: Outstanding, contact: Contact | undefined): void {
    const key = endpointKey(running.endpoint);
    if (this.#outstanding.get(key) !== running) return;
    this.#outstanding.delete(key);
    if (!running.own) this.#strangers--;
    running.timer.abort();
    running.done.resolve(contact);
  }

  #answer({ id, hash, topics }: HeldPing, to: Endpoint): void {
    this.#parts.send(
      {
        type: 'pong',
        to: packetAddress(to),
        replyToken: hash,
        expiration: this.#seconds(),
        topicHash: topicHash(topics),
        ticketSerial: 0,
        waitPeriods: [],
      },
      to,
    );
    const key = endpointKey(to);
    const asker = bytesToHex(id);
    const contact = this.#at(key);
    const running = this.#outstanding.get(key);
    if (contact?.key === asker) contact.metAt = this.#parts.clock.now();
    else if (running !== undefined) running.answered = asker;
    this.#waiting.get(key)?.abort();
    this.#waiting.delete(key);
  }

  #prove(id: Uint8Array, endpoint: Endpoint): OwnContact {
    const place = endpointKey(endpoint);
    const provedAt = this.#parts.clock.now();
    const known = this.#contacts.get(place);
    const key = bytesToHex(id);
    if (known?.key === key) {
      known.provedAt = provedAt;
      return known;
    }
    const contact: OwnContact = { id, key, endpoint, provedAt, metAt: undefined };
    this.#contacts.set(place, contact);
    return contact;
  }

  #at(place: string): OwnContact | undefined {
    const contact = this.#contacts.get(place);
    return this.#isRecent(contact?.provedAt) ? contact : undefined;
  }

  #isRecent(moment: number | undefined): boolean {
    return moment !== undefined && this.#parts.clock.now() - moment < PROOF_MS;
  }

  #seconds(): number {
    return Math.floor(this.#parts.wallNow() / 1000);
  }
}

const NOBODY: Promise<undefined> = Promise.resolve(undefined);

function packetAddress({ host, port }: Endpoint): PacketAddress {
  return { ip: ipToBytes(host) ?? new Uint8Array(4), udp: port, tcp: port };
}
