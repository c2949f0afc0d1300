/**
 * Addresses of pools as people write them: `stratum+tcp://host:port` (also `tcp://` or no scheme),
 * `stratum+ssl://host:port` (also `stratum+tls`, `ssl`, `tls`). IPv6 goes in brackets. Name and
 * password have options of their own and are refused here, without repeating them.
 */
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { InputError } from '../src/util/errors.ts';

export interface PoolUrl {
  readonly tls: boolean;
  /** A host name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port` for log lines, IPv6 in brackets. */
  readonly name: string;
}

const SCHEMES: ReadonlyMap<string, { readonly tls: boolean }> = new Map([
  ['stratum+tcp', { tls: false }],
  ['stratum', { tls: false }],
  ['tcp', { tls: false }],
  ['stratum+ssl', { tls: true }],
  ['stratum+tls', { tls: true }],
  ['ssl', { tls: true }],
  ['tls', { tls: true }],
]);

const FORM = 'stratum+tcp://host:port or stratum+ssl://host:port';

/** Reads a pool's address. Throws an `InputError` naming `field`. */
export function parsePoolUrl(text: string, field = 'pool'): PoolUrl {
  const parts = /^(?:([^:/]*):\/\/)?(.*?)\/?$/s.exec(text.trim());
  const scheme = parts?.[1];
  const rest = parts?.[2] ?? '';
  const known = scheme === undefined ? { tls: false } : SCHEMES.get(scheme.toLowerCase());
  if (rest.includes('@')) {
    throw new InputError(
      field,
      FORM,
      'a name or password before "@" (they have their own options)',
    );
  }
  if (known === undefined) throw new InputError(field, FORM, `the scheme "${scheme}" in "${text}"`);
  const address = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(rest);
  if (address === null) throw new InputError(field, `${FORM}, IPv6 in brackets`, `"${text}"`);
  const [, bracketed, plain, portText] = address;
  if (bracketed !== undefined && !isIPv6(bracketed)) {
    throw new InputError(field, 'an IPv6 address in the brackets', `"${bracketed}"`);
  }
  const host = bracketed ?? hostName(plain ?? '', field, text);
  const port = portNumber(portText, field, text);
  return {
    tls: known.tls,
    host,
    port,
    name: bracketed === undefined ? `${host}:${port}` : `[${host}]:${port}`,
  };
}

/**
 * A SHA-256 certificate fingerprint as 64 lower-case hex digits. Colons between bytes, upper case
 * and a leading `sha256:` are fine. Throws an `InputError` naming `field`.
 */
export function parseFingerprint(text: string, field = 'tls-fingerprint'): string {
  const digits = text
    .trim()
    .replace(/^sha-?256[:=]/i, '')
    .replaceAll(':', '')
    .toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(digits)) {
    throw new InputError(field, 'a SHA-256 fingerprint of 64 hex digits', `"${text}"`);
  }
  return digits;
}

function hostName(host: string, field: string, text: string): string {
  // Only international names go through the conversion: it would also rewrite "10.1" to "10.0.0.1".
  const ascii = /^\p{ASCII}*$/u.test(host) ? host.toLowerCase() : domainToASCII(host);
  if (!/^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?$/.test(ascii)) {
    throw new InputError(field, `${FORM} with a host name`, `"${text}"`);
  }
  return ascii;
}

function portNumber(digits: string | undefined, field: string, text: string): number {
  const port = digits !== undefined && /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) {
    throw new InputError(field, `${FORM} with a port of 1 to 65535`, `"${text}"`);
  }
  return port;
}
