/** What `bytom-miner --help` looks like: within 100 columns, groups in the order they are added. */
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

/** Stands below the help of the program itself. */
export const HELP_FOOTER = `
Options with a value may also come from the environment, as BYTOM_MINER_LOG_CYCLE=60 stands for
--log-cycle 60, and every option, by its long name, from the file of --config: {"log-cycle": 60}.
Flags win over the environment, the environment over the file; the file is never written to.

Examples:
  npx bytom-miner                                                  try this machine
  npx bytom-miner --benchmark                                      how fast is it?
  npx bytom-miner -o stratum+tcp://pool.example:9119 -u bm1q….rig1 mine at a pool
  npx bytom-miner --solo http://127.0.0.1:9888                     mine for a node of your own
  npx bytom-miner verify --block header.hex --seed 9e62…           is this work valid?

Exit codes: 0 done, 1 failed, 2 wrong options, 3 no such device, 4 login refused, 5 self-test or
hardware failed, 130 interrupted.`;
