/** One logged-in client, as the shares know it. */
import type { ClientPort, Session } from '../client.ts';
import type { InvalidCounter } from './invalid-counter.ts';
import { type Held, JobTable } from './jobs.ts';
import type { NonceRange } from './nonce-ranges.ts';
import type { Vardiff } from './vardiff.ts';

export interface PoolSessionParts {
  readonly client: ClientPort;
  readonly login: string;
  readonly account: string;
  readonly worker: string;
  /** Where it is (`hostOf`). */
  readonly host: string;
  readonly range: NonceRange;
  /** How many bits of the nonce are this client's. */
  readonly nonceBits: number;
  /** A fixed difficulty, or what finds the right one. */
  readonly difficulty: bigint | Vardiff;
  readonly counter: InvalidCounter;
  /** Nobody can get another banned under his name, and neighbours behind one address are served. */
  readonly banKey: string;
}

export class PoolSession implements Session {
  readonly client: ClientPort;
  readonly login: string;
  readonly account: string;
  readonly worker: string;
  readonly host: string;
  readonly range: NonceRange;
  readonly nonceBits: number;
  readonly difficulty: bigint | Vardiff;
  readonly counter: InvalidCounter;
  readonly banKey: string;
  readonly jobs: JobTable = new JobTable();
  hasLeft = false;
  /** Its next message is its last, whatever its name may do. */
  isShutOut = false;
  /** Shares of its that are being verified or written. */
  pending = 0;
  isPaused = false;
  /** When it was last made to wait: its shares of then are not late. */
  held: Held = { from: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY };
  /** Milliseconds since 1970 of its last accepted share; 0 if there was none. */
  lastShareMs = 0;
  /** `lastShareMs` when its difficulty was remembered last. */
  rememberedMs = 0;
  /** Monotonic ms of its last log line of a refusal, and how many were not told since. */
  refusalToldAt: number = Number.NEGATIVE_INFINITY;
  refusalsUntold = 0;

  constructor(parts: PoolSessionParts) {
    this.client = parts.client;
    this.login = parts.login;
    this.account = parts.account;
    this.worker = parts.worker;
    this.host = parts.host;
    this.range = parts.range;
    this.nonceBits = parts.nonceBits;
    this.difficulty = parts.difficulty;
    this.counter = parts.counter;
    this.banKey = parts.banKey;
  }

  get vardiff(): Vardiff | undefined {
    return typeof this.difficulty === 'bigint' ? undefined : this.difficulty;
  }
}
