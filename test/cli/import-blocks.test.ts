import { describe, expect, it } from 'vitest';
import type { Block } from '../../src/chain/block.ts';
import { encodeBlock } from '../../src/chain/block.ts';
import { headerHash } from '../../src/chain/header.ts';
import type { BlockFileEntry } from '../../src/cli/block-file.ts';
import {
  BlockImport,
  type ImportChain,
  ImportError,
  MAX_DETACHED,
} from '../../src/cli/import-blocks.ts';
import type { BlockProgress } from '../../src/cli/progress.ts';
import { MAINNET, SOLONET, TESTNET } from '../../src/consensus/network.ts';
import { RuleError } from '../../src/consensus/rule-error.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { RecordingLog } from '../support/recording-log.ts';

const GENESIS = SOLONET.genesis;

/** Blocks that follow one another; only their headers matter here. */
function chainOf(length: number, parent: Block = GENESIS, nonce = 0n): Block[] {
  const blocks: Block[] = [];
  let previous = parent;
  for (let i = 0; i < length; i++) {
    const header = {
      ...GENESIS.header,
      height: previous.header.height + 1,
      previousBlockHash: previous.hash,
      nonce,
    };
    previous = { header, hash: headerHash(header), transactions: GENESIS.transactions };
    blocks.push(previous);
  }
  return blocks;
}

/** A chain as simple as can be: takes every block whose parent it has, but those it is to refuse. */
class SimpleChain implements ImportChain {
  height = 0;
  counters = { stored: 0, transactions: 0 };
  readonly submitted: string[] = [];
  /** By hash. */
  readonly refuse = new Map<string, unknown>();
  underWay = 0;
  mostUnderWay = 0;
  /** What each submission waits for. */
  hold: (block: Block, signal: AbortSignal) => Promise<void> = async () => {};
  readonly #stored = new Set([bytesToHex(GENESIS.hash)]);
  readonly #waiting = new Map<string, Block[]>();
  readonly #listeners = new Set<(block: Block) => void>();

  onOrphanRefused(listener: (block: Block) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isKnown(hash: Uint8Array): boolean {
    return this.#stored.has(bytesToHex(hash));
  }

  async submit(block: Block, signal: AbortSignal): Promise<'stored' | 'known' | 'orphan'> {
    this.submitted.push(`${block.header.height}`);
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    // As the real one, it decides in the order of submission and answers later.
    const result = this.#decide(block);
    try {
      await this.hold(block, signal);
    } finally {
      this.underWay--;
    }
    if (typeof result === 'string') return result;
    throw result.error;
  }

  #decide(block: Block): 'stored' | 'known' | 'orphan' | { readonly error: unknown } {
    const hash = bytesToHex(block.hash);
    if (this.#stored.has(hash)) return 'known';
    const error = this.refuse.get(hash);
    const parent = bytesToHex(block.header.previousBlockHash);
    if (!this.#stored.has(parent)) {
      this.#waiting.set(parent, [...(this.#waiting.get(parent) ?? []), block]);
      return 'orphan';
    }
    if (error !== undefined) return { error };
    this.#stored.add(hash);
    this.height = Math.max(this.height, block.header.height);
    const { stored, transactions } = this.counters;
    this.counters = {
      stored: stored + 1,
      transactions: transactions + block.transactions.length,
    };
    for (const child of this.#waiting.get(hash) ?? []) {
      if (typeof this.#decide(child) === 'string') continue;
      for (const listener of this.#listeners) listener(child);
    }
    return 'stored';
  }
}

class Trial {
  readonly chain = new SimpleChain();
  readonly log = new RecordingLog();
  readonly progress: BlockProgress[] = [];
  readonly stop = new AbortController();
  network = SOLONET;
  #blocks: BlockImport | undefined;

  get blocks(): BlockImport {
    const { chain, log, network } = this;
    this.#blocks ??= new BlockImport({
      chain,
      log,
      network,
      onProgress: (progress) => this.progress.push(progress),
      signal: this.stop.signal,
    });
    return this.#blocks;
  }

  async run(blocks: readonly (Block | Uint8Array | string)[]): Promise<this> {
    await this.blocks.run(entriesOf(blocks));
    return this;
  }
}

async function* entriesOf(
  blocks: readonly (Block | Uint8Array | string)[],
): AsyncGenerator<BlockFileEntry> {
  for (const [index, block] of blocks.entries()) {
    const common = { place: `line ${index + 1}`, fraction: (index + 1) / blocks.length };
    if (typeof block === 'string') yield { ...common, problem: block };
    else yield { ...common, bytes: block instanceof Uint8Array ? block : encodeBlock(block) };
  }
}

const refusal = new RuleError({ rule: 'header-bits', expected: '1', actual: '2' });

async function failureOf(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => expect.fail('imported everything'),
    (error: unknown) => error,
  );
}

describe('an import', () => {
  it('stores the blocks of a file, and skips the genesis block', async () => {
    const trial = await new Trial().run([GENESIS, ...chainOf(20)]);
    expect(trial.blocks.counts).toEqual({
      blocks: 20,
      transactions: 20,
      known: 1,
      refused: 0,
      orphans: 0,
    });
    expect(trial.chain.height).toBe(20);
    expect(trial.progress.map(({ blocks }) => blocks)).toEqual(
      [...Array(21).keys()].map((i) => i + 1),
    );
    expect(trial.progress.at(-1)).toEqual({ blocks: 21, height: 20, fraction: 1 });
    expect(trial.log.entries).toEqual([]);
  });

  it('skips what is known without looking at more than the header', async () => {
    const blocks = chainOf(5);
    const trial = new Trial();
    for (const block of blocks.slice(0, 3)) await trial.chain.submit(block, trial.stop.signal);
    trial.chain.submitted.length = 0;
    trial.chain.counters = { stored: 0, transactions: 0 };
    const headerAlone = encodeBlock(blocks[2]!).subarray(0, 150);
    await trial.run([...blocks.slice(0, 2), headerAlone, ...blocks.slice(3)]);
    expect(trial.chain.submitted).toEqual(['4', '5']);
    expect(trial.blocks.counts).toMatchObject({ blocks: 2, known: 3 });
  });

  it('names a block that is refused and goes on behind it', async () => {
    const main = chainOf(3);
    const bad = chainOf(1, main[0], 7n)[0]!;
    const trial = new Trial();
    trial.chain.refuse.set(bytesToHex(bad.hash), refusal);
    await trial.run([main[0]!, bad, main[1]!, main[2]!]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 3, refused: 1, orphans: 0 });
    expect(trial.log.entries.map(({ level, event, fields }) => [level, event, fields])).toEqual([
      [
        'warn',
        'block refused',
        {
          at: 'line 2',
          height: 2,
          hash: bytesToHex(bad.hash),
          rule: 'header-bits',
          transaction: undefined,
          input: undefined,
          output: undefined,
          expected: '1',
          actual: '2',
        },
      ],
    ]);
  });

  it('names what is no block, and where it ends in the middle', async () => {
    const [block] = chainOf(1);
    const cut = encodeBlock(block!).subarray(0, -1);
    const trial = await new Trial().run(['odd digits', Uint8Array.of(9), cut, block!]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 1, refused: 3 });
    const [odd, byte, short] = trial.log.entries.map(({ fields }) => fields);
    expect(odd).toEqual({ at: 'line 1', problem: 'odd digits' });
    expect(byte?.['problem']).toContain('block.flag: expected 1 (header) or 3 (block), got 9');
    expect(short).toMatchObject({ at: 'line 3', height: 1, hash: bytesToHex(block!.hash) });
    expect(short?.['problem']).toMatch(/^block\./);
  });

  it('counts orphans that find their parents as stored, and names the first that does not', async () => {
    const main = chainOf(6);
    const lost = chainOf(3, chainOf(1, main[5], 9n)[0]!);
    const trial = await new Trial().run([...main.toReversed(), ...lost]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 6, transactions: 6, orphans: 3 });
    expect(trial.blocks.firstOrphan).toMatchObject({ place: 'line 7', height: 8 });
  });
});

describe('an orphan that is refused when its parent comes', () => {
  it('counts as refused', async () => {
    const [first, second, third] = chainOf(3);
    const trial = new Trial();
    trial.chain.refuse.set(bytesToHex(second!.hash), refusal);
    await trial.run([third!, second!, first!]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 1, refused: 1, orphans: 1 });
    expect(trial.blocks.firstOrphan).toMatchObject({ place: 'line 1', height: 3 });
  });
});

describe('an import of another network', () => {
  it.each([
    ['its genesis block', MAINNET.genesis, 'line 1 is of mainnet, genesis a75483474799'],
    ['its first block', chainOf(1, MAINNET.genesis)[0]!, 'line 1 is of mainnet, genesis a75'],
    [
      'an unknown genesis block',
      chainOf(1, { ...GENESIS, header: { ...GENESIS.header, height: -1 } }, 3n)[0]!,
      'line 1 is of another chain, genesis ',
    ],
  ])('is refused at once, by %s', async (_by, block, text) => {
    const trial = new Trial();
    const error = await failureOf(trial.run([block, ...chainOf(1)]));
    expect(error).toBeInstanceOf(ImportError);
    expect((error as ImportError).message).toContain(text);
    expect((error as ImportError).message).toContain('; this is solonet, genesis ce4fe943');
    expect(trial.chain.submitted).toEqual([]);
  });

  it('cannot tell testnet from solonet by their one genesis block', async () => {
    const trial = new Trial();
    trial.network = TESTNET;
    await trial.run([SOLONET.genesis, ...chainOf(2)]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 2 });
    trial.network = MAINNET;
    const other = new Trial();
    other.network = MAINNET;
    const error = await failureOf(other.run([GENESIS]));
    expect((error as ImportError).message).toContain('is of testnet or solonet, genesis ce4f');
  });
});

describe('blocks without a place in the chain', () => {
  it(`end the import, ${MAX_DETACHED + 1} in a row, with the first of them`, async () => {
    const main = chainOf(3);
    const lost = chainOf(400, chainOf(1, main[2], 9n)[0]!);
    const trial = new Trial();
    const error = await failureOf(trial.run([...main, ...lost]));
    expect(error).toBeInstanceOf(ImportError);
    expect((error as ImportError).message).toBe(
      'stopped: 257 blocks in a row could not be attached to the chain, which ends at height 3; ' +
        'the first is line 4, height 5. Is something before it missing, or of another network?',
    );
    expect(trial.blocks.counts).toMatchObject({ blocks: 3, orphans: 257 });
  });

  it('do not, as long as one in between has its place', async () => {
    const main = chainOf(2);
    const lost = chainOf(400, chainOf(1, main[1], 9n)[0]!);
    const trial = await new Trial().run([
      main[0]!,
      ...lost.slice(0, 256),
      main[1]!,
      ...lost.slice(256),
    ]);
    expect(trial.blocks.counts).toMatchObject({ blocks: 2, orphans: 400 });
  });

  it('are those that cannot be read as well', async () => {
    const trial = new Trial();
    const error = await failureOf(trial.run(Array.from({ length: 300 }, () => 'no hex')));
    expect((error as ImportError).message).toContain('height 0; the first is line 1. Is');
    expect(trial.blocks.counts.refused).toBe(257);
  });
});

describe('blocks under way', () => {
  it('are many, but not more than the window', async () => {
    const trial = new Trial();
    trial.chain.hold = () => new Promise((resolve) => setImmediate(resolve));
    await trial.run(chainOf(2000));
    expect(trial.blocks.counts.blocks).toBe(2000);
    expect(trial.chain.mostUnderWay).toBeGreaterThan(256);
    expect(trial.chain.mostUnderWay).toBeLessThanOrEqual(512);
  });

  it('are dropped when the import is stopped', async () => {
    const trial = new Trial();
    const reason = new Error('stop');
    trial.chain.hold = async (_, signal) => {
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    };
    setTimeout(() => trial.stop.abort(reason), 5);
    expect(await failureOf(trial.run(chainOf(20)))).toBe(reason);
    expect(trial.blocks.counts).toMatchObject({ refused: 0 });
    expect(trial.chain.underWay).toBe(0);
  });

  it('end with the chain when that cannot go on', async () => {
    const trial = new Trial();
    const blocks = chainOf(20);
    const broken = new Error('the disk is full');
    trial.chain.refuse.set(bytesToHex(blocks[9]!.hash), broken);
    expect(await failureOf(trial.run(blocks))).toBe(broken);
  });

  it('end with the file when that cannot be read on', async () => {
    const trial = new Trial();
    const damaged = new Error('cut off');
    const entries = async function* (): AsyncGenerator<BlockFileEntry> {
      yield* entriesOf(chainOf(4));
      throw damaged;
    };
    expect(await failureOf(trial.blocks.run(entries()))).toBe(damaged);
    expect(trial.blocks.counts.blocks).toBe(4);
  });
});
