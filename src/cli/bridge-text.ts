/** Texts of `bytom-bridge`: what comes from a board or a USB descriptor, made fit to print; lines as they flow. */

const MAX_TEXT = 80;

/**
 * The text as a terminal may get it: on one line, without control and format characters, with which a
 * device could move the cursor or turn the direction of writing, and at most `max` characters of it.
 */
export function plainText(text: string, max: number = MAX_TEXT): string {
  const characters = [...text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim()];
  return characters.length <= max ? characters.join('') : `${characters.slice(0, max).join('')}…`;
}

/** The text as one word of a command line, in quotes where a shell would see more than that in it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Of a duration in ms. */
export function secondsText(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Boards are slow: three figures, however small. */
export function rateText(hashesPerSecond: number): string {
  return `${Number(hashesPerSecond.toPrecision(3))} H/s`;
}

export type LineStream = Pick<NodeJS.WritableStream, 'write'> & {
  readonly writableNeedDrain: boolean;
};

/**
 * Writes lines as fast as they are read, and leaves out those that come while nobody reads: a board
 * can say more than a slow terminal takes, and what waits would fill the memory.
 */
export class LineWriter {
  readonly #stream: LineStream;
  readonly #leftOutText: (lines: number) => string;
  #leftOut = 0;

  /** `leftOutText`: the line that stands in their place. */
  constructor(stream: LineStream, leftOutText: (lines: number) => string) {
    this.#stream = stream;
    this.#leftOutText = leftOutText;
  }

  write(line: string): void {
    if (this.#stream.writableNeedDrain) {
      this.#leftOut++;
      return;
    }
    this.end();
    this.#stream.write(`${line}\n`);
  }

  /** Tells what was left out last. */
  end(): void {
    if (this.#leftOut > 0) this.#stream.write(`${this.#leftOutText(this.#leftOut)}\n`);
    this.#leftOut = 0;
  }
}
