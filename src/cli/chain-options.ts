/** Which chain a command is about, and where it is kept: options that every command of the node has. */
import type { Command } from 'commander';
import { type Network, networkByName } from '../consensus/network.ts';
import { type OptionMaker, optionsWith } from './common-options.ts';

export interface DataOptions {
  readonly network: Network;
  /** The data directory; the network's own by default. */
  readonly data?: string;
  readonly json?: boolean;
}

/** Makes an option of `bytom-node`. */
export const nodeOption: OptionMaker = optionsWith('BYTOM_NODE');

export function addDataOptions(command: Command): void {
  command.optionsGroup('Chain:');
  command
    .addOption(
      nodeOption('--network <name>', 'mainnet, testnet or solonet', 'NETWORK')
        .argParser((text) => networkByName(text, 'network'))
        .default(networkByName('mainnet'), 'mainnet'),
    )
    .addOption(
      nodeOption('--data <dir>', 'folder of the chain (default: one of yours, see below)', 'DATA'),
    );
}
