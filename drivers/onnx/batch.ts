/**
 * The inputs and results of one call in memory that all lanes share. A lane takes the next inputs that
 * nobody has, computes them and puts their hashes in their places.
 */

/** Words at the start: next input, aborted, inputs, signs of life. */
const NEXT = 0;
const ABORTED = 1;
const COUNT = 2;
const SIGNS = 3;
const HEAD_WORDS = 4;

export class Batch {
  /** What goes to other threads; `new Batch(memory)` there is the same batch. */
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, HEAD_WORDS);
  }

  /** `headerHashes`: 32 bytes for each input; they are copied. */
  static of(headerHashes: Uint8Array): Batch {
    const batch = new Batch(new SharedArrayBuffer(4 * HEAD_WORDS + 2 * headerHashes.length));
    batch.#head[COUNT] = headerHashes.length / 32;
    batch.#bytes.set(headerHashes);
    return batch;
  }

  /** Grows with each run that ends, and while a lane rests: shows that lanes are alive. */
  get signs(): number {
    return Atomics.load(this.#head, SIGNS);
  }

  /** There is nothing to claim any more. */
  get isOver(): boolean {
    const next = Atomics.load(this.#head, NEXT);
    return this.#isAborted || next >= this.#head[COUNT]!;
  }

  /** Takes up to `most` inputs; undefined when none is left or the batch was aborted. */
  claim(most: number): { readonly first: number; readonly count: number } | undefined {
    if (this.#isAborted) return undefined;
    const first = Atomics.add(this.#head, NEXT, most);
    const left = this.#head[COUNT]! - first;
    return left <= 0 ? undefined : { first, count: Math.min(most, left) };
  }

  /** Nothing more of it is taken; runs that have begun end as usual. */
  abort(): void {
    Atomics.store(this.#head, ABORTED, 1);
  }

  /** The 32 bytes of an input, as a copy. */
  input(index: number): Uint8Array {
    return this.#bytes.slice(32 * index, 32 * index + 32);
  }

  put(index: number, powHash: Uint8Array): void {
    this.#bytes.set(powHash, 32 * (this.#head[COUNT]! + index));
  }

  sign(): void {
    Atomics.add(this.#head, SIGNS, 1);
  }

  /** 32 bytes for each input; whole once every lane is done with the batch. */
  get powHashes(): Uint8Array {
    return this.#bytes.subarray(32 * this.#head[COUNT]!);
  }

  get #isAborted(): boolean {
    return Atomics.load(this.#head, ABORTED) !== 0;
  }

  get #bytes(): Uint8Array {
    return new Uint8Array(this.memory, 4 * HEAD_WORDS);
  }
}
