/**
 * A link over a secret connection: two loops, one that reads and one that writes, and a watch that
 * pings and gives up on a dead line. All of it ends with the stream.
 */

import type { ByteBudget } from '../util/byte-budget.ts';
import { concatBytes } from '../util/bytes.ts';
import type { Clock } from '../util/clock.ts';
import { createDeferred } from '../util/deferred.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { TokenBucket } from '../util/token-bucket.ts';
import { type ByteStream, StreamError } from './byte-stream.ts';
import { identityText } from './identity.ts';
import type { LinkLimits } from './link-limits.ts';
import { MessageAssembler } from './message-assembler.ts';
import { decodeMessage, encodeMessage, MAX_MESSAGE_BYTES, type PeerMessage } from './messages.ts';
import type { NodeInfo } from './node-info.ts';
import { PART_BYTES, PacketDecoder, PING, PONG, partHead } from './packets.ts';
import type { LinkEnd, LinkStats, PeerLink } from './peer-link.ts';
import type { RateMeter } from './rate-meter.ts';
import type { ReceiveBudget } from './receive-budget.ts';
import type { SecretStream } from './secret-stream.ts';
import { SendQueue } from './send-queue.ts';
import { WireError } from './wire.ts';

export interface SecretPeerLinkOptions {
  readonly outbound: boolean;
  readonly remote: PeerLink['remote'];
  readonly info: NodeInfo;
  readonly limits: LinkLimits;
}

export interface SecretPeerLinkParts {
  readonly stream: ByteStream;
  readonly secret: SecretStream;
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly log: Logger;
  /** Shared by all links. */
  readonly receiveBudget: ReceiveBudget;
  readonly sendBudget: ByteBudget;
}

/** What went over the socket, handshake included. */
export interface Traffic {
  readonly since: number;
  readonly sent: RateMeter;
  readonly received: RateMeter;
}

/** Parts that are sealed and written together: few system calls, and a ping waits for no more. */
const PARTS_PER_WRITE = 16;
/**
 * What a message, or a part that is not its last and no full one either, costs of the rate beside its
 * bytes: tiny ones are work too, 170 fit into a frame.
 */
const PIECE_COST = 256;

export class SecretPeerLink implements PeerLink {
  readonly id: string;
  readonly outbound: boolean;
  readonly remote: PeerLink['remote'];
  readonly info: NodeInfo;
  readonly closed: Promise<LinkEnd>;
  readonly #limits: LinkLimits;
  readonly #parts: SecretPeerLinkParts;
  readonly #queue: SendQueue;
  readonly #assembler: MessageAssembler;
  readonly #packets = new PacketDecoder();
  readonly #controls: TokenBucket;
  readonly #gone = new AbortController();
  readonly #end = createDeferred<LinkEnd>();
  readonly #hasReceiver = createDeferred<void>();
  #receiver: ((message: PeerMessage) => void | Promise<void>) | undefined;
  #wakeWriter = createDeferred<void>();
  /** Bytes of the first message in the queue that were sent. */
  #sentOfFirst = 0;
  #pongsDue = 0;
  #isPingDue = false;
  #pingSentAt: number | undefined;
  #pingMs: number | undefined;
  /** Since when the present wait for bytes, or for room to write, goes on. */
  #readingSince: number | undefined;
  #writingSince: number | undefined;

  constructor(options: SecretPeerLinkOptions, parts: SecretPeerLinkParts) {
    this.id = identityText(options.info.publicKey);
    this.outbound = options.outbound;
    this.remote = options.remote;
    this.info = options.info;
    this.#limits = options.limits;
    this.#parts = parts;
    this.closed = this.#end.promise;
    this.#queue = new SendQueue(options.limits.queue, parts.sendBudget);
    const { controlPerSecond, controlBurst } = options.limits;
    const controls = { perSecond: controlPerSecond, burst: controlBurst };
    this.#controls = new TokenBucket(controls, parts.clock);
    this.#assembler = new MessageAssembler(parts.receiveBudget, () =>
      this.#finish({ code: 'overload', reason: 'too many unfinished messages of all peers' }),
    );
    void parts.stream.ended.then((end) => this.#finish(end));
    void this.#run(() => this.#read());
    void this.#run(() => this.#write());
    void this.#run(() => this.#watch());
  }

  get queued(): number {
    return this.#queue.length;
  }

  get stats(): LinkStats {
    const { clock, traffic } = this.#parts;
    const now = clock.now();
    return {
      durationMs: now - traffic.since,
      pingMs: this.#pingMs,
      sentBytes: traffic.sent.total,
      receivedBytes: traffic.received.total,
      sentAverageRate: traffic.sent.average(now),
      receivedAverageRate: traffic.received.average(now),
      sentRate: traffic.sent.current(now),
      receivedRate: traffic.received.current(now),
    };
  }

  send(message: PeerMessage): boolean {
    if (this.#gone.signal.aborted || this.#queue.length >= this.#limits.queue.maxMessages) {
      return false;
    }
    const bytes = encodeMessage(message);
    if (bytes.length > MAX_MESSAGE_BYTES || !this.#queue.push(bytes)) return false;
    this.#wakeWriter.resolve();
    return true;
  }

  receive(receiver: (message: PeerMessage) => void | Promise<void>): void {
    this.#receiver = receiver;
    this.#hasReceiver.resolve();
  }

  close(reason = 'closed'): void {
    this.#finish({ code: 'closed', reason });
  }

  #finish(end: LinkEnd): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    this.#parts.stream.destroy(end.reason);
    this.#queue.clear();
    this.#assembler.release();
    // The loops see that it is over.
    this.#hasReceiver.resolve();
    this.#wakeWriter.resolve();
    this.#end.resolve(end);
  }

  async #run(loop: () => Promise<void>): Promise<void> {
    try {
      await loop();
    } catch (error) {
      if (error instanceof WireError) this.#finish({ code: 'wire', reason: error.message });
      else if (error instanceof StreamError) this.#finish(error.detail);
      else this.#fail(error);
    }
  }

  async #read(): Promise<void> {
    const { clock, secret, traffic } = this.#parts;
    const { signal } = this.#gone;
    const limiter = bucketOf(this.#limits.receiveRate, clock);
    await this.#hasReceiver.promise;
    while (!signal.aborted) {
      const before = traffic.received.total;
      this.#readingSince = clock.now();
      this.#packets.push(await secret.readSome());
      this.#readingSince = undefined;
      const pieces = await this.#takePackets();
      const cost = traffic.received.total - before + pieces * PIECE_COST;
      const wait = limiter.take(cost);
      if (wait > 0) await clock.sleep(wait, signal);
    }
  }

  /** How many messages, and parts smaller than need be, were in what was read last. */
  async #takePackets(): Promise<number> {
    const { clock } = this.#parts;
    let pieces = 0;
    for (let packet = this.#packets.next(); packet; packet = this.#packets.next()) {
      if (this.#gone.signal.aborted) break;
      if (packet.type !== 'part') {
        this.#control(packet.type);
        continue;
      }
      if (packet.isLast || packet.payload.length < PART_BYTES) pieces++;
      const bytes = this.#assembler.add(packet.payload, packet.isLast, clock.now());
      if (bytes === undefined) continue;
      await this.#deliver(decodeMessage(bytes));
      this.#assembler.release();
    }
    return pieces;
  }

  async #deliver(message: PeerMessage): Promise<void> {
    try {
      await this.#receiver?.(message);
    } catch (error) {
      this.#fail(error);
    }
  }

  #control(type: 'ping' | 'pong'): void {
    const now = this.#parts.clock.now();
    if (!this.#controls.tryTake()) {
      const { controlPerSecond } = this.#limits;
      throw new WireError('flood', type, `at most ${controlPerSecond} a second`, 'more');
    }
    if (type === 'ping') {
      this.#pongsDue++;
      this.#wakeWriter.resolve();
    } else if (this.#pingSentAt !== undefined) {
      this.#pingMs = now - this.#pingSentAt;
      this.#pingSentAt = undefined;
    }
  }

  async #write(): Promise<void> {
    const { clock, secret, traffic } = this.#parts;
    const { signal } = this.#gone;
    const limiter = bucketOf(this.#limits.sendRate, clock);
    while (!signal.aborted) {
      const batch = this.#nextBatch();
      if (batch.length === 0) {
        this.#wakeWriter = createDeferred();
        await this.#wakeWriter.promise;
        continue;
      }
      const before = traffic.sent.total;
      this.#writingSince = clock.now();
      await secret.write(batch);
      this.#writingSince = undefined;
      const wait = limiter.take(traffic.sent.total - before);
      if (wait > 0) await clock.sleep(wait, signal);
    }
  }

  /** What goes out next, in one piece so that frames are full; empty if there is nothing. */
  #nextBatch(): Uint8Array {
    const pieces: Uint8Array[] = [new Uint8Array(this.#pongsDue).fill(PONG)];
    this.#pongsDue = 0;
    if (this.#isPingDue) {
      this.#isPingDue = false;
      this.#pingSentAt ??= this.#parts.clock.now();
      pieces.push(Uint8Array.of(PING));
    }
    for (let parts = 0; parts < PARTS_PER_WRITE; parts++) {
      const message = this.#queue.first;
      if (message === undefined) break;
      const part = message.subarray(this.#sentOfFirst, this.#sentOfFirst + PART_BYTES);
      this.#sentOfFirst += part.length;
      const isLast = this.#sentOfFirst === message.length;
      pieces.push(partHead(part.length, isLast), part);
      if (isLast) {
        this.#queue.shift();
        this.#sentOfFirst = 0;
      }
    }
    return concatBytes(...pieces);
  }

  async #watch(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#gone;
    const { pingEveryMs, silenceMs, stallMs, messageMs } = this.#limits;
    for (;;) {
      await clock.sleep(pingEveryMs, signal);
      if (signal.aborted) return;
      const now = clock.now();
      const isPast = (since: number | undefined, ms: number): boolean =>
        since !== undefined && now - since >= ms;
      if (isPast(this.#readingSince, silenceMs)) return this.#timeOut('nothing came', silenceMs);
      if (isPast(this.#writingSince, stallMs)) return this.#timeOut('it read nothing', stallMs);
      if (isPast(this.#assembler.begunAt, messageMs)) {
        return this.#timeOut('a message did not end', messageMs);
      }
      this.#isPingDue = true;
      this.#wakeWriter.resolve();
    }
  }

  #timeOut(what: string, ms: number): void {
    this.#finish({ code: 'timeout', reason: `${what} for ${ms / 1000} s` });
  }

  #fail(error: unknown): void {
    this.#parts.log.error('peer link failed', { peer: this.id, reason: errorText(error) });
    this.#finish({ code: 'receiver', reason: errorText(error) });
  }
}

/** A second's worth at once. */
function bucketOf(perSecond: number, clock: Clock): TokenBucket {
  return new TokenBucket({ perSecond, burst: perSecond }, clock);
}
