/**
 * A set of ids that takes little memory: the first 16 bytes of each in one flat array, which is a hash
 * table with open addressing, 21 to 43 bytes an id. It grows, and nothing is ever taken out of it.
 *
 * Ids are hashes, so 16 bytes of one are as good as all; but whoever makes a share can choose some of
 * its bits, so where it goes in the table depends on factors that nobody outside knows.
 */
import { randomFillSync } from 'node:crypto';

const WORDS = 4;
const FIRST_BITS = 6;
/** The part of a table that may be in use. */
const MAX_LOAD = 0.75;

/** The first 16 bytes of an id. */
export type IdWords = readonly [number, number, number, number];

/** Throws `RangeError` for an id of less than 16 bytes. */
export function idWords(id: Uint8Array): IdWords {
  const view = new DataView(id.buffer, id.byteOffset, id.length);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}

/** Odd. The same for all tables. */
const [F0, F1, F2, F3] = Array.from(
  randomFillSync(new Uint32Array(WORDS)),
  (factor) => factor | 1,
) as [number, number, number, number];

export class IdTable {
  #bits = FIRST_BITS;
  #words = new Uint32Array(WORDS << FIRST_BITS);
  #size = 0;
  /** Four zeros are an empty place, so the id that begins with them has none. */
  #hasZeros = false;

  get size(): number {
    return this.#size;
  }

  has(id: IdWords): boolean {
    if (isZeros(id)) return this.#hasZeros;
    return !this.#isEmpty(this.#find(id));
  }

  /** False if it was there before. */
  add(id: IdWords): boolean {
    if (this.has(id)) return false;
    this.#size++;
    if (isZeros(id)) {
      this.#hasZeros = true;
      return true;
    }
    if (this.#size > MAX_LOAD * 2 ** this.#bits) this.#grow();
    this.#words.set(id, this.#find(id));
    return true;
  }

  #grow(): void {
    const words = this.#words;
    this.#bits++;
    this.#words = new Uint32Array(WORDS << this.#bits);
    for (let at = 0; at < words.length; at += WORDS) {
      const id = [words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!] as const;
      if (!isZeros(id)) this.#words.set(id, this.#find(id));
    }
  }

  /** Where it is, or the empty place where it would go; in words. */
  #find(id: IdWords): number {
    const words = this.#words;
    const last = words.length - 1;
    const [a, b, c, d] = id;
    const mixed = Math.imul(a, F0) + Math.imul(b, F1) + Math.imul(c, F2) + Math.imul(d, F3);
    for (let at = (mixed >>> (32 - this.#bits)) * WORDS; ; at = (at + WORDS) & last) {
      const isSame =
        words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d;
      if (isSame || this.#isEmpty(at)) return at;
    }
  }

  #isEmpty(at: number): boolean {
    const words = this.#words;
    return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0;
  }
}

function isZeros([a, b, c, d]: IdWords): boolean {
  return (a | b | c | d) === 0;
}
