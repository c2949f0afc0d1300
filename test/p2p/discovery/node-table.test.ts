import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../src/p2p/discovery/endpoint.ts';
import { BUCKET_NODES, compareDistance, NodeTable } from '../../../src/p2p/discovery/node-table.ts';
import { sha3 } from '../../../src/util/sha3.ts';
import { seededBytes } from './memory-network.ts';

const OWN_ID = new Uint8Array(32).fill(1);
const bytes = seededBytes(5);

/** An id whose distance from ours has `shared` leading zero bits: it falls into that bucket. */
function idInBucket(shared: number): Uint8Array {
  const own = sha3(OWN_ID);
  for (;;) {
    const id = bytes(32);
    const hash = sha3(id);
    const distance = (hash[0]! ^ own[0]!) * 256 + (hash[1]! ^ own[1]!);
    if (Math.clz32(distance) - 16 === shared) return id;
  }
}

/** Every one in another /16. */
function place(i: number): Endpoint {
  return { host: `${20 + (i >> 8)}.${i & 0xff}.1.1`, port: 46_657 };
}

function fullBucket(table: NodeTable): Uint8Array[] {
  const ids = Array.from({ length: BUCKET_NODES }, () => idInBucket(0));
  for (const [i, id] of ids.entries()) expect(table.add(id, place(i), i)).toBe('added');
  return ids;
}

describe('a bucket', () => {
  it('holds 16, and keeps those who answer before any newcomer', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const ids = fullBucket(table);
    const late = idInBucket(0);
    expect(table.add(late, place(100), 100)).toBe('waiting');
    expect(table.size).toBe(BUCKET_NODES);
    expect(table.get(late)).toBeUndefined();
    for (const id of ids) expect(table.get(id)).toBeDefined();
    // Another bucket has room.
    expect(table.add(idInBucket(1), place(101), 100)).toBe('added');
  });

  it('gives the place of a silent node to the newest that waits', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const ids = fullBucket(table);
    const waiting = Array.from({ length: 12 }, () => idInBucket(0));
    for (const [i, id] of waiting.entries()) table.add(id, place(100 + i), 100 + i);
    const silent = table.get(ids[3]!)!;
    expect(table.failed(silent, 200)).toBe(false);
    expect(table.failed(silent, 201)).toBe(true);
    expect(table.get(ids[3]!)).toBeUndefined();
    expect(table.get(waiting[11]!)).toBeDefined();
    expect(table.size).toBe(BUCKET_NODES);
    // Eight were remembered, and one of them is in.
    for (const id of ids) table.remove(table.get(id) ?? silent);
    expect(table.size).toBe(8);
  });

  it('forgives lost packets, more of them while nobody waits', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const id = idInBucket(0);
    table.add(id, place(0), 0);
    const node = table.get(id)!;
    expect(table.failed(node, 1)).toBe(false);
    expect(table.failed(node, 2)).toBe(false);
    expect(table.add(id, place(0), 3)).toBe('refreshed');
    expect(table.get(id)).toMatchObject({ failures: 0, seenAt: 3, addedAt: 0 });
    expect(table.failed(node, 4)).toBe(false);
    expect(table.failed(node, 5)).toBe(false);
    expect(table.failed(node, 6)).toBe(true);
    expect(table.failed(node, 7)).toBe(false);
    expect(table.size).toBe(0);
  });
});

describe('places', () => {
  it('are never given to ourselves', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    expect(table.add(OWN_ID.slice(), place(0), 0)).toBe('refused');
    expect(table.size).toBe(0);
  });

  it('are one for an id: another address has to wait', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const id = idInBucket(0);
    table.add(id, place(0), 0);
    expect(table.add(id, place(1), 1)).toBe('elsewhere');
    expect(table.get(id)?.endpoint).toEqual(place(0));
    expect(table.get(id)?.seenAt).toBe(0);
    // A question to the other address does not count against this one.
    expect(table.failed({ ...table.get(id)!, endpoint: place(1) }, 2)).toBe(false);
    expect(table.get(id)?.failures).toBe(0);
  });

  it('are one for an address: the id that answers there now', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const before = idInBucket(0);
    const after = idInBucket(1);
    table.add(before, place(0), 0);
    expect(table.add(after, place(0), 1)).toBe('added');
    expect(table.get(before)).toBeUndefined();
    expect(table.at(place(0))?.id).toEqual(after);
    expect(table.size).toBe(1);
  });

  it('are two for an IP, two of a bucket and ten in all for a /24', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    for (let i = 0; i < 9; i++)
      table.add(idInBucket(i % 3), { host: '30.1.1.1', port: 2000 + i }, 0);
    expect(table.size).toBe(2);
    const outcomes = Array.from({ length: 4 }, (_, i) =>
      table.add(idInBucket(5), { host: `31.1.1.${i}`, port: 46_657 }, 0),
    );
    expect(outcomes).toEqual(['added', 'added', 'refused', 'refused']);
    for (let i = 0; i < 60; i++) {
      table.add(idInBucket(i % 8), { host: `31.1.1.${10 + i}`, port: 46_657 }, 0);
    }
    expect(table.size).toBe(12);
  });

  it('are more for a LAN, where one person has many nodes', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    for (let i = 0; i < 200; i++) {
      table.add(idInBucket(i % 8), { host: '127.0.0.1', port: 2000 + i }, 0);
    }
    expect(table.size).toBe(32);
  });

  it('of one network are not got by waiting either', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const ids = fullBucket(table);
    const waiting = Array.from({ length: 8 }, () => idInBucket(0));
    for (const [i, id] of waiting.entries()) {
      expect(table.add(id, { host: `31.1.1.${i}`, port: 46_657 }, 0)).toBe('waiting');
    }
    for (const id of ids) table.remove(table.get(id)!);
    expect(table.size).toBe(2);
  });
});

describe('closest', () => {
  it('is in order of distance to the target as it stands', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    for (let i = 0; i < 60; i++) table.add(bytes(32), place(i), i);
    const target = bytes(32);
    const all = table.nodes();
    const expected = all
      .map(({ key, hash }) => ({ key, distance: xor(hash, target) }))
      .sort((a, b) => (a.distance < b.distance ? -1 : 1))
      .map(({ key }) => key);
    expect(table.closest(target, 1000).map(({ key }) => key)).toEqual(expected);
    expect(table.closest(target, 16).map(({ key }) => key)).toEqual(expected.slice(0, 16));
    const own = all[7]!;
    expect(table.closest(own.hash, 1)).toEqual([own]);
  });

  it('compares by the first byte that differs', () => {
    const target = Uint8Array.of(0b1010, 0);
    expect(compareDistance(target, Uint8Array.of(0b1011, 0), Uint8Array.of(0, 0))).toBeLessThan(0);
    expect(
      compareDistance(target, Uint8Array.of(0b1010, 9), Uint8Array.of(0b1010, 1)),
    ).toBeGreaterThan(0);
    expect(compareDistance(target, Uint8Array.of(1, 1), Uint8Array.of(1, 1))).toBe(0);
  });
});

describe('stalest', () => {
  it('is the node not heard of or asked in vain for longest, if it is so long ago', () => {
    const table = new NodeTable({ ownId: OWN_ID });
    const [a, b] = [idInBucket(0), idInBucket(1)];
    table.add(a, place(0), 10);
    table.add(b, place(1), 20);
    expect(table.stalest(5)).toBeUndefined();
    expect(table.stalest(100)?.id).toEqual(a);
    table.failed(table.get(a)!, 30);
    expect(table.stalest(100)?.id).toEqual(b);
    table.add(b, place(1), 40);
    expect(table.stalest(100)?.id).toEqual(a);
  });
});

function xor(a: Uint8Array, b: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(a.map((byte, i) => byte ^ b[i]!)).toString('hex')}`);
}
