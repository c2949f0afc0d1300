/**
 * The text of kernels for the cores. Each of their threads computes a tile of M · Y, four rows by three
 * columns (of doubles with two columns each in the mode `cpu`): twelve sums are what the registers hold, and
 * both matrices are read less often than they are multiplied.
 */

export const TILE_ROWS = 4;
export const TILE_COLUMNS = 3;

const ROWS: readonly number[] = [0, 1, 2, 3];
const COLUMNS: readonly number[] = [0, 1, 2];

/** Text for every pair of a row and a column of the tile. */
export function forTile(text: (row: number, column: number) => string): string {
  return forRows((row) => forColumns((column) => text(row, column)));
}

export function forRows(text: (row: number) => string): string {
  return ROWS.map(text).join(' ');
}

export function forColumns(text: (column: number) => string): string {
  return COLUMNS.map(text).join(' ');
}

/** A number made of one byte, 0 … 255, of each column. */
export function threeBytes(byte: (column: number) => string): string {
  return COLUMNS.map((column) => `${byte(column)} * ${256 ** column}`).join(' + ');
}
