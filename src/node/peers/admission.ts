/**
 * Who may be connected to us. Bytom 1.x P2P: "Node info", "Finding peers": at most 50 peers, one
 * connection to each. Some of the places are for those whom we have chosen ourselves: whoever fills
 * the others decides nothing about what we see of the network.
 */

import { ipKind, networkOf } from '../../p2p/discovery/endpoint.ts';
import type { PeerLink } from '../../p2p/peer-link.ts';
import type { Clock } from '../../util/clock.ts';
import { CodedError } from '../../util/errors.ts';
import type { BanList } from './ban-list.ts';
import { ipKey, isLoopback } from './ip-key.ts';
import type { Peer } from './peer.ts';

/**
 * - `inbound`: it came to us.
 * - `outgoing`: we chose it from the addresses we know.
 * - `connect`: the operator wants us always connected to it.
 * - `manual`: the operator has connected us to it, once.
 */
export type Origin = 'inbound' | 'outgoing' | 'connect' | 'manual';

export interface Member {
  readonly peer: Peer;
  readonly origin: Origin;
}

export interface AdmissionOptions {
  /** Of this node, as links call it. */
  readonly ownId: string;
  /** All of them. Default 50. */
  readonly maxPeers?: number;
  /** Places that no inbound peer gets; at most half of all. Default 8. */
  readonly reserved?: number;
  /** Inbound and outgoing peers with the same IP; loopback is exempt. Default 3. */
  readonly maxPerIp?: number;
}

export interface AdmissionParts {
  readonly bans: Pick<BanList, 'isBanned'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly members: () => Iterable<Member>;
}

export type AdmissionDetail =
  | { readonly code: 'closed' | 'self' | 'full' }
  | { readonly code: 'banned' | 'ip-limit' | 'network-limit'; readonly address: string }
  /** `id` is connected already. */
  | { readonly code: 'duplicate'; readonly id: string }
  /** The connection ended before its status came. */
  | { readonly code: 'ended'; readonly reason: string };

export class AdmissionError extends CodedError<AdmissionDetail> {
  constructor(detail: AdmissionDetail) {
    super(admissionMessage(detail), detail);
  }
}

const MAX_PEERS = 50;
const RESERVED = 8;
const MAX_PER_IP = 3;
/** Of our own choice and in one /16 (IPv6: /32): its owner must not be all that we see of the network. */
const MAX_CHOSEN_PER_NETWORK = 4;
/** Two nodes that dial each other at the same time end up with two connections: so soon, one goes. */
const CROSSING_MS = 10_000;
/** An inbound peer keeps its place for so long after it came, or gave us something new. */
const USELESS_MS = 600_000;
/** One eviction in this time, however many knock. */
const EVICTION_MS = 60_000;

export class Admission {
  readonly maxPeers: number;
  readonly maxInbound: number;
  readonly #ownId: string;
  readonly #maxPerIp: number;
  readonly #parts: AdmissionParts;
  #evictedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AdmissionOptions, parts: AdmissionParts) {
    const { maxPeers = MAX_PEERS, reserved = RESERVED, maxPerIp = MAX_PER_IP } = options;
    this.maxPeers = maxPeers;
    this.maxInbound = maxPeers - Math.min(reserved, Math.ceil(maxPeers / 2));
    this.#ownId = options.ownId;
    this.#maxPerIp = maxPerIp;
    this.#parts = parts;
  }

  /** Whether a connection from there has a chance: asked before anything is computed for it. */
  admitsAddress(address: string): boolean {
    if (this.#parts.bans.isBanned(address)) return false;
    if (this.#fromIp(address) >= this.#maxPerIp) return false;
    return this.#hasRoom('inbound') || this.#evictable() !== undefined;
  }

  /** Whether one more of our own choice may be there. */
  mayChoose(address: string): boolean {
    if (ipKind(address) !== 'global') return true;
    const network = networkOf(address, 16);
    let count = 0;
    for (const { peer, origin } of this.#parts.members()) {
      if (origin === 'outgoing' && networkOf(peer.remote.address, 16) === network) count++;
    }
    return count < MAX_CHOSEN_PER_NETWORK;
  }

  /** Gives whoever has to go for this one. Throws `AdmissionError`. */
  admit(link: PeerLink, origin: Origin): readonly Peer[] {
    const { address } = link.remote;
    const { bans, clock } = this.#parts;
    const { id } = link;
    if (id === this.#ownId) throw new AdmissionError({ code: 'self' });
    if (bans.isBanned(address)) throw new AdmissionError({ code: 'banned', address });
    const existing = [...this.#parts.members()].find(({ peer }) => peer.id === id)?.peer;
    if (existing !== undefined) {
      if (this.#isBetter(link, existing)) return [existing];
      throw new AdmissionError({ code: 'duplicate', id });
    }
    const isChosen = origin === 'connect' || origin === 'manual';
    if (!isChosen && this.#fromIp(address) >= this.#maxPerIp) {
      throw new AdmissionError({ code: 'ip-limit', address });
    }
    if (origin === 'outgoing' && !this.mayChoose(address)) {
      throw new AdmissionError({ code: 'network-limit', address });
    }
    if (this.#hasRoom(origin)) return [];
    const evicted = this.#evictable();
    if (evicted === undefined) throw new AdmissionError({ code: 'full' });
    this.#evictedAt = clock.now();
    return [evicted];
  }

  /** Of two connections that crossed, both ends keep the one that was dialled by the lower id. */
  #isBetter(link: PeerLink, existing: Peer): boolean {
    const age = this.#parts.clock.now() - existing.connectedAt;
    if (link.outbound === existing.outbound || age > CROSSING_MS) return false;
    return link.outbound === this.#ownId < link.id;
  }

  #hasRoom(origin: Origin): boolean {
    const members = [...this.#parts.members()];
    if (members.length >= this.maxPeers) return false;
    const inbound = members.filter((member) => member.origin === 'inbound').length;
    return origin !== 'inbound' || inbound < this.maxInbound;
  }

  #fromIp(address: string): number {
    if (isLoopback(address)) return 0;
    const ip = ipKey(address);
    let count = 0;
    for (const { peer, origin } of this.#parts.members()) {
      const isCounted = origin === 'inbound' || origin === 'outgoing';
      if (isCounted && ipKey(peer.remote.address) === ip) count++;
    }
    return count;
  }

  /** The inbound peer that has given us nothing new for the longest time, if that is long. */
  #evictable(): Peer | undefined {
    const now = this.#parts.clock.now();
    if (now - this.#evictedAt < EVICTION_MS) return undefined;
    let found: Peer | undefined;
    for (const { peer, origin } of this.#parts.members()) {
      if (origin !== 'inbound' || now - peer.usefulAt < USELESS_MS) continue;
      if (found === undefined || peer.usefulAt < found.usefulAt) found = peer;
    }
    return found;
  }
}

function admissionMessage(detail: AdmissionDetail): string {
  switch (detail.code) {
    case 'closed':
      return 'this node is closing its connections';
    case 'self':
      return 'the peer is this node itself';
    case 'full':
      return 'there is no room for another peer';
    case 'banned':
      return `${detail.address} is banned`;
    case 'ip-limit':
      return `there are enough peers with the address ${detail.address}`;
    case 'network-limit':
      return `there are enough peers in the network of ${detail.address}`;
    case 'duplicate':
      return `the peer is connected already: ${detail.id}`;
    case 'ended':
      return `the connection ended at once: ${detail.reason}`;
  }
}
