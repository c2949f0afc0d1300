/** The options of `bytom-pool`, as one commander program. What they come to stands in `pool-plan.ts`. */
import { Command, Option } from 'commander';
import { type Network, networkByName } from '../consensus/network.ts';
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
import { styleHelp } from './help-style.ts';
import { parseListenAddress } from './host-port.ts';
import { difficulty, oneOf, repeatedList, seconds, wholeNumber } from './option-values.ts';
import { POOL_FOOTER, SHARES_FOOTER } from './pool-help.ts';
import { VERSION } from './version.ts';

export interface PoolDataOptions {
  readonly network: Network;
  /** Folder of the pool's own data; the network's own by default. */
  readonly data?: string;
  readonly json?: boolean;
}

/** After flags, environment and file were put together. */
export interface PoolRunOptions extends PoolDataOptions, DeviceOptions {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly node?: readonly string[];
  readonly embeddedNode?: boolean;
  readonly nodeConfig?: string;
  readonly address?: string;
  readonly accounts: 'address' | 'any';
  /** Each `host:port`. */
  readonly listen?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustedProxy?: readonly string[];
  readonly maxConnections: number;
  readonly maxPerAddress: number;
  readonly serverId: number;
  readonly difficulty: bigint;
  readonly minDifficulty: bigint;
  readonly maxDifficulty: bigint;
  /** In milliseconds, like `grace`. */
  readonly shareInterval: number;
  /** False after `--no-vardiff`. */
  readonly vardiff: boolean;
  readonly grace: number;
  readonly trustAfter?: number;
  /** In percent. */
  readonly trustFloor?: number;
  /** `host:port`; false after `--no-http`. */
  readonly http: string | false;
  readonly httpAllowHost?: readonly string[];
  readonly logFormat: 'text' | 'json';
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  /** False after `--no-color`. */
  readonly color: boolean;
}

export interface PoolActions {
  /** `command` is the one that the options were read with: a file of options is applied to it. */
  run(options: PoolRunOptions, command: Command): Promise<void>;
  shares(options: PoolDataOptions): Promise<void>;
  blocks(options: PoolDataOptions): Promise<void>;
}

const poolOption = optionsWith('BYTOM_POOL');

export const DEFAULT_STRATUM = '0.0.0.0:3333';
const DEFAULT_HTTP = '127.0.0.1:3380';

/** The program; it throws instead of ending the process. */
export function createPoolProgram(actions: PoolActions): Command {
  const program = new Command('bytom-pool')
    .description(
      "A pool for miners of Bytom's chain: hands out work over Stratum, checks every share, writes it " +
        'down before it is acknowledged, and hands every block to its nodes.',
    )
    .enablePositionalOptions()
    .exitOverride()
    .allowExcessArguments(false);
  styleHelp(program);
  program.optionsGroup('What to do:');
  program
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpOption(helpOption().helpGroup('What to do:'));
  addPoolRunOptions(program);
  program.action((options: PoolRunOptions, command: Command) => actions.run(options, command));
  program.addHelpText('after', POOL_FOOTER);
  addRunCommand(program, actions);
  addRecordCommands(program, actions);
  program.helpCommand('help [command]', 'print the help of a command');
  return program;
}

function addRunCommand(program: Command, actions: PoolActions): void {
  const command = subcommand(program, 'run').description(
    'run the pool, as the program does without a command',
  );
  addPoolRunOptions(command);
  command.action((_: unknown, self: Command) => actions.run(ownOptions(self), self));
}

function addRecordCommands(program: Command, actions: PoolActions): void {
  const shares = subcommand(program, 'shares').description(
    'check the share log and add it up, also while a pool writes it',
  );
  addPoolData(shares);
  shares.optionsGroup('Output:');
  shares.addOption(jsonOption());
  shares.addHelpText('after', SHARES_FOOTER);
  shares.action((_: unknown, self: Command) => actions.shares(ownOptions(self)));
  const blocks = subcommand(program, 'blocks').description(
    'list the blocks that were found, and what became of them',
  );
  addPoolData(blocks);
  blocks.optionsGroup('Output:');
  blocks.addOption(jsonOption());
  blocks.action((_: unknown, self: Command) => actions.blocks(ownOptions(self)));
}

function addPoolData(command: Command): void {
  command.optionsGroup('Chain:');
  command
    .addOption(
      poolOption('--network <name>', 'mainnet, testnet or solonet', 'NETWORK')
        .argParser((text) => networkByName(text, 'network'))
        .default(networkByName('mainnet'), 'mainnet'),
    )
    .addOption(
      poolOption(
        '--data <dir>',
        'folder of shares, blocks and bans (default: one of yours, see --help)',
        'DATA',
      ),
    );
}

function addPoolRunOptions(command: Command): void {
  command
    .addOption(new Option('--dry-run', 'check the options, say what would be done, and end'))
    .addOption(poolOption('--config <file>', 'options from a JSON file', 'CONFIG'));
  addPoolData(command);
  addNodeOptions(command);
  addStratumOptions(command);
  addShareOptions(command);
  command.optionsGroup('Device that checks the shares:');
  command.addOption(
    poolOption('-d, --device <id>', 'see bytom-miner --list-devices', 'DEVICE').default('cpu'),
  );
  addDeviceSettings(command, poolOption);
  addHttpOptions(command);
  command.optionsGroup('Output:');
  addLogOptions(command, poolOption);
  command.addOption(noColorOption()).addOption(jsonOption());
}

function addNodeOptions(command: Command): void {
  command.optionsGroup('Nodes:');
  command
    .addOption(
      poolOption(
        '--node <url>',
        'a node to work for, http://[token:secret@]host:9888, the preferred one first; repeats',
        'NODE',
      ).argParser(repeatedList('node')),
    )
    .addOption(new Option('--embedded-node', 'run a node in this process, preferred to others'))
    .addOption(
      poolOption(
        '--node-config <file>',
        'options of the embedded node, as those of bytom-node --config',
        'NODE_CONFIG',
      ),
    )
    .addOption(
      poolOption(
        '--address <address>',
        "who gets the rewards; every node is told so (default: the nodes' own address)",
        'ADDRESS',
      ),
    );
}

function addStratumOptions(command: Command): void {
  command.optionsGroup('Miners:');
  command
    .addOption(
      poolOption(
        '--listen <host:port>',
        `where miners connect, plain or TLS; repeats (default: ${DEFAULT_STRATUM})`,
        'LISTEN',
      ).argParser(listenAddresses),
    )
    .addOption(
      poolOption('--accounts <rule>', 'address: accounts are addresses; any: any name', 'ACCOUNTS')
        .argParser(oneOf('accounts', ['address', 'any'] as const))
        .default('address'),
    )
    .addOption(
      poolOption('--tls-cert <file>', 'certificate chain, PEM; read again on SIGHUP', 'TLS_CERT'),
    )
    .addOption(poolOption('--tls-key <file>', 'its private key, PEM', 'TLS_KEY'))
    .addOption(
      poolOption(
        '--trusted-proxy <network>',
        'who must send a PROXY header: an address, or 10.0.0.0/8; repeats',
        'TRUSTED_PROXY',
      ).argParser(repeatedList('trusted-proxy')),
    )
    .addOption(
      poolOption('--max-connections <n>', 'miners at a time', 'MAX_CONNECTIONS')
        .argParser(wholeNumber('max-connections', 1, 32_768))
        .default(32_768),
    )
    .addOption(
      poolOption('--max-per-address <n>', 'of them from one address', 'MAX_PER_ADDRESS')
        .argParser(wholeNumber('max-per-address', 1, 32_768))
        .default(1000),
    )
    .addOption(
      poolOption(
        '--server-id <n>',
        'of several pools on the same nodes each its own: they try other nonces',
        'SERVER_ID',
      )
        .argParser(wholeNumber('server-id', 0, 7))
        .default(0),
    );
}

function addShareOptions(command: Command): void {
  command.optionsGroup('Shares:');
  command
    .addOption(
      poolOption('--difficulty <d>', 'of a new miner: hashes a share', 'DIFFICULTY')
        .argParser(difficulty('difficulty'))
        .default(1024n, '1024'),
    )
    .addOption(
      poolOption('--min-difficulty <d>', 'the least that anybody gets', 'MIN_DIFFICULTY')
        .argParser(difficulty('min-difficulty'))
        .default(64n, '64'),
    )
    .addOption(
      poolOption('--max-difficulty <d>', 'the most that anybody gets', 'MAX_DIFFICULTY')
        .argParser(difficulty('max-difficulty'))
        .default(2n ** 60n, '2^60'),
    )
    .addOption(
      poolOption('--share-interval <s>', 'seconds between shares of a miner', 'SHARE_INTERVAL')
        .argParser(seconds('share-interval'))
        .default(15_000, '15'),
    )
    .addOption(new Option('--no-vardiff', 'leave every miner at its first difficulty'))
    .addOption(
      poolOption('--grace <s>', 'seconds that a job counts after a newer block', 'GRACE')
        .argParser(seconds('grace', { zero: true }))
        .default(2000, '2'),
    )
    .addOption(
      poolOption(
        '--trust-after <n>',
        'check a sample only of who has proven n times the work of such a share (default: check all)',
        'TRUST_AFTER',
      ).argParser(wholeNumber('trust-after', 10, 1_000_000)),
    )
    .addOption(
      poolOption(
        '--trust-floor <percent>',
        'the least of that sample (default: 5)',
        'TRUST_FLOOR',
      ).argParser(wholeNumber('trust-floor', 1, 100)),
    );
}

function addHttpOptions(command: Command): void {
  command.optionsGroup('HTTP:');
  command
    .addOption(
      poolOption('--http <host:port>', 'where /health and /metrics are', 'HTTP')
        .argParser((text) => {
          parseListenAddress(text, 'http');
          return text;
        })
        .default(DEFAULT_HTTP),
    )
    .addOption(new Option('--no-http', 'no HTTP'))
    .addOption(
      poolOption(
        '--http-allow-host <name>',
        'a name that requests may be addressed to, besides localhost and IP addresses; repeats',
        'HTTP_ALLOW_HOST',
      ).argParser(repeatedList('http-allow-host')),
    );
}

function listenAddresses(text: string, before: readonly string[] | undefined): readonly string[] {
  const all = repeatedList('listen')(text, before);
  for (const each of all) parseListenAddress(each, 'listen');
  return all;
}
