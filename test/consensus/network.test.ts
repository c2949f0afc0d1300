import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/chain/block.ts';
import { statusRoot, transactionsRoot } from '../../src/chain/merkle.ts';
import { blockWork } from '../../src/consensus/difficulty.ts';
import {
  MAINNET,
  type Network,
  networkByName,
  SOLONET,
  TESTNET,
} from '../../src/consensus/network.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { bytesOf, load } from '../chain/vectors.ts';

interface NetworkVector {
  readonly address_prefix: string;
  readonly bits: string;
  readonly chain_id: string;
  readonly checkpoints: readonly { readonly height: number; readonly hash: string }[];
  readonly coinbase_amount: string;
  readonly coinbase_output_id: string;
  readonly coinbase_tx_id: string;
  readonly default_p2p_port: string;
  readonly difficulty: string;
  readonly dns_seeds: readonly string[] | null;
  readonly hash: string;
  readonly raw_block: string;
  readonly timestamp: number;
}

const vectors = load('genesis.json') as Readonly<Record<string, NetworkVector>>;
const networks: readonly Network[] = [MAINNET, TESTNET, SOLONET];

describe.each(networks)('$name', (network) => {
  const vector = vectors[network.chainId]!;
  const { genesis } = network;

  it('begins with the block that the reference computes', () => {
    expect(bytesToHex(encodeBlock(genesis))).toBe(vector.raw_block);
    expect(bytesToHex(genesis.hash)).toBe(vector.hash);
    expect(genesis).toEqual(decodeBlock(bytesOf(vector.raw_block)));
    expect(genesis.header.bits).toBe(BigInt(vector.bits));
    expect(blockWork(genesis.header.bits)).toBe(BigInt(vector.difficulty));
  });

  it('begins with one coinbase, under roots that follow from it', () => {
    const [coinbase, ...others] = genesis.transactions;
    expect(others).toEqual([]);
    expect(bytesToHex(coinbase!.id)).toBe(vector.coinbase_tx_id);
    expect(bytesToHex(coinbase!.results[0]!.id)).toBe(vector.coinbase_output_id);
    expect(coinbase!.outputs[0]!.amount).toBe(BigInt(vector.coinbase_amount));
    expect(genesis.header.transactionsMerkleRoot).toEqual(transactionsRoot(genesis.transactions));
    expect(genesis.header.transactionStatusHash).toEqual(statusRoot([false]));
  });

  it('has the checkpoints and names that nodes use', () => {
    const checkpoints = vector.checkpoints.map(({ height, hash }) => [height, hash]);
    expect([...network.checkpoints]).toEqual(checkpoints);
    expect(network.chainId).toBe(vector.chain_id);
    expect(network.addressPrefix).toBe(vector.address_prefix);
    expect(network.dnsSeeds).toEqual(vector.dns_seeds ?? []);
    // The reference leaves the port of a solonet to its configuration.
    if (vector.default_p2p_port !== '') {
      expect(network.defaultP2pPort).toBe(Number(vector.default_p2p_port));
    }
    for (const seed of network.fixedSeeds) expect(seed.port).toBe(network.defaultP2pPort);
  });
});

describe('the networks', () => {
  it('are told apart by everything but the genesis of testnet and solonet', () => {
    for (const key of ['name', 'chainId', 'addressPrefix', 'defaultP2pPort'] as const) {
      expect(new Set(networks.map((network) => network[key])).size, key).toBe(3);
    }
    expect(TESTNET.genesis.hash).toEqual(SOLONET.genesis.hash);
    expect(MAINNET.genesis.hash).not.toEqual(TESTNET.genesis.hash);
  });

  it('have checkpoints in rising order, each a whole hash', () => {
    for (const { name, checkpoints } of networks) {
      const heights = [...checkpoints.keys()];
      expect(heights, name).toEqual(heights.toSorted((a, b) => a - b));
      for (const hash of checkpoints.values()) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(networks.map(({ checkpoints }) => checkpoints.size)).toEqual([28, 13, 0]);
  });
});

describe('networkByName', () => {
  it('knows each network by its name and by its chain id', () => {
    for (const network of networks) {
      expect(networkByName(network.name)).toBe(network);
      expect(networkByName(network.chainId)).toBe(network);
    }
  });

  it('refuses other texts, naming the field', () => {
    for (const text of ['', 'Mainnet', 'main', 'toString', 'testnet ']) {
      expect(() => networkByName(text), text).toThrow(InputError);
    }
    expect(() => networkByName('main', '--network')).toThrow(
      '--network: expected mainnet, testnet (or wisdom) or solonet, got "main"',
    );
  });
});
