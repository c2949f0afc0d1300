/** The `bytom-bridge` program: reads the command line, runs the command, returns the exit code. */
import { attachCommand } from './bridge-attach.ts';
import { listCommand } from './bridge-list.ts';
import { monitorCommand } from './bridge-monitor.ts';
import { createBridgeProgram } from './bridge-options.ts';
import { resetCommand } from './bridge-reset.ts';
import { selftestCommand } from './bridge-selftest.ts';
import { simulateCommand } from './bridge-simulate.ts';
import type { ExitCode } from './exit-codes.ts';
import { runProgram } from './program.ts';

/** Runs the program with the arguments behind its name. Never rejects. */
export function runBridgeCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'bytom-bridge', stopLimitMs: 3000, readerGone: 'exit', hangupStops: true },
    args,
    ({ signal, end }) =>
      createBridgeProgram({
        list: async (options) => end(await listCommand(options)),
        attach: async (options) => end(await attachCommand(options, signal)),
        monitor: async (options) => end(await monitorCommand(options, signal)),
        selftest: async (options) => end(await selftestCommand(options, signal)),
        reset: async (options) => end(await resetCommand(options, signal)),
        simulate: async (options) => end(await simulateCommand(options, signal)),
      }),
  );
}
