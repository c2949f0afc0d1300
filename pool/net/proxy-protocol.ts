/**
 * The header that a proxy in front of the pool sends first, to say whose connection it is: the PROXY
 * protocol of HAProxy, version 1 (a line of text) and 2 (binary). To be believed only where it comes
 * from a proxy of ours. Additions of version 2 (TLVs, a checksum among them) are skipped.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { clip } from '../../src/util/errors.ts';
import { plainAddress } from './addresses.ts';

export type ProxyHeader =
  /** So far it is one; more bytes are needed. */
  | { readonly kind: 'partial' }
  /** `source` is missing if the proxy speaks for itself (a health check) or does not know. */
  | {
      readonly kind: 'whole';
      readonly bytes: number;
      readonly source?: { readonly address: string; readonly port: number };
    }
  | { readonly kind: 'malformed'; readonly what: string };

/** Longest header of version 1, with its CR LF. */
const V1_MAX_BYTES = 107;
const V1_START = Buffer.from('PROXY ');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
/** Most that may follow the fixed part: what proxies add (names, TLS details) is far less. */
const V2_MAX_REST_BYTES = 2048;

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
/** Unspecified, UDP over both, and the two of Unix sockets: valid, and of no use to us. */
const OTHER_FAMILIES: readonly number[] = [0x00, 0x12, 0x22, 0x31, 0x32];

/** Reads a header from the first bytes of a connection, all that came so far. */
export function decodeProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, V2_SIGNATURE)) return decodeV2(bytes);
  if (startsLike(bytes, V1_START)) return decodeV1(bytes);
  return malformed('no PROXY header', bytes);
}

/** Whether as much of `bytes` as there is agrees with `start`. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function decodeV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end < 0) {
    return bytes.length < V1_MAX_BYTES ? { kind: 'partial' } : malformed('no end of line', bytes);
  }
  const length = end + 2;
  const [, protocol, source = '', target = '', port = '', targetPort = '', ...more] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  // Whatever follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { kind: 'whole', bytes: length };
  const isAddress = protocol === 'TCP4' ? isIPv4 : protocol === 'TCP6' ? isIPv6 : undefined;
  const isWhole =
    isAddress?.(source) && isAddress(target) && isPort(port) && isPort(targetPort) && !more.length;
  if (!isWhole) return malformed('a line of another form', bytes);
  return {
    kind: 'whole',
    bytes: length,
    source: { address: plainAddress(source), port: Number(port) },
  };
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function decodeV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return { kind: 'partial' };
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const rest = bytes.readUInt16BE(14);
  if (command !== LOCAL && command !== PROXY) return malformed(`command ${command}`, bytes);
  if (rest > V2_MAX_REST_BYTES) return malformed(`${rest} bytes of addresses`, bytes);
  const length = V2_FIXED_BYTES + rest;
  if (bytes.length < length) return { kind: 'partial' };
  if (command === LOCAL || OTHER_FAMILIES.includes(family)) return { kind: 'whole', bytes: length };
  const addressBytes = family === TCP4 ? 4 : family === TCP6 ? 16 : undefined;
  if (addressBytes === undefined) return malformed(`address family ${family}`, bytes);
  if (rest < 2 * addressBytes + 4) return malformed(`${rest} bytes of addresses`, bytes);
  const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes);
  const port = bytes.readUInt16BE(V2_FIXED_BYTES + 2 * addressBytes);
  return { kind: 'whole', bytes: length, source: { address: addressOf(source), port } };
}

function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const isMapped =
    bytes.readUIntBE(0, 5) + bytes.readUIntBE(5, 5) === 0 && bytes.readUInt16BE(10) === 0xffff;
  if (isMapped) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return plainAddress(groups.join(':'));
}

function malformed(what: string, bytes: Buffer): ProxyHeader {
  return { kind: 'malformed', what: clip(`${what}: ${bytes.toString('latin1', 0, 64)}`, 120) };
}
