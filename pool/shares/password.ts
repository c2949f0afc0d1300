/**
 * What a miner may say about its difficulty in its password: `d=1024` to start with, `fd=1024` fixed,
 * `md=256` as its minimum, separated by `,` or `;`. Anything else (`x`, `123`) is the habit of other
 * pools and means nothing.
 */

export interface DifficultyWishes {
  readonly start?: bigint;
  readonly fixed?: bigint;
  readonly minimum?: bigint;
}

const OPTION = /^\s*(d|fd|md)\s*=\s*(\d{1,20})\s*$/i;
/** Nobody means more than this; what is behind it is not looked at. */
const MAX_LENGTH = 256;

/** The last of each kind counts. A wish of zero is none. */
export function parsePassword(password: string): DifficultyWishes {
  const wishes: { start?: bigint; fixed?: bigint; minimum?: bigint } = {};
  for (const part of password.slice(0, MAX_LENGTH).split(/[,;]/)) {
    const [, name, digits] = OPTION.exec(part) ?? [];
    if (name === undefined || digits === undefined) continue;
    const value = BigInt(digits);
    if (value === 0n) continue;
    const key = name.toLowerCase();
    if (key === 'd') wishes.start = value;
    else if (key === 'fd') wishes.fixed = value;
    else wishes.minimum = value;
  }
  return wishes;
}
