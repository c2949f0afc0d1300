/** What goes into a network and what comes out of it, for the file itself and for whoever exports it. */
import { DIM, MATRICES, SEQUENCE_LENGTH, SLICES } from '../../src/tensority/params.ts';
import type { Port } from './graph-builder.ts';

export interface ModelDescription {
  readonly opset: number;
  readonly inputs: readonly DescribedPort[];
  readonly output: DescribedPort;
  /** How to make the inputs and what to do with the output, step by step. */
  readonly usage: readonly string[];
}

export interface DescribedPort extends Port {
  readonly doc: string;
}

export function matricesPort(): DescribedPort {
  return {
    name: 'matrices',
    type: 'uint8',
    shape: [MATRICES, DIM, DIM],
    doc: 'the matrix table of the seed, 128 added to each entry',
  };
}

/** `shape` is what stands before the 32 names. */
export function sequencesPort(shape: readonly number[]): DescribedPort {
  return {
    name: 'sequences',
    type: 'int32',
    shape: [...shape, SEQUENCE_LENGTH],
    doc: `the 32 matrix names (0 to 255) of each ${shape.length > 1 ? 'slice' : 'chain'}`,
  };
}

export function wordsPort(hashes: number): DescribedPort {
  return {
    name: 'words',
    type: 'uint32',
    shape: [hashes, DIM / 4],
    doc: 'what SHA3-256 makes the PoW hash of',
  };
}

export function sumPort(hashes: number, type: 'int8' | 'int32'): DescribedPort {
  return {
    name: 'sum',
    type,
    shape: [hashes, DIM, DIM],
    doc: `the sum of the ${SLICES} slices, by column and row${type === 'int8' ? ', wrapped' : ''}`,
  };
}

export function endPort(chains: number): DescribedPort {
  return {
    name: 'end',
    type: 'int8',
    shape: [chains, DIM, DIM],
    doc: 'what the chain ends with, by column and row',
  };
}

const MATRICES_USAGE =
  'matrices: the 256 matrices that the seed expands to, row after row, with the top bit of each byte flipped. A new seed needs no new network.';

/** Of a network of hashes that ends with the words, or with the sum of the slices. */
export function hashUsage(finish: 'words' | 'sum'): readonly string[] {
  return [
    MATRICES_USAGE,
    'sequences: the names of slice s (0 to 3) are the 32 bytes of SHA3-256(bytes 8s to 8s + 7 of the header hash).',
    ...(finish === 'words' ? [] : SUM_USAGE),
    WORDS_USAGE,
  ];
}

const WORDS_USAGE =
  'PoW hash: SHA3-256 of the 64 words of a hash, as 256 bytes with the lowest byte of each word first.';

const SUM_USAGE: readonly string[] = [
  'sum: with S(c, r) its entry modulo 256 at column c and row r, the words of row r are w(j, r) = S(j, r) + 2^8 S(j + 64, r) + 2^16 S(j + 128, r) + 2^24 S(j + 192, r) for j = 0 to 63.',
  'FNV: with n = 128, 64, … 1, replace w(j, r) by (w(j, r) * 0x01000193) XOR w(j, r + n), modulo 2^32, for r < n; the words of row 0 are those of the hash.',
];

export function chainUsage(): readonly string[] {
  return [
    MATRICES_USAGE,
    'sequences: the names of a chain are the 32 bytes of SHA3-256(8 bytes of the header hash): bytes 0 to 7 for the first of its 4 chains, 8 to 15 for the second, and so on.',
    'end: to be added up modulo 256 over the 4 chains of a hash. What comes then:',
    ...SUM_USAGE,
    WORDS_USAGE,
  ];
}
