/**
 * The templates of one parent, each found by its roots, so that work on an older one is not lost when a
 * newer one is made.
 *
 * Bounded by their number, and by the bytes of the transactions they hold: the pool may have dropped
 * those long ago. The newest stays, and so do the first few, since many pools take the first template
 * of a parent and work on it until there is another parent; between them the oldest goes first.
 */
import type { Tx } from '../../chain/tx.ts';
import { keyText } from '../../store/kv.ts';

export interface ShelfOptions {
  readonly maxTemplates: number;
  /** Of the wire form; in memory a transaction takes some fifteen times that. */
  readonly maxBytes: number;
}

/** As much of a template as the shelf needs. */
export interface Shelved {
  readonly transactions: readonly Tx[];
  readonly transactionsMerkleRoot: Uint8Array;
  readonly transactionStatusHash: Uint8Array;
}

type Roots = Omit<Shelved, 'transactions'>;

/** The oldest of a parent that stay as long as it does, unless they are too many bytes. */
const FIRST_KEPT = 4;

export class TemplateShelf<T extends Shelved> {
  readonly #options: ShelfOptions;
  /** By roots, the oldest first. */
  readonly #templates = new Map<string, T>();
  /** How many templates hold a transaction. */
  readonly #holders = new Map<Tx, number>();
  #bytes = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#templates.size;
  }

  /** Bytes of all transactions, each counted once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds it as the newest; one with the same roots it replaces, which keeps its place. */
  add(template: T): void {
    const key = rootsKey(template);
    const replaced = this.#templates.get(key);
    this.#templates.set(key, template);
    this.#hold(template);
    if (replaced !== undefined) this.#release(replaced);
    while (this.#templates.size > 1 && this.#isOver) this.#remove(this.#victim());
  }

  find(roots: Roots): T | undefined {
    return this.#templates.get(rootsKey(roots));
  }

  clear(): void {
    this.#templates.clear();
    this.#holders.clear();
    this.#bytes = 0;
  }

  get #isOver(): boolean {
    const { maxTemplates, maxBytes } = this.#options;
    return this.#templates.size > maxTemplates || this.#bytes > maxBytes;
  }

  /** Called while there are two or more. */
  #victim(): string {
    const place = Math.min(FIRST_KEPT, this.#templates.size - 2);
    let at = 0;
    for (const key of this.#templates.keys()) if (at++ === place) return key;
    throw new RangeError('no template to drop');
  }

  #remove(key: string): void {
    const template = this.#templates.get(key);
    if (template === undefined) return;
    this.#templates.delete(key);
    this.#release(template);
  }

  #hold(template: T): void {
    for (const tx of template.transactions) {
      const holders = this.#holders.get(tx) ?? 0;
      this.#holders.set(tx, holders + 1);
      if (holders === 0) this.#bytes += tx.raw.length;
    }
  }

  #release(template: T): void {
    for (const tx of template.transactions) {
      const holders = this.#holders.get(tx)! - 1;
      if (holders > 0) {
        this.#holders.set(tx, holders);
        continue;
      }
      this.#holders.delete(tx);
      this.#bytes -= tx.raw.length;
    }
  }
}

function rootsKey({ transactionsMerkleRoot, transactionStatusHash }: Roots): string {
  return keyText(transactionsMerkleRoot) + keyText(transactionStatusHash);
}
