/**
 * What this engine's relaxed dot products do. The standard leaves two things open: whether the
 * second operand is signed, and whether pairs saturate at 16 bits. A kernel is only chosen where
 * the answer makes it exact; the known-answer test then checks the choice.
 */
import { type Code, emitModule, splat8, vec } from './emit.ts';
import type { SecondOperand } from './operands.ts';

export interface EngineTraits {
  /** Ordinary SIMD with shared memory. */
  readonly simd: boolean;
  /** How `i32x4.relaxed_dot_i8x16_i7x16_add_s` takes its second operand; absent if it saturates or is missing. */
  readonly dot32?: SecondOperand;
  /** True if `i16x8.relaxed_dot_i8x16_i7x16_s` takes its second operand as unsigned bytes. */
  readonly unsignedDot16: boolean;
}

export function probeEngine(): EngineTraits {
  const simd = lane0('i32x4.dot_i16x8_s', [1, 1]) === 2 * 0x0101 * 0x0101;
  // Products of −128 and 255: 4 · −128 · −1 = 512 if signed, 4 · −128 · 255 = −130560 if unsigned
  // and exact, something else if pairs saturate at −32768.
  const dot32 = lane0('i32x4.relaxed_dot_i8x16_i7x16_add_s', [-128, 0xff]);
  // 2 · 127 · 128 = 32512 if unsigned, −32512 if signed; 2 · −128 · 128 = −32768 must not wrap or saturate.
  const most = lane0('i16x8.relaxed_dot_i8x16_i7x16_s', [127, 128]);
  const least = lane0('i16x8.relaxed_dot_i8x16_i7x16_s', [-128, 128]);
  return {
    simd,
    ...(dot32 === 512 ? { dot32: 'signed' as const } : {}),
    ...(dot32 === -130_560 ? { dot32: 'unsigned' as const } : {}),
    unsignedDot16: most === pair16(32_512) && least === pair16(-32_768),
  };
}

type ProbedOp =
  | 'i32x4.dot_i16x8_s'
  | 'i32x4.relaxed_dot_i8x16_i7x16_add_s'
  | 'i16x8.relaxed_dot_i8x16_i7x16_s';

/** Lane 0 (i32) of the operation on two vectors of equal bytes; `undefined` if the engine lacks it. */
function lane0(op: ProbedOp, [a, b]: readonly [number, number]): number | undefined {
  const operands = [splat8(a), splat8(b)];
  if (op === 'i32x4.relaxed_dot_i8x16_i7x16_add_s') operands.push(splat8(0));
  const extractLane0: Code = [0xfd, 27, 0];
  const bytes = emitModule(
    [
      {
        name: 'probe',
        params: [],
        result: 'i32',
        body: () => [...vec(op, ...operands), ...extractLane0],
      },
    ],
    1,
  );
  if (!WebAssembly.validate(bytes)) return undefined;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return (instance.exports as unknown as { probe(): number }).probe();
}

/** Two equal 16-bit lanes read as one i32. */
function pair16(value: number): number {
  return (value << 16) | (value & 0xffff);
}
