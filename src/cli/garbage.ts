/**
 * Collecting garbage on request. Dropped matrix tables are 16 MiB each and lie outside V8's heap; a
 * miner allocates so little else that V8 would let them lie for hours.
 */
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Frees what nobody refers to any more. Takes some milliseconds. */
export function collectGarbage(): void {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    v8.setFlagsFromString('--no-expose-gc');
  }
  collect();
}
