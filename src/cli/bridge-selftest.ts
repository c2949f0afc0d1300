/** `bytom-bridge selftest`: what the board computes, compared with what is right. */
import { randomBytes } from 'node:crypto';
import type { Board } from '../../firmware-bridge/board.ts';
import { checkLine, identityLines, NO_HASHES } from './bridge-attach.ts';
import { withBoard } from './bridge-board.ts';
import { HashComparison, roundedCheck, selfTest } from './bridge-measure.ts';
import type { SelftestOptions } from './bridge-options.ts';
import { createTables } from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printResult, rounded } from './output.ts';
import { createProgressBar, type ProgressBar } from './progress.ts';

/** Rejects `LinkError` `wrong` at the first difference. */
export function selftestCommand(options: SelftestOptions, signal: AbortSignal): Promise<ExitCode> {
  return withBoard(options, signal, async (board, address) => {
    const say = (line: string): void => {
      if (options.json !== true) process.stdout.write(`${line}\n`);
    };
    const tables = createTables();
    const bar = createProgressBar(process.stderr, () => performance.now());
    const { identity } = board;
    for (const line of identityLines(identity, address)) say(line);
    const check = await selfTest(board, tables, bar, signal);
    say(checkLine(check));
    const hashMs = identity.modes.hash
      ? await hashTimes(board, options.hashes, { tables, bar, signal })
      : [];
    const count = hashMs.length;
    if (count > 0) {
      say(`hashes     ${count} whole ${count === 1 ? 'hash is' : 'hashes are'} right`);
    } else if (!identity.modes.hash) {
      say(NO_HASHES);
    }
    const result = { port: address, board: identity, check: roundedCheck(check), hashMs };
    printResult('', result, options.json);
    return EXIT.ok;
  });
}

interface HashParts {
  readonly tables: ReturnType<typeof createTables>;
  readonly bar: ProgressBar;
  readonly signal: AbortSignal;
}

/** Of so many whole hashes, in ms, once each is known to be right. */
async function hashTimes(
  board: Board,
  hashes: number,
  { tables, bar, signal }: HashParts,
): Promise<readonly number[]> {
  const times: number[] = [];
  if (hashes === 0) return times;
  const onProgress = (fraction: number | undefined, note: string): void =>
    bar.update(fraction === undefined ? undefined : (times.length + fraction) / hashes, note);
  const now = (): number => performance.now();
  const comparison = new HashComparison(board, randomBytes(32), {
    tables,
    now,
    onProgress,
    signal,
  });
  try {
    await comparison.begin();
    while (times.length < hashes) times.push(rounded(await comparison.hash(randomBytes(32)), 1));
    return times;
  } finally {
    bar.clear();
    await comparison.close();
  }
}
