/**
 * What two nodes tell each other of themselves right after the secret connection stands. Bytom 1.x
 * P2P: "Node info". The reference's reader loses what a frame holds beyond its current read, so every
 * primitive goes into a frame of its own; on receipt frames mean nothing.
 */

import { bytesEqual, concatBytes } from '../util/bytes.ts';
import { CodedError, clip } from '../util/errors.ts';
import { encodeVarint, MAX_VARINT_BYTES, WireError, WireReader, WireWriter } from './wire.ts';

export interface NodeInfo {
  /** Ed25519, 32 bytes: the key that the secret connection was authenticated with. */
  readonly publicKey: Uint8Array;
  readonly moniker: string;
  /** `mainnet`, `wisdom` or `solonet`. */
  readonly network: string;
  /** Sent empty. */
  readonly remoteAddress: string;
  /** `ip:port`. */
  readonly listenAddress: string;
  /** Semantic version, as "1.1.1" or "1.1.1+a1b2c3". */
  readonly version: string;
  /** Sum of `SERVICE` flags. */
  readonly services: number;
  readonly alias?: string;
}

/** What a node offers: blocks and transactions; messages 12–15; filters and Merkle blocks. */
export const SERVICE = { FULL_NODE: 1, FAST_SYNC: 2, SPV: 4 } as const;

/** Bytes of the largest node info. */
const MAX_NODE_INFO_BYTES = 10_240;
/** Strings before the list `other`. */
const TEXTS = 5;
/** Strings of `other` beyond the two that mean something. */
const MAX_OTHER = 64;
/** Of a service flag as text: what a u64 takes. */
const MAX_SERVICE_DIGITS = 20;

/** Why a node is none that we stay connected to. */
export type NodeInfoErrorDetail =
  | { readonly code: 'version'; readonly version: string }
  | { readonly code: 'network'; readonly network: string }
  | { readonly code: 'services'; readonly services: number }
  /** The node is we ourselves. */
  | { readonly code: 'self' }
  /** It claims another key than the one it has proven to own. */
  | { readonly code: 'key' };

export class NodeInfoError extends CodedError<NodeInfoErrorDetail> {
  constructor(detail: NodeInfoErrorDetail) {
    super(describe(detail), detail);
  }
}

/** The whole of it: a non-nil pointer to the fields in order. */
export function encodeNodeInfo(info: NodeInfo): Uint8Array {
  const out = new WireWriter();
  for (const part of nodeInfoParts(info)) out.fixed(part);
  return out.done();
}

/** The same bytes in the pieces that go into a frame each. */
export function nodeInfoParts(info: NodeInfo): readonly Uint8Array[] {
  if (info.publicKey.length !== 32) {
    throw new RangeError(`expected a key of 32 bytes, got ${info.publicKey.length}`);
  }
  const other = [String(info.services), ...(info.alias === undefined ? [] : [info.alias])];
  return [
    Uint8Array.of(1),
    info.publicKey,
    ...textParts(info.moniker),
    ...textParts(info.network),
    ...textParts(info.remoteAddress),
    ...textParts(info.listenAddress),
    ...textParts(info.version),
    ...varintParts(other.length),
    ...other.flatMap(textParts),
  ];
}

/** Reads a whole node info. Throws a `WireError`. */
export function decodeNodeInfo(bytes: Uint8Array): NodeInfo {
  if (bytes.length > MAX_NODE_INFO_BYTES) throw tooLarge(`${bytes.length}`);
  const reader = new WireReader(bytes);
  const pointer = reader.byte('node info');
  if (pointer !== 1) throw new WireError('bad-value', 'node info', 'byte 01', `byte ${pointer}`);
  const text = (field: string): string => reader.text(field, MAX_NODE_INFO_BYTES);
  const info = {
    publicKey: reader.hash('pub_key'),
    moniker: text('moniker'),
    network: text('network'),
    remoteAddress: text('remote_addr'),
    listenAddress: text('listen_addr'),
    version: text('version'),
  };
  const [services, alias] = reader.list('other', MAX_OTHER, 1, () => text('other'));
  reader.end('node info');
  return {
    ...info,
    services: decodeServices(services),
    ...(alias === undefined ? {} : { alias }),
  };
}

/**
 * Reads one from a stream that goes on after it, byte for byte. Throws a `WireError`, or what `read`
 * throws.
 */
export async function receiveNodeInfo(
  read: (length: number) => Promise<Uint8Array>,
): Promise<NodeInfo> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  const take = async (length: number): Promise<Uint8Array> => {
    total += length;
    if (total > MAX_NODE_INFO_BYTES) throw tooLarge(`${total} or more`);
    if (length === 0) return new Uint8Array(0);
    const piece = await read(length);
    pieces.push(piece);
    return piece;
  };
  const varint = async (): Promise<number> => {
    const head = await take(1);
    const size = head[0]!;
    const digits = size > MAX_VARINT_BYTES ? new Uint8Array(0) : await take(size);
    return new WireReader(concatBytes(head, digits)).varint('node info', MAX_NODE_INFO_BYTES);
  };
  await take(1);
  await take(32);
  for (let i = 0; i < TEXTS; i++) await take(await varint());
  const others = await varint();
  if (others > MAX_OTHER) throw tooLarge(`${others} strings in its list`);
  for (let i = 0; i < others; i++) await take(await varint());
  return decodeNodeInfo(concatBytes(...pieces));
}

/** Throws a `NodeInfoError` for a node that we do not stay connected to. */
export function checkNodeInfo(
  peer: NodeInfo,
  ours: NodeInfo,
  context: { readonly outbound: boolean; readonly authenticatedKey: Uint8Array },
): void {
  if (!bytesEqual(peer.publicKey, context.authenticatedKey)) {
    throw new NodeInfoError({ code: 'key' });
  }
  if (bytesEqual(peer.publicKey, ours.publicKey)) throw new NodeInfoError({ code: 'self' });
  const major = majorVersion(peer.version);
  if (major === undefined || major !== majorVersion(ours.version)) {
    throw new NodeInfoError({ code: 'version', version: peer.version });
  }
  if (peer.network !== ours.network) {
    throw new NodeInfoError({ code: 'network', network: peer.network });
  }
  if (context.outbound && (peer.services & SERVICE.FULL_NODE) === 0) {
    throw new NodeInfoError({ code: 'services', services: peer.services });
  }
}

function tooLarge(got: string): WireError {
  const expected = `at most ${MAX_NODE_INFO_BYTES} bytes`;
  return new WireError('too-large', 'node info', expected, got);
}

/** `undefined` if it is no version with three numbers, or two, or one. */
function majorVersion(version: string): number | undefined {
  const match = /^v?(\d{1,9})(?:\.\d{1,9}){0,2}(?:[-+][0-9A-Za-z.+-]*)?$/.exec(version);
  return match === null ? undefined : Number(match[1]);
}

/** A flag text that is no number counts as a full node, as in the reference; only 32 bits matter. */
function decodeServices(text: string | undefined): number {
  if (text === undefined || text.length > MAX_SERVICE_DIGITS || !/^\d+$/.test(text)) {
    return SERVICE.FULL_NODE;
  }
  return Number(BigInt(text) & 0x7fff_ffffn);
}

function textParts(text: string): readonly Uint8Array[] {
  const bytes = Uint8Array.from(Buffer.from(text, 'utf8'));
  return bytes.length === 0 ? [Uint8Array.of(0)] : [...varintParts(bytes.length), bytes];
}

/** The number of bytes, and the bytes. */
function varintParts(value: number): readonly Uint8Array[] {
  const bytes = encodeVarint(value);
  return bytes.length === 1 ? [bytes] : [bytes.subarray(0, 1), bytes.subarray(1)];
}

function describe(detail: NodeInfoErrorDetail): string {
  switch (detail.code) {
    case 'version':
      return `the peer has another major version: ${clip(detail.version)}`;
    case 'network':
      return `the peer is on another network: ${clip(detail.network)}`;
    case 'services':
      return `the peer is no full node: services ${detail.services}`;
    case 'self':
      return 'the peer is this node itself';
    case 'key':
      return 'the peer told another key than its own';
  }
}
