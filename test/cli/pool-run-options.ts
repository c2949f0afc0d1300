/** Command lines of the running pool, read as the program reads them. */
import type { Command } from 'commander';
import { createPoolProgram, type PoolRunOptions } from '../../src/cli/pool-options.ts';

/** The options in `args`; `amend` may change the command before they are taken. */
export function poolRunOptions(
  args: readonly string[],
  amend: (command: Command) => void = () => {},
): PoolRunOptions {
  const found: PoolRunOptions[] = [];
  const never = (): Promise<void> => Promise.reject(new TypeError('not the running pool'));
  const program = createPoolProgram({
    run: (_options, command) => {
      amend(command);
      found.push(command.opts<PoolRunOptions>());
      return Promise.resolve();
    },
    shares: never,
    blocks: never,
  });
  program.parse(args, { from: 'user' });
  const [options] = found;
  if (options === undefined) throw new RangeError(`no options in ${args.join(' ')}`);
  return options;
}
