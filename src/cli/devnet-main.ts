/** The `bytom-devnet` program: reads the command line, runs the network, returns the exit code. */
import { devnetCommand } from './devnet-command.ts';
import { createDevnetProgram } from './devnet-options.ts';
import type { ExitCode } from './exit-codes.ts';
import { runProgram } from './program.ts';

/** Runs the program with the arguments behind its name. Never rejects. */
export function runDevnetCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'bytom-devnet', stopLimitMs: 20_000, readerGone: 'stop' },
    args,
    ({ signal, end }) =>
      createDevnetProgram(async (options) => end(await devnetCommand(options, signal))),
  );
}
