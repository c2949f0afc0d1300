/** The `bytom-pool` program: reads the command line, runs the command, returns the exit code. */
import type { ExitCode } from './exit-codes.ts';
import { poolCommand } from './pool-command.ts';
import { createPoolProgram } from './pool-options.ts';
import { blocksCommand, sharesCommand } from './pool-records-command.ts';
import { runProgram } from './program.ts';

/**
 * Runs the program with the arguments behind its name. Never rejects. A stop answers the shares that
 * are under way, which on a slow device takes its time.
 */
export function runPoolCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'bytom-pool', stopLimitMs: 30_000, readerGone: 'stop' },
    args,
    ({ signal, end }) =>
      createPoolProgram({
        run: async (options, command) => end(await poolCommand(options, command, signal)),
        shares: async (options) => end(await sharesCommand(options)),
        blocks: async (options) => end(await blocksCommand(options)),
      }),
  );
}
