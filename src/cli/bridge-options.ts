/** The options of `bytom-bridge`, as one commander program. What they do is in the other files. */
import { Command, Option } from 'commander';
import { type PortAddress, parsePortAddress } from '../../firmware-bridge/port-address.ts';
import { hexToBytes } from '../util/bytes.ts';
import { BRIDGE_FOOTER } from './bridge-help.ts';
import { helpOption, jsonOption, optionsWith, ownOptions, subcommand } from './common-options.ts';
import { styleHelp } from './help-style.ts';
import { oneOf, seconds, wholeNumber } from './option-values.ts';
import { VERSION } from './version.ts';

export interface ListOptions {
  readonly json?: boolean;
}

/** Which board. */
export interface PortOptions {
  readonly port?: PortAddress;
  readonly baud?: number;
  readonly json?: boolean;
}

export interface SelftestOptions extends PortOptions {
  /** Whole hashes to compute as well. */
  readonly hashes: number;
}

export interface MonitorOptions extends PortOptions {
  /** In milliseconds. */
  readonly interval: number;
  readonly timeLimit?: number;
}

export interface ResetOptions extends PortOptions {
  readonly bootLoader?: boolean;
  readonly lines?: boolean;
}

export const BOARD_NAMES = ['virt', 'mps2-an385', 'mps2-an505', 'native', 'simulated'] as const;
export type BoardName = (typeof BOARD_NAMES)[number];

export interface SimulateOptions {
  readonly board?: BoardName;
  readonly socket?: string;
  /** 24 hex digits. */
  readonly uid?: string;
  readonly timeLimit?: number;
  readonly json?: boolean;
}

export interface BridgeActions {
  list(options: ListOptions): Promise<void>;
  attach(options: PortOptions): Promise<void>;
  monitor(options: MonitorOptions): Promise<void>;
  selftest(options: SelftestOptions): Promise<void>;
  reset(options: ResetOptions): Promise<void>;
  simulate(options: SimulateOptions): Promise<void>;
}

const option = optionsWith('BYTOM_BRIDGE');

/** The program; it throws instead of ending the process. */
export function createBridgeProgram(actions: BridgeActions): Command {
  const program = new Command('bytom-bridge')
    .description(
      'Boards on serial ports: finds them, tests and measures them, shows what they say, and simulates ' +
        'one where there is none. "bytom-miner --device serial:…" mines with them.',
    )
    .exitOverride()
    .allowExcessArguments(false)
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption());
  styleHelp(program);
  program.helpCommand('help [command]', 'print the help of a command');
  program.addHelpText('after', BRIDGE_FOOTER);

  const list = subcommand(program, 'list')
    .description('the serial ports, what may be at them, and whether they can be opened')
    .addOption(jsonOption());
  list.action((_: unknown, self: Command) => actions.list(ownOptions(self)));

  const attach = subcommand(program, 'attach').description(
    'find out what board it is, test it, and measure its line, its seeds and a hash',
  );
  addPortOptions(attach).addOption(jsonOption());
  attach.action((_: unknown, self: Command) => actions.attach(ownOptions(self)));

  const monitor = subcommand(program, 'monitor').description(
    'show what the board is doing, and the lines of its log',
  );
  addPortOptions(monitor)
    .addOption(
      option('--interval <s>', 'how often to ask it', 'INTERVAL')
        .argParser(seconds('interval'))
        .default(1000, '1'),
    )
    .addOption(timeLimitOption())
    .addOption(new Option('--json', 'print one JSON object a line'));
  monitor.action((_: unknown, self: Command) => actions.monitor(ownOptions(self)));

  const selftest = subcommand(program, 'selftest').description(
    'compare what the board computes with what is right; exit code 5 if it differs',
  );
  addPortOptions(selftest)
    .addOption(
      option('--hashes <n>', 'whole hashes to compute as well, which take seconds each', 'HASHES')
        .argParser(wholeNumber('hashes', 0, 1_000_000))
        .default(1),
    )
    .addOption(jsonOption());
  selftest.action((_: unknown, self: Command) => actions.selftest(ownOptions(self)));

  const reset = subcommand(program, 'reset').description('start the board anew');
  addPortOptions(reset)
    .addOption(new Option('--lines', 'by the lines DTR and RTS, for a board that does not answer'))
    .addOption(new Option('--boot-loader', 'into its boot loader, for flashing').conflicts('lines'))
    .addOption(jsonOption());
  reset.action((_: unknown, self: Command) => actions.reset(ownOptions(self)));

  const simulate = subcommand(program, 'simulate').description(
    'boot a board that is not there, on a unix socket, until it is interrupted',
  );
  simulate
    .addOption(
      option(
        '--board <name>',
        `${BOARD_NAMES.join(', ')} (default: the first of virt, native, simulated that can be had here)`,
        'BOARD',
      ).argParser(oneOf('board', BOARD_NAMES)),
    )
    .addOption(
      option('--socket <path>', 'where it listens (default: in a new temporary folder)', 'SOCKET'),
    )
    .addOption(
      option('--uid <hex>', 'its unique number, 12 bytes (default: a random one)', 'UID').argParser(
        (text) => {
          hexToBytes(text, 'uid', 12);
          return text.toLowerCase();
        },
      ),
    )
    .addOption(timeLimitOption())
    .addOption(jsonOption());
  simulate.action((_: unknown, self: Command) => actions.simulate(ownOptions(self)));
  return program;
}

function addPortOptions(command: Command): Command {
  return command
    .addOption(
      option(
        '-p, --port <port>',
        '/dev/ttyUSB0, COM3, tcp://host:port or unix:/path (default: the only board of ours)',
        'PORT',
      ).argParser((text) => parsePortAddress(text, 'port')),
    )
    .addOption(
      option('--baud <rate>', 'rate of a serial port (default: 115200)', 'BAUD').argParser(
        wholeNumber('baud', 300, 12_000_000),
      ),
    );
}

function timeLimitOption(): Option {
  return option('--time-limit <s>', 'end after so many seconds', 'TIME_LIMIT').argParser(
    seconds('time-limit'),
  );
}
