/**
 * A kernel over a memory in which every area stands between guard bytes. Each call names the areas
 * it may write to; a change anywhere else is an error. X is set and read through the kernel itself
 * (`first` and `accumulate`), so that nothing here depends on how a kernel stores it.
 */
import { DIM, MATRIX_BYTES, SEQUENCE_LENGTH } from '../../../src/tensority/params.ts';
import { compileKernel } from '../../../src/tensority/wasm/compile.ts';
import {
  CORRECTION_BYTES,
  CORRECTIONS_OFFSET,
  PAGE_BYTES,
  SCRATCH_BYTES,
  SIGNS_OFFSET,
} from '../../../src/tensority/wasm/memory-map.ts';
import { type KernelShape, splitsSigns, xLayout } from '../../../src/tensority/wasm/operands.ts';
import { emitKernel, type KernelExports } from '../../../src/tensority/wasm/slice-kernel.ts';

export type AreaName =
  | 'raw'
  | 'x0'
  | 'x1'
  | 'scratch'
  | 'sum'
  | 'sequence'
  | 'packed'
  | 'corrections'
  | 'signs';

interface Area {
  readonly at: number;
  readonly length: number;
}

const GUARD_BYTES = 1024;
const GUARD = 0xa5;
const MAX_PAGES = 1024;

export class GuardedKernel {
  readonly kernel: KernelExports;
  readonly bytes: Uint8Array;
  readonly #areas: ReadonlyMap<AreaName, Area>;
  /** Areas and guards with what they must hold. */
  readonly #kept: { readonly name: string; readonly area: Area; readonly copy: Uint8Array }[] = [];

  /** Room for `matrices` packed matrices, by the names 0, 1, 2, …; fewer than 256. */
  constructor(shape: KernelShape, matrices: number, revectorize = false) {
    const label = `${JSON.stringify(shape)} ${revectorize}`;
    const module = compileKernel(emitKernel(shape, MAX_PAGES, label), revectorize);
    const areas = new Map<AreaName, Area>();
    let end = 16;
    const place = (name: AreaName, length: number): void => {
      areas.set(name, { at: end + GUARD_BYTES, length });
      end += GUARD_BYTES + length;
    };
    place('raw', MATRIX_BYTES);
    place('x0', xLayout(shape).totalBytes);
    place('x1', xLayout(shape).totalBytes);
    place('scratch', SCRATCH_BYTES);
    place('sum', MATRIX_BYTES);
    place('sequence', SEQUENCE_LENGTH);
    place('packed', matrices * MATRIX_BYTES);
    const slot = areas.get('packed')!.at;
    areas.set('corrections', {
      at: slot + CORRECTIONS_OFFSET,
      length: matrices * CORRECTION_BYTES,
    });
    if (splitsSigns(shape)) {
      areas.set('signs', { at: slot + SIGNS_OFFSET, length: matrices * MATRIX_BYTES });
    }
    const last = slot + SIGNS_OFFSET + CORRECTIONS_OFFSET + GUARD_BYTES;
    const memory = new WebAssembly.Memory({
      initial: Math.ceil(last / PAGE_BYTES),
      maximum: MAX_PAGES,
      shared: true,
    });
    this.bytes = new Uint8Array(memory.buffer);
    this.#areas = areas;
    for (const [name, area] of areas) {
      // What a kernel finds in its areas at the start must not matter.
      this.bytes.fill(0x5a, area.at, area.at + area.length);
      this.#keep(`the guard before ${name}`, area.at - GUARD_BYTES);
      this.#keep(`the guard after ${name}`, area.at + area.length);
    }
    for (const [name, area] of areas) {
      this.#kept.push({ name, area, copy: this.area(name).slice() });
    }
    this.kernel = new WebAssembly.Instance(module, { env: { memory } })
      .exports as unknown as KernelExports;
  }

  at(name: AreaName): number {
    return this.#areas.get(name)!.at;
  }

  /** A view of the area. */
  area(name: AreaName): Uint8Array {
    const { at, length } = this.#areas.get(name)!;
    return this.bytes.subarray(at, at + length);
  }

  /** Writes to an area from outside the kernel. */
  fill(name: AreaName, bytes: Uint8Array): void {
    this.area(name).set(bytes);
    this.#update(name);
  }

  /** Packs a matrix under a name. */
  pack(matrix: Int8Array, name: number): void {
    this.fill('raw', new Uint8Array(matrix.buffer, matrix.byteOffset, MATRIX_BYTES));
    this.#call(['packed', 'corrections', 'signs'], () =>
      this.kernel.pack(this.at('raw'), this.#matrix(name), this.#corrections(name)),
    );
  }

  /** x0 = fold(Mᵀ). */
  first(name: number): void {
    this.#call(['x0'], () => this.kernel.first(this.#matrix(name), this.at('x0')));
  }

  /** `to` = fold(`from` · Mᵀ). */
  product(name: number, from: 'x0' | 'x1', to: 'x0' | 'x1'): void {
    this.#call([to, 'scratch'], () =>
      this.kernel.product(
        this.#matrix(name),
        this.#corrections(name),
        this.at(from),
        this.at(to),
        this.at('scratch'),
      ),
    );
  }

  accumulate(from: 'x0' | 'x1'): void {
    this.#call(['sum'], () => this.kernel.accumulate(this.at(from), this.at('sum')));
  }

  slice(sequence: Uint8Array): void {
    this.fill('sequence', sequence);
    this.#call(['x0', 'x1', 'scratch', 'sum'], () =>
      this.kernel.slice(
        this.at('sequence'),
        this.at('packed'),
        this.at('x0'),
        this.at('x1'),
        this.at('scratch'),
        this.at('sum'),
      ),
    );
  }

  peak(turns: number): void {
    this.#call(['scratch'], () => this.kernel.peak(turns, this.at('scratch')));
  }

  clearSum(): void {
    this.fill('sum', new Uint8Array(MATRIX_BYTES));
  }

  /** The running matrix, 256×256 row-major. */
  readX(from: 'x0' | 'x1'): Int8Array {
    this.clearSum();
    this.accumulate(from);
    return this.readSum();
  }

  readSum(): Int8Array {
    return new Int8Array(this.area('sum').slice().buffer);
  }

  #matrix(name: number): number {
    return this.at('packed') + name * MATRIX_BYTES;
  }

  #corrections(name: number): number {
    return this.at('corrections') + name * CORRECTION_BYTES;
  }

  #keep(name: string, at: number): void {
    this.bytes.fill(GUARD, at, at + GUARD_BYTES);
    const area = { at, length: GUARD_BYTES };
    this.#kept.push({ name, area, copy: this.bytes.slice(at, at + GUARD_BYTES) });
  }

  #update(name: AreaName): void {
    for (const kept of this.#kept) {
      if (kept.name === name) kept.copy.set(this.area(name));
    }
  }

  #call(writes: readonly AreaName[], run: () => void): void {
    run();
    for (const { name, area, copy } of this.#kept) {
      if ((writes as readonly string[]).includes(name)) continue;
      const now = this.bytes.subarray(area.at, area.at + area.length);
      if (Buffer.compare(now, copy) !== 0) throw new Error(`${name} was written to`);
    }
    for (const name of writes) if (this.#areas.has(name)) this.#update(name);
  }
}

/** Names the first place where two matrices differ; `undefined` if they are equal. */
export function firstDifference(got: Int8Array, expected: Int8Array): string | undefined {
  if (Buffer.compare(new Uint8Array(got.buffer), new Uint8Array(expected.buffer)) === 0) {
    return undefined;
  }
  const i = got.findIndex((value, at) => value !== expected[at]);
  const place = `row ${Math.floor(i / DIM)}, column ${i % DIM}`;
  return `${place}: expected ${expected[i]}, got ${got[i]}`;
}
