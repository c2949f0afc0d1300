/**
 * Jobs: what of a template one client has. A client's last ones are remembered, so that what it finds for
 * any that it may still work on counts. Whether one does is a question of the parent that it continues.
 */
import type { Target } from '../../src/tensority/target.ts';
import { targetToWork } from '../../src/tensority/target.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import type { ClientPort, Job } from '../client.ts';
import type { PoolTemplate } from '../template.ts';

/** As many as the recorded pool remembers … */
const REMEMBERED = 8;
/** … and all that were the newest within so long: difficulties and templates may change in a row … */
const REMEMBERED_MS = 60_000;
/** … but no more than so many: there may be 15,000 clients. */
const MAX_REMEMBERED = 32;
const MAX_DIGITS = 20;
const U64 = 1n << 64n;

/** All templates that continue one block. */
export interface WorkEpoch {
  /** When the last client was told of the next one (monotonic ms); `undefined` while it is current. */
  endedAt: number | undefined;
}

/** Seconds that a header may be made later than the node said; templates of one parent are further apart. */
const MAX_LATER = 15;

/** A template and what all jobs for it have in common. */
export class Work {
  readonly template: PoolTemplate;
  readonly epoch: WorkEpoch;
  /** Expected hashes behind a block. */
  readonly networkDifficulty: bigint;
  /** What it was made of by `later`, all the way back: itself, as the node gave it. */
  readonly origin: Work;
  readonly #seconds: number;
  readonly #caps: Map<number, bigint>;
  #later: Work | undefined;

  constructor(template: PoolTemplate, epoch: WorkEpoch, before?: Work) {
    const work = targetToWork(template.target);
    this.template = template;
    this.epoch = epoch;
    this.networkDifficulty = work < 1n ? 1n : work;
    this.origin = before?.origin ?? this;
    this.#seconds = before === undefined ? 0 : before.#seconds + 1;
    this.#caps = before === undefined ? new Map() : before.#caps;
  }

  /**
   * The same with its header a second later, for a client whose difficulty changes. Were there two
   * difficulties for one header, every hash could be handed in for the hardest that it meets: a client
   * would be credited more than it works. `undefined` where the time would move too far.
   */
  later(): Work | undefined {
    if (this.#seconds >= MAX_LATER) return undefined;
    this.#later ??= new Work(secondLater(this.template), this.epoch, this);
    return this.#later;
  }

  /**
   * The hardest that a job may be for every block to be a share of it as well. The target that a client
   * can be told is cut off: at the difficulty of the block it could be below the block's.
   */
  capFor(client: Pick<ClientPort, 'nonceBits' | 'targetFor'>): bigint {
    // Of one dialect all clients have the same targets, and the same bits.
    let cap = this.#caps.get(client.nonceBits);
    if (cap === undefined) {
      cap = this.networkDifficulty;
      while (cap > 1n && client.targetFor(cap) < this.template.target) cap -= cap / 1024n + 1n;
      if (cap < 1n) cap = 1n;
      this.#caps.set(client.nonceBits, cap);
    }
    return cap;
  }
}

/** All of it but the header stays where it is: some templates are encoded only when they are asked. */
function secondLater(template: PoolTemplate): PoolTemplate {
  const { header } = template;
  const later = { ...header, timestamp: header.timestamp + 1 };
  return Object.create(template, { header: { value: later, enumerable: true } }) as PoolTemplate;
}

/** One object for each client and template, and nothing more: there may be 15,000 at once. */
export class PoolJob implements Job {
  readonly id: string;
  readonly template: PoolTemplate;
  readonly difficulty: bigint;
  readonly target: Target;
  readonly startNonce: bigint;
  readonly isClean: boolean;
  readonly work: Work;
  /** When it was given out (monotonic ms). */
  readonly givenAt: number;

  constructor(
    id: string,
    work: Work,
    difficulty: bigint,
    target: Target,
    startNonce: bigint,
    isClean: boolean,
    givenAt: number,
  ) {
    this.id = id;
    this.template = work.template;
    this.difficulty = difficulty;
    this.target = target;
    this.startNonce = startNonce;
    this.isClean = isClean;
    this.work = work;
    this.givenAt = givenAt;
  }
}

/** Numbers that go on from the wall clock, so that those of before a restart are unknown after it. */
export class JobIds {
  /** The one before the first. */
  readonly #base: number;
  #last: number;

  /** `nowMs` since 1970. A thousand ids a millisecond are left for it to catch up. */
  constructor(nowMs: number) {
    this.#base = Math.floor(nowMs) * 1000;
    this.#last = this.#base;
  }

  /** True for an id (`plainJobId`) that was given out, to whomever: it was no invention. */
  has(id: string): boolean {
    const value = Number(id);
    return value > this.#base && value <= this.#last;
  }

  next(): string {
    this.#last++;
    return String(this.#last);
  }
}

/** The jobs of one client. */
export class JobTable {
  readonly #jobs: PoolJob[] = [];

  get newest(): PoolJob | undefined {
    return this.#jobs.at(-1);
  }

  add(job: PoolJob): void {
    const jobs = this.#jobs;
    jobs.push(job);
    const isOld = (): boolean => {
      const next = jobs[1];
      if (next === undefined || jobs.length <= REMEMBERED) return false;
      // The client had no newer one until the next was given out.
      return jobs.length > MAX_REMEMBERED || job.givenAt - next.givenAt > REMEMBERED_MS;
    };
    while (isOld()) jobs.shift();
  }

  find(id: string): PoolJob | undefined {
    // The newest first: nearly all shares are for it.
    for (let i = this.#jobs.length - 1; i >= 0; i--) {
      const job = this.#jobs[i];
      if (job?.id === id) return job;
    }
    return undefined;
  }
}

/** A job id as we write it; leading zeros do not matter. `undefined` if it is no decimal u64. */
export function plainJobId(text: string): string | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const plain = text.replace(/^0+(?=.)/, '');
  if (plain.length > MAX_DIGITS || BigInt(plain) >= U64) return undefined;
  return plain;
}

/** `current`: it continues the tip. `late`: no more, but in the grace. `stale`: it does not count. */
export type Freshness = 'current' | 'late' | 'stale';

/** However long a client was made to wait: what is older than this helps nobody any more. */
const MAX_LATE_MS = 60_000;

/** When a client was not read (monotonic ms); `from` is +∞ if it always was. */
export interface Held {
  readonly from: number;
  readonly until: number;
}

/**
 * The grace begins when all were told of the next parent. A client that was made to wait before the
 * grace was over could not send what it had: its grace begins when it may speak again, and ends a
 * minute after the parent in any case.
 */
export function freshnessOf(
  work: Work,
  current: Work,
  nowMs: number,
  graceMs: number,
  held: Held,
): Freshness {
  if (work.epoch === current.epoch) return 'current';
  // A reorganisation may come back to a parent that was left: its jobs are good again.
  const parent = work.template.header.previousBlockHash;
  if (bytesEqual(parent, current.template.header.previousBlockHash)) return 'current';
  const ended = work.epoch.endedAt;
  if (ended === undefined || nowMs - ended <= graceMs) return 'late';
  if (nowMs - ended > MAX_LATE_MS) return 'stale';
  const wasHeld = held.from - ended <= graceMs;
  return wasHeld && nowMs - held.until <= graceMs ? 'late' : 'stale';
}
