/** Why a packet of discovery is none, and the sizes that all of its parts share. */
import { CodedError } from '../../util/errors.ts';

/** Of a node's id: an Ed25519 public key. */
export const ID_BYTES = 32;
/** Of a packet's hash, a target and what stands for an id in distances. */
export const HASH_BYTES = 32;

/** What was wrong with a packet. */
export type PacketErrorDetail =
  | { readonly code: 'length'; readonly bytes: number }
  /** Some other protocol's. */
  | { readonly code: 'prefix' }
  /** A type that does not exist, or one of the topics, which nobody here needs. */
  | { readonly code: 'type'; readonly type: number }
  | { readonly code: 'body'; readonly field: string };

export class PacketError extends CodedError<PacketErrorDetail> {
  constructor(detail: PacketErrorDetail, problem: string, options?: ErrorOptions) {
    super(`discovery packet: ${problem}`, detail, options);
  }
}
