/** The `bytom-node` program: reads the command line, runs the command, returns the exit code. */
import type { ExitCode } from './exit-codes.ts';
import { exportCommand } from './export-command.ts';
import { importCommand } from './import-command.ts';
import { keyAddressCommand, newKeyCommand, showKeyCommand } from './keys-command.ts';
import { withKeysParts } from './keys-parts.ts';
import { createNodeProgram } from './node-options.ts';
import { runProgram } from './program.ts';
import { runCommand } from './run-command.ts';
import { statusCommand } from './status-command.ts';
import { verifyChainCommand } from './verify-chain-command.ts';

/**
 * Runs the program with the arguments behind its name. Never rejects. A stop has to write what was
 * checked: on a slow disk that takes its time, and ending it sooner would only lose work.
 */
export function runNodeCli(args: readonly string[]): Promise<ExitCode> {
  return runProgram(
    { name: 'bytom-node', stopLimitMs: 30_000, readerGone: 'stop' },
    args,
    ({ signal, end }) =>
      createNodeProgram({
        run: async (options, command) => end(await runCommand(options, command, signal)),
        importFile: async (options) => end(await importCommand(options, signal)),
        exportFile: async (options) => end(await exportCommand(options, signal)),
        verifyChain: async (options) => end(await verifyChainCommand(options, signal)),
        status: async (options) => end(await statusCommand(options)),
        newKey: (options) => withKeysParts(signal, (parts) => newKeyCommand(options, parts)),
        showKey: (options) => withKeysParts(signal, (parts) => showKeyCommand(options, parts)),
        keyAddress: (options) =>
          withKeysParts(signal, (parts) => keyAddressCommand(options, parts)),
      }),
  );
}
