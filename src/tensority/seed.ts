/** Step 1 of Tensority: the 32-byte seed becomes the 128-byte start state of smix. */
import { sha3 } from '../util/sha3.ts';
import type { Seed } from './hasher.ts';

/** seed ‖ sha3(seed) ‖ sha3²(seed) ‖ sha3³(seed), as 32 little-endian words. */
export function extendSeed(seed: Seed): Uint32Array {
  if (seed.length !== 32) throw new RangeError(`"seed" expected 32 bytes, got ${seed.length}`);
  const words = new Uint32Array(32);
  let part = seed;
  for (let i = 0; i < 4; i++) {
    const view = new DataView(part.buffer, part.byteOffset, 32);
    for (let w = 0; w < 8; w++) words[8 * i + w] = view.getUint32(4 * w, true);
    if (i < 3) part = sha3(part);
  }
  return words;
}
