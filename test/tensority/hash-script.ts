/** The text of a program that hashes one input and prints the PoW hash, for processes of their own. */
import { bytesToHex } from '../../src/util/bytes.ts';
import type { PowVector } from './vectors.ts';

/**
 * To be run from the folder that holds `src`: the checkout with `.ts`, `dist` with `.js`. The hash
 * is the promise `finished`; `end` is the program's last statement. It never closes its hasher.
 */
export function hashScript(
  extension: '.ts' | '.js',
  vector: PowVector,
  seed: Uint8Array,
  end: string,
): string {
  return `
    import { openCpuHasher } from './src/tensority/cpu-hasher${extension}';
    import { buildMatrixTable } from './src/tensority/table-builder${extension}';
    const seed = new Uint8Array(Buffer.from('${bytesToHex(seed)}', 'hex'));
    const input = new Uint8Array(Buffer.from('${vector.name}', 'hex'));
    const out = new Uint8Array(32);
    const hasher = openCpuHasher();
    const finished = hasher
      .loadSeed(seed, buildMatrixTable(seed))
      .then(() => hasher.hash(seed, input, out))
      .then(() => console.log(Buffer.from(out).toString('hex')));
    ${end}`;
}
