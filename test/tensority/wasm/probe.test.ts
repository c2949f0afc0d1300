import { describe, expect, it } from 'vitest';
import {
  constV,
  emitModule,
  i32,
  splat8,
  storeV,
  type VectorOp,
  vec,
} from '../../../src/tensority/wasm/emit.ts';
import { probeEngine } from '../../../src/tensority/wasm/probe.ts';
import { seededRandom } from '../../support/random.ts';

const traits = probeEngine();

/** The 16 bytes of a relaxed dot product of two vectors. */
function dot(op: VectorOp, a: readonly number[], b: readonly number[]): ArrayBuffer {
  const operands = [constV(a), constV(b)];
  if (op === 'i32x4.relaxed_dot_i8x16_i7x16_add_s') operands.push(splat8(0));
  const body = (): readonly number[] => storeV(i32(0), vec(op, ...operands));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new WebAssembly.Module(emitModule([{ name: 'f', params: [], body }], 1));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  (exports as { readonly f: () => void }).f();
  return new Uint8Array(memory.buffer).slice(0, 16).buffer;
}

/** Pairs of 16 bytes: random ones, and ones of the ends of a byte only. */
function operands(): readonly (readonly [a: number[], b: number[]])[] {
  const random = seededRandom(71);
  const any = (): number => Math.floor(random() * 256);
  const end = (): number => [0, 1, 127, 128, 255][Math.floor(random() * 5)]!;
  return Array.from({ length: 60 }, (_v, i) => {
    const next = i % 2 === 0 ? any : end;
    return [Array.from({ length: 16 }, next), Array.from({ length: 16 }, next)] as const;
  });
}

const signed = (byte: number): number => (byte << 24) >> 24;
const saturate = (value: number): number => Math.max(-32_768, Math.min(32_767, value));

describe('probeEngine', () => {
  it('finds ordinary SIMD, which every engine for this program has', () => {
    expect(traits.simd).toBe(true);
  });

  it('answers what the processor is known to do', (ctx) => {
    // ARM's dot product is signed; x86 has it unsigned, or only in a form that saturates.
    if (process.arch === 'arm64') {
      expect(traits).toEqual({ simd: true, dot32: 'signed', unsignedDot16: false });
    } else if (process.arch === 'x64') {
      expect(traits.unsignedDot16).toBe(true);
      expect([undefined, 'unsigned']).toContain(traits.dot32);
    } else {
      ctx.skip(`nothing is known about ${process.arch}`);
    }
  });

  it('calls the 32-bit dot exact just where it is, for any operands', () => {
    const isExact = (second: 'signed' | 'unsigned'): boolean =>
      operands().every(([a, b]) => {
        const other = second === 'signed' ? b.map(signed) : b;
        const expected = [0, 4, 8, 12].map((at) =>
          [0, 1, 2, 3].reduce((sum, i) => sum + signed(a[at + i]!) * other[at + i]!, 0),
        );
        const got = new Int32Array(dot('i32x4.relaxed_dot_i8x16_i7x16_add_s', a, b));
        return `${[...got]}` === `${expected}`;
      });
    expect([isExact('signed'), isExact('unsigned')]).toEqual([
      traits.dot32 === 'signed',
      traits.dot32 === 'unsigned',
    ]);
  });

  it('calls the 16-bit dot unsigned just where it is, saturating or not', () => {
    const isUnsigned = operands().every(([a, b]) => {
      const expected = Array.from({ length: 8 }, (_v, i) =>
        saturate(signed(a[2 * i]!) * b[2 * i]! + signed(a[2 * i + 1]!) * b[2 * i + 1]!),
      );
      const got = new Int16Array(dot('i16x8.relaxed_dot_i8x16_i7x16_s', a, b));
      return `${[...got]}` === `${expected}`;
    });
    expect(isUnsigned).toBe(traits.unsignedDot16);
  });
});
