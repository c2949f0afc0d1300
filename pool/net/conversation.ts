/**
 * What a client and the pool say to each other: requests in, answers and jobs out, in the dialect of the
 * first request. Bytes, rates and the end of the connection are its line's business.
 */
import { type ClientRequest, decodeRequest, type RequestId } from '../../src/stratum/messages.ts';
import type { Target } from '../../src/tensority/target.ts';
import { errorText, InputError } from '../../src/util/errors.ts';
import { parseMessage } from '../../src/util/json-fields.ts';
import type { Logger } from '../../src/util/log.ts';
import type {
  ClientPort,
  CloseReason,
  Job,
  LoginRequest,
  PoolService,
  Session,
  SubmitOutcome,
  SubmitRequest,
} from '../client.ts';
import { BtmDialect } from './btm-dialect.ts';
import type { ClientMessage, Dialect, DialectName } from './dialect.ts';
import { V1Dialect } from './v1-dialect.ts';
import type { PeerWarnings } from './warnings.ts';

/** The connection under a conversation. */
export interface Line extends ClientPort {
  /** Nothing more is read or written. */
  readonly isClosed: boolean;
  write(text: string): void;
  /** The client has done what it may not; the line may be closed after it. */
  fault(what: string): void;
  /** There is one submit less without an answer. */
  answered(): void;
}

export interface ConversationParts {
  readonly pool: PoolService;
  readonly log: Logger;
  readonly warnings: PeerWarnings;
  /** Whether one more may log in from there now. */
  readonly mayLogIn: (address: string) => boolean;
}

/**
 * What will be better in a moment is not answered: to many miners a refused login is a wrong login, and
 * they give up; a connection that ends they try again. The recorded pool does so too.
 */
const PASSING: ReadonlySet<CloseReason> = new Set(['no-work', 'limit']);

export class Conversation {
  readonly #line: Line;
  readonly #parts: ConversationParts;
  #dialect: Dialect = new BtmDialect();
  /** The first request has come: the dialect is known. */
  #isDecided = false;
  #session: Session | undefined;
  #reserved: bigint | undefined;
  /** Asked for before the login. */
  #suggested: number | undefined;
  #pending = 0;

  constructor(line: Line, parts: ConversationParts) {
    this.#line = line;
    this.#parts = parts;
  }

  /** `undefined` before the first request. */
  get dialect(): DialectName | undefined {
    return this.#isDecided ? this.#dialect.name : undefined;
  }

  /** `undefined` before the login. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Submits without an answer. */
  get pending(): number {
    return this.#pending;
  }

  get nonceBits(): number {
    return this.#dialect.nonceBits;
  }

  targetFor(difficulty: bigint): Target {
    return this.#dialect.targetFor(difficulty);
  }

  /** Each is one write. */
  linesOf(job: Job): readonly string[] {
    return this.#dialect.job(job);
  }

  /** Whether the text of a message, which came `at` (ms), is a request; if not, that is a fault. */
  take(text: string, at: number): boolean {
    let request: ClientRequest;
    try {
      request = decodeRequest(parseMessage(text));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#line.fault(error.message);
      return false;
    }
    this.#takeRequest(request, at);
    return true;
  }

  /** The client is gone: gives back what the pool holds for it. Idempotent. */
  leave(): void {
    const { pool } = this.#parts;
    if (this.#session !== undefined) pool.leave(this.#session);
    else pool.release(this.#line);
  }

  #takeRequest(request: ClientRequest, at: number): void {
    if (!this.#isDecided) {
      this.#isDecided = true;
      if (request.method.startsWith('mining.')) this.#dialect = new V1Dialect();
    }
    const message = this.#dialect.decode(request);
    switch (message.kind) {
      case 'login':
        this.#logIn(message.id, message.request);
        return;
      case 'subscribe':
        this.#subscribe(message.id);
        return;
      case 'submit':
        this.#submit(message.id, { ...message.request, arrivedAt: at });
        return;
      case 'suggest-difficulty':
        this.#line.write(this.#dialect.accepted(message.id));
        this.#suggested = message.difficulty;
        this.#suggest();
        return;
      case 'answered':
        this.#line.write(message.reply);
        return;
      case 'refused':
        this.#takeRefused(message);
        return;
    }
  }

  #takeRefused(message: ClientMessage & { readonly kind: 'refused' }): void {
    const { id, reason, what, fault, isFatal } = message;
    if (fault === 'submit' && this.#session !== undefined) {
      const { close, ...counted } = this.#parts.pool.badSubmit(this.#session, what);
      if (close !== undefined) {
        this.#refuse(id, counted.reason, counted.text);
        this.#line.close(close);
        return;
      }
    }
    this.#refuse(id, reason);
    // A submit before the login is out of order, whatever is in it.
    if (fault === 'protocol' || (fault === 'submit' && this.#session === undefined)) {
      this.#line.fault(what);
    } else if (fault === 'none') {
      this.#parts.warnings.warn('request refused', this.#line.address, {
        peer: this.#line.peer,
        what,
      });
    }
    if (isFatal) this.#line.close('protocol');
  }

  #logIn(id: RequestId, request: LoginRequest): void {
    const { pool, mayLogIn } = this.#parts;
    if (this.#session !== undefined) {
      this.#logInAgain(id, request);
      return;
    }
    if (!mayLogIn(this.#line.address)) {
      this.#line.close('limit');
      return;
    }
    const outcome = pool.login(this.#line, request);
    if (!outcome.ok) {
      if (!PASSING.has(outcome.close)) this.#refuse(id, outcome.reason, outcome.text);
      this.#line.close(outcome.close);
      return;
    }
    const { session, job } = outcome;
    this.#session = session;
    // Whoever closed it meanwhile had no session to leave.
    if (this.#line.isClosed) {
      pool.leave(session);
      return;
    }
    for (const line of this.#dialect.loggedIn(id, session.login, job)) this.#line.write(line);
    this.#suggest();
  }

  /** Proxies of the generic envelope name themselves again, which changes nothing. */
  #logInAgain(id: RequestId, request: LoginRequest): void {
    const isGeneric = this.#dialect.name === 'v1';
    if (isGeneric && request.login === this.#session?.login) {
      this.#line.write(this.#dialect.accepted(id));
      return;
    }
    this.#refuse(id, 'second-login');
    this.#line.fault('a second login');
    if (!isGeneric) this.#line.close('protocol');
  }

  #subscribe(id: RequestId): void {
    this.#reserved ??= this.#parts.pool.reserveNonces(this.#line);
    if (this.#reserved === undefined) {
      this.#line.close('limit');
      return;
    }
    for (const line of this.#dialect.subscribed(id, this.#reserved)) this.#line.write(line);
  }

  #suggest(): void {
    if (this.#session === undefined || this.#suggested === undefined) return;
    const difficulty = this.#suggested;
    this.#suggested = undefined;
    this.#parts.pool.suggestDifficulty(this.#session, difficulty);
  }

  #submit(id: RequestId, request: SubmitRequest): void {
    const { pool, log } = this.#parts;
    if (this.#session === undefined) {
      this.#refuse(id, 'unauthorized');
      this.#line.fault('a submit before the login');
      this.#line.close('unauthorized');
      return;
    }
    this.#pending++;
    pool.submit(this.#session, request).then(
      (outcome) => this.#answer(id, outcome),
      (error: unknown) => {
        // Not supposed to happen; one share is less than all connections.
        log.error('submit failed', { peer: this.#line.peer, reason: errorText(error) });
        this.#answer(id, { accepted: false, reason: 'unavailable' });
      },
    );
  }

  #answer(id: RequestId, outcome: SubmitOutcome): void {
    this.#pending--;
    if (outcome.accepted) {
      this.#line.write(this.#dialect.accepted(id));
    } else {
      this.#refuse(id, outcome.reason, outcome.text);
      if (outcome.close !== undefined) this.#line.close(outcome.close);
    }
    this.#line.answered();
  }

  #refuse(
    id: RequestId,
    ...why: [reason: Parameters<Dialect['rejected']>[1], text?: string]
  ): void {
    this.#line.write(this.#dialect.rejected(id, ...why));
  }
}
