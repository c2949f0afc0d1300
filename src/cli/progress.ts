/** Telling how far something is: a bar on a terminal, a log line now and then elsewhere. */
import type { LogFields, Logger } from '../util/log.ts';
import { rounded } from './output.ts';

export interface ProgressBar {
  /** `fraction` 0 … 1, or `undefined` if the end is not known; `note` stands behind the bar. */
  update(fraction: number | undefined, note: string): void;
  /** Removes the bar. */
  clear(): void;
}

const WIDTH = 30;

/** Draws on `stream`, at most ten times a second; silent where it is no terminal. */
export function createProgressBar(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>,
  now: () => number,
): ProgressBar {
  if (stream.isTTY !== true) return { update: () => {}, clear: () => {} };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  let full = false;
  return {
    update: (fraction, note) => {
      // The end is drawn, however soon it comes; but once.
      const fills = fraction !== undefined && fraction >= 1 && !full;
      if (now() - drawnAt < 100 && !fills) return;
      full ||= fills;
      drawnAt = now();
      drawn = true;
      stream.write(`\r\u001b[2K${fraction === undefined ? '' : `${barText(fraction)}  `}${note}`);
    },
    clear: () => {
      if (drawn) stream.write('\r\u001b[2K');
      drawn = false;
      drawnAt = Number.NEGATIVE_INFINITY;
    },
  };
}

function barText(fraction: number): string {
  const full = Math.round(WIDTH * Math.min(1, Math.max(0, fraction)));
  return `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${Math.floor(100 * fraction)} %`;
}

/** How far a command is with the blocks of a chain. */
export interface BlockProgress {
  /** Blocks dealt with so far. */
  readonly blocks: number;
  /** Where the chain is. */
  readonly height: number;
  /** 0 … 1; `undefined` if it is not known how much there is. */
  readonly fraction: number | undefined;
}

export interface BlockProgressParts {
  readonly stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const LOG_EVERY_MS = 10_000;
/** What speed and remaining time are told by. */
const WINDOW_MS = 15_000;
const SAMPLE_EVERY_MS = 1000;

interface Sample extends BlockProgress {
  readonly at: number;
}

/** Progress over blocks: height, speed and remaining time, drawn as a bar or logged as `event`. */
export class BlockProgressReport {
  readonly #event: string;
  readonly #parts: BlockProgressParts;
  readonly #bar: ProgressBar;
  readonly #samples: Sample[] = [];
  #loggedAt: number;

  constructor(event: string, parts: BlockProgressParts) {
    this.#event = event;
    this.#parts = parts;
    this.#bar = createProgressBar(parts.stream, parts.now);
    this.#loggedAt = parts.now();
  }

  /** To be called for every block; cheap. */
  update(progress: BlockProgress): void {
    const at = this.#parts.now();
    const last = this.#samples.at(-1);
    if (last === undefined || at - last.at >= SAMPLE_EVERY_MS) {
      this.#samples.push({ ...progress, at });
      while (this.#samples.length > 2 && at - this.#samples[0]!.at > WINDOW_MS) {
        this.#samples.shift();
      }
    }
    if (this.#parts.stream.isTTY === true) {
      this.#bar.update(progress.fraction, noteOf(this.#fields(progress, at)));
    } else if (at - this.#loggedAt >= LOG_EVERY_MS) {
      this.#loggedAt = at;
      this.#parts.log.info(this.#event, this.#fields(progress, at));
    }
  }

  /** Removes the bar: to be called before anything else is written, and at the end. */
  clear(): void {
    this.#bar.clear();
  }

  #fields({ blocks, height, fraction }: BlockProgress, at: number): LogFields {
    const first = this.#samples[0];
    const seconds = first === undefined ? 0 : (at - first.at) / 1000;
    const known = first !== undefined && seconds > 0;
    const gained =
      known && fraction !== undefined && first.fraction !== undefined
        ? fraction - first.fraction
        : 0;
    return {
      height,
      blocks,
      blocksPerSecond: known ? rounded((blocks - first.blocks) / seconds, 1) : undefined,
      percent: fraction === undefined ? undefined : Math.floor(100 * fraction),
      left: gained > 0 ? durationText((seconds * (1 - fraction!)) / gained) : undefined,
    };
  }
}

function noteOf({ height, blocks, blocksPerSecond, left }: LogFields): string {
  const speed = blocksPerSecond === undefined ? '' : `, ${blocksPerSecond} blocks/s`;
  const remaining = left === undefined ? '' : `, ${left} left`;
  return `height ${height}, ${blocks} blocks${speed}${remaining}`;
}

/** `45 s`, `3:07 min`, `2:05:09 h`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)} min`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return `${hours}:${two(minutes % 60)}:${two(whole % 60)} h`;
}
