/**
 * The import itself: blocks of a file, handed to the chain in order, with many under way at once so
 * that the hasher always has whole batches. What becomes of them is looked at in the order of the
 * file, whatever the order in which they are done.
 */
import { type Block, decodeBlock } from '../chain/block.ts';
import { type BlockHeader, decodeHeader, headerHash } from '../chain/header.ts';
import { MAINNET, type Network, TESTNET } from '../consensus/network.ts';
import { RuleError } from '../consensus/rule-error.ts';
import { BranchError } from '../node/best-chain.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { CodedError, InputError } from '../util/errors.ts';
import type { LogFields, Logger } from '../util/log.ts';
import type { BlockFileEntry } from './block-file.ts';
import type { BlockProgress } from './progress.ts';

/** What the import needs of a chain. */
export interface ImportChain {
  readonly height: number;
  /** Blocks stored since the chain was opened, and the transactions in them. */
  readonly counters: { readonly stored: number; readonly transactions: number };
  /** True if the block is stored, on whatever branch. */
  isKnown(hash: Uint8Array): boolean;
  /**
   * Checks and stores a block; the next one may be submitted before. Rejects with `RuleError` if it
   * is refused, with anything else if the chain cannot go on.
   */
  submit(block: Block, signal: AbortSignal): Promise<'stored' | 'known' | 'orphan'>;
  /** Calls back for an orphan that was refused when its parent came. Returns how to end that. */
  onOrphanRefused(listener: (block: Pick<Block, 'hash'>) => void): () => void;
}

export interface ImportParts {
  readonly chain: ImportChain;
  readonly network: Network;
  readonly log: Logger;
  /** Hears of every block that is done, in order. */
  readonly onProgress: (progress: BlockProgress) => void;
  readonly signal: AbortSignal;
}

export interface ImportCounts {
  /** Blocks that this import stored, and the transactions in them. */
  readonly blocks: number;
  readonly transactions: number;
  /** Blocks that were stored before. */
  readonly known: number;
  readonly refused: number;
  /** Blocks whose parents are missing. */
  readonly orphans: number;
}

export type ImportErrorDetail =
  | {
      readonly code: 'other-network';
      readonly place: string;
      readonly expected: string;
      readonly got: string;
    }
  | {
      readonly code: 'detached';
      readonly blocks: number;
      readonly place: string;
      /** `undefined` if it could not be read. */
      readonly height: number | undefined;
      readonly tip: number;
    };

/**
 * Why an import does not go on to the end of its file.
 * - `other-network`: the blocks are those of another chain.
 * - `detached`: too many blocks in a row had no place in the chain; `place` is the first of them.
 */
export class ImportError extends CodedError<ImportErrorDetail> {
  constructor(detail: ImportErrorDetail) {
    super(messageOf(detail), detail);
  }
}

/** So many in a row, none of which could be attached, and the import stops. Orphans kept: as many. */
export const MAX_DETACHED = 256;
/** What may be under way at once. A decoded block takes some fifteen times as many bytes as this. */
const MAX_PENDING_BLOCKS = 512;
const MAX_PENDING_BYTES = 8 * 1024 * 1024;
/** Orphans remembered before it is looked up which of them have found their parents. */
const MANY_ORPHANS = 1024;

/**
 * Imports `entries`. The counts grow while it runs and are right also if it rejects: with what the
 * chain or the file rejected with, an `ImportError`, or the signal's reason.
 */
export class BlockImport {
  readonly #parts: ImportParts;
  /** Blocks under way, as they stand in the file. */
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  #done = 0;
  #known = 0;
  #refused = 0;
  /** By their hash: those that waited for a parent when they were submitted. */
  readonly #orphans = new Map<string, Orphan>();
  /** Orphans that were refused before their own place in the file was dealt with. */
  readonly #refusedEarly = new Set<string>();
  /** The blocks without a place in the chain that were last in a row. */
  #detached = 0;
  #firstDetached: { readonly place: string; readonly height: number | undefined } | undefined;
  #highest: { readonly place: string; readonly height: number } | undefined;

  constructor(parts: ImportParts) {
    this.#parts = parts;
  }

  get counts(): ImportCounts {
    this.#settleOrphans();
    const { stored, transactions } = this.#parts.chain.counters;
    return {
      blocks: stored,
      transactions,
      known: this.#known,
      refused: this.#refused,
      orphans: this.#orphans.size,
    };
  }

  /** The first block that still has no parent. */
  get firstOrphan(): Orphan | undefined {
    this.#settleOrphans();
    return this.#orphans.values().next().value;
  }

  /**
   * The highest block of the file that is stored. If it is above the tip, its branch could not become
   * the best one: in this import, where that was refused, or in one before, whose blocks are known now.
   */
  get highest(): { readonly place: string; readonly height: number } | undefined {
    return this.#highest;
  }

  async run(entries: AsyncIterable<BlockFileEntry>): Promise<void> {
    const { signal } = this.#parts;
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const unlisten = this.#parts.chain.onOrphanRefused(({ hash }) => {
      // The chain has named it.
      this.#refused++;
      const key = bytesToHex(hash);
      if (!this.#orphans.delete(key)) this.#refusedEarly.add(key);
    });
    try {
      for await (const entry of entries) {
        signal.throwIfAborted();
        this.#begin(entry, either);
        while (this.#isFull()) await this.#finishFirst();
      }
      while (this.#pending.length > 0) await this.#finishFirst();
    } finally {
      stop.abort();
      await Promise.all(this.#pending.splice(0).map(({ outcome }) => outcome));
      unlisten();
    }
  }

  /** Submits the block of an entry, if there is one that is new. */
  #begin(entry: BlockFileEntry, signal: AbortSignal): void {
    const { place, fraction } = entry;
    const begun = 'bytes' in entry ? this.#open(entry.bytes, place, signal) : unreadable(entry);
    this.#pending.push({ place, fraction, ...begun });
    this.#pendingBytes += begun.bytes;
  }

  #open(bytes: Uint8Array, place: string, signal: AbortSignal): Begun {
    const { chain, network } = this.#parts;
    let header: BlockHeader;
    let hash: Uint8Array;
    try {
      header = decodeHeader(bytes, 'block').header;
      hash = headerHash(header);
    } catch (error) {
      return unreadable({ problem: problemOf(error) });
    }
    checkNetwork(header, hash, network, place);
    const named = { header, hash };
    // Nothing but the header is looked at of what is there: a resumed import flies through it.
    if (header.height === 0 || chain.isKnown(hash)) return { ...named, bytes: 0, outcome: KNOWN };
    let block: Block;
    try {
      block = decodeBlock(bytes);
    } catch (error) {
      return { ...named, ...unreadable({ problem: problemOf(error) }) };
    }
    const outcome = chain.submit(block, signal).then(
      (kind): Outcome => ({ kind }),
      (error: unknown): Outcome =>
        error instanceof RuleError
          ? { kind: 'refused', fields: ruleFields(error) }
          : { kind: 'failed', error },
    );
    return { ...named, bytes: bytes.length, outcome };
  }

  #isFull(): boolean {
    return this.#pending.length >= MAX_PENDING_BLOCKS || this.#pendingBytes >= MAX_PENDING_BYTES;
  }

  /** Waits for the block that stands first in the file and deals with what became of it. */
  async #finishFirst(): Promise<void> {
    const first = this.#pending[0]!;
    const outcome = await first.outcome;
    this.#pending.shift();
    this.#pendingBytes -= first.bytes;
    if (outcome.kind === 'failed') {
      this.#parts.signal.throwIfAborted();
      throw outcome.error;
    }
    this.#done++;
    if (outcome.kind === 'known') this.#known++;
    if (outcome.kind === 'refused') this.#refused++;
    const { place, fraction, header, hash } = first;
    if (outcome.kind === 'refused') {
      const name = hash === undefined ? {} : { height: header?.height, hash: bytesToHex(hash) };
      this.#parts.log.warn('block refused', { at: place, ...name, ...outcome.fields });
    }
    if (outcome.kind === 'orphan' && hash !== undefined && header !== undefined) {
      const key = bytesToHex(hash);
      if (!this.#refusedEarly.delete(key)) {
        this.#orphans.set(key, { place, height: header.height, hash });
      }
      if (this.#orphans.size >= MANY_ORPHANS) this.#settleOrphans();
    }
    this.#watchDetached(outcome, place, header?.height);
    const isStored = outcome.kind === 'stored' || outcome.kind === 'known';
    if (isStored && header !== undefined && header.height > (this.#highest?.height ?? 0)) {
      this.#highest = { place, height: header.height };
    }
    const { height } = this.#parts.chain;
    this.#parts.onProgress({ blocks: this.#done, height, fraction });
  }

  #watchDetached(outcome: Outcome, place: string, height: number | undefined): void {
    if (outcome.kind !== 'refused' && outcome.kind !== 'orphan') {
      this.#detached = 0;
      return;
    }
    if (this.#detached === 0) this.#firstDetached = { place, height };
    this.#detached++;
    const first = this.#firstDetached;
    if (this.#detached <= MAX_DETACHED || first === undefined) return;
    const tip = this.#parts.chain.height;
    throw new ImportError({ code: 'detached', blocks: this.#detached, ...first, tip });
  }

  /** Takes out those whose parents have come, and which are stored by now. */
  #settleOrphans(): void {
    for (const [key, orphan] of this.#orphans) {
      if (this.#parts.chain.isKnown(orphan.hash)) this.#orphans.delete(key);
    }
  }
}

export interface Orphan {
  readonly place: string;
  readonly height: number;
  readonly hash: Uint8Array;
}

type Outcome =
  | { readonly kind: 'stored' | 'known' | 'orphan' }
  | { readonly kind: 'refused'; readonly fields: LogFields }
  | { readonly kind: 'failed'; readonly error: unknown };

/** A block under way; its outcome never rejects. */
interface Begun {
  readonly header?: BlockHeader;
  readonly hash?: Uint8Array;
  /** That it keeps in memory. */
  readonly bytes: number;
  readonly outcome: Promise<Outcome>;
}

interface Pending extends Begun {
  readonly place: string;
  readonly fraction: number | undefined;
}

const KNOWN: Promise<Outcome> = Promise.resolve({ kind: 'known' });

function unreadable({ problem }: { readonly problem: string }): Pick<Begun, 'bytes' | 'outcome'> {
  return { bytes: 0, outcome: Promise.resolve({ kind: 'refused', fields: { problem } }) };
}

function problemOf(error: unknown): string {
  if (error instanceof InputError) return error.message;
  throw error;
}

function ruleFields(error: RuleError): LogFields {
  const { rule, transaction, input, output, expected, actual } = error.detail;
  // Of a branch that cannot become the best one, the block that breaks the rule is another one.
  const culprit =
    error instanceof BranchError
      ? { breaks: bytesToHex(error.block.hash), breaksAtHeight: error.block.height }
      : {};
  return { rule, transaction, input, output, expected, actual, ...culprit };
}

/** Throws `ImportError` for a block that can only belong to the chain of another network. */
function checkNetwork(
  header: BlockHeader,
  hash: Uint8Array,
  network: Network,
  place: string,
): void {
  const { genesis } = network;
  const root = header.height === 0 ? hash : header.previousBlockHash;
  if (header.height > 1 || bytesEqual(root, genesis.hash)) return;
  // Testnet and solonet have one genesis block.
  const other = [MAINNET, TESTNET].find((each) => bytesEqual(each.genesis.hash, root));
  if (header.height === 1 && other === undefined) return;
  const expected = `${network.name}, genesis ${bytesToHex(genesis.hash)}`;
  const name =
    other === undefined ? 'another chain' : other === MAINNET ? 'mainnet' : 'testnet or solonet';
  const got = `${name}, genesis ${bytesToHex(root)}`;
  throw new ImportError({ code: 'other-network', place, expected, got });
}

function messageOf(detail: ImportErrorDetail): string {
  switch (detail.code) {
    case 'other-network':
      return `${detail.place} is of ${detail.got}; this is ${detail.expected} (choose with --network)`;
    case 'detached': {
      const { blocks, place, height, tip } = detail;
      const first = height === undefined ? place : `${place}, height ${height}`;
      return (
        `stopped: ${blocks} blocks in a row could not be attached to the chain, which ends at height ` +
        `${tip}; the first is ${first}. Is something before it missing, or of another network?`
      );
    }
  }
}
