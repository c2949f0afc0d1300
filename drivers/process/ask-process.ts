/**
 * Asks what devices there are, in a process that ends afterwards: native code that crashes or hangs when
 * it is asked costs nobody but itself.
 */
import { endsWithin, systemClock } from '../../src/util/clock.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { exitText, ForkedChild } from './forked-child.ts';

export interface AskOptions<Question> {
  /** A program that calls `runChild`. */
  readonly script: URL;
  /** What its `list` gets; can be structurally cloned. */
  readonly question: Question;
  /** How long the answer may take. */
  readonly limitMs: number;
  /** Added to the environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Lines that the program prints in any case, and that say nothing. */
  readonly chatter?: RegExp;
}

export interface Asked<News> {
  /** In the order in which it was told; not all there is if `crash` or `isLate`. */
  readonly news: readonly News[];
  /** How the process ended, if it did before it was done: 'SIGSEGV: what it said last'. */
  readonly crash: string | undefined;
  /** It was killed after `limitMs`. */
  readonly isLate: boolean;
  /** What it printed last. */
  readonly lines: readonly string[];
}

/** How long a process that was killed may take to be gone. */
const KILL_MS = 1000;

/** Runs `list` of the program in a process of its own. Never rejects. */
export async function askProcess<Question, News>(
  options: AskOptions<Question>,
): Promise<Asked<News>> {
  const { script, question, limitMs, env, chatter } = options;
  const news: News[] = [];
  const done = createDeferred<string | undefined>();
  const child = new ForkedChild<Question, News>(script, {
    env,
    chatter,
    onMessage: (message) => {
      switch (message.kind) {
        case 'news':
          news.push(message.news);
          break;
        case 'listed':
          done.resolve(undefined);
          break;
        case 'lost':
          done.resolve(message.reason);
          break;
        default:
          break;
      }
    },
  });
  void child.exited.then((exit) => done.resolve(exitText(exit, child.lines)));
  child.ref();
  child.send({ kind: 'list', question });
  const isLate = !(await endsWithin(done.promise, limitMs, systemClock));
  child.kill();
  // What it printed is read to the end; a process that cannot even be killed is not waited for.
  await endsWithin(child.exited, KILL_MS, systemClock);
  child.unref();
  const crash = isLate ? undefined : await done.promise;
  return { news, crash, isLate, lines: child.lines };
}
