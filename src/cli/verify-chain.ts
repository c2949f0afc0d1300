/**
 * The check of a stored main chain (other branches are looked at when they grow): all of it computed anew from the stored blocks, in a state of its
 * own that begins with nothing but the genesis block, and compared with what the database says.
 *
 * The unspent outputs are kept in memory, about 100 bytes each.
 */
import { createHash } from 'node:crypto';
import { type Block, encodeBlock } from '../chain/block.ts';
import type { MutableUtxoView, SpentUtxo, Utxo } from '../chain/utxo.ts';
import { validatingBlockBody } from '../consensus/block-rules.ts';
import type { Branch, HashedHeader } from '../consensus/branch.ts';
import { blockWork } from '../consensus/difficulty.ts';
import {
  checkHeader,
  checkProofOfWork,
  headerContext,
  type PowClaim,
} from '../consensus/header-rules.ts';
import type { Network } from '../consensus/network.ts';
import { RETARGET_BLOCKS } from '../consensus/params.ts';
import { RuleError } from '../consensus/rule-error.ts';
import { connectBlock } from '../consensus/utxo-rules.ts';
import { runInSlices } from '../node/slices.ts';
import type { PowVerifier } from '../pow/pow-verifier.ts';
import type { ChainStore, IndexEntry } from '../store/chain-store.ts';
import { keyBytes, keyText } from '../store/kv.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import { CodedError } from '../util/errors.ts';
import type { BlockProgress } from './progress.ts';

export interface VerifyChainParts {
  readonly network: Network;
  /** Opened for reading. */
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly onProgress: (progress: BlockProgress) => void;
  readonly signal: AbortSignal;
}

export interface VerifiedChain {
  readonly height: number;
  readonly hash: string;
  readonly utxoCount: number;
  /** SHA3-256 of the ids of all unspent outputs in ascending order. */
  readonly utxoDigest: string;
}

/** What is stored is not what the blocks say, or a block is against the rules. */
export class ChainDiffersError extends CodedError<{
  readonly code: 'differs';
  /** What was looked at: `block 123`, `unspent outputs`. */
  readonly where: string;
  readonly problem: string;
}> {
  constructor(where: string, problem: string, options?: ErrorOptions) {
    super(`${where}: ${problem}`, { code: 'differs', where, problem }, options);
  }
}

/** Proofs of work under way at once. */
const MAX_PENDING = 512;
/** Blocks between two turns of the event loop, in which batches are handed out and signals heard. */
const BLOCKS_PER_TURN = 16;

/**
 * Rejects with `ChainDiffersError` at the first difference, with `StoreError` for a record that
 * cannot be read, or with the signal's reason.
 */
export async function verifyChain(parts: VerifyChainParts): Promise<VerifiedChain> {
  const { store, signal, onProgress } = parts;
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const check = new ChainCheck(parts);
  const tip = store.tip();
  const pending: Proof[] = [];
  const finishFirst = async (): Promise<void> => {
    const { height, proved } = pending.shift()!;
    const error = await proved;
    signal.throwIfAborted();
    if (error !== undefined) throw at(height, error);
    onProgress({ blocks: height, height, fraction: height / tip.height });
  };
  try {
    for (let height = 1; height <= tip.height; height++) {
      const claim = await check.next(height);
      const proved = prove(claim, parts.verifier, either);
      pending.push({ height, proved });
      if (height % BLOCKS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      while (pending.length >= MAX_PENDING) await finishFirst();
    }
    while (pending.length > 0) await finishFirst();
  } finally {
    stop.abort();
    await Promise.all(pending.map(({ proved }) => proved));
  }
  return check.finish();
}

interface Proof {
  readonly height: number;
  /** With what is wrong, if anything is. Never rejects. */
  readonly proved: Promise<unknown>;
}

async function prove(
  claim: PowClaim,
  verifier: VerifyChainParts['verifier'],
  signal: AbortSignal,
): Promise<unknown> {
  try {
    const { powHash } = await verifier.verify(claim, 'sync', signal);
    checkProofOfWork(claim, powHash);
    return undefined;
  } catch (error) {
    return error ?? new Error('the proof of work was not checked');
  }
}

class ChainCheck {
  readonly #parts: VerifyChainParts;
  readonly #coins = new CoinMap();
  readonly #headers: HeaderWindow;
  #totalWork: bigint;

  constructor(parts: VerifyChainParts) {
    this.#parts = parts;
    const { genesis } = parts.network;
    this.#headers = new HeaderWindow(genesis);
    this.#totalWork = blockWork(genesis.header.bits);
    const statusFail = genesis.transactions.map(() => false);
    connectBlock(genesis, statusFail, this.#coins);
    const stored = this.#stored(0);
    if (!bytesEqual(encodeBlock(stored), encodeBlock(genesis))) {
      throw differs(0, `block ${bytesToHex(genesis.hash)}`, `another, ${bytesToHex(stored.hash)}`);
    }
    this.#compareIndex(0, genesis, statusFail);
    this.#compareSpent(0, genesis, []);
  }

  /** Checks the block at `height`, all but the proof of work that it claims. */
  async next(height: number): Promise<PowClaim> {
    const { now, signal } = this.#parts;
    const block = this.#stored(height);
    try {
      const context = headerContext(this.#headers.last, this.#headers);
      const claim = checkHeader(block.header, block.hash, context, now());
      const body = validatingBlockBody(block);
      const { statusFail } = await runInSlices(body, systemClock, signal);
      const spent = connectBlock(block, statusFail, this.#coins);
      this.#headers.add(block);
      this.#totalWork += blockWork(block.header.bits);
      this.#compareIndex(height, block, statusFail);
      this.#compareSpent(height, block, spent);
      return claim;
    } catch (error) {
      throw at(height, error);
    }
  }

  /** Compares the tip and the unspent outputs. */
  finish(): VerifiedChain {
    const { store } = this.#parts;
    const { header, hash } = this.#headers.last;
    const tip = store.tip();
    if (!bytesEqual(tip.hash, hash)) {
      throw differs(header.height, `the tip ${bytesToHex(hash)}`, bytesToHex(tip.hash));
    }
    let count = 0;
    for (const [id, stored] of store.allUtxos()) {
      count++;
      const expected = coinText(this.#coins.get(id));
      const got = coinText(stored);
      if (expected !== got) throw coinDiffers(id, expected, got);
    }
    if (count !== this.#coins.size) {
      for (const id of this.#coins.ids()) {
        const expected = coinText(this.#coins.get(id));
        if (store.utxos.get(id) === undefined) throw coinDiffers(id, expected, coinText(undefined));
      }
    }
    return {
      height: header.height,
      hash: bytesToHex(hash),
      utxoCount: this.#coins.size,
      utxoDigest: this.#coins.digest(),
    };
  }

  #stored(height: number): Block {
    const { store } = this.#parts;
    const hash = store.mainHash(height);
    const block = hash === undefined ? undefined : store.block(hash);
    if (block === undefined) throw differs(height, 'a block', 'none');
    return block;
  }

  #compareIndex(height: number, block: Block, statusFail: readonly boolean[]): void {
    const entry = this.#parts.store.indexEntry(block.hash);
    if (entry === undefined) throw differs(height, 'an index entry', 'none');
    const expected: Omit<IndexEntry, 'header' | 'hash'> = {
      size: encodeBlock(block).length,
      totalWork: this.#totalWork,
      statusFail,
      transactionCount: block.transactions.length,
    };
    const indexText = (from: typeof expected): string =>
      `total work ${from.totalWork}, ${from.size} bytes, ${from.transactionCount} transactions, failed ` +
      `[${from.statusFail.flatMap((failed, i) => (failed ? [i] : [])).join(', ')}]`;
    if (indexText(entry) !== indexText(expected)) {
      throw differs(height, indexText(expected), indexText(entry));
    }
  }

  #compareSpent(height: number, block: Block, spent: readonly SpentUtxo[]): void {
    const text = (coins: readonly SpentUtxo[]): string =>
      coins.map((coin) => `${bytesToHex(coin.outputId)} ${coinText(coin)}`).join('; ');
    const expected = text(spent);
    const got = text(this.#parts.store.spentBy(block.hash));
    if (got !== expected) throw differs(height, `spent outputs ${expected}`, got);
  }
}

/** The last headers of a chain: as many as a rule looks back. */
class HeaderWindow implements Branch {
  readonly #headers: HashedHeader[] = [];
  last: HashedHeader;

  constructor(first: HashedHeader) {
    this.last = first;
    this.#headers[0] = first;
  }

  add(block: HashedHeader): void {
    const { header, hash } = block;
    this.last = { header, hash };
    this.#headers[header.height % (RETARGET_BLOCKS + 1)] = this.last;
  }

  ancestor(height: number): HashedHeader {
    const found = this.#headers[height % (RETARGET_BLOCKS + 1)];
    if (found?.header.height === height) return found;
    throw new RangeError(`no header kept at height ${height} of ${this.last.header.height}`);
  }
}

/** Coins in little memory: a text of one byte a character, and a number. */
class CoinMap implements MutableUtxoView {
  readonly #coins = new Map<string, number>();

  get size(): number {
    return this.#coins.size;
  }

  get(outputId: Uint8Array): Utxo | undefined {
    const value = this.#coins.get(keyText(outputId));
    return value === undefined
      ? undefined
      : { height: Math.floor(value / 2), coinbase: value % 2 === 1 };
  }

  put(outputId: Uint8Array, { height, coinbase }: Utxo): void {
    this.#coins.set(keyText(outputId), 2 * height + (coinbase ? 1 : 0));
  }

  remove(outputId: Uint8Array): void {
    this.#coins.delete(keyText(outputId));
  }

  *ids(): Generator<Uint8Array> {
    for (const text of this.#coins.keys()) yield keyBytes(text);
  }

  digest(): string {
    const sha3 = createHash('sha3-256');
    for (const text of [...this.#coins.keys()].sort()) sha3.update(keyBytes(text));
    return sha3.digest('hex');
  }
}

function coinText(coin: Utxo | undefined): string {
  if (coin === undefined) return 'none';
  return `one of height ${coin.height}${coin.coinbase ? ' (coinbase)' : ''}`;
}

function coinDiffers(id: Uint8Array, expected: string, got: string): ChainDiffersError {
  const problem = `${bytesToHex(id)}: expected ${expected}, the database has ${got}`;
  return new ChainDiffersError('unspent outputs', problem);
}

function differs(height: number, expected: string, got: string): ChainDiffersError {
  const problem = `expected ${expected}, the database has ${got}`;
  return new ChainDiffersError(`block ${height}`, problem);
}

/** The error with the height of the block that broke a rule. */
function at(height: number, error: unknown): unknown {
  if (!(error instanceof RuleError)) return error;
  return new ChainDiffersError(`block ${height}`, error.message, { cause: error });
}
