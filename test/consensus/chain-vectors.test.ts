/** Whole recorded chains: the bodies of their blocks, and the coins they leave. */
import { describe, expect, it } from 'vitest';
import { decodeBlock } from '../../src/chain/block.ts';
import type { SpentUtxo } from '../../src/chain/utxo.ts';
import { type BlockVerdict, validateBlockBody } from '../../src/consensus/block-rules.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { connectBlock, disconnectBlock } from '../../src/consensus/utxo-rules.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { bytesOf, chainVectors, load, scenarioVectors } from '../chain/vectors.ts';
import { MapUtxoView } from '../support/coins.ts';

describe('the recorded solonet', () => {
  const vectors = chainVectors();
  const blocks = vectors.map(({ raw_block }) => decodeBlock(bytesOf(raw_block)));
  const verdicts: BlockVerdict[] = [];
  const view = new MapUtxoView();
  const taken: SpentUtxo[][] = [];

  it('has valid bodies, and transactions that fail where the reference says so', () => {
    vectors.forEach(({ height, status_fail }, i) => {
      const verdict = validateBlockBody(blocks[i]!);
      verdicts.push(verdict);
      const failed = verdict.statusFail.flatMap((fails, index) => (fails ? [index] : []));
      expect(failed, `block ${height}`).toEqual(status_fail);
    });
    expect(verdicts.length).toBe(2031);
  });

  it('leaves the coins of the reference', () => {
    blocks.forEach((block, i) => {
      taken.push(connectBlock(block, verdicts[i]!.statusFail, view));
    });
    const { utxo_count_at_best: count, utxo_digest_at_best: digest } = load(
      'solonet-chain.json.gz',
    ) as { utxo_count_at_best: number; utxo_digest_at_best: string };
    expect(view.coins.size).toBe(count);
    expect(view.digest()).toBe(digest);
  });

  it('leaves none when all of it is taken back, and the same when connected again', () => {
    const best = view.sorted();
    const back = view.copy();
    for (let i = blocks.length - 1; i >= 0; i--) {
      disconnectBlock(blocks[i]!, verdicts[i]!.statusFail, taken[i]!, back);
    }
    expect(back.coins.size).toBe(0);
    for (const [i, block] of blocks.entries()) connectBlock(block, verdicts[i]!.statusFail, back);
    expect(back.sorted()).toEqual(best);
  });
});

/** Steps of the scenario whose body is refused, and by which rule. */
const BODY_RULES: ReadonlyMap<string, string> = new Map([
  ['wrong transaction merkle root', 'transactions-root'],
  ['wrong status merkle root', 'status-root'],
  ['coinbase pays one too much', 'coinbase-amount'],
  ['coinbase pays one too little', 'coinbase-amount'],
  ['block without transactions', 'coinbase-missing'],
  ['coinbase arbitrary 129 bytes', 'coinbase-arbitrary'],
  ['coinbase output is a retirement', 'coinbase-outputs'],
  ['coinbase output program not standard', 'tx-not-standard'],
  ['coinbase with two outputs, second zero', 'coinbase-outputs'],
  ['second transaction is a coinbase', 'coinbase-position'],
  ['coinbase does not collect the fee', 'coinbase-amount'],
  ['coinbase collects one more than the fee', 'coinbase-amount'],
  ['time range of a transaction is below the height', 'tx-time-range'],
  ['failing issuance but status root says success', 'status-root'],
  ['status root marks the coinbase as failed too', 'status-root'],
  ['block gas above 10,000,000', 'block-gas'],
]);

/** Steps whose block cannot be connected to the coins of its own branch. */
const COIN_RULES: ReadonlyMap<string, string> = new Map([
  ['spends the coinbase of height 3 at height 102 (immature)', 'coinbase-immature'],
  ['spends an already spent output', 'utxo-missing'],
  ['spends an output that does not exist', 'utxo-missing'],
  ['same transaction twice in a block', 'utxo-missing'],
  ['child before parent in a block', 'utxo-missing'],
  ['on B: spends X, which B already spent', 'utxo-missing'],
  ['branch C 2 spends an already spent output, but is only a side block now', 'utxo-missing'],
  ['spends the asset output of the failed transaction', 'utxo-missing'],
]);

describe('the recorded submissions', () => {
  const steps = scenarioVectors().map(({ name, raw_block }) => {
    const block = decodeBlock(bytesOf(raw_block));
    const verdict = ruled(() => validateBlockBody(block));
    return { name, block, verdict };
  });

  it('have the bodies that the reference accepts, and others that it refuses', () => {
    for (const { name, verdict } of steps) {
      const rule = verdict instanceof RuleError ? verdict.detail.rule : undefined;
      expect(rule, name).toBe(BODY_RULES.get(name));
    }
    const met = steps.filter(({ name }) => BODY_RULES.has(name));
    expect(new Set(met.map(({ name }) => name)).size).toBe(BODY_RULES.size);
  });

  it('connect to the coins of their branch, but for those that take what is not there', () => {
    const genesis = decodeBlock(bytesOf(chainVectors()[0]!.raw_block));
    const first = new MapUtxoView();
    connectBlock(genesis, [false], first);
    const views = new Map([[bytesToHex(genesis.hash), first]]);
    const met = new Set<string>();
    // Orphans come before their parents; a header at fault leaves the coins alone.
    const inOrder = [...steps].sort((a, b) => a.block.header.height - b.block.header.height);
    for (const { name, block, verdict } of inOrder) {
      const parent = views.get(bytesToHex(block.header.previousBlockHash));
      if (verdict instanceof RuleError || parent === undefined) continue;
      const view = parent.copy();
      const taken = ruled(() => connectBlock(block, verdict.statusFail, view));
      if (taken instanceof RuleError) {
        expect(taken.detail.rule, name).toBe(COIN_RULES.get(name));
        expect(taken.detail.blame, name).toBe('peer');
        met.add(name);
        continue;
      }
      const back = view.copy();
      disconnectBlock(block, verdict.statusFail, taken, back);
      expect(back.sorted(), name).toEqual(parent.sorted());
      views.set(bytesToHex(block.hash), view);
    }
    expect(met).toEqual(new Set(COIN_RULES.keys()));
  });
});

function ruled<T>(act: () => T): T | RuleError {
  try {
    return act();
  } catch (error) {
    if (error instanceof RuleError) return error;
    throw error;
  }
}
