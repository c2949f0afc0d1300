/** Builds matrix tables with the WASM smix. */
import type { Seed } from './hasher.ts';
import { MATRICES, TABLE_BYTES } from './params.ts';
import { extendSeed } from './seed.ts';
import type { MatrixTable } from './table.ts';
import { compileKernel } from './wasm/compile.ts';
import { PAGE_BYTES } from './wasm/memory-map.ts';
import { emitSmix, SMIX_FORMS, type SmixExports, type SmixForm } from './wasm/smix-kernel.ts';

const PAGES = TABLE_BYTES / PAGE_BYTES + 1;
const ROUNDS = MATRICES / 2;
const STATE_AT = TABLE_BYTES;

const modules = new Map<SmixForm, WebAssembly.Module>();
let chosen: SmixForm | undefined;

/**
 * The table of a seed, in shared memory so that threads can read it without a copy. Blocks for 20
 * to 30 ms; the first call also compiles and picks the form of smix that is faster here.
 */
export function buildMatrixTable(seed: Seed): MatrixTable {
  chosen ??= fastestSmix();
  return buildMatrixTableWith(chosen, seed);
}

/** The same with a given form: for tests and benchmarks. */
export function buildMatrixTableWith(form: SmixForm, seed: Seed): MatrixTable {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  runSmix(smixModule(form), memory, extendSeed(seed), ROUNDS);
  return { seed: seed.slice(), data: new Int8Array(memory.buffer, 0, TABLE_BYTES) };
}

function fastestSmix(): SmixForm {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const words = extendSeed(new Uint8Array(32));
  let best: { readonly form: SmixForm; readonly ms: number } | undefined;
  for (const form of SMIX_FORMS) {
    const module = smixModule(form);
    runSmix(module, memory, words, 1);
    const start = performance.now();
    runSmix(module, memory, words, 2);
    const ms = performance.now() - start;
    if (best === undefined || ms < best.ms) best = { form, ms };
  }
  return best!.form;
}

function smixModule(form: SmixForm): WebAssembly.Module {
  let module = modules.get(form);
  if (module === undefined) {
    module = compileKernel(emitSmix(form, PAGES), false);
    modules.set(form, module);
  }
  return module;
}

function runSmix(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  extendedSeed: Uint32Array,
  rounds: number,
): void {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  new Uint32Array(memory.buffer, STATE_AT, extendedSeed.length).set(extendedSeed);
  (instance.exports as unknown as SmixExports).smix(STATE_AT, 0, rounds);
}
