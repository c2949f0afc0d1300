/** The options of `bytom-node`, as one commander program. What they do is in the other files. */
import { Command, Option } from 'commander';
import type { Network } from '../consensus/network.ts';
import { addDataOptions, type DataOptions, nodeOption } from './chain-options.ts';
import {
  addDeviceSettings,
  helpOption,
  jsonOption,
  ownOptions,
  subcommand,
} from './common-options.ts';
import { applyConfigFile } from './config-file.ts';
import type { DeviceOptions } from './devices.ts';
import { styleHelp } from './help-style.ts';
import { addKeysCommand, type KeysActions } from './keys-options.ts';
import { EXPORT_FOOTER, HELP_FOOTER, IMPORT_FOOTER, VERIFY_FOOTER } from './node-help.ts';
import { wholeNumber } from './option-values.ts';
import { addRunOptions, type RunOptions } from './run-options.ts';
import { type RunPlan, runPlan } from './run-plan.ts';
import { VERSION } from './version.ts';

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

export interface NodeActions extends KeysActions {
  /** `command` is the one that the options were read with: a file of options is applied to it. */
  run(options: RunOptions, command: Command): Promise<void>;
  importFile(options: ImportOptions): Promise<void>;
  exportFile(options: ExportOptions): Promise<void>;
  verifyChain(options: VerifyChainOptions): Promise<void>;
  status(options: DataOptions): Promise<void>;
}

/** The program; it throws instead of ending the process. */
export function createNodeProgram(actions: NodeActions): Command {
  const program = new Command('bytom-node')
    .description(
      "A full node of Bytom's chain: finds peers, checks every block by all rules of the network, keeps " +
        'the chain with its unspent outputs, passes on blocks and transactions, and gives work to ' +
        'miners over HTTP. Without a command it runs; the commands do single things.',
    )
    .enablePositionalOptions()
    .exitOverride()
    .allowExcessArguments(false);
  styleHelp(program);
  program.optionsGroup('What to do:');
  program
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption().helpGroup('What to do:'));
  addRunOptions(program);
  program.action((options: RunOptions, command: Command) => actions.run(options, command));
  program.addHelpText('after', HELP_FOOTER);
  addRunCommand(program, actions);
  addImportCommand(program, actions);
  addExportCommand(program, actions);
  addVerifyCommand(program, actions);
  addStatusCommand(program, actions);
  addKeysCommand(program, actions);
  program.helpCommand('help [command]', 'print the help of a command');
  return program;
}

/**
 * The plan of a node in the process of a pool, from the environment and a file of options, as
 * `bytom-node --config` takes it. Network and address are the pool's. Throws `InputError`.
 */
export function embeddedPlan(
  network: Network,
  config: string | undefined,
  miningAddress: string | undefined,
): RunPlan {
  const command = new Command('bytom-node').exitOverride();
  styleHelp(command);
  addRunOptions(command);
  command.parse([], { from: 'user' });
  if (config !== undefined) applyConfigFile(command, config);
  return runPlan({
    ...command.opts<RunOptions>(),
    network,
    ...(miningAddress === undefined ? {} : { miningAddress }),
  });
}

function addDeviceOptions(command: Command): void {
  command.optionsGroup('Device for the proof of work:');
  command.addOption(
    nodeOption('-d, --device <id>', 'see bytom-miner --list-devices', 'DEVICE').default('cpu'),
  );
  addDeviceSettings(command, nodeOption);
}

function addOutputOptions(command: Command): void {
  command.optionsGroup('Output:');
  command.addOption(jsonOption());
}

function addRunCommand(program: Command, actions: NodeActions): void {
  const command = subcommand(program, 'run').description(
    'run the node, as the program does without a command',
  );
  addRunOptions(command);
  command.action((_: unknown, self: Command) => actions.run(ownOptions(self), self));
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
