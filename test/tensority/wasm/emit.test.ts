import { describe, expect, it } from 'vitest';
import {
  add,
  and,
  type Code,
  call,
  constV,
  emitModule,
  extractFirst,
  type FunctionSpec,
  forLoop,
  get,
  i32,
  loadI32,
  loadU8,
  loadV,
  ltU,
  mul,
  rotl,
  seq,
  set,
  shift,
  shl,
  shrU,
  shuffle,
  shuffleWords,
  splat8,
  splat32,
  storeI32,
  storeV,
  sub,
  vec,
  xor,
} from '../../../src/tensority/wasm/emit.ts';

/** Page counts around the lengths of one, two and three bytes in LEB128. */
const PAGE_LIMITS = [1, 2, 127, 128, 129, 4096, 16_383, 16_384, 65_536];
/** Numbers on both sides of every length of signed LEB128, and the ends of i32. */
const I32_EDGES: readonly number[] = [6, 13, 20, 27, 31]
  .flatMap((bits) => [2 ** bits - 1, 2 ** bits, -(2 ** bits), -(2 ** bits) - 1])
  .filter((value) => value >= -(2 ** 31) && value < 2 ** 31)
  .concat([0, 1, -1, 127, 128, 255, 256, -128, -129]);

interface Run {
  readonly bytes: Uint8Array;
  run(...args: number[]): number;
}

/** A module of these functions over one page of memory, ready to call the last one. */
function instantiate(...functions: FunctionSpec[]): Run {
  const module = emitModule(functions, 64);
  expect(WebAssembly.validate(module)).toBe(true);
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } });
  const name = functions.at(-1)!.name;
  return {
    bytes: new Uint8Array(memory.buffer),
    run: (exports as Readonly<Record<string, (...args: number[]) => number>>)[name]!,
  };
}

/** What a function without parameters, or with i32 parameters, gives. */
function evaluate(code: Code, ...args: number[]): number {
  const params = args.map(() => 'i32' as const);
  return instantiate({ name: 'f', params, result: 'i32', body: () => code }).run(...args);
}

/** The 16 bytes that vector code gives. */
function evaluateV(code: Code): number[] {
  const { bytes, run } = instantiate({
    name: 'f',
    params: [],
    body: () => storeV(i32(64), code),
  });
  run();
  return [...bytes.subarray(64, 80)];
}

describe('emitModule', () => {
  it('is a valid module for any limit of pages, number of functions and label', () => {
    for (const pages of PAGE_LIMITS) {
      expect(WebAssembly.validate(emitModule([], pages)), `${pages} pages`).toBe(true);
    }
    for (const count of [1, 127, 128, 200]) {
      const functions = Array.from({ length: count }, (_v, i) => ({
        name: `f${i}`,
        params: [],
        result: 'i32' as const,
        body: () => i32(i),
      }));
      expect(instantiate(...functions).run(), `${count} functions`).toBe(count - 1);
    }
    for (const label of ['', 'a', 'x'.repeat(127), 'x'.repeat(128), 'a–ß']) {
      expect(WebAssembly.validate(emitModule([], 1, label)), `label ${label}`).toBe(true);
    }
  });

  it('differs by its label, which changes nothing else', () => {
    const functions: FunctionSpec[] = [
      { name: 'f', params: [], result: 'i32', body: () => i32(7) },
    ];
    const [a, b] = [emitModule(functions, 1, 'a'), emitModule(functions, 1, 'b')];
    expect(a).not.toEqual(b);
    expect(a.length).toBe(b.length);
    expect([...a].filter((byte, i) => byte !== b[i])).toEqual([0x61]);
  });

  it('takes only a shared memory within its limit', () => {
    const module = new WebAssembly.Module(emitModule([], 4));
    const link = (maximum: number): WebAssembly.Instance =>
      new WebAssembly.Instance(module, {
        env: { memory: new WebAssembly.Memory({ initial: 1, maximum, shared: true }) },
      });
    expect(Object.keys(link(4).exports)).toEqual([]);
    expect(() => link(5)).toThrow(/maximum/);
  });

  it('gives locals and parameters their indices, beyond one byte of LEB128 too', () => {
    const spec: FunctionSpec = {
      name: 'f',
      params: ['i32', 'i32'],
      result: 'i32',
      body: (locals) => {
        const many = locals.addMany('i32', 140);
        const vector = locals.add('v128');
        const last = locals.add('i32');
        expect([many[0], many[139], vector, last]).toEqual([2, 141, 142, 143]);
        return seq(
          ...many.map((local, i) => set(local, i32(i))),
          set(vector, splat32(1000)),
          set(last, add(get(many[139]!), extractFirst(vector))),
          add(sub(get(0), get(1)), get(last)),
        );
      },
    };
    expect(instantiate(spec).run(50, 20)).toBe(30 + 139 + 1000);
  });

  it('lets functions call each other by their place', () => {
    const twice: FunctionSpec = {
      name: 'twice',
      params: ['i32'],
      result: 'i32',
      body: () => add(get(0), get(0)),
    };
    const f: FunctionSpec = {
      name: 'f',
      params: ['i32', 'i32'],
      result: 'i32',
      body: () => sub(call(0, get(0)), call(0, get(1))),
    };
    expect(instantiate(twice, f).run(11, 4)).toBe(14);
  });
});

describe('numbers', () => {
  it('survive signed LEB128 at every change of its length', () => {
    for (const value of I32_EDGES) expect(evaluate(i32(value)), `${value}`).toBe(value);
    expect(evaluate(i32(0xffff_ffff)), 'as unsigned').toBe(-1);
  });

  it('survive unsigned LEB128 as offsets of loads and stores', () => {
    for (const offset of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 4_194_300]) {
      const { bytes, run } = instantiate({
        name: 'f',
        params: ['i32'],
        result: 'i32',
        body: () => seq(storeI32(i32(0), get(0), offset & ~3), loadU8(i32(0), offset)),
      });
      expect(run(0x44_33_22_11), `offset ${offset}`).toBe(0x11 * (1 + (offset & 3)));
      expect(bytes[offset & ~3], `offset ${offset}`).toBe(0x11);
    }
  });
});

describe('i32 instructions', () => {
  const pairs = I32_EDGES.flatMap((a) => [1, -1, 255, 0x7fff_ffff].map((b) => [a, b] as const));

  it.each<[name: string, code: Code, expected: (a: number, b: number) => number]>([
    ['add', add(get(0), get(1)), (a, b) => (a + b) | 0],
    ['sub', sub(get(0), get(1)), (a, b) => (a - b) | 0],
    ['mul', mul(get(0), get(1)), (a, b) => Math.imul(a, b)],
    ['and', and(get(0), get(1)), (a, b) => a & b],
    ['xor', xor(get(0), get(1)), (a, b) => a ^ b],
    ['shl', add(shl(get(0), 7), get(1)), (a, b) => ((a << 7) + b) | 0],
    ['shrU', add(shrU(get(0), 7), get(1)), (a, b) => ((a >>> 7) + b) | 0],
    ['rotl', xor(rotl(get(0), 9), get(1)), (a, b) => ((a << 9) | (a >>> 23)) ^ b],
    ['ltU', ltU(get(0), get(1)), (a, b) => Number(a >>> 0 < b >>> 0)],
  ])('%s', (name, code, expected) => {
    const { run } = instantiate({
      name: 'f',
      params: ['i32', 'i32'],
      result: 'i32',
      body: () => code,
    });
    for (const [a, b] of pairs) expect(run(a, b), `${name}(${a}, ${b})`).toBe(expected(a, b));
  });

  it('read and write little-endian words', () => {
    const { bytes, run } = instantiate({
      name: 'f',
      params: ['i32'],
      result: 'i32',
      body: () => seq(storeI32(i32(8), get(0), 4), loadI32(i32(4), 8)),
    });
    expect(run(0x0403_0201)).toBe(0x0403_0201);
    expect([...bytes.subarray(12, 16)]).toEqual([1, 2, 3, 4]);
  });
});

describe('forLoop', () => {
  /** Sum and number of the counter's values. */
  function turns(from: number, to: number, step: number): [sum: number, count: number] {
    const { bytes, run } = instantiate({
      name: 'f',
      params: ['i32', 'i32'],
      result: 'i32',
      body: (locals) => {
        const [counter, sum, count] = locals.addMany('i32', 3) as [number, number, number];
        return seq(
          forLoop(
            counter,
            get(0),
            get(1),
            step,
            seq(set(sum, add(get(sum), get(counter))), set(count, add(get(count), i32(1)))),
          ),
          storeI32(i32(0), get(count)),
          get(sum),
        );
      },
    });
    const sum = run(from, to);
    return [sum, new DataView(bytes.buffer).getInt32(0, true)];
  }

  it('counts from … to in steps, the end left out', () => {
    expect(turns(0, 10, 1)).toEqual([45, 10]);
    expect(turns(2, 11, 4)).toEqual([2 + 6 + 10, 3]);
    expect(turns(0, 300, 100)).toEqual([300, 3]);
  });

  it('runs once at least, and compares without sign', () => {
    expect(turns(5, 5, 1)).toEqual([5, 1]);
    expect(turns(-4, -2, 1)).toEqual([-7, 2]);
  });
});

describe('vectors', () => {
  const bytes = Array.from({ length: 16 }, (_v, i) => 16 * i + i);

  it('are constants of 16 bytes', () => {
    expect(evaluateV(constV(bytes))).toEqual(bytes);
    expect(evaluateV(splat8(-2))).toEqual(new Array(16).fill(254));
    expect(evaluateV(splat32(0x8001_02ff | 0))).toEqual(
      [0, 1, 2, 3].flatMap(() => [0xff, 0x02, 0x01, 0x80]),
    );
    expect(() => constV([1, 2, 3])).toThrow(new RangeError('expected 16 bytes, got 3'));
  });

  it('are shuffled by byte and by word over both operands', () => {
    const lanes = [31, 0, 16, 15, 1, 30, 2, 29, 3, 28, 4, 27, 5, 26, 6, 25];
    const other = bytes.map((byte) => 255 - byte);
    const both = [...bytes, ...other];
    expect(evaluateV(shuffle(constV(bytes), constV(other), lanes))).toEqual(
      lanes.map((lane) => both[lane]),
    );
    expect(() => shuffle(constV(bytes), constV(other), [1])).toThrow(
      new RangeError('expected 16 lanes, got 1'),
    );
    const words = [7, 0, 4, 3] as const;
    const { bytes: memory, run } = instantiate({
      name: 'f',
      params: [],
      body: (locals) => {
        const [a, b] = locals.addMany('v128', 2) as [number, number];
        return seq(
          set(a, constV(bytes)),
          set(b, constV(other)),
          storeV(i32(0), shuffleWords(a, b, words)),
        );
      },
    });
    run();
    expect([...memory.subarray(0, 16)]).toEqual(
      words.flatMap((word) => both.slice(4 * word, 4 * word + 4)),
    );
  });

  it('are loaded whole, widened and splatted', () => {
    const { bytes: memory, run } = instantiate({
      name: 'f',
      params: [],
      body: () =>
        seq(
          ...(['v128', '8x8_s', '32_splat', '64_splat'] as const).map((kind, i) =>
            storeV(i32(1024), loadV(kind, i32(100), 28), 16 * i),
          ),
        ),
    });
    const source = [0, 1, 127, 128, 255, 254, 100, 200, 9, 8, 7, 6, 5, 4, 3, 2];
    memory.set(source, 128);
    run();
    const at = (i: number): number[] => [...memory.subarray(1024 + 16 * i, 1040 + 16 * i)];
    expect(at(0)).toEqual(source);
    expect(at(1)).toEqual(source.slice(0, 8).flatMap((byte) => [byte, byte < 128 ? 0 : 255]));
    expect(at(2)).toEqual([0, 1, 2, 3].flatMap(() => source.slice(0, 4)));
    expect(at(3)).toEqual([...source.slice(0, 8), ...source.slice(0, 8)]);
  });

  it('are shifted by a constant', () => {
    const perByte = (change: (value: number) => number): number[] =>
      bytes.map((byte) => change((byte << 24) >> 24) & 255);
    const perWord = (change: (value: number) => number): number[] => {
      const words = Int32Array.from(new Int32Array(Uint8Array.from(bytes).buffer), change);
      return [...new Uint8Array(words.buffer)];
    };
    expect(evaluateV(shift('i8x16.shr_s', constV(bytes), 7))).toEqual(perByte((v) => v >> 7));
    expect(evaluateV(shift('i32x4.shl', constV(bytes), 5))).toEqual(perWord((v) => v << 5));
    expect(evaluateV(shift('i32x4.shr_u', constV(bytes), 8))).toEqual(perWord((v) => v >>> 8));
  });

  it('have operations of one and of two bytes of LEB128', () => {
    const a = [1, 0, 255, 255, 0, 128, 255, 127, 5, 0, 6, 0, 7, 0, 8, 0];
    // Sums of neighbouring products of 16-bit values.
    const dot = new Int32Array(
      Uint8Array.from(evaluateV(vec('i32x4.dot_i16x8_s', constV(a), constV(a)))).buffer,
    );
    expect([...dot]).toEqual([1 + 1, 32_768 ** 2 + 32_767 ** 2, 25 + 36, 49 + 64]);
    expect(evaluateV(vec('i8x16.abs', splat8(-128)))).toEqual(new Array(16).fill(128));
    expect(evaluateV(vec('v128.xor', constV(a), constV(a)))).toEqual(new Array(16).fill(0));
  });
});
