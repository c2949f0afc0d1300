/** Command lines of the mining command, read as the program reads them. */
import type { Command } from 'commander';
import { createMinerProgram, type MineOptions } from '../../src/cli/miner-options.ts';

/** The options in `args`; `amend` may change the command before they are taken. */
export function mineOptions(
  args: readonly string[],
  amend: (command: Command) => void = () => {},
): MineOptions {
  const found: MineOptions[] = [];
  const never = (): Promise<void> => Promise.reject(new TypeError('not the mining command'));
  const program = createMinerProgram({
    mine: (_options, command) => {
      amend(command);
      found.push(command.opts<MineOptions>());
      return Promise.resolve();
    },
    hash: never,
    verify: never,
    exportOnnx: never,
  });
  program.parse(args, { from: 'user' });
  const [options] = found;
  if (options === undefined) throw new RangeError(`no options in ${args.join(' ')}`);
  return options;
}
