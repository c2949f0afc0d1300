/** How many packets of discovery are looked at, answered and sent. */
import type { Clock } from '../../util/clock.ts';
import { type Rate, SourceLimits, TokenBucket } from '../../util/token-bucket.ts';
import { type Endpoint, networkOf } from './endpoint.ts';

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

/** All limits on packets, whoever sends them. */
export class Limits {
  readonly #sources: SourceLimits;
  readonly #questionSources: SourceLimits;
  readonly #strangers: TokenBucket;
  readonly #everybody: TokenBucket;
  readonly #questions: TokenBucket;
  readonly #greetings: TokenBucket;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#sources = new SourceLimits(PER_SOURCE, SOURCES, clock);
    this.#questionSources = new SourceLimits(QUESTIONS_PER_SOURCE, SOURCES, clock);
    this.#strangers = new TokenBucket(STRANGERS, clock);
    this.#everybody = new TokenBucket(EVERYBODY, clock);
    this.#questions = new TokenBucket(QUESTIONS, clock);
    this.#greetings = new TokenBucket(GREETINGS, clock);
  }

  /** Whether a packet is looked at; a stranger is who we neither know nor have asked. */
  takePacket({ host }: Endpoint, isStranger: boolean): boolean {
    if (!this.#sources.tryTake(sourceOf(host))) return false;
    if (isStranger && !this.#strangers.tryTake()) return false;
    return this.#everybody.tryTake();
  }

  /** Whether a question of a known node is answered. */
  takeQuestion({ host }: Endpoint): boolean {
    return this.#questionSources.tryTake(sourceOf(host)) && this.#questions.tryTake();
  }

  /** Whether an address that others have told us is pinged. */
  takeGreeting(): boolean {
    return this.#greetings.tryTake();
  }
}

/** One host may have a whole IPv6 network to send from. */
function sourceOf(host: string): string {
  return host.includes(':') ? networkOf(host, 24) : host;
}
