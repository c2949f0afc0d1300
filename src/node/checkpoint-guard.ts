/**
 * Refuses blocks that contradict a checkpoint. Once the main chain has passed one, everything new at
 * its height or below does, whatever height it claims to fork from: work was so cheap at the start of
 * the chain that side branches there would fill the disk for next to nothing.
 */
import type { HashedHeader } from '../consensus/branch.ts';
import type { Checkpoints } from '../consensus/checkpoints.ts';
import { RuleError } from '../consensus/rule-error.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { bytesToHex } from '../util/bytes.ts';

export class CheckpointGuard {
  readonly #checkpoints: Checkpoints;
  readonly #store: ChainStore;
  /** Heights that the main chain has not passed when it was last looked at, the lowest first. */
  readonly #ahead: number[];
  /** The highest checkpoint on the main chain; 0, the genesis block, if there is none. */
  #passed = 0;

  constructor(checkpoints: Checkpoints, store: ChainStore) {
    this.#checkpoints = checkpoints;
    this.#store = store;
    this.#ahead = [...checkpoints.keys()].sort((a, b) => a - b);
  }

  /** For a block that is not stored. Throws `RuleError` 'checkpoint'. */
  check({ hash, header: { height } }: HashedHeader): void {
    const checkpoint = this.#checkpoints.get(height);
    if (checkpoint !== undefined && checkpoint !== bytesToHex(hash)) {
      refuse(`block ${checkpoint} at height ${height}`, bytesToHex(hash));
    }
    this.#advance();
    if (height > this.#passed) return;
    const expected = `a height above ${this.#passed}, where the main chain is at its checkpoint`;
    refuse(expected, `block ${bytesToHex(hash)} at height ${height}`);
  }

  /** A chain that was made while checkpoints were ignored may be at another block, and stay there. */
  #advance(): void {
    const { height: tip } = this.#store.tip();
    for (let next = this.#ahead[0]; next !== undefined && next <= tip; next = this.#ahead[0]) {
      const main = this.#store.mainHash(next)!;
      if (bytesToHex(main) !== this.#checkpoints.get(next)) return;
      this.#passed = next;
      this.#ahead.shift();
    }
  }
}

function refuse(expected: string, actual: string): never {
  throw new RuleError({ rule: 'checkpoint', expected, actual });
}
