/** Numbers as people read them in log lines: three significant digits and a unit prefix. */

const PREFIXES = ['', 'K', 'M', 'G', 'T', 'P', 'E', 'Z'];

/** A difficulty: `4`, `500K`, `1.05M`, `12.3T`. */
export function formatDifficulty(difficulty: number | bigint): string {
  const value = Number(difficulty);
  if (value === Number.POSITIVE_INFINITY) return '∞';
  if (!(value >= 0)) return '?';
  let step = 0;
  let scaled = value;
  // 999.5 and not 1000: what rounds up to 1000 belongs to the next prefix.
  while (scaled >= 999.5 && step < PREFIXES.length - 1) {
    scaled /= 1000;
    step++;
  }
  // Below 1000 `toPrecision` writes no exponent; `Number` drops trailing zeros.
  return `${Number(scaled.toPrecision(3))}${PREFIXES[step]}`;
}

/** A hash rate with its unit: `0.87 H/s`, `1847.2 H/s`, `18.47 kH/s`, `1.85 MH/s`. */
export function formatHashrate(hashesPerSecond: number): string {
  const rate = Number.isFinite(hashesPerSecond) ? Math.max(0, hashesPerSecond) : 0;
  if (rate < 10) return `${rate.toFixed(2)} H/s`;
  if (rate < 9_999.95) return `${rate.toFixed(1)} H/s`;
  if (rate < 999_995) return `${(rate / 1e3).toFixed(2)} kH/s`;
  if (rate < 999_995_000) return `${(rate / 1e6).toFixed(2)} MH/s`;
  return `${(rate / 1e9).toFixed(2)} GH/s`;
}
