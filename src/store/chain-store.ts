/**
 * The chain as stored: every known block with its index entry, which of them are the main chain, the
 * coins that are unspent at its tip, and what is needed to take its blocks off again. Knows no rules.
 *
 * Changes wait in memory, where reads see them, until `flush` writes all of them at once. Every
 * method leaves a whole state behind, so whatever a crash loses, what is on disk is the chain as it
 * was after some block.
 */
import { createHash } from 'node:crypto';
import { type Block, decodeBlock, encodeBlock } from '../chain/block.ts';
import type { SpentUtxo, Utxo, UtxoView } from '../chain/utxo.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { LruMap } from '../util/lru.ts';
import { type KeyValueStore, keyText } from './kv.ts';
import {
  blockKey,
  indexKey,
  mainKey,
  metaKey,
  outputIdOf,
  spentKey,
  UTXO_RANGE,
  utxoKey,
} from './layout.ts';
import {
  damaged,
  decodeHash,
  decodeIndexEntry,
  decodeSpent,
  decodeTip,
  decodeUtxo,
  encodeIndexEntry,
  encodeSpent,
  encodeTip,
  encodeUtxo,
  type IndexEntry,
  readRecord,
  sharedStatus,
  type Tip,
} from './records.ts';
import { CURRENT_SCHEMA, prepareSchema, type Schema, schemaRecords } from './schema.ts';
import type { StoreError } from './store-error.ts';
import type { UtxoChange } from './utxo-overlay.ts';
import { WriteBuffer } from './write-buffer.ts';

export type { IndexEntry, Tip } from './records.ts';

export interface StoredNetwork {
  /** Part of what tells networks apart: two of them begin with the same block. */
  readonly name: string;
  readonly genesis: Block;
  /** Work of the genesis block: the total work starts with it. */
  readonly genesisWork: bigint;
}

export interface ChainStoreOptions {
  readonly network: StoredNetwork;
  /** Index entries kept decoded, about 1 KB each. Default 4096. */
  readonly cachedEntries?: number;
  /** Tests only: another schema than this program's. */
  readonly schema?: Schema;
}

/** What the rules found out about a block and the store cannot. */
export interface BlockFacts {
  /** Of this block and all before it, genesis included. */
  readonly totalWork: bigint;
  /** One for each transaction. */
  readonly statusFail: readonly boolean[];
}

export interface TipSwitch {
  /** Hashes of the blocks that leave the main chain, the tip first. */
  readonly disconnected: readonly Uint8Array[];
  /** The blocks that join it, the lowest first; each of them was added before. */
  readonly connected: readonly ConnectedBlock[];
  /** Every coin that differs afterwards. */
  readonly utxos: Iterable<UtxoChange>;
}

export interface ConnectedBlock {
  readonly hash: Uint8Array;
  readonly height: number;
  /** What is to be put back when it is disconnected. */
  readonly spent: readonly SpentUtxo[];
}

export interface UtxoSummary {
  readonly count: number;
  /** SHA3-256 of the ids of all unspent outputs in ascending order. */
  readonly digest: Uint8Array;
}

const DEFAULT_CACHED_ENTRIES = 4096;

export class ChainStore {
  readonly #kv: KeyValueStore;
  readonly #buffer: WriteBuffer;
  readonly #entries: LruMap<string, IndexEntry>;
  #tip: Tip;
  /** The tip on disk. */
  #flushedTip: Tip;
  #pendingBlocks = 0;
  #closed: Promise<void> | undefined;

  /** The coins that are unspent at the tip. Changed with `switchTip` alone. */
  readonly utxos: UtxoView;

  /**
   * Opens the database in `kv`; an empty one gets the genesis block, on disk when this returns.
   * Throws `StoreError`: another network, a schema that is not ours, a damaged record.
   */
  static open(kv: KeyValueStore, options: ChainStoreOptions): ChainStore {
    const { genesis, genesisWork, name } = options.network;
    const network = { name, genesisHash: genesis.hash };
    const schema = options.schema ?? CURRENT_SCHEMA;
    if (prepareSchema(kv, network, schema)) return new ChainStore(kv, options, readTip(kv));
    const store = new ChainStore(kv, options, { height: 0, hash: genesis.hash });
    for (const { key, value } of schemaRecords(network, schema)) store.#buffer.set(key, value);
    const statusFail = genesis.transactions.map(() => false);
    store.addBlock(genesis, { totalWork: genesisWork, statusFail });
    store.#connect({ hash: genesis.hash, height: 0, spent: [] });
    store.#setTip(store.#tip);
    for (const [id, utxo] of coinsOf(genesis)) store.#buffer.set(utxoKey(id), encodeUtxo(utxo));
    store.flush();
    return store;
  }

  private constructor(kv: KeyValueStore, options: ChainStoreOptions, tip: Tip) {
    this.#kv = kv;
    this.#buffer = new WriteBuffer(kv);
    this.#entries = new LruMap(options.cachedEntries ?? DEFAULT_CACHED_ENTRIES);
    this.#tip = tip;
    this.#flushedTip = tip;
    this.utxos = { get: (outputId) => this.#read(utxoKey(outputId), decodeUtxo) };
  }

  /** The data directory, or another name for messages. */
  get directory(): string {
    return this.#kv.directory;
  }

  /** The last block of the main chain. */
  tip(): Tip {
    return this.#tip;
  }

  /** `undefined` if the block is not known. */
  indexEntry(hash: Uint8Array): IndexEntry | undefined {
    const text = keyText(hash);
    const cached = this.#entries.get(text);
    if (cached !== undefined) return cached;
    const entry = this.#read(indexKey(hash), (value) => decodeIndexEntry(hash.slice(), value));
    if (entry !== undefined) this.#entries.set(text, entry);
    return entry;
  }

  /** Hash of the main chain's block at `height`; `undefined` above the tip. */
  mainHash(height: number): Uint8Array | undefined {
    const tip = this.#tip;
    if (height === tip.height) return tip.hash;
    if (!Number.isSafeInteger(height) || height < 0 || height > tip.height) return undefined;
    return this.#require(mainKey(height), decodeHash);
  }

  isOnMainChain(hash: Uint8Array, height: number): boolean {
    const main = this.mainHash(height);
    return main !== undefined && bytesEqual(main, hash);
  }

  /** The wire form of a known block: canonical header, transactions as they were received. */
  blockBytes(hash: Uint8Array): Uint8Array | undefined {
    return this.#read(blockKey(hash), (value) => value);
  }

  /** A known block, decoded; its hash is checked. */
  block(hash: Uint8Array): Block | undefined {
    return this.#read(blockKey(hash), (value) => {
      const block = decodeBlock(value);
      if (bytesEqual(block.hash, hash)) return block;
      throw new InputError('header', 'one with the hash of its key', bytesToHex(block.hash));
    });
  }

  /** The coins that a block of the main chain spent, in order. */
  spentBy(hash: Uint8Array): readonly SpentUtxo[] {
    return this.#require(spentKey(hash), decodeSpent);
  }

  /** Reads through all unspent outputs: seconds on a large chain. */
  utxoSummary(): UtxoSummary {
    const sha3 = createHash('sha3-256');
    let count = 0;
    for (const [key, value] of this.#buffer.range(UTXO_RANGE)) {
      readRecord(this.#kv.directory, key, value, decodeUtxo);
      sha3.update(outputIdOf(key));
      count++;
    }
    return { count, digest: new Uint8Array(sha3.digest()) };
  }

  utxoCount(): number {
    return this.utxoSummary().count;
  }

  utxoDigest(): Uint8Array {
    return this.utxoSummary().digest;
  }

  /** Every unspent output in ascending order of the ids. Nothing may be changed meanwhile. */
  *allUtxos(): Generator<readonly [outputId: Uint8Array, utxo: Utxo]> {
    for (const [key, value] of this.#buffer.range(UTXO_RANGE)) {
      yield [outputIdOf(key), readRecord(this.#kv.directory, key, value, decodeUtxo)];
    }
  }

  /** Keeps a block, connected to nothing. Gives the entry that is there if it is known already. */
  addBlock(block: Block, facts: BlockFacts): IndexEntry {
    const known = this.indexEntry(block.hash);
    if (known !== undefined) return known;
    const transactionCount = block.transactions.length;
    if (facts.statusFail.length !== transactionCount) {
      throw new RangeError(
        `"statusFail" expected ${transactionCount} values, got ${facts.statusFail.length}`,
      );
    }
    const bytes = encodeBlock(block);
    const entry: IndexEntry = {
      hash: block.hash,
      header: block.header,
      totalWork: facts.totalWork,
      statusFail: sharedStatus(facts.statusFail),
      transactionCount,
      size: bytes.length,
    };
    this.#buffer.set(indexKey(block.hash), encodeIndexEntry(entry));
    this.#buffer.set(blockKey(block.hash), bytes);
    this.#entries.set(keyText(block.hash), entry);
    this.#pendingBlocks++;
    return entry;
  }

  /**
   * Makes another block the tip. Throws `RangeError`, with nothing changed, if the blocks are not
   * the end of the main chain and a continuation of what is left.
   */
  switchTip({ disconnected, connected, utxos }: TipSwitch): void {
    const tip = this.#tipAfter(disconnected, connected);
    disconnected.forEach((hash, i) => {
      this.#buffer.set(mainKey(this.#tip.height - i), undefined);
      this.#buffer.set(spentKey(hash), undefined);
    });
    for (const block of connected) this.#connect(block);
    for (const [outputId, utxo] of utxos) {
      this.#buffer.set(utxoKey(outputId), utxo === undefined ? undefined : encodeUtxo(utxo));
    }
    this.#setTip(tip);
  }

  /** About the memory that waits for the next `flush`. */
  get pendingBytes(): number {
    return this.#buffer.pendingBytes;
  }

  /** Blocks added since the last `flush`. */
  get pendingBlocks(): number {
    return this.#pendingBlocks;
  }

  /**
   * Writes everything that waits; on return it is on disk. Throws `StoreError`: then it still waits,
   * and a later flush may succeed.
   */
  flush(): void {
    this.#buffer.flush();
    this.#flushedTip = this.#tip;
    this.#pendingBlocks = 0;
  }

  /**
   * Forgets everything that waits: the store is what it was after the last flush. For whoever cannot
   * say whether a step was left half done, so that no later `flush` or `close` writes it.
   */
  discard(): void {
    this.#buffer.discard();
    this.#entries.clear();
    this.#tip = this.#flushedTip;
    this.#pendingBlocks = 0;
  }

  /** Flushes, then closes the database, even if that throws. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      this.flush();
    } finally {
      await this.#kv.close();
    }
  }

  #connect({ hash, height, spent }: ConnectedBlock): void {
    this.#buffer.set(mainKey(height), hash);
    this.#buffer.set(spentKey(hash), encodeSpent(spent));
  }

  #setTip(tip: Tip): void {
    this.#tip = tip;
    this.#buffer.set(metaKey('tip'), encodeTip(tip));
  }

  #tipAfter(disconnected: TipSwitch['disconnected'], connected: TipSwitch['connected']): Tip {
    let tip = this.#tip;
    for (const hash of disconnected) {
      if (!bytesEqual(hash, tip.hash)) throw notNext('disconnected', tip, hash);
      if (tip.height === 0) throw new RangeError('the genesis block cannot be disconnected');
      const previous = this.#knownEntry(hash).header.previousBlockHash;
      tip = { height: tip.height - 1, hash: previous };
    }
    for (const { hash, height } of connected) {
      const { previousBlockHash } = this.#knownEntry(hash).header;
      if (height !== tip.height + 1 || !bytesEqual(previousBlockHash, tip.hash)) {
        throw notNext('connected', tip, hash);
      }
      tip = { height, hash };
    }
    return tip;
  }

  #knownEntry(hash: Uint8Array): IndexEntry {
    const entry = this.indexEntry(hash);
    if (entry === undefined) throw new RangeError(`block ${bytesToHex(hash)} was never added`);
    return entry;
  }

  #read<T>(key: Uint8Array, decode: (value: Uint8Array) => T): T | undefined {
    const value = this.#buffer.get(key);
    return value === undefined ? undefined : readRecord(this.#kv.directory, key, value, decode);
  }

  /** A record that is there if the database is whole. */
  #require<T>(key: Uint8Array, decode: (value: Uint8Array) => T): T {
    const value = this.#buffer.get(key);
    if (value === undefined) throw damaged(this.#kv.directory, key, 'missing');
    return readRecord(this.#kv.directory, key, value, decode);
  }
}

function notNext(what: string, tip: Tip, hash: Uint8Array): RangeError {
  return new RangeError(
    `"${what}" expected a block next to ${bytesToHex(tip.hash)} at height ${tip.height}, ` +
      `got ${bytesToHex(hash)}`,
  );
}

/** The tip, checked against the main chain that it is the end of. */
function readTip(kv: KeyValueStore): Tip {
  const fail = (key: Uint8Array, problem: string): StoreError =>
    damaged(kv.directory, key, problem);
  const tipKey = metaKey('tip');
  const value = kv.get(tipKey);
  if (value === undefined) throw fail(tipKey, 'missing');
  const tip = readRecord(kv.directory, tipKey, value, decodeTip);
  const main = kv.get(mainKey(tip.height));
  if (main === undefined || !bytesEqual(main, tip.hash)) {
    throw fail(mainKey(tip.height), 'expected the hash of the tip');
  }
  if (kv.get(indexKey(tip.hash)) === undefined) throw fail(indexKey(tip.hash), 'missing');
  return tip;
}

/** The coins of a block that is taken as it is: the genesis block, which nothing validates. */
function* coinsOf(block: Block): Generator<readonly [outputId: Uint8Array, utxo: Utxo]> {
  for (const [index, tx] of block.transactions.entries()) {
    for (const { id, retirement } of tx.results) {
      if (!retirement) yield [id, { height: block.header.height, coinbase: index === 0 }];
    }
  }
}
