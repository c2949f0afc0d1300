/** The matrix tables of a run, built where the page runs. */

import type { TableProvider } from '../../../src/tensority/table.ts';
import { buildMatrixTableReference, type MatrixTable } from '../../../src/tensority/table.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';

/** Long enough for the page to be drawn: a table takes a third of a second, and nothing moves meanwhile. */
const DRAW_MS = 30;

/** Builds each table once. A self-test and a benchmark need two, 16 MiB each. */
export function pageTables(): TableProvider {
  const built = new Map<string, MatrixTable>();
  return async (seed) => {
    const name = bytesToHex(seed);
    const kept = built.get(name);
    if (kept !== undefined) return kept;
    await new Promise((resolve) => setTimeout(resolve, DRAW_MS));
    const table = buildMatrixTableReference(seed);
    built.set(name, table);
    return table;
  };
}
