/** Addresses of sockets in one form, so that one host has one name. */
import { isIPv4, isIPv6 } from 'node:net';

/** An IPv4 address that is written as an IPv6 one becomes itself; an IPv6 zone is dropped. */
export function normalizeAddress(address: string): string {
  const plain = address.split('%')[0]!.toLowerCase();
  const mapped = /^::ffff:([\d.]+)$/.exec(plain)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(plain) ?? [];
  if (high === undefined || low === undefined) return plain;
  return [high, low]
    .flatMap((hex) => {
      const value = Number.parseInt(hex, 16);
      return [value >> 8, value & 255];
    })
    .join('.');
}

/**
 * What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 one, within which anybody
 * may choose. Takes what `normalizeAddress` gives.
 */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address;
  const [head, tail] = address.split('::');
  const left = head === '' ? [] : head!.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
