/** Addresses of sockets in one form, so that one host has one name. */
import { networkOf, normalIp } from './discovery/endpoint.ts';

/** The usual form of an IP; an IPv4 one inside IPv6 becomes itself, an IPv6 zone is dropped. */
export function normalizeAddress(address: string): string {
  return normalIp(address.split('%')[0]!) ?? address.toLowerCase();
}

/**
 * What one subscriber has, as a key: an IPv4 address, or the first 64 bits of an IPv6 one, within
 * which anybody may choose. Any other text is itself.
 */
export function addressGroup(address: string): string {
  return networkOf(address, 32);
}
