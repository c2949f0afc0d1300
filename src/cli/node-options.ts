/** The options of `bytom-node`, as one commander program. What they do is in the other files. */
import { Command, Option } from 'commander';
import { type Network, networkByName } from '../consensus/network.ts';
import {
  addCpuOptions,
  helpOption,
  jsonOption,
  optionsWith,
  ownOptions,
  subcommand,
} from './common-options.ts';
import type { DeviceOptions } from './devices.ts';
import { styleHelp } from './help-style.ts';
import { EXPORT_FOOTER, HELP_FOOTER, IMPORT_FOOTER, VERIFY_FOOTER } from './node-help.ts';
import { optionError, wholeNumber } from './option-values.ts';
import { VERSION } from './version.ts';

/** Options that every command takes. */
export interface DataOptions {
  readonly network: Network;
  /** The data directory; the network's own by default. */
  readonly data?: string;
  readonly json?: boolean;
}

export interface ImportOptions extends DataOptions, DeviceOptions {
  /** A name, or `-` for standard input. */
  readonly file: string;
}

export interface ExportOptions extends DataOptions {
  /** A name, or `-` for standard output. */
  readonly file: string;
  /** Heights, both included; the genesis block and the tip by default. */
  readonly from?: number;
  readonly to?: number;
  readonly force?: boolean;
}

export interface VerifyChainOptions extends DataOptions, DeviceOptions {}

export interface NodeActions {
  importFile(options: ImportOptions): Promise<void>;
  exportFile(options: ExportOptions): Promise<void>;
  verifyChain(options: VerifyChainOptions): Promise<void>;
  status(options: DataOptions): Promise<void>;
}

const option = optionsWith('BYTOM_NODE');

/** The program; it throws instead of ending the process. */
export function createNodeProgram(actions: NodeActions): Command {
  const program = new Command('bytom-node')
    .description(
      "A full node of Bytom's chain, as far as it needs no network yet: checks the blocks of a file by " +
        'all rules of the network, keeps them with the unspent outputs, and gives them out again.',
    )
    .enablePositionalOptions()
    .exitOverride()
    .allowExcessArguments(false);
  styleHelp(program);
  program.optionsGroup('What to do:');
  program
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption().helpGroup('What to do:'));
  addDataOptions(program);
  addDeviceOptions(program);
  addOutputOptions(program);
  program.action(() => {
    throw optionError('say what to do: import, export, verify-chain or status (see --help)');
  });
  program.addHelpText('after', HELP_FOOTER);
  addImportCommand(program, actions);
  addExportCommand(program, actions);
  addVerifyCommand(program, actions);
  addStatusCommand(program, actions);
  program.helpCommand('help [command]', 'print the help of a command');
  return program;
}

function addDataOptions(command: Command): void {
  command.optionsGroup('Chain:');
  command
    .addOption(
      option('--network <name>', 'mainnet, testnet or solonet', 'NETWORK')
        .argParser((text) => networkByName(text, 'network'))
        .default(networkByName('mainnet'), 'mainnet'),
    )
    .addOption(
      option('--data <dir>', 'folder of the chain (default: one of yours, see below)', 'DATA'),
    );
}

function addDeviceOptions(command: Command): void {
  command.optionsGroup('Device for the proof of work:');
  command.addOption(
    option('-d, --device <id>', 'see bytom-miner --list-devices', 'DEVICE').default('cpu'),
  );
  addCpuOptions(command, option);
}

function addOutputOptions(command: Command): void {
  command.optionsGroup('Output:');
  command.addOption(jsonOption());
}

function addImportCommand(program: Command, actions: NodeActions): void {
  const command = subcommand(program, 'import')
    .description('check and store the blocks of a file')
    .argument('<file>', 'blocks in hex or JSON, also in gzip; - for standard input');
  addDataOptions(command);
  addDeviceOptions(command);
  addOutputOptions(command);
  command.addHelpText('after', IMPORT_FOOTER);
  command.action((file: string, _: unknown, self: Command) =>
    actions.importFile({ ...ownOptions<ImportOptions>(self), file }),
  );
}

function addExportCommand(program: Command, actions: NodeActions): void {
  const command = subcommand(program, 'export')
    .description('write the main chain to a file')
    .argument('<file>', 'gets blocks in hex, one a line; - for standard output');
  addDataOptions(command);
  command.optionsGroup('Which blocks:');
  command
    .addOption(
      new Option('--from <height>', 'the first (default: the genesis block)').argParser(
        wholeNumber('from', 0),
      ),
    )
    .addOption(
      new Option('--to <height>', 'the last (default: the tip)').argParser(wholeNumber('to', 0)),
    );
  addOutputOptions(command);
  command.addOption(new Option('--force', 'replace a file that is there'));
  command.addHelpText('after', EXPORT_FOOTER);
  command.action((file: string, _: unknown, self: Command) =>
    actions.exportFile({ ...ownOptions<ExportOptions>(self), file }),
  );
}

function addVerifyCommand(program: Command, actions: NodeActions): void {
  const command = subcommand(program, 'verify-chain').description(
    'check everything that is stored, from the first block on',
  );
  addDataOptions(command);
  addDeviceOptions(command);
  addOutputOptions(command);
  command.addHelpText('after', VERIFY_FOOTER);
  command.action((_: unknown, self: Command) => actions.verifyChain(ownOptions(self)));
}

function addStatusCommand(program: Command, actions: NodeActions): void {
  const command = subcommand(program, 'status').description(
    'tell how far the chain is, also while another process has it',
  );
  addDataOptions(command);
  addOutputOptions(command);
  command.action((_: unknown, self: Command) => actions.status(ownOptions(self)));
}
