/**
 * The nodes we know, by distance. Bytom 1.x P2P: "UDP discovery": distance is the xor of SHA3-256 of
 * the ids, buckets hold 16, and a node that has answered for long is never pushed out by a new one,
 * only by its own silence. In it are only nodes that have shown that they are where they say.
 *
 * Bounds: 256 buckets of 16 nodes and 8 that wait for a place; of one IP and of one /24 (IPv6: /48)
 * only a few, so that no single host or network fills it. One node for an address, one address for
 * an id.
 */
import { bytesToHex } from '../../util/bytes.ts';
import { sha3 } from '../../util/sha3.ts';
import { type Endpoint, endpointKey, ipKind, networkOf } from './endpoint.ts';

export interface KnownNode {
  /** 32 bytes. */
  readonly id: Uint8Array;
  /** `id` as lower-case hex. */
  readonly key: string;
  /** SHA3-256 of the id. */
  readonly hash: Uint8Array;
  readonly endpoint: Endpoint;
  /** When it came in and when it last answered: milliseconds of the clock. */
  readonly addedAt: number;
  readonly seenAt: number;
  /** Questions in a row without an answer. */
  readonly failures: number;
}

export interface NodeTableOptions {
  /** Our own id, 32 bytes: never in the table. */
  readonly ownId: Uint8Array;
  readonly maxPerIp?: number;
  /** In the whole table. */
  readonly maxPerNetwork?: number;
  /** In one bucket. */
  readonly maxPerNetworkInBucket?: number;
  /** The same three for addresses of a LAN or loopback, where many nodes of one person may be. */
  readonly maxPerLanIp?: number;
  readonly maxPerLan?: number;
  readonly maxPerLanInBucket?: number;
}

/**
 * - `added`, `refreshed`: it is in the table.
 * - `waiting`: its bucket is full; it gets the place of the next one there that does not answer.
 * - `elsewhere`: its id is known at another address, which has to fall silent first.
 * - `refused`: ours, or too many of its IP or network.
 */
export type AddOutcome = 'added' | 'refreshed' | 'waiting' | 'elsewhere' | 'refused';

export const BUCKET_NODES = 16;
const WAITING_NODES = 8;
const BUCKETS = 256;
/** A node goes after so many unanswered questions in a row: one packet may be lost, or two. */
const MAX_FAILURES = 3;
const MAX_FAILURES_IF_OTHERS_WAIT = 2;

interface Entry extends KnownNode {
  /** The /24 (/48) its address is in, as a key. */
  readonly network: string;
  seenAt: number;
  failures: number;
  /** When it last left a question unanswered. */
  failedAt: number;
}

interface Bucket {
  readonly nodes: Entry[];
  /** The oldest first. */
  readonly waiting: Entry[];
}

export class NodeTable {
  readonly #ownHash: Uint8Array;
  readonly #ownKey: string;
  readonly #limits: Required<Omit<NodeTableOptions, 'ownId'>>;
  readonly #buckets: (Bucket | undefined)[] = new Array(BUCKETS);
  readonly #byKey = new Map<string, Entry>();
  readonly #byEndpoint = new Map<string, Entry>();

  constructor(options: NodeTableOptions) {
    this.#ownHash = sha3(options.ownId);
    this.#ownKey = bytesToHex(options.ownId);
    this.#limits = {
      maxPerIp: options.maxPerIp ?? 2,
      maxPerNetwork: options.maxPerNetwork ?? 10,
      maxPerNetworkInBucket: options.maxPerNetworkInBucket ?? 2,
      maxPerLanIp: options.maxPerLanIp ?? 32,
      maxPerLan: options.maxPerLan ?? 64,
      maxPerLanInBucket: options.maxPerLanInBucket ?? 16,
    };
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(id: Uint8Array): KnownNode | undefined {
    return this.#byKey.get(bytesToHex(id));
  }

  at(endpoint: Endpoint): KnownNode | undefined {
    return this.#byEndpoint.get(endpointKey(endpoint));
  }

  /** In no particular order. */
  nodes(): readonly KnownNode[] {
    return [...this.#byKey.values()];
  }

  /** Takes a node that has just shown that it is at `endpoint`, at the moment `now`. */
  add(id: Uint8Array, endpoint: Endpoint, now: number): AddOutcome {
    const key = bytesToHex(id);
    if (key === this.#ownKey) return 'refused';
    const known = this.#byKey.get(key);
    if (known !== undefined) return this.#seenAgain(known, endpoint, now);
    // Another id was here before: it is not any more.
    const before = this.at(endpoint);
    if (before !== undefined) this.remove(before);
    const entry: Entry = {
      id: id.slice(),
      key,
      hash: sha3(id),
      endpoint,
      network: networkOf(endpoint.host, 24),
      addedAt: now,
      seenAt: now,
      failures: 0,
      failedAt: 0,
    };
    const bucket = this.#bucketOf(entry);
    dropFrom(bucket.waiting, key);
    if (!this.#hasRoomFor(entry, bucket)) return 'refused';
    if (bucket.nodes.length < BUCKET_NODES) {
      this.#insert(bucket, entry);
      return 'added';
    }
    bucket.waiting.push(entry);
    if (bucket.waiting.length > WAITING_NODES) bucket.waiting.shift();
    return 'waiting';
  }

  /** Counts an unanswered question to `node`, if it is still there. True: it was dropped for it. */
  failed(node: KnownNode, now: number): boolean {
    const entry = this.#byKey.get(node.key);
    if (entry === undefined || !sameEndpoint(entry.endpoint, node.endpoint)) return false;
    entry.failures++;
    entry.failedAt = now;
    const othersWait = this.#bucketOf(entry).waiting.length > 0;
    if (entry.failures < (othersWait ? MAX_FAILURES_IF_OTHERS_WAIT : MAX_FAILURES)) return false;
    this.remove(entry);
    return true;
  }

  /** Takes a node out; the newest of those that wait for a place in its bucket gets it. */
  remove(node: KnownNode): void {
    const entry = this.#byKey.get(node.key);
    if (entry === undefined) return;
    this.#byKey.delete(entry.key);
    this.#byEndpoint.delete(endpointKey(entry.endpoint));
    const bucket = this.#bucketOf(entry);
    dropFrom(bucket.nodes, entry.key);
    for (let next = bucket.waiting.pop(); next !== undefined; next = bucket.waiting.pop()) {
      if (!this.#hasRoomFor(next, bucket) || this.at(next.endpoint) !== undefined) continue;
      this.#insert(bucket, next);
      return;
    }
  }

  /** Up to `count` nodes, the nearest to `target` (32 bytes, compared with hashes of ids) first. */
  closest(target: Uint8Array, count: number): readonly KnownNode[] {
    return [...this.#byKey.values()]
      .sort((a, b) => compareDistance(target, a.hash, b.hash))
      .slice(0, count);
  }

  /** Of the nodes not heard of, nor asked in vain, since the moment `before`: the longest ago. */
  stalest(before: number): KnownNode | undefined {
    let found: Entry | undefined;
    let foundAt = before;
    for (const entry of this.#byKey.values()) {
      const at = Math.max(entry.seenAt, entry.failedAt);
      if (at > foundAt) continue;
      found = entry;
      foundAt = at;
    }
    return found;
  }

  #seenAgain(entry: Entry, endpoint: Endpoint, now: number): AddOutcome {
    if (!sameEndpoint(entry.endpoint, endpoint)) return 'elsewhere';
    entry.seenAt = now;
    entry.failures = 0;
    return 'refreshed';
  }

  #insert(bucket: Bucket, entry: Entry): void {
    bucket.nodes.push(entry);
    this.#byKey.set(entry.key, entry);
    this.#byEndpoint.set(endpointKey(entry.endpoint), entry);
  }

  #hasRoomFor({ endpoint, network }: Entry, bucket: Bucket): boolean {
    const { host } = endpoint;
    const limits = this.#limits;
    const isGlobal = ipKind(host) === 'global';
    const maxInBucket = isGlobal ? limits.maxPerNetworkInBucket : limits.maxPerLanInBucket;
    const isNear = (other: Entry): boolean => other.network === network;
    if (bucket.nodes.filter(isNear).length >= maxInBucket) return false;
    let sameIp = 0;
    let sameNetwork = 0;
    for (const other of this.#byKey.values()) {
      if (other.endpoint.host === host) sameIp++;
      if (isNear(other)) sameNetwork++;
    }
    return isGlobal
      ? sameIp < limits.maxPerIp && sameNetwork < limits.maxPerNetwork
      : sameIp < limits.maxPerLanIp && sameNetwork < limits.maxPerLan;
  }

  #bucketOf({ hash }: KnownNode): Bucket {
    const index = sharedBits(this.#ownHash, hash);
    const bucket = this.#buckets[index] ?? { nodes: [], waiting: [] };
    this.#buckets[index] = bucket;
    return bucket;
  }
}

/** Negative if `a` is nearer to `target` than `b` is, positive if it is farther; all 32 bytes. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const difference = (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How many leading bits two hashes share, 255 at the most: the number of a bucket. */
function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return BUCKETS - 1;
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}

function dropFrom(list: Entry[], key: string): void {
  const at = list.findIndex((entry) => entry.key === key);
  if (at >= 0) list.splice(at, 1);
}
