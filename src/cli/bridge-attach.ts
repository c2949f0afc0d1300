/** `bytom-bridge attach`: who the board is, whether it is right, and how fast. */
import { randomBytes } from 'node:crypto';
import type { Board, BoardIdentity } from '../../firmware-bridge/board.ts';
import type { BoardCheck } from '../../firmware-bridge/self-check.ts';
import { withBoard } from './bridge-board.ts';
import { HashComparison, measureLine, roundedCheck, selfTest } from './bridge-measure.ts';
import type { PortOptions } from './bridge-options.ts';
import { plainText, rateText, secondsText, shellWord } from './bridge-text.ts';
import { createTables } from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printResult, rounded } from './output.ts';
import { createProgressBar } from './progress.ts';

export interface AttachResult {
  readonly port: string;
  readonly device: string;
  readonly board: BoardIdentity;
  readonly check: BoardCheck;
  readonly roundTripMs: number;
  readonly seedMs: number;
  /** Null of a board that does no whole hashes. */
  readonly hashMs: number | null;
  readonly hashesPerSecond: number | null;
  readonly temperatureC: number | null;
}

export function attachCommand(options: PortOptions, signal: AbortSignal): Promise<ExitCode> {
  return withBoard(options, signal, async (board, address) => {
    const say = (line: string): void => {
      if (options.json !== true) process.stdout.write(`${line}\n`);
    };
    const result = await attach(board, address, say, signal);
    say(useLine(result));
    printResult('', result, options.json);
    return EXIT.ok;
  });
}

async function attach(
  board: Board,
  address: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<AttachResult> {
  const now = (): number => performance.now();
  const tables = createTables();
  const bar = createProgressBar(process.stderr, now);
  const { identity } = board;
  for (const line of identityLines(identity, address)) say(line);

  const check = await selfTest(board, tables, bar, signal);
  say(checkLine(check));

  const roundTripMs = await measureLine(board, now, signal);
  const { crcErrors, otherErrors, repeats } = board.link.stats;
  say(
    `line       round trip ${roundTripMs.toFixed(1)} ms, ` +
      `${crcErrors + otherErrors} wrong frames, ${repeats} repeated`,
  );

  const onProgress = (fraction: number | undefined, note: string): void =>
    bar.update(fraction, note);
  const seed = randomBytes(32);
  const comparison = new HashComparison(board, seed, { tables, now, onProgress, signal });
  try {
    const seedMs = await comparison.begin().finally(() => bar.clear());
    say(`seed       ${secondsText(seedMs)}, once in 256 blocks`);
    const hashMs = identity.modes.hash
      ? await comparison.hash(randomBytes(32)).finally(() => bar.clear())
      : undefined;
    const perSecond = hashMs === undefined ? undefined : 1000 / hashMs;
    say(
      hashMs === undefined || perSecond === undefined
        ? NO_HASHES
        : `hash       ${secondsText(hashMs)}, right: ${rateText(perSecond)}`,
    );
    const { temperatureC } = await board.status(signal);
    return {
      port: address,
      device: `serial:${address}`,
      board: identity,
      check: roundedCheck(check),
      roundTripMs: rounded(roundTripMs, 2),
      seedMs: rounded(seedMs, 1),
      hashMs: hashMs === undefined ? null : rounded(hashMs, 1),
      hashesPerSecond: perSecond === undefined ? null : rounded(perSecond, 4),
      temperatureC: temperatureC ?? null,
    };
  } finally {
    await comparison.close();
  }
}

/** What to do with it now. */
export function useLine({ device, board }: Pick<AttachResult, 'device' | 'board'>): string {
  const { hash, rows } = board.modes;
  if (hash && rows) return `use it     bytom-miner --device ${shellWord(device)}`;
  return 'use it     not for mining: bytom-miner needs whole hashes, and rows to audit them';
}

/** Of a board with the mode ROWS alone. */
export const NO_HASHES = 'hash       no whole hashes: it does rows only';

/** Who the board says that it is. */
export function identityLines(board: BoardIdentity, address: string): readonly string[] {
  const { modes } = board;
  const names = Object.entries(modes).flatMap(([name, has]) => (has ? [name.toUpperCase()] : []));
  const ram =
    board.ramBytes === undefined ? '' : `, ${Math.round(board.ramBytes / 1024)} KiB of RAM`;
  return [
    `port       ${address}`,
    `board      ${plainText(board.name)}, firmware ${board.firmware} (build ${board.buildId}), UID ${board.uid}`,
    `can do     ${names.join(' ')}${ram}`,
  ];
}

/** What was checked, and only that: a board need not have every kind of self-test. */
export function checkLine(check: BoardCheck): string {
  const { golden, dotProducts, rowMs, dotMs, finishMs, headerMs } = check;
  const kinds = [
    { name: `${dotProducts} dot products`, ms: dotMs, lacking: 'dot products' },
    { name: 'finish', ms: finishMs, lacking: 'finish' },
    { name: 'header hash', ms: headerMs, lacking: 'header hash' },
  ];
  const done = kinds.filter(({ ms }) => ms !== undefined);
  const lacking = kinds.filter(({ ms }) => ms === undefined).map((kind) => kind.lacking);
  const names = [`golden ${golden}`, ...done.map(({ name }) => name)];
  const total = done.reduce((sum, { ms = 0 }) => sum + ms, rowMs);
  const isOne = names.length === 1;
  const not = lacking.length === 0 ? '' : `; it does not offer ${listText(lacking)}`;
  return `self-test  ${listText(names)} ${isOne ? 'is' : 'are'} right (${secondsText(total)})${not}`;
}

function listText(names: readonly string[]): string {
  const [last = '', ...before] = names.toReversed();
  return before.length === 0 ? last : `${before.toReversed().join(', ')} and ${last}`;
}
