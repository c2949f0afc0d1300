/** A progress bar on a terminal; silent where the output is no terminal. */

export interface ProgressBar {
  /** `fraction` 0 … 1; `note` stands behind the bar. */
  update(fraction: number, note: string): void;
  /** Removes the bar. */
  clear(): void;
}

const WIDTH = 30;

/** Draws on `stream`, at most ten times a second. */
export function createProgressBar(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>,
  now: () => number,
): ProgressBar {
  if (stream.isTTY !== true) return { update: () => {}, clear: () => {} };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  return {
    update: (fraction, note) => {
      if (now() - drawnAt < 100 && fraction < 1) return;
      drawnAt = now();
      drawn = true;
      const full = Math.round(WIDTH * Math.min(1, Math.max(0, fraction)));
      const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
      stream.write(`\r\u001b[2K${bar} ${Math.floor(100 * fraction)} %  ${note}`);
    },
    clear: () => {
      if (drawn) stream.write('\r\u001b[2K');
      drawn = false;
    },
  };
}
