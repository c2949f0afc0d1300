/**
 * Compiling a kernel with the optimising compiler at once, and on request with V8's revectoriser,
 * which turns pairs of 128-bit operations into 256-bit ones. Both are V8 flags, set only while
 * the module compiles. A flag that an engine does not know changes nothing but speed.
 */
import v8 from 'node:v8';

/** Compiles `bytes`. `revectorize` asks for 256-bit code, by an experimental flag. */
export function compileKernel(
  bytes: Uint8Array<ArrayBuffer>,
  revectorize: boolean,
): WebAssembly.Module {
  const flags: readonly (readonly [on: string, off: string])[] = [
    // Without these the baseline compiler's code runs first and the time of a tier means nothing.
    ['--no-liftoff', '--liftoff'],
    ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
    ...(revectorize
      ? ([['--experimental-wasm-revectorize', '--no-experimental-wasm-revectorize']] as const)
      : []),
  ];
  for (const [on] of flags) v8.setFlagsFromString(on);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const [, off] of flags) v8.setFlagsFromString(off);
  }
}
