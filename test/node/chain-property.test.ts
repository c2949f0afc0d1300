/** Random trees of good and bad blocks, in random order, against a plain model of the rules. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import { MemoryKv } from '../../src/store/memory-kv.ts';
import type { Seed } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainBuilder } from '../support/chain-builder.ts';
import { ChainRig } from '../support/chain-rig.ts';
import { seededRandom } from '../support/random.ts';
import { ANYONE, FEE, transaction } from '../support/spending.ts';
import { StandInHasher } from '../support/stand-in-hasher.ts';

/** Blocks that every chain here begins with: enough for coins that can be spent. */
const BASE_HEIGHT = 104;
const base = new ChainBuilder().extend(BASE_HEIGHT);

interface Tree {
  /** In the order of their making: parents first. */
  readonly blocks: readonly Block[];
  /** The rule that refuses a block whatever its branch, by hash. */
  readonly bad: ReadonlyMap<string, string>;
}

type Random = () => number;

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}

function growTree(size: number, random: Random): Tree {
  const blocks: Block[] = [];
  const bad = new Map<string, string>();
  const branches = [base.fork(BASE_HEIGHT)];
  while (blocks.length < size) {
    let branch = pick(branches, random);
    if (random() < 0.25) {
      branch = branch.fork(Math.max(BASE_HEIGHT - 2, branch.height - Math.floor(random() * 5)));
      branches.push(branch);
    }
    blocks.push(growBranch(branch, bad, random));
  }
  return { blocks, bad };
}

function growBranch(branch: ChainBuilder, bad: Map<string, string>, random: Random): Block {
  const kind = random();
  if (kind < 0.3) {
    // There are three such coins: on many branches this one is spent already.
    const coin = branch.coinbase(1 + Math.floor(random() * 3));
    const payment = { to: ANYONE, amount: coin.amount - FEE };
    return branch.block({ transactions: [transaction({ from: [coin], to: [payment] })] });
  }
  if (kind < 0.33) {
    const block = branch.block({ overpay: 1n });
    bad.set(bytesToHex(block.hash), 'coinbase-amount');
    return block;
  }
  if (kind < 0.36) {
    const block = branch.block({ timestamp: branch.tip.header.timestamp - 7200 });
    bad.set(bytesToHex(block.hash), 'timestamp-too-early');
    return block;
  }
  const block = branch.block();
  if (kind > 0.97) bad.set(bytesToHex(block.hash), 'proof-of-work');
  return block;
}

/** The rules of chain selection, written down plainly: everything is searched for and replayed. */
class Model {
  readonly #bad: Tree['bad'];
  readonly #known: Block[];
  #orphans: Block[] = [];
  #tip: Block;

  constructor(bad: Tree['bad']) {
    this.#bad = bad;
    this.#known = [...base.blocks];
    this.#tip = base.tip;
  }

  get tip(): string {
    return bytesToHex(this.#tip.hash);
  }

  submit(block: Block): string {
    if (this.#find(block.hash) !== undefined) return 'known';
    if (this.#find(block.header.previousBlockHash) === undefined) {
      if (!this.#orphans.includes(block)) this.#orphans.push(block);
      return 'orphan';
    }
    const refused = this.#bad.get(bytesToHex(block.hash));
    if (refused !== undefined) return refused;
    const candidate = this.#keep(block);
    const onTop = this.#isParent(this.#tip, candidate);
    // All blocks here have the same work, so that more of them have more.
    if (!onTop && candidate.header.height <= this.#tip.header.height) return 'side';
    const problem = coinProblem(this.branch(candidate));
    if (problem !== undefined) return problem;
    this.#tip = candidate;
    return 'connected';
  }

  /** From the first block after genesis. */
  branch(tip: Block = this.#tip): readonly Block[] {
    if (tip.header.height === 0) return [];
    return [...this.branch(this.#find(tip.header.previousBlockHash)!), tip];
  }

  #keep(block: Block): Block {
    this.#known.push(block);
    this.#orphans = this.#orphans.filter((orphan) => orphan !== block);
    let highest = block;
    for (const orphan of [...this.#orphans]) {
      if (!this.#isParent(block, orphan)) continue;
      this.#orphans = this.#orphans.filter((other) => other !== orphan);
      if (this.#bad.has(bytesToHex(orphan.hash))) continue;
      const reached = this.#keep(orphan);
      if (reached.header.height > highest.header.height) highest = reached;
    }
    return highest;
  }

  #isParent(parent: Block, child: Block): boolean {
    return bytesToHex(parent.hash) === bytesToHex(child.header.previousBlockHash);
  }

  #find(hash: Uint8Array): Block | undefined {
    return this.#known.find((block) => bytesToHex(block.hash) === bytesToHex(hash));
  }
}

/** Of a branch from the first block on; no transaction here fails, and all coins are mature. */
function coinProblem(branch: readonly Block[]): string | undefined {
  const coins = new Set<string>();
  for (const tx of branch.flatMap((block) => block.transactions)) {
    for (const id of tx.spentOutputIds) {
      if (id !== undefined && !coins.delete(bytesToHex(id))) return 'utxo-missing';
    }
    for (const { id } of tx.results) coins.add(bytesToHex(id));
  }
  return undefined;
}

/** Takes a random number of turns for each batch. */
class SlowHasher extends StandInHasher {
  readonly #random: Random;

  constructor(bad: Tree['bad'], random: Random) {
    const fails = (hash: Uint8Array): boolean => bad.get(bytesToHex(hash)) === 'proof-of-work';
    super({ maxBatch: 4, hash: (_s, hash) => new Uint8Array(32).fill(fails(hash) ? 0xff : 0) });
    this.#random = random;
  }

  override async hash(
    seed: Seed,
    input: Uint8Array,
    out: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let turns = Math.floor(this.#random() * 4); turns > 0; turns--) await nextTurn();
    return super.hash(seed, input, out, signal);
  }
}

/** The database after the common blocks, to be copied. */
async function baseStore(): Promise<MemoryKv> {
  const kv = new MemoryKv();
  const rig = new ChainRig({ hasher: new StandInHasher({ hash: () => new Uint8Array(32) }), kv });
  await rig.submitAll(base.blocks.slice(1));
  await rig.chain.close();
  return kv;
}

function copyOf(kv: MemoryKv): MemoryKv {
  const copy = new MemoryKv();
  const all = kv.range({ from: Uint8Array.of(0), to: new Uint8Array(64).fill(0xff) });
  copy.write([...all].map(([key, value]) => ({ key, value })));
  return copy;
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** The tree's blocks, from nearly in order to in no order, some of them twice. */
function submissions(tree: Tree, random: Random): readonly Block[] {
  const reach = 1 + Math.floor(random() ** 2 * tree.blocks.length);
  const out: Block[] = [];
  for (let at = 0; at < tree.blocks.length; at += reach) {
    out.push(...shuffled(tree.blocks.slice(at, at + reach), random));
  }
  return [...out, ...shuffled(tree.blocks, random).slice(0, 6)];
}

describe('a chain that is given a random tree of blocks in random order', async () => {
  const stored = await baseStore();
  const seen = new Map<string, number>();
  let disconnected = 0;

  async function compare(seed: number): Promise<void> {
    const random = seededRandom(seed);
    const tree = growTree(12 + Math.floor(random() * 28), random);
    const order = submissions(tree, random);
    const model = new Model(tree.bad);
    const expected = order.map((block) => model.submit(block));
    const hasher = new SlowHasher(tree.bad, random);
    const rig = new ChainRig({ hasher, kv: copyOf(stored) });
    const priority = random() < 0.5 ? 'sync' : 'tip';
    const answers: string[] = [];
    for (let at = 0; at < order.length; ) {
      const count = 1 + Math.floor(random() ** 2 * order.length);
      const some = order.slice(at, at + count);
      answers.push(...(await Promise.all(some.map((block) => rig.submit(block, priority)))));
      at += count;
    }
    const label = `tree ${seed}`;
    expect(answers, label).toEqual(expected);
    for (const answer of answers) seen.set(answer, 1 + (seen.get(answer) ?? 0));
    disconnected += rig.chain.counters.disconnected;
    expect(rig.tipHash, label).toBe(model.tip);
    const fresh = new ChainRig({ hasher, kv: copyOf(stored) });
    await fresh.submitAll(model.branch().slice(BASE_HEIGHT));
    for (const block of model.branch().slice(BASE_HEIGHT - 3)) await fresh.submit(block);
    expect(fresh.tipHash, label).toBe(model.tip);
    expect(rig.coins, label).toBe(fresh.coins);
    await rig.close();
    await fresh.close();
  }

  for (let part = 0; part < 12; part++) {
    it(`answers and ends as the plain rules do, however the submissions overlap (${part})`, async () => {
      for (let i = 0; i < 10; i++) await compare(1000 * part + i);
    });
  }

  it('has met everything that can happen, and often', () => {
    const rare = [...seen].filter(([, times]) => times < 20);
    expect(rare).toEqual([]);
    expect([...seen.keys()].sort()).toEqual([
      'coinbase-amount',
      'connected',
      'known',
      'orphan',
      'proof-of-work',
      'side',
      'timestamp-too-early',
      'utxo-missing',
    ]);
    expect(disconnected).toBeGreaterThan(100);
  });
});
