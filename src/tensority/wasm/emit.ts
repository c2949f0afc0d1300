/**
 * A WebAssembly byte emitter, as small as the kernels need: expressions are byte lists that are put
 * together by functions, and a module has one imported shared memory and exported functions.
 * Specified in the WebAssembly core specification 3.0, binary format.
 */

/** The bytes of an instruction sequence. */
export type Code = readonly number[];
export type ValueType = 'i32' | 'v128';

const TYPE_BYTE: Readonly<Record<ValueType, number>> = { i32: 0x7f, v128: 0x7b };

/** A function to put into a module; `body` is called with the locals that it can add to. */
export interface FunctionSpec {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly result?: ValueType;
  readonly body: (locals: Locals) => Code;
}

/** Hands out local indices; the parameters come first. */
export class Locals {
  readonly types: ValueType[] = [];
  readonly #params: number;

  constructor(params: number) {
    this.#params = params;
  }

  add(type: ValueType): number {
    this.types.push(type);
    return this.#params + this.types.length - 1;
  }

  addMany(type: ValueType, count: number): number[] {
    return Array.from({ length: count }, () => this.add(type));
  }
}

/**
 * The module's bytes. The module imports `env.memory`, shared, of at least one page and at most
 * `maxPages`; every function is exported and can be called by the others (see `call`), its index
 * being its place in `functions`. `label` goes into a custom section: engines reuse the code of
 * modules with equal bytes, also where it was compiled under other flags.
 */
export function emitModule(
  functions: readonly FunctionSpec[],
  maxPages: number,
  label = '',
): Uint8Array<ArrayBuffer> {
  const types = functions.map((f) => [
    0x60,
    ...vector(f.params.map((t) => [TYPE_BYTE[t]])),
    ...vector(f.result === undefined ? [] : [[TYPE_BYTE[f.result]]]),
  ]);
  const memory = [...text('env'), ...text('memory'), 0x02, 0x03, ...uleb(1), ...uleb(maxPages)];
  const exports = functions.map((f, index) => [...text(f.name), 0x00, ...uleb(index)]);
  const bodies = functions.map((f) => {
    const locals = new Locals(f.params.length);
    const code = f.body(locals);
    const declared = vector(locals.types.map((t) => [...uleb(1), TYPE_BYTE[t]]));
    return sized([...declared, ...code, 0x0b]);
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(2, [memory]),
    ...section(
      3,
      functions.map((_f, index) => uleb(index)),
    ),
    ...section(7, exports),
    ...section(10, bodies),
    ...[0, ...sized([...text('label'), ...text(label)])],
  ]);
}

export function seq(...parts: readonly Code[]): Code {
  return parts.flat();
}

export function i32(value: number): Code {
  return [0x41, ...sleb(value)];
}

export function get(local: number): Code {
  return [0x20, ...uleb(local)];
}

export function set(local: number, value: Code): Code {
  return [...value, 0x21, ...uleb(local)];
}

export function call(functionIndex: number, ...args: readonly Code[]): Code {
  return [...args.flat(), 0x10, ...uleb(functionIndex)];
}

/** Runs `body` with `counter` = from, from + step, … while below `to` (unsigned); at least once. */
export function forLoop(counter: number, from: Code, to: Code, step: number, body: Code): Code {
  return [
    ...set(counter, from),
    ...[0x03, 0x40],
    ...body,
    ...set(counter, add(get(counter), i32(step))),
    ...ltU(get(counter), to),
    ...[0x0d, 0x00],
    0x0b,
  ];
}

export function add(a: Code, b: Code): Code {
  return [...a, ...b, 0x6a];
}

export function sub(a: Code, b: Code): Code {
  return [...a, ...b, 0x6b];
}

export function mul(a: Code, b: Code): Code {
  return [...a, ...b, 0x6c];
}

export function and(a: Code, b: Code): Code {
  return [...a, ...b, 0x71];
}

export function xor(a: Code, b: Code): Code {
  return [...a, ...b, 0x73];
}

export function shl(a: Code, by: number): Code {
  return [...a, ...i32(by), 0x74];
}

export function shrU(a: Code, by: number): Code {
  return [...a, ...i32(by), 0x76];
}

export function rotl(a: Code, by: number): Code {
  return [...a, ...i32(by), 0x77];
}

export function ltU(a: Code, b: Code): Code {
  return [...a, ...b, 0x49];
}

/** 32-bit load; `address` is aligned to 4. */
export function loadI32(address: Code, offset = 0): Code {
  return [...address, 0x28, 0x02, ...uleb(offset)];
}

export function storeI32(address: Code, value: Code, offset = 0): Code {
  return [...address, ...value, 0x36, 0x02, ...uleb(offset)];
}

export function loadU8(address: Code, offset = 0): Code {
  return [...address, 0x2d, 0x00, ...uleb(offset)];
}

/** Loads of 128 bits or that make 128 bits. The alignment hint is always 0: no engine uses it. */
export type VectorLoad = 'v128' | '8x8_s' | '32_splat' | '64_splat';
const VECTOR_LOAD: Readonly<Record<VectorLoad, number>> = {
  v128: 0,
  '8x8_s': 1,
  '32_splat': 9,
  '64_splat': 10,
};

export function loadV(kind: VectorLoad, address: Code, offset = 0): Code {
  return [...address, 0xfd, ...uleb(VECTOR_LOAD[kind]), 0x00, ...uleb(offset)];
}

export function storeV(address: Code, value: Code, offset = 0): Code {
  return [...address, ...value, 0xfd, 11, 0x00, ...uleb(offset)];
}

/** A vector constant of 16 bytes. */
export function constV(bytes: readonly number[]): Code {
  if (bytes.length !== 16) throw new RangeError(`expected 16 bytes, got ${bytes.length}`);
  return [0xfd, 12, ...bytes];
}

/** Bytes of `a` ‖ `b` by their index, 0 … 31. */
export function shuffle(a: Code, b: Code, lanes: readonly number[]): Code {
  if (lanes.length !== 16) throw new RangeError(`expected 16 lanes, got ${lanes.length}`);
  return [...a, ...b, 0xfd, 13, ...lanes];
}

/** 32-bit words of two vector locals by index, 0 … 7. */
export function shuffleWords(
  a: number,
  b: number,
  words: readonly [number, number, number, number],
): Code {
  return shuffle(
    get(a),
    get(b),
    words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]),
  );
}

/** Lane 0 (i32) of a vector local. */
export function extractFirst(v: number): Code {
  return [...get(v), 0xfd, 27, 0];
}

const VECTOR_OPS = {
  'v128.and': 78,
  'v128.xor': 81,
  'i8x16.abs': 96,
  'i8x16.narrow_i16x8_s': 101,
  'i8x16.narrow_i16x8_u': 102,
  'i8x16.shr_s': 108,
  'i8x16.add': 110,
  'i8x16.sub': 113,
  'i16x8.extadd_pairwise_i8x16_s': 124,
  'i16x8.extadd_pairwise_i8x16_u': 125,
  'i32x4.extadd_pairwise_i16x8_s': 126,
  'i16x8.narrow_i32x4_s': 133,
  'i16x8.extend_low_i8x16_s': 135,
  'i16x8.extend_high_i8x16_s': 136,
  'i16x8.extend_low_i8x16_u': 137,
  'i16x8.extend_high_i8x16_u': 138,
  'i16x8.add': 142,
  'i32x4.shl': 171,
  'i32x4.shr_u': 173,
  'i32x4.add': 174,
  'i32x4.mul': 181,
  'i32x4.dot_i16x8_s': 186,
  'i16x8.relaxed_dot_i8x16_i7x16_s': 274,
  'i32x4.relaxed_dot_i8x16_i7x16_add_s': 275,
} as const;
export type VectorOp = keyof typeof VECTOR_OPS;

/** A vector instruction without immediates, after its operands. */
export function vec(op: VectorOp, ...operands: readonly Code[]): Code {
  return [...operands.flat(), 0xfd, ...uleb(VECTOR_OPS[op])];
}

/** A vector shift by a constant number of bits. */
export function shift(
  op: 'i8x16.shr_s' | 'i32x4.shl' | 'i32x4.shr_u',
  value: Code,
  by: number,
): Code {
  return [...value, ...i32(by), 0xfd, ...uleb(VECTOR_OPS[op])];
}

/** 16 equal bytes as a constant. */
export function splat8(value: number): Code {
  return constV(new Array<number>(16).fill(value & 255));
}

/** Four equal 32-bit values as a constant. */
export function splat32(value: number): Code {
  return constV(Array.from({ length: 16 }, (_v, i) => (value >> (8 * (i % 4))) & 255));
}

function uleb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    const low = rest & 127;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 128);
  } while (rest !== 0);
  return out;
}

function sleb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 127;
    rest >>= 7;
    if ((rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)) {
      out.push(low);
      return out;
    }
    out.push(low | 128);
  }
}

function text(value: string): number[] {
  return sized([...new TextEncoder().encode(value)]);
}

function sized(bytes: readonly number[]): number[] {
  return [...uleb(bytes.length), ...bytes];
}

function vector(items: readonly Code[]): number[] {
  return [...uleb(items.length), ...items.flat()];
}

function section(id: number, items: readonly Code[]): number[] {
  return [id, ...sized(vector(items))];
}
