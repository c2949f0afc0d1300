/** Chains that the reference node has judged, submitted to ours. */
import { describe, expect, it } from 'vitest';
import { type Block, decodeBlock } from '../../src/chain/block.ts';
import { openConfirmingHasher, openCpuHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { bytesOf, type ChainVector, load, type ScenarioVector } from '../chain/vectors.ts';
import { ChainRig } from '../support/chain-rig.ts';
import { StandInHasher } from '../support/stand-in-hasher.ts';

interface Step extends ScenarioVector {
  readonly accepted: boolean;
  readonly error: string | null;
  readonly best_height_after: number;
  readonly best_hash_after: string;
}

interface SolonetChain {
  readonly best_height: number;
  readonly best_hash: string;
  readonly utxo_count_at_best: number;
  readonly utxo_digest_at_best: string;
  readonly blocks: readonly (ChainVector & {
    readonly seed: string;
    readonly pow: string;
    readonly total_work: string;
  })[];
}

/** How the reference words a refusal, and our name for the rule. The first that fits counts. */
const RULES: readonly (readonly [RegExp, string])[] = [
  [/version regression/, 'header-version'],
  [/misordered block height/, 'header-height'],
  [/block bits is invalid/, 'header-bits'],
  [/invalid difficulty proof of work/, 'proof-of-work'],
  [/transaction id merkle root/, 'transactions-root'],
  [/transaction status merkle root/, 'status-root'],
  [/dismatch output amount/, 'coinbase-amount'],
  [/block is empty/, 'coinbase-missing'],
  [/coinbase arbitrary size/, 'coinbase-arbitrary'],
  [/unexpected type \*bc.Retirement/, 'coinbase-outputs'],
  [/have more than 1 output/, 'coinbase-outputs'],
  [/not standard transaction/, 'tx-not-standard'],
  [/checking gas input: wrong coinbase transaction/, 'coinbase-position'],
  [/coinbase utxo is not ready/, 'coinbase-immature'],
  [/invalid transaction time range/, 'tx-time-range'],
  [/gas is over the limit/, 'block-gas'],
  [/utxo has been spent|fail to find utxo entry/, 'utxo-missing'],
];

/** What our chain is to answer. */
function expectedOf(step: Step, before: string | undefined): readonly string[] {
  const { accepted, error, name } = step;
  if (accepted) {
    if (name === 'already known block again') return ['known'];
    return [step.best_hash_after === before ? 'side' : 'connected'];
  }
  if (error === 'block submitted is orphan') return ['orphan'];
  if (/timestamp is not in the valid range/.test(error ?? '')) {
    return [name.includes('ahead') ? 'timestamp-too-late' : 'timestamp-too-early'];
  }
  const rule = RULES.find(([text]) => text.test(error ?? ''))?.[1];
  return rule === undefined ? [] : [rule];
}

describe('the 160 submissions that the reference node was given', () => {
  const { steps, wall_clock: now } = load('chain_scenario.json.gz') as {
    steps: readonly Step[];
    wall_clock: number;
  };
  const blocks = steps.map(({ raw_block }) => decodeBlock(bytesOf(raw_block)));
  const noWork = new Set(
    steps.filter(({ name }) => name === 'proof of work above target').map((s) => s.block_hash),
  );
  const standIn = (): StandInHasher =>
    new StandInHasher({
      hash: (_seed, hash) => new Uint8Array(32).fill(noWork.has(bytesToHex(hash)) ? 0xff : 0),
    });
  const expected = steps.map((step, i) => expectedOf(step, steps[i - 1]?.best_hash_after));

  async function submitInTurn(rig: ChainRig): Promise<void> {
    for (const [i, step] of steps.entries()) {
      const label = `step ${i}: ${step.name}`;
      expect([await rig.submit(blocks[i]!)], label).toEqual(expected[i]);
      expect(rig.tipHash, label).toBe(step.best_hash_after);
      expect(rig.chain.tip.header.height, label).toBe(step.best_height_after);
    }
  }

  it('has a rule for every refusal, and one block without work', () => {
    expect(expected.every((answers) => answers.length === 1)).toBe(true);
    expect(noWork.size).toBe(1);
    expect(expected.flat().filter((answer) => answer === 'connected').length).toBeGreaterThan(100);
  });

  it('answers each as the reference did, with the proof of work known', async () => {
    const rig = new ChainRig({ hasher: standIn(), now: () => now });
    await submitInTurn(rig);
    await rig.close();
  });

  it('answers each the same when all are submitted at once', async () => {
    const rig = new ChainRig({ hasher: standIn(), now: () => now });
    expect(await rig.submitAll(blocks)).toEqual(expected.flat());
    expect(rig.tipHash).toBe(steps.at(-1)!.best_hash_after);
    await rig.close();
  });

  it('answers each as the reference did, computing the proof of work', async () => {
    const hasher = openCpuHasher();
    const tables = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
    const rig = new ChainRig({
      hasher,
      confirm: () => openConfirmingHasher(hasher.tier),
      tables: (seed) => tables.get(seed),
      now: () => now,
    });
    // All at once for the speed of it; the turns keep their order.
    expect(await rig.submitAll(blocks)).toEqual(expected.flat());
    expect(rig.tipHash).toBe(steps.at(-1)!.best_hash_after);
    expect(rig.verifier.mismatches).toBe(0);
    await rig.close();
    await hasher.close();
  });
});

describe('the recorded solonet', () => {
  const file = load('solonet-chain.json.gz') as SolonetChain;
  const blocks = file.blocks.map(({ raw_block }) => decodeBlock(bytesOf(raw_block)));
  const known = new Map(
    // Genesis has no proof of work.
    file.blocks.slice(1).map(({ hash, seed, pow }) => [seed + hash, bytesOf(pow)]),
  );
  const hasher = (): StandInHasher =>
    new StandInHasher({
      maxBatch: 64,
      hash: (seed, hash) =>
        known.get(bytesToHex(seed) + bytesToHex(hash)) ?? new Uint8Array(32).fill(0xff),
    });

  it('connects over the edge of an epoch, block after block', async () => {
    const rig = new ChainRig({ hasher: hasher() });
    for (const block of blocks.slice(1, 300)) {
      expect(await rig.submit(block), `block ${block.header.height}`).toBe('connected');
      const vector = file.blocks[block.header.height]!;
      expect(String(rig.chain.tip.totalWork)).toBe(vector.total_work);
    }
    const { seed } = file.blocks[300]!;
    expect(bytesToHex(rig.chain.nextHeaderContext().seed)).toBe(seed);
    await rig.close();
  });

  it('comes to the tip and the coins of the reference, all blocks submitted at once', async () => {
    const rig = new ChainRig({ hasher: hasher() });
    const answers = await rig.submitAll(blocks);
    expect(answers[0]).toBe('known');
    expect(new Set(answers.slice(1))).toEqual(new Set(['connected']));
    expect(rig.chain.tip.header.height).toBe(file.best_height);
    expect(rig.tipHash).toBe(file.best_hash);
    expect(rig.coins).toBe(`${file.utxo_count_at_best} ${file.utxo_digest_at_best}`);
    expect(rig.chain.counters.connected).toBe(2030);
    await rig.close();
  });

  it('connects nothing whose work is another seed’s', async () => {
    const block = blocks[1]!;
    const other = new StandInHasher({ hash: () => new Uint8Array(32).fill(0xff) });
    const rig = new ChainRig({ hasher: other });
    expect(await rig.submit(block)).toBe('proof-of-work');
    const orphans: readonly Block[] = blocks.slice(2, 5);
    expect(await rig.submitAll(orphans)).toEqual(['orphan', 'orphan', 'orphan']);
    await rig.close();
  });
});
