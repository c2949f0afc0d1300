/**
 * One open, authenticated connection to another node, seen from what uses it. `SecretPeerLink` is the
 * real one, `test/support/memory-link.ts` has a pair without sockets; both keep the same promises.
 */
import type { PeerMessage } from './messages.ts';
import type { NodeInfo } from './node-info.ts';

export interface PeerLink {
  /** The peer's identity key, upper-case hex. */
  readonly id: string;
  /** Whether we dialled. */
  readonly outbound: boolean;
  /** Of the socket; an IPv4 address never in its IPv6 form. */
  readonly remote: { readonly address: string; readonly port: number };
  /** What the peer said of itself. */
  readonly info: NodeInfo;
  /** As of now. */
  readonly stats: LinkStats;
  /** Messages queued and not yet written. */
  readonly queued: number;
  /**
   * Queues a message. False, with nothing queued, where the queue is full (100 messages, or its limit
   * of bytes, which an empty queue does not have, or the limit of all links together), the message is
   * larger than any may be, or the link is closed.
   */
  send(message: PeerMessage): boolean;
  /**
   * Sets the one receiver; until then nothing is read. It is called with one message at a time, and
   * while its promise is pending the link reads no further. If it throws, the link ends (`receiver`).
   */
  receive(receiver: (message: PeerMessage) => void | Promise<void>): void;
  /** Ends it. Idempotent. What is queued is dropped. */
  close(reason?: string): void;
  /** Resolves once with why it ended. Never rejects. */
  readonly closed: Promise<LinkEnd>;
}

export interface LinkEnd {
  readonly code: /** We closed it. */
    | 'closed'
    /** The peer closed it. */
    | 'remote'
    /** The peer broke the protocol. */
    | 'wire'
    /** The connection broke. */
    | 'socket'
    /** It was given up because too much of unfinished messages was held; nobody's fault. */
    | 'overload'
    /** Nothing came, or nothing could be sent, for too long. */
    | 'timeout'
    /** Our own receiver threw, or the link itself did: a fault of this node. */
    | 'receiver';
  /** For people. */
  readonly reason: string;
}

/** Bytes are those of the socket, all overhead included; rates are bytes a second. */
export interface LinkStats {
  /** Since the connection was made. */
  readonly durationMs: number;
  /** Of the last ping that was answered. */
  readonly pingMs: number | undefined;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Over the whole duration. */
  readonly sentAverageRate: number;
  readonly receivedAverageRate: number;
  /** Over the last seconds. */
  readonly sentRate: number;
  readonly receivedRate: number;
}
