/** The seed that a simulated board holds, with its checkpoints and the table that stands for them. */
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesEqual } from '../../src/util/bytes.ts';
import { checkpointsCrc, checkpointsOf } from '../checkpoints.ts';
import { CHECKPOINT_BYTES, CHECKPOINTS } from '../messages.ts';

export class SimulatedSeed {
  readonly epoch: number;
  readonly seed: Uint8Array;
  /** When it came. */
  readonly since: number;
  state: 'deriving' | 'waiting' | 'ready';
  table: MatrixTable | undefined;
  /** What came by CKPT is what the seed gives; a board that was sent something else computes something else. */
  isTrue = true;
  crc = 0;
  /** How long it took. */
  ms = 0;
  readonly #checkpoints: Uint8Array = new Uint8Array(CHECKPOINTS * CHECKPOINT_BYTES);
  readonly #received: Set<number> = new Set();

  constructor(epoch: number, seed: Uint8Array, isSent: boolean, since: number) {
    this.epoch = epoch;
    this.seed = seed;
    this.state = isSent ? 'waiting' : 'deriving';
    this.since = since;
  }

  get received(): number {
    return this.#received.size;
  }

  receive(index: number, checkpoints: Uint8Array): void {
    this.#checkpoints.set(checkpoints, index * CHECKPOINT_BYTES);
    const count = checkpoints.length / CHECKPOINT_BYTES;
    for (let i = index; i < index + count; i++) this.#received.add(i);
  }

  /** The checkpoints are complete: they are those of the table, or have been sent. */
  complete(table: MatrixTable, now: number): void {
    const own = checkpointsOf(table);
    const held = this.#received.size === CHECKPOINTS ? this.#checkpoints : own;
    this.table = table;
    this.isTrue = bytesEqual(own, held);
    this.crc = checkpointsCrc(held);
    this.ms = Math.round(now - this.since);
    this.state = 'ready';
  }
}
