/** Addresses of clients, and the larger sources that they count against. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { InputError } from '../../src/util/errors.ts';

/**
 * The one spelling of an address that bans and limits know it by: without a zone, IPv6 shortened, and
 * an IPv4 address in IPv6 form (`::ffff:192.0.2.1`) as IPv4.
 */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  const [bare = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  // Addresses in URLs have one spelling each.
  return mapped?.[1] ?? new URL(`http://[${bare}]`).hostname.slice(1, -1);
}

/** What one customer has at the least: the address, or the /64 of IPv6. */
export function hostOf(address: string): string {
  return isIPv6(address) ? ipv6Prefix(address, 4) : address;
}

/** The neighbours: the /24, or the /48 of IPv6. */
export function networkOf(address: string): string {
  if (isIPv6(address)) return ipv6Prefix(address, 3);
  return address.split('.').slice(0, 3).join('.');
}

/** Address and port, for log lines. */
export function peerText({
  address,
  port,
}: {
  readonly address: string;
  readonly port: number;
}): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A set of networks, `10.0.0.0/8` or single addresses. Throws an `InputError` naming `field`. */
export class AddressList {
  readonly #list = new BlockList();

  constructor(ranges: readonly string[], field: string) {
    for (const range of ranges) this.#add(range, field);
  }

  /** An address in the form that `plainAddress` gives. */
  has(address: string): boolean {
    return this.#list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  #add(range: string, field: string): void {
    const [address = '', length, ...more] = range.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    const widest = family === 'ipv4' ? 32 : 128;
    const bits = length === undefined ? widest : Number(length);
    const isLength = length === undefined || /^\d{1,3}$/.test(length);
    const isAddress = isIPv4(address) || isIPv6(address);
    if (!isAddress || !isLength || bits > widest || more.length > 0) {
      throw new InputError(field, 'an address or a network (10.0.0.0/8)', range);
    }
    this.#list.addSubnet(address, bits, family);
  }
}

/** The first `groups` groups of 16 bits, each written out. */
function ipv6Prefix(address: string, groups: number): string {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  // A last part in IPv4 form stands for two groups.
  const last = right.at(-1) ?? left.at(-1) ?? '';
  const written = left.length + right.length + (last.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - written);
  const all = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return all
    .slice(0, groups)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':');
}
