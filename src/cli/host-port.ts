/** Addresses of sockets as people write them: `host:port`, IPv6 in brackets. */
import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { InputError } from '../util/errors.ts';

export interface HostPort {
  /** A host name or IP address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface HostPortForm {
  /** Taken where the text names none; without it the text has to. */
  readonly defaultPort?: number;
  /** Port 0, any that is free: for an address to listen at. */
  readonly anyPort?: boolean;
}

/**
 * Reads `host:port`, `[::1]:port` or, with a default port, the host alone. Throws an `InputError`
 * naming `field`.
 */
export function parseHostPort(text: string, field: string, form: HostPortForm = {}): HostPort {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/s.exec(text.trim());
  if (parts === null) {
    // What two colons outside of brackets mean cannot be told from a port.
    throw new InputError(field, 'host:port, IPv6 in brackets', `"${text}"`);
  }
  const [, bracketed, plain, port] = parts;
  if (bracketed !== undefined && !isIPv6(bracketed)) {
    throw new InputError(field, 'an IPv6 address in the brackets', `"${bracketed}"`);
  }
  return {
    host: bracketed ?? hostName(plain!, field, text),
    port: portOf(port, field, text, form),
  };
}

/**
 * Where a socket is to be bound: an IP of this machine, or `localhost`, which is 127.0.0.1 here. What
 * other names come to may change, and be another machine's.
 */
export function parseListenAddress(text: string, field: string, defaultPort?: number): HostPort {
  const form = { anyPort: true, ...(defaultPort === undefined ? {} : { defaultPort }) };
  const { host, port } = parseHostPort(text, field, form);
  if (host === 'localhost') return { host: '127.0.0.1', port };
  if (isIP(host) !== 0) return { host, port };
  throw new InputError(field, 'an IP address of this machine, or localhost', `"${host}"`);
}

/** `host:port` as `parseHostPort` reads it. */
export function hostPortText({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Collects the addresses of an option that may be repeated, and may hold several with commas between
 * them: so the environment can give more than one, too.
 */
export function hostPorts(
  field: string,
): (text: string, before: readonly string[] | undefined) => readonly string[] {
  return (text, before) => {
    const items = text.split(',').map((item) => item.trim());
    // Whether a port may be missing depends on the network, which another option names.
    for (const item of items) parseHostPort(item, field, { defaultPort: 1 });
    return [...(before ?? []), ...items];
  };
}

function hostName(host: string, field: string, text: string): string {
  if (isIP(host) !== 0) return host;
  // Only international names go through the conversion: it would also rewrite "10.1" to "10.0.0.1".
  const ascii = /^\p{ASCII}*$/u.test(host) ? host.toLowerCase() : domainToASCII(host);
  const isName = /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?$/.test(ascii);
  // A port alone, or half of an address, is no name, whatever a resolver would make of it.
  if (!isName || ascii.length > 253 || /^[0-9.]*$/.test(ascii)) {
    throw new InputError(field, 'host:port with a host name or address', `"${text}"`);
  }
  return ascii;
}

function portOf(
  digits: string | undefined,
  field: string,
  text: string,
  { defaultPort, anyPort = false }: HostPortForm,
): number {
  if (digits === undefined && defaultPort !== undefined) return defaultPort;
  const least = anyPort ? 0 : 1;
  const port = digits !== undefined && /^\d{1,5}$/.test(digits) ? Number(digits) : -1;
  if (port >= least && port <= 65_535) return port;
  throw new InputError(field, `host:port with a port from ${least} to 65535`, `"${text}"`);
}
