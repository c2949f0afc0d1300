/** Command lines of the running node, read as the program reads them. */
import type { Command } from 'commander';
import { createNodeProgram } from '../../src/cli/node-options.ts';
import type { RunOptions } from '../../src/cli/run-options.ts';

/** The options in `args`; `amend` may change the command before they are taken. */
export function runOptions(
  args: readonly string[],
  amend: (command: Command) => void = () => {},
): RunOptions {
  const found: RunOptions[] = [];
  const never = (): Promise<void> => Promise.reject(new TypeError('not the running node'));
  const program = createNodeProgram({
    run: (_options, command) => {
      amend(command);
      found.push(command.opts<RunOptions>());
      return Promise.resolve();
    },
    importFile: never,
    exportFile: never,
    verifyChain: never,
    status: never,
    newKey: never,
    showKey: never,
    keyAddress: never,
  });
  program.parse(args, { from: 'user' });
  const [options] = found;
  if (options === undefined) throw new RangeError(`no options in ${args.join(' ')}`);
  return options;
}
