/**
 * Addresses of boards as people write them: a serial port, a TCP server or a unix socket. One board has
 * one text: `portAddressText` gives back what `parsePortAddress` takes, whatever was in front of it.
 */
import { isIP, isIPv6 } from 'node:net';
import { InputError } from '../src/util/errors.ts';

export type PortAddress =
  | { readonly kind: 'serial'; readonly path: string }
  /** `host`: a name or an IP address, IPv6 without brackets. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** The kernel's limit less the final zero; macOS takes 4 bytes less. A longer one is cut off without a word. */
const LONGEST_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107;

/**
 * Reads `/dev/ttyUSB0`, `COM3`, `tcp://host:port` or `unix:/path`, each also with `serial:` before it.
 * Throws an `InputError` that names `field`.
 */
export function parsePortAddress(text: string, field: string): PortAddress {
  const address = text.trim().replace(/^serial:/, '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a path that holds one is a mistake, and a zero cuts it off
  if (/[\u0000-\u001f\u007f]/.test(address)) return refuse(text, field);
  if (/^tcp:/i.test(address)) return tcpAddress(address, field);
  if (/^unix:/i.test(address)) return unixAddress(address.slice('unix:'.length), field);
  if (/^(\\\\\.\\)?COM[1-9]\d{0,3}$/i.test(address)) {
    return { kind: 'serial', path: address.toUpperCase().replace('\\\\.\\', '') };
  }
  // A folder is no port, and `/dev/` alone is what a variable that is empty leaves.
  if (/^\/[^/]/.test(address) && !address.endsWith('/')) return { kind: 'serial', path: address };
  return refuse(text, field);
}

/** The address as `parsePortAddress` reads it, and as messages call the port. */
export function portAddressText(address: PortAddress): string {
  switch (address.kind) {
    case 'serial':
      return address.path;
    case 'tcp':
      return `tcp://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
    case 'unix':
      return `unix:${address.path}`;
  }
}

function refuse(text: string, field: string): never {
  throw new InputError(
    field,
    'a port: /dev/ttyUSB0, COM3, tcp://host:port or unix:/path',
    `"${text}"`,
  );
}

function tcpAddress(text: string, field: string): PortAddress {
  const parts = /^tcp:\/\/(?:\[([^\]]*)\]|([^:[\]/@?#]*)):(\d{1,5})$/i.exec(text);
  const host = parts?.[1] ?? parts?.[2]?.toLowerCase() ?? '';
  const isHost = parts?.[1] === undefined ? isHostName(host) : isIPv6(host);
  const port = Number(parts?.[3]);
  if (!isHost || !(port >= 1 && port <= 65_535)) {
    throw new InputError(
      field,
      'tcp://host:port with a port from 1 to 65535, IPv6 in brackets',
      `"${text}"`,
    );
  }
  return { kind: 'tcp', host, port };
}

function isHostName(host: string): boolean {
  // Half of an address is no name, whatever a resolver would make of it.
  if (isIP(host) !== 0 || /^[0-9.]*$/.test(host)) return isIP(host) !== 0;
  return host.length <= 253 && /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?\.?$/.test(host);
}

function unixAddress(path: string, field: string): PortAddress {
  const bytes = Buffer.byteLength(path);
  if (!/^\/[^/]/.test(path) || path.endsWith('/')) {
    throw new InputError(field, 'unix:/path, from the root', `"unix:${path}"`);
  }
  if (bytes > LONGEST_SOCKET_PATH) {
    const limit = `the path of a unix socket, at most ${LONGEST_SOCKET_PATH} bytes`;
    throw new InputError(field, limit, `"unix:${path}", ${bytes} bytes`);
  }
  return { kind: 'unix', path };
}
