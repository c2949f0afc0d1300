import { describe, expect, it } from 'vitest';
import {
  DIM,
  EPOCH_BLOCKS,
  MACS_PER_HASH,
  MATRICES,
  MATRIX_BYTES,
  ROUNDS,
  SEQUENCE_LENGTH,
  SLICES,
  STEPS,
  TABLE_BYTES,
} from '../../src/tensority/params.ts';

describe('params', () => {
  it('are the constants of the chain, and the derived ones follow from them', () => {
    expect({ DIM, MATRICES, SLICES, SEQUENCE_LENGTH, ROUNDS, EPOCH_BLOCKS }).toEqual({
      DIM: 256,
      MATRICES: 256,
      SLICES: 4,
      SEQUENCE_LENGTH: 32,
      ROUNDS: 2,
      EPOCH_BLOCKS: 256,
    });
    expect(MATRIX_BYTES).toBe(DIM * DIM);
    expect(TABLE_BYTES).toBe(MATRICES * MATRIX_BYTES);
    expect(STEPS).toBe(ROUNDS * SEQUENCE_LENGTH);
  });

  it('count 252 real products a hash: the first step of each slice is none', () => {
    expect(MACS_PER_HASH).toBe(252 * 16_777_216);
  });
});
