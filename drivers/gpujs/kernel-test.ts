/**
 * Whether lanes compute what they should, and how fast. Short chains under the table that breaks what is
 * almost exact are compared with the plain reference: a hash takes a second here, and the self-test of an
 * open device computes some.
 */
import { transposed } from '../../src/tensority/matmul.ts';
import { DIM, ROUNDS, SLICES, STEPS } from '../../src/tensority/params.ts';
import { runSlice } from '../../src/tensority/reference.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { DriverError } from '../driver.ts';
import { extremeTable } from '../extreme-table.ts';
import type { Lane } from './lane.ts';

/** One matrix each, twice: all −128, in stripes of its ends, random at its ends, and any int8. */
const SEQUENCES: readonly Uint8Array[] = [0, 2, 6, 8].map((name) => Uint8Array.of(name));

/** A chain that is timed, and how often: other programs get in the way, and engines warm up. */
const TIMED = Uint8Array.of(5, 6, 7, 8, 9, 10);
const TIMINGS = 3;

export class KernelTest {
  readonly #table: MatrixTable = extremeTable();
  /** By sequence. Some 20 ms a product: worth to be kept for the next kernel. */
  readonly #ends: Int8Array[] = [];

  /** Rejects `self-test` at the first wrong entry, or with what a lane fails with. */
  async check(lanes: readonly Lane[]): Promise<void> {
    const signal = new AbortController().signal;
    await Promise.all(
      lanes.map(async (lane) => {
        await lane.load(0, this.#table.data);
        for (let at = 0; at < SEQUENCES.length; at += lane.chains) {
          const part = SEQUENCES.slice(at, at + lane.chains);
          const results = await lane.run(0, part, signal);
          for (const [i, result] of results.entries()) compare(result, this.#end(at + i));
        }
      }),
    );
  }

  /** Milliseconds per hash with all lanes at work. `check` must have gone before. */
  async time(lanes: readonly Lane[], now: () => number = () => performance.now()): Promise<number> {
    const signal = new AbortController().signal;
    const together = (lane: Lane): readonly Uint8Array[] => new Array(lane.chains).fill(TIMED);
    let ms = Number.POSITIVE_INFINITY;
    for (let timing = 0; timing < TIMINGS; timing++) {
      const started = now();
      await Promise.all(lanes.map((lane) => lane.run(0, together(lane), signal)));
      ms = Math.min(ms, now() - started);
    }
    const chains = lanes.reduce((sum, lane) => sum + lane.chains, 0);
    const products = ROUNDS * TIMED.length - 1;
    return (ms / products / chains) * SLICES * (STEPS - 1);
  }

  #end(index: number): Int8Array {
    this.#ends[index] ??= transposed(runSlice(SEQUENCES[index]!, this.#table));
    return this.#ends[index];
  }
}

function compare(actual: Int8Array, expected: Int8Array): void {
  const at = expected.findIndex((entry, index) => entry !== actual[index]);
  if (at < 0) return;
  const where = `in row ${Math.floor(at / DIM)}, column ${at % DIM} of a product`;
  throw new DriverError({
    code: 'self-test',
    expected: `${expected[at]} ${where}`,
    actual: `${actual[at]}`,
  });
}
