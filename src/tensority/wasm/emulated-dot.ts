/**
 * The relaxed dot products spelled out in ordinary SIMD instructions, with the results that x86 and
 * ARM give. They let every branch of a kernel run, exactly though slowly, on any machine.
 */
import { type Code, shuffle, vec } from './emit.ts';
import type { SecondOperand } from './operands.ts';

/** i32x4: Σ over 4 bytes of m (signed) · x (as told). */
export function emulatedDot32(m: Code, x: Code, secondOperand: SecondOperand): Code {
  const half = (low: 'low' | 'high'): Code =>
    vec(
      'i32x4.dot_i16x8_s',
      vec(`i16x8.extend_${low}_i8x16_s`, m),
      vec(`i16x8.extend_${low}_i8x16_${secondOperand === 'signed' ? 's' : 'u'}`, x),
    );
  return evenPlusOdd(half('low'), half('high'));
}

/** i16x8: Σ over 2 bytes of m (signed) · x (unsigned), with 16-bit saturation, as pmaddubsw does it. */
export function emulatedDot16(m: Code, x: Code): Code {
  const half = (low: 'low' | 'high'): Code =>
    vec(
      'i32x4.dot_i16x8_s',
      vec(`i16x8.extend_${low}_i8x16_s`, m),
      vec(`i16x8.extend_${low}_i8x16_u`, x),
    );
  return vec('i16x8.narrow_i32x4_s', half('low'), half('high'));
}

/** Even lanes plus odd lanes of a ‖ b, four i32. */
export function evenPlusOdd(a: Code, b: Code): Code {
  return vec(
    'i32x4.add',
    shuffle(a, b, [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]),
    shuffle(a, b, [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31]),
  );
}
