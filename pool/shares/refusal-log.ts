/**
 * What the log says of refused shares: of each client one line in ten seconds, and of all together a few
 * a second, or a thousand miners of a wrong setting would fill the disk. What is beyond that is there for
 * who asks for debug lines, and counted in the next line.
 */
import type { RejectReason } from '../../src/stratum/reject.ts';
import type { Clock } from '../../src/util/clock.ts';
import { clip } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { TokenBucket } from '../../src/util/token-bucket.ts';
import type { PoolSession } from './session.ts';

interface ToldRefusal {
  readonly reason: RejectReason;
  readonly text?: string;
  readonly jobId: string | undefined;
  /** The connection ends with it. */
  readonly isEnd: boolean;
}

const EVERY_MS = 10_000;
/** Lines of all clients together. */
const OF_ALL = { perSecond: 5, burst: 100 };

export class RefusalLog {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #lines: TokenBucket;
  #suppressed = 0;

  constructor(parts: { readonly log: Logger; readonly clock: Pick<Clock, 'now'> }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#lines = new TokenBucket(OF_ALL, parts.clock);
  }

  tell(session: PoolSession, { reason, text, jobId, isEnd }: ToldRefusal): void {
    const now = this.#clock.now();
    if (!isEnd && now - session.refusalToldAt < EVERY_MS) {
      session.refusalsUntold++;
      return;
    }
    const others = session.refusalsUntold === 0 ? undefined : session.refusalsUntold;
    session.refusalToldAt = now;
    session.refusalsUntold = 0;
    const { peer } = session.client;
    const fields = { peer, login: clip(session.login), reason: text ?? reason, jobId, others };
    // Staleness is a normal outcome; the rest is somebody's fault.
    if (reason === 'stale') this.#log.debug('share refused', fields);
    else if (this.#lines.tryTake()) {
      const suppressed = this.#suppressed === 0 ? undefined : this.#suppressed;
      this.#suppressed = 0;
      this.#log.info('share refused', { ...fields, suppressed });
    } else {
      this.#suppressed++;
      this.#log.debug('share refused', fields);
    }
  }
}
