/** Addresses of nodes as data: an IP and a port, what kind of IP it is, and whose word for it counts. */
import { isIPv4, isIPv6 } from 'node:net';

/** Where a node listens. Bytom 1.x uses one number for its UDP and its TCP port. */
export interface Endpoint {
  /** An IP in its one usual form: IPv4 with dots, IPv6 compressed and in lower case. */
  readonly host: string;
  readonly port: number;
}

/**
 * - `global`: anywhere in the internet.
 * - `lan`, `loopback`: means another host to everyone who hears of it.
 * - `unusable`: unspecified, multicast, broadcast, or reserved for documents and tests.
 */
export type IpKind = 'global' | 'lan' | 'loopback' | 'unusable';

interface Range {
  readonly kind: IpKind;
  readonly first: Uint8Array;
  readonly prefixBits: number;
}

/** Kind, first address and length of prefix, by the special-purpose registries of IANA. */
type RangeText = readonly [kind: IpKind, first: string, prefixBits: number];

const V4_RANGES: readonly Range[] = toRanges([
  ['unusable', '0.0.0.0', 8],
  ['lan', '10.0.0.0', 8],
  ['lan', '100.64.0.0', 10],
  ['loopback', '127.0.0.0', 8],
  ['lan', '169.254.0.0', 16],
  ['lan', '172.16.0.0', 12],
  ['unusable', '192.0.0.0', 24],
  ['unusable', '192.0.2.0', 24],
  ['unusable', '192.31.196.0', 24],
  ['unusable', '192.52.193.0', 24],
  ['unusable', '192.88.99.0', 24],
  ['lan', '192.168.0.0', 16],
  ['unusable', '192.175.48.0', 24],
  ['unusable', '198.18.0.0', 15],
  ['unusable', '198.51.100.0', 24],
  ['unusable', '203.0.113.0', 24],
  ['unusable', '224.0.0.0', 3],
]);

/** Outside of 2000::/3 everything is unusable but what stands here. */
const V6_RANGES: readonly Range[] = toRanges([
  ['loopback', '::1', 128],
  ['lan', 'fc00::', 7],
  ['lan', 'fe80::', 10],
  ['unusable', '2001::', 23],
  ['unusable', '2001:db8::', 32],
  ['unusable', '2002::', 16],
  ['unusable', '3fff::', 20],
  ['global', '2000::', 3],
]);

/** The endpoint as a key of maps and for log lines: `1.2.3.4:46657`, `[2600::1]:46657`. */
export function endpointKey({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The endpoint of an IP in any of its spellings; an IPv4 one inside IPv6 counts as IPv4. `undefined`
 * for a name, an IP that is `unusable` or a port that is none.
 */
export function toEndpoint(ip: string, port: number): Endpoint | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const host = normalIp(ip);
  if (host === undefined || ipKind(host) === 'unusable') return undefined;
  return { host, port };
}

/** The one usual form of an IP; `undefined` for any other text, an IPv6 zone included. */
export function normalIp(text: string): string | undefined {
  const bytes = ipToBytes(text);
  return bytes === undefined ? undefined : bytesToIp(bytes);
}

/** 4 or 16 bytes; 4 for IPv4 inside IPv6. */
export function ipToBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return withoutMapping(Uint8Array.from(ipv6Groups(text).flatMap((n) => [n >> 8, n & 0xff])));
}

/** The usual form of 4 or 16 bytes; `undefined` for another number of them. */
export function bytesToIp(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  const plain = withoutMapping(bytes);
  if (plain.length === 4) return plain.join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((plain[2 * i]! << 8) | plain[2 * i + 1]!).toString(16),
  );
  return compressed(groups);
}

/** What kind of IP this is, in any spelling; what is no IP is `unusable`. */
export function ipKind(ip: string): IpKind {
  const bytes = ipToBytes(ip);
  if (bytes === undefined) return 'unusable';
  const ranges = bytes.length === 4 ? V4_RANGES : V6_RANGES;
  const found = ranges.find((range) => hasPrefix(bytes, range.first, range.prefixBits));
  if (found !== undefined) return found.kind;
  return bytes.length === 4 ? 'global' : 'unusable';
}

/**
 * Whether what `teller` says about `ip` is worth anything. Bytom 1.x P2P: "UDP discovery": loopback
 * and LAN addresses count only from those who are there themselves.
 */
export function mayTell(teller: string, ip: string): boolean {
  const from = ipKind(teller);
  switch (ipKind(ip)) {
    case 'global':
      return true;
    case 'lan':
      return from === 'lan' || from === 'loopback';
    case 'loopback':
      return from === 'loopback';
    case 'unusable':
      return false;
  }
}

/**
 * The network that an IP is in, as a key: its first `v4Bits` bits, or twice as many of an IPv6 one
 * (whose owners get a /64 at the least, and often a /48 or /32).
 */
export function networkOf(ip: string, v4Bits: 16 | 24 | 32): string {
  const bytes = ipToBytes(ip);
  if (bytes === undefined) return ip;
  const kept = bytes.length === 4 ? v4Bits / 8 : v4Bits / 4;
  return `${bytes.length}:${bytes.subarray(0, kept).join('.')}`;
}

function toRanges(texts: readonly RangeText[]): readonly Range[] {
  return texts.map(([kind, text, prefixBits]) => ({
    kind,
    first: ipToBytes(text) ?? new Uint8Array(16),
    prefixBits,
  }));
}

function hasPrefix(bytes: Uint8Array, prefix: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== prefix[i]) return false;
  const rest = 8 - (bits & 7);
  return rest === 8 || bytes[whole]! >> rest === prefix[whole]! >> rest;
}

/** ::ffff:a.b.c.d as the four bytes of a.b.c.d. */
function withoutMapping(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 16) return bytes;
  const isMapped = bytes[10] === 0xff && bytes[11] === 0xff && isZero(bytes.subarray(0, 10));
  return isMapped ? bytes.slice(12) : bytes;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The eight numbers of an address that `isIPv6` has accepted. */
function ipv6Groups(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const left = groupsOf(head);
  if (tail === undefined) return left;
  const right = groupsOf(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function groupsOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** RFC 5952: the first of the longest runs of two zeros or more becomes `::`. */
function compressed(groups: readonly string[]): string {
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length === 1) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}
