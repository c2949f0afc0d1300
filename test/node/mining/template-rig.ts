/** A chain with templates on it, for tests of mining. */
import { type BlockHeader, headerHash } from '../../../src/chain/header.ts';
import type { Tx } from '../../../src/chain/tx.ts';
import { RuleError } from '../../../src/consensus/rule-error.ts';
import { MiningSettings } from '../../../src/node/mining/mining-settings.ts';
import {
  type BlockTemplate,
  Templates,
  type TemplatesOptions,
} from '../../../src/node/mining/templates.ts';
import { WorkError } from '../../../src/node/mining/work-error.ts';
import { MemoryKv } from '../../../src/store/memory-kv.ts';
import type { BatchHasher } from '../../../src/tensority/hasher.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig, type ChainRigOptions } from '../../support/chain-rig.ts';
import { StandInHasher } from '../../support/stand-in-hasher.ts';
import { ListedPool } from './listed-pool.ts';

/** Blocks that every chain here begins with: the coins of some 20 of them can be spent. */
export const BASE_HEIGHT = 120;
export const BASE: ChainBuilder = new ChainBuilder().extend(BASE_HEIGHT);
/** The clock says so many seconds after the tip. */
const LATER = 1_000_000;

export interface TemplateRigOptions extends TemplatesOptions {
  readonly chain?: Partial<ChainRigOptions>;
  /** The hasher of the chain; the one that knows what was built if left out. */
  readonly hasher?: BatchHasher;
}

const stored = storeBase();

export class TemplateRig {
  /** Its blocks are those of the chain; whoever adds to it submits them. */
  builder: ChainBuilder = BASE.fork(BASE_HEIGHT);
  readonly pool = new ListedPool();
  readonly chain: ChainRig;
  readonly settings: MiningSettings;
  readonly templates: Templates;
  /** The wall clock, in seconds. */
  now: number = BASE.tip.header.timestamp + LATER;

  private constructor(options: TemplateRigOptions, kv: MemoryKv, settings: MiningSettings) {
    const { hasher = this.builder.pow.hasher() } = options;
    this.chain = new ChainRig({ hasher, kv, now: () => this.now, ...options.chain });
    this.settings = settings;
    const { chain, clock, log } = this.chain;
    const { pool } = this;
    this.templates = new Templates(options, {
      chain,
      pool,
      settings,
      clock,
      now: () => this.now,
      log,
    });
  }

  static async open(options: TemplateRigOptions = {}): Promise<TemplateRig> {
    const kv = copyOf(await stored);
    const { network } = BASE;
    const log = new ChainRig({ hasher: new StandInHasher(), kv: new MemoryKv() }).log;
    const settings = await MiningSettings.open({ network }, { log });
    return new TemplateRig(options, kv, settings);
  }

  /** Puts transactions into the pool as the tip sees them, those that are valid there. */
  pooled(...transactions: readonly Tx[]): number {
    const { height } = this.chain.chain.tip.header;
    return transactions.filter((tx) => this.pool.add(tx, height)).length;
  }

  /** Submits work on a template: as a word, what it comes to. */
  async submit(template: BlockTemplate, changes: Partial<BlockHeader> = {}): Promise<string> {
    const header = { ...template.header, ...changes };
    return this.submitHeader(header, template);
  }

  /** Submits a header as it is; the work is good if the block has the roots of `mined`. */
  async submitHeader(header: BlockHeader, mined?: BlockTemplate): Promise<string> {
    if (mined !== undefined) {
      const { nonce, timestamp } = header;
      this.builder.pow.add(mined.seed, headerHash({ ...mined.header, nonce, timestamp }));
    }
    try {
      const outcome = await this.templates.submit(header);
      if (outcome.result === 'connected') {
        this.builder.blocks.push(this.chain.chain.block(this.chain.chain.tip.hash)!);
      }
      return outcome.result;
    } catch (error) {
      if (error instanceof RuleError) return error.detail.rule;
      if (error instanceof WorkError) return error.detail.code;
      throw error;
    }
  }

  /** Replaces the last `depth` blocks by one more than that. */
  async reorganise(depth: number): Promise<void> {
    const { height } = this.builder;
    this.builder = this.builder.fork(height - depth).extend(depth + 1);
    for (const block of this.builder.blocks.slice(-depth - 1)) await this.chain.submit(block);
  }

  async close(): Promise<void> {
    await this.templates.close();
    await this.chain.close();
  }
}

async function storeBase(): Promise<MemoryKv> {
  const kv = new MemoryKv();
  const rig = new ChainRig({ hasher: BASE.pow.hasher({ maxBatch: 64 }), kv });
  await rig.submitAll(BASE.blocks.slice(1));
  await rig.chain.close();
  return kv;
}

function copyOf(kv: MemoryKv): MemoryKv {
  const copy = new MemoryKv();
  const all = kv.range({ from: Uint8Array.of(0), to: new Uint8Array(64).fill(0xff) });
  copy.write([...all].map(([key, value]) => ({ key, value })));
  return copy;
}
