/**
 * What fixes a kernel, and how the two operands of its product are stored: the running matrix X in
 * rows, the seed's matrix M in quads. Which arithmetic needs what is explained in product-kernel.ts.
 */
import { DIM } from '../params.ts';
import { type Code, get, loadV, seq, shift, splat8, storeV, vec } from './emit.ts';
import { SIGNS_OFFSET } from './memory-map.ts';

export type Arithmetic = 'relaxed32' | 'relaxed16' | 'dot16';

/** Whether the engine takes the second operand of a relaxed dot as signed or unsigned bytes. */
export type SecondOperand = 'signed' | 'unsigned';

/** Everything that fixes the code of a kernel. */
export interface KernelShape {
  readonly arithmetic: Arithmetic;
  /** Only `relaxed32` works with both; `relaxed16` needs `unsigned`, `dot16` does not ask. */
  readonly secondOperand: SecondOperand;
  /** Rows of a tile. */
  readonly rows: number;
  /** Columns of a tile: 16, 8 or 4. */
  readonly columns: number;
  /** Groups of 4 k per turn of the inner loop. */
  readonly unroll: number;
  /**
   * How the relaxed dot is written. `native` is the instruction; `emulated` spells out the result
   * that `secondOperand` tells, in instructions that are exact everywhere, so that every branch can
   * be tested on any machine.
   */
  readonly dot: 'native' | 'emulated';
}

/** How a kernel stores X. */
export interface XLayout {
  /** Bytes from one row to the next. */
  readonly rowBytes: number;
  readonly totalBytes: number;
}

/** Rows that a kernel reads and writes: 256, rounded up to whole tiles. */
export function paddedRows(shape: KernelShape): number {
  return Math.ceil(DIM / shape.rows) * shape.rows;
}

export function xLayout(shape: KernelShape): XLayout {
  const rowBytes = shape.arithmetic === 'dot16' ? 2 * DIM : DIM;
  return { rowBytes, totalBytes: paddedRows(shape) * rowBytes };
}

/** Stores 16 bytes of X (in local `value`, as plain bytes) the way the arithmetic reads them. */
export function storeX(
  kind: Pick<KernelShape, 'arithmetic' | 'secondOperand'>,
  address: Code,
  offset: number,
  value: number,
): Code {
  switch (kind.arithmetic) {
    case 'relaxed32':
      return storeV(
        address,
        kind.secondOperand === 'unsigned' ? vec('v128.xor', get(value), splat8(0x80)) : get(value),
        offset,
      );
    case 'relaxed16':
      return storeV(address, get(value), offset);
    case 'dot16':
      return seq(
        storeV(address, vec('i16x8.extend_low_i8x16_s', get(value)), offset),
        storeV(address, vec('i16x8.extend_high_i8x16_s', get(value)), offset + 16),
      );
  }
}

/** The inverse of `storeX`: 16 bytes of X as plain bytes. */
export function loadX(
  kind: Pick<KernelShape, 'arithmetic' | 'secondOperand'>,
  address: Code,
): Code {
  switch (kind.arithmetic) {
    case 'relaxed32':
      return kind.secondOperand === 'unsigned'
        ? vec('v128.xor', loadV('v128', address), splat8(0x80))
        : loadV('v128', address);
    case 'relaxed16':
      return loadV('v128', address);
    case 'dot16':
      return vec('i8x16.narrow_i16x8_s', loadV('v128', address), loadV('v128', address, 16));
  }
}

/** Stores 16 packed bytes of M (in local `value`) the way the arithmetic reads them. */
export function storeM(
  kind: Pick<KernelShape, 'arithmetic'>,
  address: Code,
  offset: number,
  value: number,
): Code {
  if (!splitsSigns(kind)) return storeV(address, get(value), offset);
  return seq(
    storeV(address, vec('i8x16.abs', get(value)), offset),
    storeV(address, shift('i8x16.shr_s', get(value), 7), offset + SIGNS_OFFSET),
  );
}

/** The inverse of `storeM`. */
export function loadM(kind: Pick<KernelShape, 'arithmetic'>, address: Code, offset: number): Code {
  if (!splitsSigns(kind)) return loadV('v128', address, offset);
  const signs = loadV('v128', address, offset + SIGNS_OFFSET);
  return vec('i8x16.sub', vec('v128.xor', loadV('v128', address, offset), signs), signs);
}

/** True if a column's sum starts at a value of its own rather than at zero. */
export function hasCorrections(kind: Pick<KernelShape, 'arithmetic' | 'secondOperand'>): boolean {
  switch (kind.arithmetic) {
    case 'relaxed32':
      return kind.secondOperand === 'unsigned';
    case 'relaxed16':
      return true;
    case 'dot16':
      return false;
  }
}

/** True if M is packed as |M| and, `SIGNS_OFFSET` behind it, its signs. */
export function splitsSigns(kind: Pick<KernelShape, 'arithmetic'>): boolean {
  return kind.arithmetic === 'relaxed16';
}
