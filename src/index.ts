/**
 * The library's one entry: the proof of work, its kernels and targets, for programs that verify or
 * mine by themselves. Everything else is internal and may change.
 */
export type { BlockHeader } from './chain/header.ts';
export { decodeHeader, encodeHeader, headerHash, headerPreimage } from './chain/header.ts';
export { INITIAL_SEED, seedHeight } from './chain/seed.ts';
export { openCpuHasher } from './tensority/cpu-hasher.ts';
export type { BatchHasher, Seed } from './tensority/hasher.ts';
export { tensority } from './tensority/reference.ts';
export type { MatrixTable } from './tensority/table.ts';
export { buildMatrixTable } from './tensority/table-builder.ts';
export {
  bitsToTarget,
  difficultyToTarget,
  meetsTarget,
  type Target,
  targetToBits,
  targetToWork,
} from './tensority/target.ts';
