/**
 * One step of a slice: an integer product, folded back to int8.
 *
 * The fold is low byte plus second byte, wrapped; it is not a truncation: fold(−1) is −2. So even
 * the first step, identity · mᵀ, changes negative entries. Only v mod 2^16 matters.
 */
import { DIM } from './params.ts';

/** The signed byte of (v & 255) + ((v >> 8) & 255). */
export function fold(v: number): number {
  return (((v & 255) + ((v >> 8) & 255)) << 24) >> 24;
}

/** Multiplies `a` by the transpose of `b` and folds. All three are 256×256 row-major; `out` may not alias. */
export function mulFold(a: Int8Array, b: Int8Array, out: Int8Array): void {
  // A local copy: test runners turn an imported constant into a property that is read each time.
  const n = DIM;
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      let v = 0;
      const ra = row * n;
      const rb = column * n;
      for (let k = 0; k < n; k++) v += a[ra + k]! * b[rb + k]!;
      out[ra + column] = fold(v);
    }
  }
}

/** A 256×256 matrix with rows and columns exchanged. */
export function transposed<T extends Int8Array | Uint8Array>(matrix: T): T {
  const result = matrix.slice() as T;
  for (let row = 0; row < DIM; row++) {
    for (let column = 0; column < DIM; column++) {
      result[column * DIM + row] = matrix[row * DIM + column]!;
    }
  }
  return result;
}
