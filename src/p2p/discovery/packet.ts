/**
 * Packets of UDP discovery. Bytom 1.x P2P: "UDP discovery".
 *
 * `"bytom discovery" || node id (32) || signature (64) || 00 || type (1) || JSON`, 1280 bytes at most.
 *
 * What to know before relying on any of it:
 * - The signature covers the last 32 bytes alone, and many bodies end alike: whoever has seen one
 *   packet of a node can put its signature under another body with the same end. It is checked
 *   (`hasValidSignature`; the reference's own packets carry good ones), but only keeps out mistakes
 *   and the laziest forgers. Nothing may be believed about an id because of a signature alone.
 * - The hash of a packet is its last 32 bytes. A pong has to repeat that of its ping, which is what
 *   shows that its sender is where it says. An ordinary ping ends in the time and constants, so our
 *   pings end in random digits, in a member that is there for what others may add.
 */
import { verifySignature } from '../../keys/ed25519.ts';
import { concatBytes } from '../../util/bytes.ts';
import { decodeBody, encodeBody, type PacketBody } from './packet-body.ts';
import { HASH_BYTES, ID_BYTES, PacketError } from './packet-error.ts';

/** Longer packets are cut by the reference, and then are none. */
export const MAX_PACKET_BYTES = 1280;

const PREFIX = Buffer.from('bytom discovery', 'latin1');
const SIGNATURE_BYTES = 64;
/** The signature and one more byte, which is zero and which nobody reads. */
const SIGNATURE_AREA_BYTES = 65;
const ID_AT = PREFIX.length;
const SIGNATURE_AT = ID_AT + ID_BYTES;
const TYPE_AT = SIGNATURE_AT + SIGNATURE_AREA_BYTES;

/** Who we are: the key of the node, the one of its connections. */
export interface NodeSigner {
  /** The Ed25519 public key, 32 bytes: the node's id. */
  readonly publicKey: Uint8Array;
  /** The Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** Says whether a signature is that of `id` (32 bytes) over `message`. */
export type VerifySignature = (
  id: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

export interface DecodedPacket {
  /** Whose packet this is if its signature is good; a copy. */
  readonly id: Uint8Array;
  readonly body: PacketBody;
  /** What an answer to it has to repeat; a copy. */
  readonly hash: Uint8Array;
}

/** The packet with our id and signature. Throws `RangeError` if it were longer than any may be. */
export function encodePacket(body: PacketBody, signer: NodeSigner): Uint8Array {
  const content = encodeBody(body);
  const signature = signer.sign(lastBytes(content));
  const zero = Uint8Array.of(0);
  const packet = concatBytes(PREFIX, signer.publicKey, signature, zero, content);
  if (packet.length > MAX_PACKET_BYTES) {
    throw new RangeError(`packet expected at most ${MAX_PACKET_BYTES} bytes, got ${packet.length}`);
  }
  return packet;
}

/** Reads a packet, without its signature. Throws `PacketError`. */
export function decodePacket(packet: Uint8Array): DecodedPacket {
  const bytes = packet.length;
  if (bytes <= TYPE_AT || bytes > MAX_PACKET_BYTES) {
    throw new PacketError({ code: 'length', bytes }, `${bytes} bytes`);
  }
  for (let i = 0; i < PREFIX.length; i++) {
    if (packet[i] !== PREFIX[i]) throw new PacketError({ code: 'prefix' }, 'unknown prefix');
  }
  return {
    id: packet.slice(ID_AT, SIGNATURE_AT),
    body: decodeBody(packet.subarray(TYPE_AT)),
    hash: packetHash(packet),
  };
}

/** Whether the signature is that of the packet's id. For a packet that `decodePacket` has read. */
export function hasValidSignature(
  packet: Uint8Array,
  verify: VerifySignature = verifySignature,
): boolean {
  const signature = packet.subarray(SIGNATURE_AT, SIGNATURE_AT + SIGNATURE_BYTES);
  return verify(packet.slice(ID_AT, SIGNATURE_AT), lastBytes(packet.subarray(TYPE_AT)), signature);
}

/** What a pong repeats of its ping: the last 32 bytes, in place of a hash; a copy. */
export function packetHash(packet: Uint8Array): Uint8Array {
  return packet.slice(-HASH_BYTES);
}

/** What is signed: the last 32 bytes of type and body, with zeros before them if there are fewer. */
function lastBytes(content: Uint8Array): Uint8Array {
  const last = new Uint8Array(HASH_BYTES);
  const kept = content.subarray(-HASH_BYTES);
  last.set(kept, HASH_BYTES - kept.length);
  return last;
}
