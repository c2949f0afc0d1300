/** The networks, and what tells them apart. Bytom 1.x consensus: "Networks". */
import type { Block } from '../chain/block.ts';
import { InputError } from '../util/errors.ts';
import { type Checkpoints, MAINNET_CHECKPOINTS, TESTNET_CHECKPOINTS } from './checkpoints.ts';
import { createGenesis } from './genesis.ts';

export type NetworkName = 'mainnet' | 'testnet' | 'solonet';

export interface Network {
  /** What people call it, on the command line and in paths. */
  readonly name: NetworkName;
  /** What nodes call it, to each other and in their configuration: the test network is "wisdom". */
  readonly chainId: 'mainnet' | 'wisdom' | 'solonet';
  /** Human-readable part of its addresses. */
  readonly addressPrefix: 'bm' | 'tm' | 'sm';
  /** Testnet and solonet have the same one: a block hash does not tell these two apart. */
  readonly genesis: Block;
  readonly checkpoints: Checkpoints;
  readonly defaultP2pPort: number;
  /** Names whose addresses are nodes. */
  readonly dnsSeeds: readonly string[];
  /** Nodes to ask if no name answers. */
  readonly fixedSeeds: readonly SeedNode[];
}

export interface SeedNode {
  readonly host: string;
  readonly port: number;
}

const MAINNET_P2P_PORT = 46_657;
const TESTNET_P2P_PORT = 46_656;
const SOLONET_P2P_PORT = 46_658;

export const MAINNET: Network = {
  name: 'mainnet',
  chainId: 'mainnet',
  addressPrefix: 'bm',
  genesis: createGenesis(1_524_549_600, 2_161_727_821_137_910_632n),
  checkpoints: MAINNET_CHECKPOINTS,
  defaultP2pPort: MAINNET_P2P_PORT,
  dnsSeeds: ['www.mainnetseed.bytom.io'],
  fixedSeeds: seedNodes(MAINNET_P2P_PORT, [
    '45.79.213.28',
    '198.74.61.131',
    '212.111.41.245',
    '47.100.214.154',
    '47.100.109.199',
    '47.100.105.165',
  ]),
};

const TEST_GENESIS: Block = createGenesis(1_528_945_000, 2_305_843_009_214_532_812n);

export const TESTNET: Network = {
  name: 'testnet',
  chainId: 'wisdom',
  addressPrefix: 'tm',
  genesis: TEST_GENESIS,
  checkpoints: TESTNET_CHECKPOINTS,
  defaultP2pPort: TESTNET_P2P_PORT,
  dnsSeeds: ['www.testnetseed.bytom.io'],
  fixedSeeds: seedNodes(TESTNET_P2P_PORT, ['52.83.107.224', '52.83.251.197']),
};

export const SOLONET: Network = {
  name: 'solonet',
  chainId: 'solonet',
  addressPrefix: 'sm',
  genesis: TEST_GENESIS,
  checkpoints: new Map(),
  defaultP2pPort: SOLONET_P2P_PORT,
  dnsSeeds: [],
  fixedSeeds: [],
};

/** The network of a name, or of the chain id "wisdom". Throws `InputError` for any other text. */
export function networkByName(text: string, field = 'network'): Network {
  switch (text) {
    case 'mainnet':
      return MAINNET;
    case 'testnet':
    case 'wisdom':
      return TESTNET;
    case 'solonet':
      return SOLONET;
    default:
      throw new InputError(field, 'mainnet, testnet (or wisdom) or solonet', `"${text}"`);
  }
}

function seedNodes(port: number, hosts: readonly string[]): SeedNode[] {
  return hosts.map((host) => ({ host, port }));
}
