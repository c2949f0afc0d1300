/** Transactions for templates: a list with the verdicts of the rules, in the order of their coming. */
import type { Tx } from '../../../src/chain/tx.ts';
import { validateTx } from '../../../src/consensus/tx-rules.ts';
import type { TemplateTx, TransactionSource } from '../../../src/node/mining/transaction-source.ts';

type Listener = (tx: TemplateTx) => void;

export class ListedPool implements TransactionSource {
  readonly #list: TemplateTx[] = [];
  readonly #added = new Set<Listener>();
  readonly #removed = new Set<Listener>();
  /** How often the list was asked for. */
  reads = 0;

  transactions(): readonly TemplateTx[] {
    this.reads++;
    return [...this.#list];
  }

  onAdded(listener: Listener): () => void {
    this.#added.add(listener);
    return () => this.#added.delete(listener);
  }

  onRemoved(listener: Listener): () => void {
    this.#removed.add(listener);
    return () => this.#removed.delete(listener);
  }

  get listeners(): number {
    return this.#added.size + this.#removed.size;
  }

  /** As it is valid at `height`, that of the best block. False if it is not valid there. */
  add(tx: Tx, height: number): boolean {
    const context = { blockVersion: 1, blockHeight: height, firstInBlock: false };
    const { result, gas } = validateTx(tx, context);
    if (result === 'invalid') return false;
    const { fee, gasUsed } = gas;
    const pooled = { tx, fee, gasUsed, statusFail: result === 'status-fail' };
    this.#list.push(pooled);
    for (const listener of this.#added) listener(pooled);
    return true;
  }

  /** Adds it with a verdict that nobody has checked. */
  claim(pooled: TemplateTx): void {
    this.#list.push(pooled);
    for (const listener of this.#added) listener(pooled);
  }

  remove(tx: Tx): void {
    const at = this.#list.findIndex((pooled) => pooled.tx === tx);
    const [pooled] = this.#list.splice(at, 1);
    for (const listener of this.#removed) listener(pooled!);
  }
}
