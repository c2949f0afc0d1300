/**
 * What a native program needs of the machine's C and C++ libraries, read from the program: the names
 * of the symbol versions it is linked with stand in it as strings between zero bytes.
 */
export interface LibraryNeeds {
  /** Highest `GLIBC_` version, like `2.34`; undefined if there is none. */
  readonly glibc: string | undefined;
  /** Highest `GLIBCXX_` version, like `3.4.30`. */
  readonly libstdcxx: string | undefined;
}

export function libraryNeeds(programs: readonly Buffer[]): LibraryNeeds {
  return {
    glibc: highest(programs, 'GLIBC_'),
    libstdcxx: highest(programs, 'GLIBCXX_'),
  };
}

/** Longest version that is looked for, in bytes. */
const MOST_BYTES = 16;

function highest(programs: readonly Buffer[], prefix: string): string | undefined {
  const marker = `\0${prefix}`;
  let best: string | undefined;
  for (const program of programs) {
    for (let at = program.indexOf(marker); at >= 0; at = program.indexOf(marker, at + 1)) {
      const start = at + marker.length;
      const end = program.indexOf(0, start);
      if (end < 0 || end - start > MOST_BYTES) continue;
      const version = program.toString('latin1', start, end);
      if (!/^\d+(?:\.\d+)+$/.test(version)) continue;
      if (best === undefined || compareVersions(version, best) > 0) best = version;
    }
  }
  return best;
}

/** Negative, 0 or positive as `a` is older than, equal to or newer than `b`. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
