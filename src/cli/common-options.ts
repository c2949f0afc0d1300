/** Options that several of our programs have, and how an option before a command's name is taken. */
import { type Command, Option } from 'commander';
import { TIER_NAMES, type TierName } from '../tensority/wasm/tiers.ts';
import { oneOf, optionError, wholeNumber } from './option-values.ts';

/** Makes an option that the environment can give too, under the name that stands last. */
export type OptionMaker = (flags: string, description: string, environment: string) => Option;

/** For options whose variables begin so: `BYTOM_MINER` makes `--shares` `BYTOM_MINER_SHARES`. */
export function optionsWith(prefix: string): OptionMaker {
  return (flags, description, environment) =>
    new Option(flags, description).env(`${prefix}_${environment}`);
}

/** The settings of the cpu device. */
export function addCpuOptions(command: Command, option: OptionMaker): void {
  command
    .addOption(
      option(
        '--threads <n>',
        'threads of the cpu device (default: one for each core)',
        'THREADS',
      ).argParser(wholeNumber('threads', 1, 1024)),
    )
    .addOption(
      option(
        '--kernel <name>',
        `kernel of the cpu device: ${TIER_NAMES.join(', ')} (default: the fastest here)`,
        'KERNEL',
      ).argParser(oneOf<TierName>('kernel', TIER_NAMES)),
    )
    .addOption(
      option(
        '--no-revectorize',
        "no kernels that need V8's experimental 256-bit pass",
        'NO_REVECTORIZE',
      ),
    );
}

export function subcommand(program: Command, name: string): Command {
  return program.command(name).addHelpOption(helpOption());
}

export function helpOption(): Option {
  return new Option('-h, --help', 'print this help');
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON object as the last line');
}

/**
 * The options of a subcommand, with those that stand before its name: `--threads 1 hash …` means
 * `hash --threads 1 …`. One that it does not know is an error, not silence.
 */
export function ownOptions<T>(command: Command): T {
  const { parent } = command;
  for (const { long, name, key } of (parent?.options ?? []).map(namesOf)) {
    if (parent?.getOptionValueSource(key) !== 'cli') continue;
    if (!command.options.some((own) => own.name() === name)) {
      throw optionError(`option '${long}' has no meaning for ${command.name()}`);
    }
    if (command.getOptionValueSource(key) === 'cli') continue;
    command.setOptionValueWithSource(key, parent.getOptionValue(key), 'cli');
  }
  return command.opts<object>() as T;
}

function namesOf(given: Option): Record<'long' | 'name' | 'key', string> {
  const name = given.name();
  return { long: given.long ?? name, name, key: given.attributeName() };
}
