/** The options of `bytom-miner`, as one commander program. What they do is in the other files. */
import { Command, Option } from 'commander';
import { parseFingerprint, parsePoolUrl } from '../../miner/pool-url.ts';
import type { LogLevel } from '../util/log.ts';
import {
  addDeviceSettings,
  addLogOptions,
  helpOption,
  jsonOption,
  noColorOption,
  optionsWith,
  ownOptions,
  subcommand,
} from './common-options.ts';
import type { DeviceOptions } from './devices.ts';
import { addExportOnnxCommand, type ExportOnnxOptions } from './export-onnx-command.ts';
import { styleHelp } from './help-style.ts';
import { HELP_FOOTER } from './miner-help.ts';
import { difficulty, intensities, oneOf, repeated, seconds, wholeNumber } from './option-values.ts';
import { VERSION } from './version.ts';

/** Options of the mining command, after flags, environment and file were put together. */
export interface MineOptions extends DeviceOptions {
  readonly url?: readonly string[];
  readonly user?: readonly string[];
  readonly pass?: readonly string[];
  readonly solo?: string;
  readonly dummy?: boolean;
  readonly difficulty: bigint;
  readonly intensity?: readonly (number | undefined)[];
  readonly shares?: number;
  readonly timeLimit?: number;
  readonly benchmark?: number | true;
  readonly listDevices?: 'text' | 'json' | true;
  readonly tlsFingerprint?: string;
  readonly retries?: number;
  /** These four in milliseconds; `logCycle` 0 means never. */
  readonly retryPause: number;
  readonly backToMain: number;
  readonly jobTimeout: number;
  readonly protocolDump?: boolean;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  readonly logCycle: number;
  /** False after `--no-color`. */
  readonly color: boolean;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly config?: string;
}

export interface CommandOptions extends DeviceOptions {
  readonly json?: boolean;
}

export interface HashOptions extends CommandOptions {
  readonly seed: string;
  readonly header: string;
}

export interface VerifyOptions extends CommandOptions {
  readonly vectors?: string;
  readonly block?: string;
  readonly seed?: string;
  readonly expectBits?: string;
}

export interface MinerActions {
  mine(options: MineOptions, command: Command): Promise<void>;
  hash(options: HashOptions): Promise<void>;
  verify(options: VerifyOptions): Promise<void>;
  exportOnnx(options: ExportOnnxOptions): Promise<void>;
}

const option = optionsWith('BYTOM_MINER');

/** The program; it throws instead of ending the process. */
export function createMinerProgram(actions: MinerActions): Command {
  const program = new Command('bytom-miner')
    .description(
      "Mines Bytom's Tensority proof of work at a pool (-o, -u) or for a node (--solo). Without either it " +
        'mines on a dummy source, to try this machine.',
    )
    .enablePositionalOptions()
    .exitOverride()
    .allowExcessArguments(false);
  styleHelp(program);
  addRunOptions(program);
  addSourceOptions(program);
  addDeviceOptions(program);
  addOutputOptions(program);
  program.action((options: MineOptions, command: Command) => actions.mine(options, command));
  program.addHelpText('after', HELP_FOOTER);
  addHashCommand(program, actions);
  addVerifyCommand(program, actions);
  addExportOnnxCommand(program, (options) => actions.exportOnnx(options));
  program.helpCommand('help [command]', 'print the help of a command');
  return program;
}

function addRunOptions(program: Command): void {
  program.optionsGroup('What to do:');
  program
    .addOption(
      new Option('--list-devices [format]', 'list the devices and end: text or json').argParser(
        oneOf('list-devices', ['text', 'json'] as const),
      ),
    )
    .addOption(
      new Option(
        '--benchmark [hashes]',
        'measure the speed, every hash checked, and end (default: for 10 s)',
      ).argParser(wholeNumber('benchmark', 1, 1_000_000_000)),
    )
    .addOption(
      option('--shares <n>', 'end after so many accepted shares', 'SHARES').argParser(
        wholeNumber('shares', 1),
      ),
    )
    .addOption(
      option('--time-limit <s>', 'end after so many seconds', 'TIME_LIMIT').argParser(
        seconds('time-limit'),
      ),
    )
    .addOption(new Option('--dry-run', 'check options and devices, and end'))
    .addOption(option('--config <file>', 'options from a JSON file', 'CONFIG'))
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption().helpGroup('What to do:'));
}

function addSourceOptions(program: Command): void {
  program.optionsGroup('Where jobs come from:');
  const poolUrl = (text: string, before: readonly string[] | undefined): readonly string[] => {
    parsePoolUrl(text, 'url');
    return repeated(text, before);
  };
  const fingerprint = (text: string): string => parseFingerprint(text, 'tls-fingerprint');
  program
    .addOption(
      option(
        '-o, --url <url>',
        'pool: stratum+tcp://host:port, or stratum+ssl:// for TLS; more than once for others to ' +
          'turn to, in order',
        'URL',
      ).argParser(poolUrl),
    )
    .addOption(
      option(
        '-u, --user <name>',
        'address.worker at the pool; once, or once for each pool',
        'USER',
      ).argParser(repeated),
    )
    .addOption(
      option(
        '-p, --pass <text>',
        'password at the pool (default: x); once, or once for each pool',
        'PASS',
      ).argParser(repeated),
    )
    .addOption(
      option('--solo <url>', 'node: http://host:9888, or http://user:secret@host:9888', 'SOLO'),
    )
    .addOption(new Option('--dummy', 'no pool and no node; shares are worth nothing'))
    .addOption(
      option('--difficulty <n>', 'share difficulty of the dummy source', 'DIFFICULTY')
        .argParser(difficulty('difficulty'))
        .default(128n),
    )
    .addOption(
      option(
        '--tls-fingerprint <hex>',
        "SHA-256 of the pool's certificate, in place of its name and issuer",
        'TLS_FINGERPRINT',
      ).argParser(fingerprint),
    )
    .addOption(
      option(
        '--retries <n>',
        'give up after so many rounds without a pool (default: never)',
        'RETRIES',
      ).argParser(wholeNumber('retries', 0)),
    )
    .addOption(
      option(
        '--retry-pause <s>',
        'first pause between rounds; it grows up to a minute',
        'RETRY_PAUSE',
      )
        .argParser(seconds('retry-pause'))
        .default(1000, '1'),
    )
    .addOption(
      option('--back-to-main <s>', 'how often to try the pools further ahead', 'BACK_TO_MAIN')
        .argParser(seconds('back-to-main'))
        .default(60_000, '60'),
    )
    .addOption(
      option('--job-timeout <s>', 'silence after which a pool is tried anew', 'JOB_TIMEOUT')
        .argParser(seconds('job-timeout'))
        .default(90_000, '90'),
    )
    .addOption(new Option('--protocol-dump', 'log every message to and from a pool'));
}

function addDeviceOptions(command: Command): void {
  command.optionsGroup('Devices:');
  command.addOption(
    option(
      '-d, --device <names>',
      'like gpu0,gpu1 or gpu* or !gpu2: see --list-devices (default: all)',
      'DEVICE',
    ),
  );
  if (command.parent === null) {
    command.addOption(
      option(
        '-i, --intensity <list>',
        'percent of each device to use, * for all of it: 80,*,60',
        'INTENSITY',
      ).argParser(intensities('intensity')),
    );
  }
  addDeviceSettings(command, option);
}

function addOutputOptions(program: Command): void {
  program.optionsGroup('Output:');
  addLogOptions(program, option);
  program
    .addOption(
      option('--log-cycle <s>', 'how often to log the speed, 0 for never', 'LOG_CYCLE')
        .argParser(seconds('log-cycle', { zero: true }))
        .default(30_000, '30'),
    )
    .addOption(noColorOption())
    .addOption(jsonOption());
}

function addHashCommand(program: Command, actions: MinerActions): void {
  const command = subcommand(program, 'hash')
    .description('print the PoW hash of a header')
    .addOption(
      new Option(
        '--seed <hex>',
        'seed of the epoch: the hash of the block that opened it, 32 bytes',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--header <hex>',
        'header hash (32 bytes), or a serialised header or block',
      ).makeOptionMandatory(),
    )
    .addOption(jsonOption());
  addDeviceOptions(command);
  command.action((_: unknown, self: Command) => actions.hash(ownOptions(self)));
}

function addVerifyCommand(program: Command, actions: MinerActions): void {
  const command = subcommand(program, 'verify')
    .description('check known PoW hashes, or the work of a block')
    .option('--vectors <file>', 'JSON: [{"seed", "header_hash", "result"}, …], also inside "cases"')
    .option('--block <hex|file>', 'serialised header or block, as hex or the name of a file')
    .option('--seed <hex>', 'with --block: hash of the block that opened the epoch, 32 bytes')
    .option('--expect-bits <n>', 'with --block: the bits that the chain requires there')
    .addOption(jsonOption());
  addDeviceOptions(command);
  command.action((_: unknown, self: Command) => actions.verify(ownOptions(self)));
}
