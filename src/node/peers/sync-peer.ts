/** What syncing needs of a connected peer whose status we have. Bytom 1.x P2P: "Syncing". */
import { CodedError } from '../../util/errors.ts';

export interface SyncPeer {
  readonly id: string;
  /** `SERVICE` flags that it announced. */
  readonly services: number;
  /** The greatest height that it has told of. */
  readonly height: number;
  /** Of its last status (32 bytes). */
  readonly bestHash: Uint8Array;
  readonly closed: boolean;
  /**
   * Wire forms, as the peer sent them: nothing has been looked at but how many there are. Each rejects
   * `PeerRequestError`, or the signal's reason. After an abort, the answer that may still come is
   * expected and dropped, and until then takes its place among what is outstanding.
   */
  getHeaders(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]>;
  getBlocks(
    locator: readonly Uint8Array[],
    stop: Uint8Array,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]>;
  /** A block whose header says the height or has the hash that was asked for; the rest of it is unknown. */
  getBlock(
    which: { readonly height: number } | { readonly hash: Uint8Array },
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** Asks for its status; `PeerSet.onChange` tells of what it brings. */
  refreshStatus(): void;
  blame(offence: Offence): void;
}

/**
 * What a peer did wrong. Bytom 1.x P2P, "Misbehaviour": an illegal message costs its IP 20 points for
 * good, a fault of the connection 20 that halve every minute; above 100 the IP is banned for an hour.
 */
export interface Offence {
  readonly kind: 'illegal' | 'fault';
  readonly reason: string;
}

export type PeerRequestDetail =
  /** No answer in time; the reference does not answer for what it does not know. */
  | { readonly code: 'timeout'; readonly request: RequestKind; readonly ms: number }
  /** The connection has ended, or ended before the answer came. */
  | { readonly code: 'closed'; readonly request: RequestKind }
  /** As many as may be are outstanding, or the queue to the peer is full: wait for an answer. */
  | { readonly code: 'busy'; readonly request: RequestKind };

export type RequestKind = 'get-headers' | 'get-blocks' | 'get-block';

export class PeerRequestError extends CodedError<PeerRequestDetail> {
  constructor(detail: PeerRequestDetail, options?: ErrorOptions) {
    super(requestMessage(detail), detail, options);
  }
}

function requestMessage(detail: PeerRequestDetail): string {
  const { request } = detail;
  switch (detail.code) {
    case 'timeout':
      return `${request}: no answer after ${detail.ms} ms`;
    case 'closed':
      return `${request}: the connection has ended`;
    case 'busy':
      return `${request}: too many requests are outstanding`;
  }
}
