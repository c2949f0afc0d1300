/**
 * One client's connection: bytes → messages → its conversation with the pool → bytes. Whatever comes
 * in, the work and memory it can cause are bounded: by line length, by tokens for messages, by submits
 * without an answer, by bytes that the client does not read.
 *
 * May surprise: there is no timer here, since there are tens of thousands of these; what time brings
 * comes with `sweep`, about once a second. A client is made to wait by not reading from its socket; what
 * is read right after that was sent while it waited, and is taken for as old as the wait.
 */
import type { Socket } from 'node:net';
import type { Target } from '../../src/tensority/target.ts';
import type { Clock } from '../../src/util/clock.ts';
import { clip } from '../../src/util/errors.ts';
import { TokenBucket } from '../../src/util/token-bucket.ts';
import type { CloseReason, Job } from '../client.ts';
import { peerText } from './addresses.ts';
import { Conversation, type ConversationParts, type Line } from './conversation.ts';
import type { DialectName } from './dialect.ts';
import { type Arrival, Inbox, type InboxOptions } from './inbox.ts';
import type { Origin } from './opening.ts';

export interface ConnectionOptions extends InboxOptions {
  /** Closed after it was made to wait for its rate for so long without a break. */
  readonly floodMs: number;
  /** Submits without an answer; more of them wait. */
  readonly maxPendingSubmits: number;
  /** Closed with more than that written and not taken by the client's side. */
  readonly maxQueuedBytes: number;
  /** Closed at this one, of those that came together: one a minute is forgotten. */
  readonly maxProtocolErrors: number;
  /** From the connection's arrival to its login. */
  readonly loginTimeoutMs: number;
  /**
   * Without a well-formed message of a client that is logged in. Much longer than a slow miner takes for
   * a share: peers that are gone are noticed by TCP, which asks for them when nothing is sent.
   */
  readonly idleMs: number;
}

export interface ConnectionParts extends ConversationParts {
  readonly clock: Pick<Clock, 'now'>;
  /** Once, when the socket is gone. */
  readonly onClosed: (connection: Connection, reason: CloseReason) => void;
}

/** Protocol errors that are forgotten. */
const FAULTS_PER_SECOND = 1 / 60;
/** What is read within so long after a wait was sent during it; a round trip is in it. */
const CATCH_UP_MS = 200;
/** Nothing is taken for older than this. */
const MAX_AGE_MS = 60_000;
/** How long a closed connection may take to say goodbye. */
const LINGER_MS = 2000;
/** Reasons that are the client's doing, and worth a line. */
const NOTABLE: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'banned',
  'login-timeout',
  'too-slow',
  'flood',
  'limit',
  'unauthorized',
]);

export class Connection implements Line {
  readonly address: string;
  readonly peer: string;
  readonly isTls: boolean;
  readonly #stream: Socket;
  readonly #options: ConnectionOptions;
  readonly #parts: ConnectionParts;
  readonly #inbox: Inbox;
  readonly #conversation: Conversation;
  readonly #openedAt: number;
  #heardAt: number;
  /** How many more protocol errors are borne; most clients never make one. */
  #faults: TokenBucket | undefined;
  #isWorking = false;
  #isPausedByPool = false;
  /** When it was last made to wait for its answers, or for its rate (monotonic ms). */
  #waitedFrom = 0;
  #waitedUntil: number = Number.NEGATIVE_INFINITY;
  /** Nothing more will be read: closed when all is answered, for this reason. */
  #endsFor: CloseReason | undefined;
  #closedFor: CloseReason | undefined;
  #closedAt = 0;

  constructor(
    stream: Socket,
    origin: Origin & { readonly isTls: boolean; readonly openedAt: number },
    options: ConnectionOptions,
    parts: ConnectionParts,
  ) {
    this.address = origin.address;
    this.peer = peerText(origin);
    this.isTls = origin.isTls;
    this.#stream = stream;
    this.#options = options;
    this.#parts = parts;
    this.#inbox = new Inbox(options, parts.clock);
    this.#conversation = new Conversation(this, parts);
    this.#openedAt = origin.openedAt;
    this.#heardAt = origin.openedAt;
    stream.on('data', (chunk: Buffer) => this.read(chunk));
    stream.on('end', () => this.#endFor('client'));
    stream.on('error', (error: Error) => this.#broken(error));
    stream.on('close', () => {
      this.#conversation.leave();
      parts.onClosed(this, this.#closedFor ?? 'client');
    });
  }

  get nonceBits(): number {
    return this.#conversation.nonceBits;
  }

  /** `undefined` before the first request. */
  get dialect(): DialectName | undefined {
    return this.#conversation.dialect;
  }

  get isLoggedIn(): boolean {
    return this.#conversation.session !== undefined;
  }

  /** Nothing more is read or written; the socket may still be there. */
  get isClosed(): boolean {
    return this.#closedFor !== undefined;
  }

  targetFor(difficulty: bigint): Target {
    return this.#conversation.targetFor(difficulty);
  }

  sendJob(job: Job): void {
    // Hex and names: one byte a character.
    for (const line of this.#conversation.linesOf(job)) this.write(line, 'latin1');
  }

  fault(what: string): void {
    const { pool, warnings, clock } = this.#parts;
    const burst = this.#options.maxProtocolErrors - 1;
    this.#faults ??= new TokenBucket({ perSecond: FAULTS_PER_SECOND, burst }, clock);
    warnings.warn('protocol error', this.address, { peer: this.peer, what });
    pool.protocolError(this, this.#conversation.session, what);
    if (!this.#faults.tryTake()) this.close('protocol');
  }

  write(line: string, encoding: BufferEncoding = 'utf8'): void {
    if (this.#closedFor !== undefined) return;
    this.#stream.write(line, encoding);
    if (this.#stream.writableLength > this.#options.maxQueuedBytes) this.destroy('too-slow');
  }

  answered(): void {
    this.#work();
  }

  pause(isPaused: boolean): void {
    // That is the pool's own wait: it knows what it makes of what was sent meanwhile.
    this.#waitedFrom = this.#parts.clock.now();
    this.#isPausedByPool = isPaused;
    this.#work();
  }

  close(reason: CloseReason): void {
    if (this.#closedFor !== undefined) return;
    this.#markClosed(reason);
    this.#stream.end();
    // What still comes is thrown away: closing over unread bytes would break what was just written.
    this.#stream.resume();
  }

  /** Ends it now, whatever was written. */
  destroy(reason: CloseReason): void {
    this.#markClosed(reason);
    this.#stream.destroy();
  }

  /** Reads no more, and closes once everything read is answered. */
  drain(): void {
    this.#stream.pause();
    this.#endFor('draining');
  }

  /** Takes bytes from the client. */
  read(chunk: Buffer): void {
    if (this.#closedFor !== undefined) return;
    this.#inbox.push(chunk, this.#arrivalOf(this.#parts.clock.now()));
    this.#work();
  }

  /** What time brings. To be called about once a second. */
  sweep(now: number): void {
    const { loginTimeoutMs, idleMs, floodMs } = this.#options;
    if (this.#closedFor !== undefined) {
      if (now - this.#closedAt >= LINGER_MS) this.#stream.destroy();
      return;
    }
    if (this.#inbox.sweep(now) >= floodMs) {
      this.close('flood');
      return;
    }
    if (!this.isLoggedIn) {
      if (now - this.#openedAt >= loginTimeoutMs) {
        this.close('login-timeout');
        return;
      }
    } else if (this.#isHeld() || this.#conversation.pending > 0) {
      // It cannot be heard, or what it said is being looked at.
      this.#heardAt = now;
    } else if (now - this.#heardAt >= idleMs) {
      this.close('idle');
      return;
    }
    this.#work();
  }

  /** Works off what was read as far as it may, and reads on, or not. */
  #work(): void {
    // Requests lead to calls that lead back here.
    if (this.#isWorking) return;
    this.#isWorking = true;
    while (!this.#isHeld()) {
      const arrival = this.#inbox.next();
      if (arrival === undefined) break;
      try {
        this.#take(arrival);
      } catch (error) {
        // A mistake of this program, found by this client: it costs him his connection, and nobody else's.
        const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#parts.log.error('request failed', { peer: this.peer, reason });
        this.close('protocol');
      }
    }
    this.#isWorking = false;
    if (this.#closedFor !== undefined) return;
    if (this.#endsFor !== undefined) {
      this.#endIfAnswered();
      return;
    }
    const isHeld = this.#isHeld();
    if (isHeld !== this.#stream.isPaused()) {
      if (isHeld) this.#wait();
      else this.#readOn();
    }
  }

  #wait(): void {
    const now = this.#parts.clock.now();
    // So soon again, it has not said yet what it had to say when it first had to wait.
    if (now - this.#waitedUntil > CATCH_UP_MS) this.#waitedFrom = now;
    this.#stream.pause();
  }

  #readOn(): void {
    this.#waitedUntil = this.#parts.clock.now();
    this.#stream.resume();
  }

  /** When was sent what is read now. */
  #arrivalOf(now: number): number {
    if (now - this.#waitedUntil > CATCH_UP_MS) return now;
    return Math.max(this.#waitedFrom, now - MAX_AGE_MS);
  }

  /** Whether the next message has to wait. Nothing is worked off on a closed connection either. */
  #isHeld(): boolean {
    return (
      this.#isPausedByPool ||
      this.#closedFor !== undefined ||
      this.#conversation.pending >= this.#options.maxPendingSubmits ||
      this.#inbox.isThrottled
    );
  }

  #take({ event, at }: Arrival): void {
    switch (event.kind) {
      case 'message':
        if (this.#conversation.take(event.text, at)) this.#heardAt = this.#parts.clock.now();
        return;
      case 'garbage':
        this.fault(`no message: ${clip(event.sample)}`);
        return;
      case 'too-long':
        this.fault(`a line of more than ${this.#options.maxLineBytes} bytes`);
        this.close('protocol');
        return;
      case 'truncated':
        return;
    }
  }

  /** Nothing more comes, or is wanted: what was asked is still answered. */
  #endFor(reason: CloseReason): void {
    this.#endsFor ??= reason;
    this.#work();
  }

  #endIfAnswered(): void {
    if (this.#conversation.pending > 0 || !this.#inbox.isEmpty) return;
    this.close(this.#endsFor ?? 'client');
  }

  #broken(error: Error): void {
    const { log, warnings } = this.#parts;
    const fields = { peer: this.peer, reason: clip(error.message) };
    // Resets are how many clients leave; a handshake that fails is something to look into.
    if (this.isTls && this.dialect === undefined) warnings.warn('TLS failed', this.address, fields);
    else log.debug('connection broken', fields);
    this.#markClosed('socket-error');
  }

  #markClosed(reason: CloseReason): void {
    if (this.#closedFor !== undefined) return;
    const { clock, log, warnings } = this.#parts;
    this.#closedFor = reason;
    this.#closedAt = clock.now();
    this.#inbox.clear();
    this.#conversation.leave();
    const fields = { peer: this.peer, reason };
    const { session } = this.#conversation;
    const login = session === undefined ? {} : { login: session.login };
    if (NOTABLE.has(reason))
      warnings.warn(`closed: ${reason}`, this.address, { ...fields, ...login });
    else log.debug('connection closed', { ...fields, ...login });
  }
}
