/** How many packets of discovery are looked at, answered and sent. */
import { type Endpoint, networkOf } from './endpoint.ts';
import { type Rate, SourceLimits, TokenBucket } from './rate-limit.ts';

const SOURCES = 4096;
/** Packets of one IP. */
const PER_SOURCE: Rate = { burst: 100, perSecond: 20 };
/** Packets of everybody whom we neither know nor have asked: their source may be made up. */
const STRANGERS: Rate = { burst: 200, perSecond: 50 };
const EVERYBODY: Rate = { burst: 1000, perSecond: 500 };
/** Questions answered to one IP, and to all; an answer is up to twelve times as large. */
const QUESTIONS_PER_SOURCE: Rate = { burst: 30, perSecond: 2 };
const QUESTIONS: Rate = { burst: 200, perSecond: 50 };
/** Pings to addresses that others have told us. */
const GREETINGS: Rate = { burst: 64, perSecond: 16 };

/** All limits on packets, whoever sends them. `now` is in milliseconds of one clock. */
export class Limits {
  readonly #sources = new SourceLimits(PER_SOURCE, SOURCES);
  readonly #questionSources = new SourceLimits(QUESTIONS_PER_SOURCE, SOURCES);
  readonly #strangers: TokenBucket;
  readonly #everybody: TokenBucket;
  readonly #questions: TokenBucket;
  readonly #greetings: TokenBucket;

  constructor(now: number) {
    this.#strangers = new TokenBucket(STRANGERS, now);
    this.#everybody = new TokenBucket(EVERYBODY, now);
    this.#questions = new TokenBucket(QUESTIONS, now);
    this.#greetings = new TokenBucket(GREETINGS, now);
  }

  /** Whether a packet is looked at; a stranger is who we neither know nor have asked. */
  takePacket({ host }: Endpoint, isStranger: boolean, now: number): boolean {
    if (!this.#sources.take(sourceOf(host), now)) return false;
    if (isStranger && !this.#strangers.take(now)) return false;
    return this.#everybody.take(now);
  }

  /** Whether a question of a known node is answered. */
  takeQuestion({ host }: Endpoint, now: number): boolean {
    return this.#questionSources.take(sourceOf(host), now) && this.#questions.take(now);
  }

  /** Whether an address that others have told us is pinged. */
  takeGreeting(now: number): boolean {
    return this.#greetings.take(now);
  }
}

/** One host may have a whole IPv6 network to send from. */
function sourceOf(host: string): string {
  return host.includes(':') ? networkOf(host, 24) : host;
}
