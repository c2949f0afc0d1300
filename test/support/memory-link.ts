/**
 * Two ends of a connection without sockets, for tests of what uses links. Messages are encoded and
 * decoded on the way; queue and back-pressure are those of a link whose socket buffers nothing: a
 * message leaves the sender's queue when the other end's receiver is called with it, and that one is
 * called with the next when its promise has resolved.
 */

import { decodeMessage, encodeMessage, type PeerMessage } from '../../src/p2p/messages.ts';
import { type NodeInfo, SERVICE } from '../../src/p2p/node-info.ts';
import type { LinkEnd, LinkStats, PeerLink } from '../../src/p2p/peer-link.ts';
import { SendQueue } from '../../src/p2p/send-queue.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { errorText } from '../../src/util/errors.ts';

export interface LinkPairOptions {
  /** Where A finds B (default 10.0.0.2:46657), and B finds A (10.0.0.1 with a high port). */
  readonly addressOfA?: { readonly address: string; readonly port: number };
  readonly addressOfB?: { readonly address: string; readonly port: number };
  readonly maxMessages?: number;
  readonly maxBytes?: number;
}

/**
 * A has dialled B. `a` is the end that A holds: `a.info` is what B says of itself, and what `b` sends
 * arrives there.
 */
export function createLinkPair(
  infoA: NodeInfo,
  infoB: NodeInfo,
  options: LinkPairOptions = {},
): { readonly a: MemoryLink; readonly b: MemoryLink } {
  const {
    addressOfA = { address: '10.0.0.1', port: 50_001 },
    addressOfB = { address: '10.0.0.2', port: 46_657 },
    maxMessages = 100,
    maxBytes = 24 << 20,
  } = options;
  const limits = { maxMessages, maxBytes };
  const a = new MemoryLink(infoB, true, addressOfB, new SendQueue(limits));
  const b = new MemoryLink(infoA, false, addressOfA, new SendQueue(limits));
  a.join(b);
  b.join(a);
  return { a, b };
}

/** A full node on solonet; `seed` makes its key. */
export function testNodeInfo(seed: number, changes: Partial<NodeInfo> = {}): NodeInfo {
  return {
    publicKey: new Uint8Array(32).fill(seed),
    moniker: 'anonymous',
    network: 'solonet',
    remoteAddress: '',
    listenAddress: '127.0.0.1:46657',
    version: '1.1.1',
    services: SERVICE.FULL_NODE | SERVICE.FAST_SYNC | SERVICE.SPV,
    ...changes,
  };
}

export class MemoryLink implements PeerLink {
  readonly id: string;
  readonly outbound: boolean;
  readonly remote: { readonly address: string; readonly port: number };
  readonly info: NodeInfo;
  readonly closed: Promise<LinkEnd>;
  /** Every message that `send` took, in order. */
  readonly sent: PeerMessage[] = [];
  readonly #queue: SendQueue;
  readonly #end = createDeferred<LinkEnd>();
  #other: MemoryLink | undefined;
  #receiver: ((message: PeerMessage) => void | Promise<void>) | undefined;
  #isClosed = false;
  #isPumping = false;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(info: NodeInfo, outbound: boolean, remote: PeerLink['remote'], queue: SendQueue) {
    this.id = bytesToHex(info.publicKey).toUpperCase();
    this.info = info;
    this.outbound = outbound;
    this.remote = remote;
    this.closed = this.#end.promise;
    this.#queue = queue;
  }

  join(other: MemoryLink): void {
    this.#other = other;
  }

  get #peer(): MemoryLink {
    if (this.#other === undefined) throw new RangeError('a link without its other end');
    return this.#other;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get stats(): LinkStats {
    return {
      durationMs: 1500,
      pingMs: undefined,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      sentAverageRate: 0,
      receivedAverageRate: 0,
      sentRate: 0,
      receivedRate: 0,
    };
  }

  send(message: PeerMessage): boolean {
    if (this.#isClosed || !this.#queue.push(encodeMessage(message))) return false;
    this.sent.push(message);
    void this.#pump();
    return true;
  }

  /** Puts bytes that are no message, or too many, on the way to the other end. */
  sendBytes(bytes: Uint8Array): boolean {
    if (this.#isClosed || !this.#queue.push(bytes)) return false;
    void this.#pump();
    return true;
  }

  receive(receiver: (message: PeerMessage) => void | Promise<void>): void {
    this.#receiver = receiver;
    void this.#peer.#pump();
  }

  close(reason = 'closed'): void {
    this.#finish({ code: 'closed', reason });
    this.#peer.#finish({ code: 'remote', reason: 'the peer closed the connection' });
  }

  /** Breaks the connection, for both ends. */
  break(reason = 'read ECONNRESET'): void {
    this.#finish({ code: 'socket', reason });
    this.#peer.#finish({ code: 'socket', reason });
  }

  #finish(end: LinkEnd): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue.clear();
    this.#end.resolve(end);
  }

  /** Sends what is queued to the other end for as long as that takes it. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    // Never within `send` or `receive`: a socket would not call back at once either.
    await Promise.resolve();
    for (;;) {
      const bytes = this.#queue.first;
      const other = this.#peer;
      if (bytes === undefined || other.#receiver === undefined) break;
      this.#queue.shift();
      this.#sentBytes += bytes.length;
      await other.#take(bytes);
    }
    this.#isPumping = false;
  }

  async #take(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) return;
    this.#receivedBytes += bytes.length;
    try {
      await this.#receiver?.(decodeMessage(bytes));
    } catch (error) {
      const code = error instanceof WireError ? 'wire' : 'receiver';
      this.#finish({ code, reason: errorText(error) });
      this.#peer.#finish({ code: 'remote', reason: 'the peer closed the connection' });
    }
  }
}
