/** The options of `bytom-devnet`. */
import { Command, Option } from 'commander';
import type { LogLevel } from '../util/log.ts';
import {
  addDeviceSettings,
  addLogOptions,
  helpOption,
  noColorOption,
  optionsWith,
} from './common-options.ts';
import type { DeviceOptions } from './devices.ts';
import { styleHelp } from './help-style.ts';
import { seconds, wholeNumber } from './option-values.ts';
import { VERSION } from './version.ts';

export interface DevnetCliOptions extends DeviceOptions {
  /** Ends after so many accepted blocks. */
  readonly blocks?: number;
  /** In milliseconds. */
  readonly timeLimit?: number;
  readonly fresh?: boolean;
  readonly data?: string;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  /** False after `--no-color`. */
  readonly color: boolean;
}

const devnetOption = optionsWith('BYTOM_DEVNET');

const FOOTER = `
The chain is a solonet of its own, with the rules of the real one and work that one core can do.
Node, pool and miner talk to each other as they would across the world: HTTP and Stratum, at ports
of this machine alone. They take their usual ports if those are free, so other programs can join:

  npx bytom-miner -o stratum+tcp://127.0.0.1:3333 -u <address>.rig2       another miner
  curl -d '{}' http://127.0.0.1:9888/get-block-count                      ask the node
  curl http://127.0.0.1:3380/health                                       ask the pool

A second run goes on where the first one ended. The data are in
~/.local/share/bytom-tensority/devnet (or $XDG_DATA_HOME; on macOS in ~/Library/Application Support,
on Windows in %LOCALAPPDATA%) unless --data names another folder; the recovery phrase of the address
that is paid lies there in the file "mnemonic", and the rewards are worth nothing anywhere else.

The last line is a JSON object that says what was done.

Examples:
  npm start                               until Ctrl-C
  npm start -- --fresh --blocks 5         a new chain, five blocks
  npm start -- --device gpu0              on a graphics card

Exit codes: 0 done, 1 failed, 2 wrong options, 3 no such device, 5 self-test or hardware failed, 130
interrupted.`;

/** The program; it throws instead of ending the process. */
export function createDevnetProgram(run: (options: DevnetCliOptions) => Promise<void>): Command {
  const program = new Command('bytom-devnet')
    .description(
      'A whole Bytom network in one process: a node with a chain of its own, a pool that works for it, ' +
        'and a miner on the best device of this machine. Needs nothing else.',
    )
    .exitOverride()
    .allowExcessArguments(false);
  styleHelp(program);
  program.optionsGroup('What to do:');
  program
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption().helpGroup('What to do:'))
    .addOption(
      devnetOption('--blocks <n>', 'end after so many accepted blocks', 'BLOCKS').argParser(
        wholeNumber('blocks', 1),
      ),
    )
    .addOption(
      devnetOption('--time-limit <s>', 'end after so many seconds', 'TIME_LIMIT').argParser(
        seconds('time-limit'),
      ),
    )
    .addOption(new Option('--fresh', 'start a new chain; the old one is deleted'))
    .addOption(
      devnetOption('--data <dir>', 'folder of chain and shares (default: see below)', 'DATA'),
    );
  program.optionsGroup('Device of the miner:');
  program.addOption(
    devnetOption(
      '-d, --device <list>',
      'as of bytom-miner (default: a graphics card if there is one, else the cpu)',
      'DEVICE',
    ),
  );
  addDeviceSettings(program, devnetOption);
  program.optionsGroup('Output:');
  addLogOptions(program, devnetOption);
  program.addOption(noColorOption());
  program.addHelpText('after', FOOTER);
  program.action((options: DevnetCliOptions) => run(options));
  return program;
}
