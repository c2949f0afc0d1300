/** `bytom-bridge simulate`: a board on a unix socket, for whoever has none. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EmulatorError,
  type MachineChoice,
  machines,
  startMachine,
} from '../../firmware-bridge/sim/emulator.ts';
import { bytesToHex } from '../util/bytes.ts';
import { oneLine } from '../util/errors.ts';
import type { BoardName, SimulateOptions } from './bridge-options.ts';
import { type RunningBoard, serveSimulatedBoard } from './bridge-simulated.ts';
import { takeSocketPlace } from './bridge-socket.ts';
import { shellWord } from './bridge-text.ts';
import { defaultCacheDirectory } from './data-directory.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { optionError } from './option-values.ts';
import { printError, printResult } from './output.ts';

/** What is tried where nobody chose: the nearest to a real board first. */
const PREFERENCE: readonly BoardName[] = ['virt', 'native', 'simulated'];
const WHAT: Readonly<Record<BoardName, string>> = {
  virt: 'QEMU virt, 64-bit RISC-V: the firmware on an emulated processor',
  'mps2-an385': 'QEMU mps2-an385, Cortex-M3: the firmware on an emulated processor',
  'mps2-an505': 'QEMU mps2-an505, Cortex-M33: the firmware on an emulated processor',
  native: 'the firmware as a program of this machine',
  simulated: 'simulated in this process: the protocol is real, the firmware is not there',
};

export async function simulateCommand(
  options: SimulateOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  if (process.platform === 'win32') throw optionError('simulate needs unix sockets');
  const folder =
    options.socket === undefined ? mkdtempSync(join(tmpdir(), 'bytom-board-')) : undefined;
  let release = (): void => {};
  try {
    const place = await takeSocketPlace(options.socket ?? join(folder ?? '', 'board.sock'));
    ({ release } = place);
    const uid = options.uid ?? bytesToHex(randomBytes(12));
    const start = (board: BoardName): Promise<RunningBoard> =>
      startBoard(board, place.path, uid, signal);
    const { board, missing, running } = await startFirst(options.board, start, machines);
    const port = `unix:${place.path}`;
    const device = `serial:${port}`;
    const text = [
      `board    ${WHAT[board]}`,
      ...missing.map((line) => `         not ${line}`),
      `UID      ${uid}`,
      `socket   ${place.path}`,
      `test it  bytom-bridge attach --port ${shellWord(port)}`,
      `mine     bytom-miner --device ${shellWord(device)}`,
    ].join('\n');
    const json = options.json === true;
    printResult(json ? '' : text, { board, missing, uid, socket: place.path, device }, json);
    return await untilEnd(running, options.timeLimit, signal);
  } finally {
    release();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

export interface StartedBoard {
  readonly board: BoardName;
  /** The better ones, and why it is none of them. */
  readonly missing: readonly string[];
  readonly running: RunningBoard;
}

/** Starts the board that was asked for, or the best that can be had here. */
export async function startFirst(
  wanted: BoardName | undefined,
  start: (board: BoardName) => Promise<RunningBoard>,
  list: () => Promise<readonly MachineChoice[]>,
): Promise<StartedBoard> {
  if (wanted !== undefined) return { board: wanted, missing: [], running: await start(wanted) };
  const known = new Map((await list()).map((each) => [each.machine as BoardName, each.missing]));
  const missing: string[] = [];
  for (const board of PREFERENCE) {
    const lacking = known.get(board);
    if (lacking !== undefined) {
      missing.push(`${board}, which needs ${lacking}`);
      continue;
    }
    try {
      return { board, missing, running: await start(board) };
    } catch (error) {
      // A compiler or an emulator that is there may still be of no use.
      if (!(error instanceof EmulatorError)) throw error;
      missing.push(`${board}: ${oneLine(error.message)}`);
    }
  }
  throw optionError(`no board can be had here: not ${missing.join('; not ')}`);
}

async function startBoard(
  board: BoardName,
  socket: string,
  uid: string,
  signal: AbortSignal,
): Promise<RunningBoard> {
  if (board === 'simulated') return serveSimulatedBoard(socket, uid);
  const directory = join(defaultCacheDirectory(), 'firmware');
  return startMachine(board, { directory, socket, uid, signal });
}

/** Waits for the board's end, an interrupt, or the time limit. */
async function untilEnd(
  running: RunningBoard,
  timeLimitMs: number | undefined,
  signal: AbortSignal,
): Promise<ExitCode> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => {};
  const reasons = [
    running.ended.then((how) => ({ code: EXIT.fatal, how })),
    new Promise<{ readonly code: ExitCode }>((end) => {
      onAbort = () => end({ code: EXIT.interrupted });
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      if (timeLimitMs !== undefined) timer = setTimeout(() => end({ code: EXIT.ok }), timeLimitMs);
    }),
  ];
  try {
    const end = await Promise.race(reasons);
    if ('how' in end && !signal.aborted) {
      printError('bytom-bridge', `the board has ended: ${end.how}`);
      return end.code;
    }
    return signal.aborted ? EXIT.interrupted : end.code;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    await running.stop();
  }
}
