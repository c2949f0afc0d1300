/** A chain in memory, with everything around it, for tests of the node. */
import type { Block } from '../../src/chain/block.ts';
import { blockWork } from '../../src/consensus/difficulty.ts';
import { type Network, SOLONET } from '../../src/consensus/network.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { Chain } from '../../src/node/chain.ts';
import type { ChainOptions } from '../../src/node/chain-options.ts';
import { PowVerifier, type PowVerifierParts } from '../../src/pow/pow-verifier.ts';
import { ChainStore } from '../../src/store/chain-store.ts';
import type { KeyValueStore } from '../../src/store/kv.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { FakeClock } from './fake-clock.ts';
import { RecordingLog } from './recording-log.ts';
import { standInTable } from './stand-in-hasher.ts';

export interface ChainRigOptions extends Omit<Partial<ChainOptions>, 'network'> {
  readonly network?: Network;
  /** The hasher; it confirms itself unless `confirm` is given. */
  readonly hasher: BatchHasher;
  readonly confirm?: () => BatchHasher;
  readonly tables?: PowVerifierParts['tables'];
  readonly kv?: KeyValueStore;
  /** The wall clock in seconds; far in the future if left out. */
  readonly now?: () => number;
}

export class ChainRig {
  readonly clock: FakeClock = new FakeClock();
  readonly log: RecordingLog = new RecordingLog('chain');
  readonly kv: KeyValueStore;
  readonly store: ChainStore;
  readonly verifier: PowVerifier;
  readonly chain: Chain;

  constructor(options: ChainRigOptions) {
    const { hasher, confirm = () => hasher, tables = standInTable, kv = new MemoryKv() } = options;
    const { network = SOLONET, now = () => 4_000_000_000, ...rest } = options;
    const { clock, log } = this;
    this.kv = kv;
    this.store = openStore(kv, network);
    this.verifier = new PowVerifier(
      {},
      { hasher, confirm, tables, confirmTables: tables, clock, log },
    );
    const { store, verifier } = this;
    this.chain = new Chain({ ...rest, network }, { store, verifier, clock, now, log });
  }

  /** What a submission comes to, as a word: the result, or the rule that refused it. */
  async submit(block: Block, priority: 'candidate' | 'tip' | 'sync' = 'tip'): Promise<string> {
    try {
      return (await this.chain.submit(block, { priority })).result;
    } catch (error) {
      if (error instanceof RuleError) return error.detail.rule;
      throw error;
    }
  }

  /** Submits all of them before the first one settles. */
  async submitAll(blocks: readonly Block[]): Promise<readonly string[]> {
    return Promise.all(blocks.map((block) => this.submit(block, 'sync')));
  }

  get tipHash(): string {
    return bytesToHex(this.chain.tip.hash);
  }

  get coins(): string {
    const { count, digest } = this.store.utxoSummary();
    return `${count} ${bytesToHex(digest)}`;
  }

  async close(): Promise<void> {
    await this.chain.close();
    await this.verifier.close();
    await this.store.close();
  }
}

export function openStore(kv: KeyValueStore, network: Network = SOLONET): ChainStore {
  const { name, genesis } = network;
  const genesisWork = blockWork(genesis.header.bits);
  return ChainStore.open(kv, { network: { name, genesis, genesisWork } });
}
