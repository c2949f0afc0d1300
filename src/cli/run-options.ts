/** The options of the running node. What they come to stands in `run-plan.ts`. */
import { type Command, Option } from 'commander';
import type { LogLevel } from '../util/log.ts';
import { addDataOptions, type DataOptions, nodeOption } from './chain-options.ts';
import { addDeviceSettings, addLogOptions, jsonOption, noColorOption } from './common-options.ts';
import type { DeviceOptions } from './devices.ts';
import { hostPorts, parseListenAddress } from './host-port.ts';
import { oneLineText, oneOf, repeatedList, wholeNumber } from './option-values.ts';

/** After flags, environment and file were put together. */
export interface RunOptions extends DataOptions, DeviceOptions {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly checkpoints: 'enforce' | 'ignore';
  /** `host:port`; false after `--no-rpc`. */
  readonly rpc: string | false;
  readonly rpcAllowHost?: readonly string[];
  readonly rpcAllowOrigin?: readonly string[];
  readonly rpcNoAuth?: boolean;
  /** `host:port`, or a host; false after `--no-p2p`. */
  readonly p2p?: string | false;
  /** False after `--no-listen`. */
  readonly listen: boolean;
  /** Each `host:port`, or a host. */
  readonly connect?: readonly string[];
  readonly seed?: readonly string[];
  /** False after `--no-discovery`. */
  readonly discovery: boolean;
  readonly maxPeers: number;
  readonly moniker: string;
  readonly miningAddress?: string;
  readonly coinbaseArbitrary?: string;
  readonly mine?: boolean;
  /** Transactions that may wait. */
  readonly mempoolSize: number;
  readonly logFormat: 'text' | 'json';
  readonly logLevel: LogLevel;
  readonly logFile?: string;
  /** False after `--no-color`. */
  readonly color: boolean;
}

const DEFAULT_RPC = '127.0.0.1:9888';
export const DEFAULT_P2P_HOST = '0.0.0.0';

export function addRunOptions(command: Command): void {
  command
    .addOption(new Option('--dry-run', 'check the options, say what would be done, and end'))
    .addOption(nodeOption('--config <file>', 'options from a JSON file', 'CONFIG'));
  addDataOptions(command);
  command
    .addOption(
      nodeOption('--checkpoints <policy>', 'enforce those of the network, or ignore', 'CHECKPOINTS')
        .argParser(oneOf('checkpoints', ['enforce', 'ignore'] as const))
        .default('enforce'),
    )
    .addOption(
      nodeOption('--mempool-size <n>', 'transactions that may wait for a block', 'MEMPOOL_SIZE')
        .argParser(wholeNumber('mempool-size', 1, 1_000_000))
        .default(10_000),
    );
  addRpcOptions(command);
  addPeerOptions(command);
  addMiningOptions(command);
  command.optionsGroup('Device for the proof of work:');
  command.addOption(
    nodeOption('-d, --device <id>', 'see bytom-miner --list-devices', 'DEVICE').default('cpu'),
  );
  addDeviceSettings(command, nodeOption);
  command.optionsGroup('Output:');
  addLogOptions(command, nodeOption);
  command.addOption(noColorOption()).addOption(jsonOption());
}

function addRpcOptions(command: Command): void {
  command.optionsGroup('HTTP API:');
  const address = (text: string): string => {
    parseListenAddress(text, 'rpc');
    return text;
  };
  command
    .addOption(
      nodeOption('--rpc <host:port>', 'where miners and explorers ask', 'RPC')
        .argParser(address)
        .default(DEFAULT_RPC),
    )
    .addOption(new Option('--no-rpc', 'no HTTP API'))
    .addOption(
      nodeOption(
        '--rpc-allow-host <name>',
        'a name that requests may be addressed to, besides localhost and IP addresses; repeats',
        'RPC_ALLOW_HOST',
      ).argParser(repeatedList('rpc-allow-host')),
    )
    .addOption(
      nodeOption(
        '--rpc-allow-origin <url>',
        'an origin of web pages that may ask, like https://wallet.example; repeats',
        'RPC_ALLOW_ORIGIN',
      ).argParser(repeatedList('rpc-allow-origin')),
    )
    .addOption(
      new Option('--rpc-no-auth', 'ask nobody for an access token, wherever a request comes from'),
    );
}

function addPeerOptions(command: Command): void {
  command.optionsGroup('Peers:');
  const address = (text: string): string => {
    parseListenAddress(text, 'p2p', 0);
    return text;
  };
  command
    .addOption(
      nodeOption(
        '--p2p <host:port>',
        `where peers connect, TCP and UDP (default: ${DEFAULT_P2P_HOST} and the port of the network)`,
        'P2P',
      ).argParser(address),
    )
    .addOption(new Option('--no-p2p', 'no peers at all'))
    .addOption(new Option('--no-listen', 'peers only that this node connects to'))
    .addOption(
      nodeOption(
        '--connect <host:port>',
        'a peer to stay connected to; repeats',
        'CONNECT',
      ).argParser(hostPorts('connect')),
    )
    .addOption(
      nodeOption(
        '--seed <host:port>',
        "where to ask for peers, in place of the network's own seeds; repeats",
        'SEED',
      ).argParser(hostPorts('seed')),
    )
    .addOption(new Option('--no-discovery', 'look for no peers: those of --connect, and who comes'))
    .addOption(
      nodeOption('--max-peers <n>', 'peers at a time', 'MAX_PEERS')
        .argParser(wholeNumber('max-peers', 1, 1000))
        .default(50),
    )
    .addOption(
      nodeOption('--moniker <name>', 'what this node calls itself', 'MONIKER')
        .argParser(oneLineText('moniker', 64))
        .default('anonymous'),
    );
}

function addMiningOptions(command: Command): void {
  command.optionsGroup('Mining:');
  command
    .addOption(
      nodeOption(
        '--mining-address <address>',
        'who gets the rewards (default: the one that was set before)',
        'MINING_ADDRESS',
      ),
    )
    .addOption(
      nodeOption(
        '--coinbase-arbitrary <hex>',
        'bytes of yours in the blocks that are mined here, at most 107',
        'COINBASE_ARBITRARY',
      ),
    )
    .addOption(new Option('--mine', 'mine on the device of this node, when nothing else needs it'));
}
