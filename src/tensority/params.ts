/** The constants of Tensority, by the names the reference and every kernel use. */

/** Rows and columns of every matrix. */
export const DIM = 256;
/** Bytes of one matrix. */
export const MATRIX_BYTES = 65_536; // DIM * DIM
/** Matrices in the table of a seed; a byte of a sequence names one. */
export const MATRICES = 256;
/** Bytes of the table of a seed: 16 MiB. */
export const TABLE_BYTES = 16_777_216; // MATRICES * MATRIX_BYTES
/** Independent chains of products per hash, one for each 8 bytes of the header hash. */
export const SLICES = 4;
/** Matrix names in a slice's sequence (the 32 bytes of one SHA3-256). */
export const SEQUENCE_LENGTH = 32;
/** How often a slice runs through its sequence. */
export const ROUNDS = 2;
/** Products per slice; the first one starts from the identity. */
export const STEPS = 64; // ROUNDS * SEQUENCE_LENGTH
/** Blocks that share a seed. */
export const EPOCH_BLOCKS = 256;
/** Multiply-accumulates of one hash: 4 × 63 real products of 256³ (the first is no product). */
export const MACS_PER_HASH: number = SLICES * (STEPS - 1) * DIM ** 3;
