/** What the help of our programs looks like: within 100 columns, groups in the order they are added. */
import type { Command, Option } from 'commander';

const MAX_WIDTH = 100;

/** To be called before subcommands are added: they inherit it. */
export function styleHelp(program: Command): void {
  const { stdout } = process;
  program.configureOutput({
    getOutHelpWidth: () => (stdout.isTTY ? Math.min(MAX_WIDTH, stdout.columns) : MAX_WIDTH),
    // Error lines are ours to print, once and in our form.
    writeErr: () => {},
  });
  program.configureHelp({ optionDescription });
}

/** Without the variable of each option: they are all alike, and the last lines of the help tell. */
function optionDescription(option: Option): string {
  const { defaultValue, defaultValueDescription, description } = option;
  if (defaultValue === undefined || option.negate) return description;
  return `${description} (default: ${defaultValueDescription ?? String(defaultValue)})`;
}
