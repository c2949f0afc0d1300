/**
 * Whether a template pays the pool, whatever its node says of its address by now.
 *
 * A template that comes with its coinbase is compared. Of one that does not it is known only that a node
 * whose address was changed makes its next template for the new one: a bytomd keeps the one that it has
 * until it takes a block, or is restarted. What such a node may have made before is not used. It is told
 * apart by its parent and its roots, which no template that pays another program has in common with it.
 */
import { decodeAddress } from '../../src/chain/address.ts';
import type { BlockHeader } from '../../src/chain/header.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import type { PoolTemplate } from '../template.ts';

/**
 * What comes so soon after a change may still have been made before it: longer than two questions to a
 * node and the pause between them. After that a silent node is down, and its address compared again.
 */
const SETTLE_MS = 15_000;

export class PayeeGuard {
  readonly #clock: Clock;
  #program: Uint8Array | undefined;
  /** When the node's address was changed last; `undefined`: nothing is suspected. */
  #changedAt: number | undefined;
  /** May have been made before the change. */
  #suspect: BlockHeader | undefined;
  /** No answer is on its way any more that was given before the change. */
  #isSettled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whom templates are to pay from now on; anybody, without an address. */
  demand(address: string | undefined): void {
    this.#program = address === undefined ? undefined : programOf(address);
  }

  /** The node's address was changed, or may have been, just now. `last` is what it gave last. */
  addressChanged(last: PoolTemplate | undefined): void {
    this.#changedAt = this.#clock.now();
    this.#suspect = last?.header;
    this.#isSettled = false;
  }

  /** The node does not answer: what it gives when it does again was made after the change, or is known. */
  wentDown(): void {
    this.#isSettled = true;
  }

  /** The node has given another template. */
  offered({ header }: PoolTemplate): void {
    const changedAt = this.#changedAt;
    if (changedAt === undefined) return;
    const isEarly = !this.#isSettled && this.#clock.now() - changedAt < SETTLE_MS;
    const suspect = this.#suspect;
    if (isEarly || suspect === undefined || hasSameContent(suspect, header)) this.#suspect = header;
    else this.#changedAt = undefined;
  }

  /** Why a template is not to be used; `undefined` if it is. */
  objection({ payee }: PoolTemplate): string | undefined {
    const program = this.#program;
    if (program !== undefined && payee !== undefined) {
      return bytesEqual(program, payee) ? undefined : 'its template pays another address';
    }
    if (this.#changedAt === undefined) return undefined;
    return 'its template may pay the address that it had before: restart it, or wait for the next block';
  }
}

/** Nothing but their times and nonces may differ: then their coinbases are the same. */
function hasSameContent(a: BlockHeader, b: BlockHeader): boolean {
  return (
    bytesEqual(a.previousBlockHash, b.previousBlockHash) &&
    bytesEqual(a.transactionsMerkleRoot, b.transactionsMerkleRoot) &&
    bytesEqual(a.transactionStatusHash, b.transactionStatusHash)
  );
}

/** `undefined` for what is no address; the nodes are asked about it all the same. */
function programOf(address: string): Uint8Array | undefined {
  const prefix = address.slice(0, Math.max(0, address.lastIndexOf('1'))).toLowerCase();
  try {
    return decodeAddress(address, prefix);
  } catch {
    return undefined;
  }
}
