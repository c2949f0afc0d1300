/** What counts as one address: whoever has one IPv6 address of a network has all 2^64 of them. */
import { addressGroup, normalizeAddress } from '../../p2p/remote-address.ts';

/** An IPv4 address, or the first 64 bits of an IPv6 address; any other text as it is. */
export function ipKey(address: string): string {
  return addressGroup(normalizeAddress(address));
}

export function isLoopback(address: string): boolean {
  const plain = normalizeAddress(address);
  return plain.startsWith('127.') || plain === '::1';
}
