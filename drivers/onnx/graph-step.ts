/**
 * One step of a chain as ONNX nodes, in several forms that all give the same bytes. The running matrix is
 * kept transposed, Y = Xᵀ: then the step X' = fold(X · Mᵀ) is Y' = fold(M · Y), and nothing is ever
 * transposed. Matrices come as M + 128 in uint8, because that is what integer products are fastest with.
 */
import { DIM } from '../../src/tensority/params.ts';
import { type ElementType, type GraphBuilder, MICROSOFT } from './graph-builder.ts';

/**
 * - `fused`: ONNX Runtime's own product with a float result, whose bits hold the sum;
 * - `integer`: standard operators on integers;
 * - `unsigned`, `fused-unsigned`: the same with running matrices of uint8. ONNX Runtime's products of
 *   uint8 by int8 saturate on x86 without VNNI, those of uint8 by uint8 do not;
 * - `float`: standard operators on floats alone, for runtimes without products of integers.
 */
export type StepForm = 'fused' | 'fused-unsigned' | 'integer' | 'unsigned' | 'float';

export interface Step {
  /**
   * Element type of the running matrices: `int8` ones are Y, `uint8` ones Y + 128, `float` ones Y / 256,
   * which is exact.
   */
  readonly running: 'int8' | 'uint8' | 'float';
  /** The lowest version of the standard operators that has what it needs. */
  readonly opset: number;
  /** fold(M) of `matrices` uint8 [n, 256, 256] as `output`: the first step, from the identity. */
  first(graph: GraphBuilder, prefix: string, matrices: string, output: string): void;
  /** fold(M · Y) of `matrices` and of the running ones as `output`. */
  next(
    graph: GraphBuilder,
    prefix: string,
    matrices: string,
    running: string,
    output: string,
  ): void;
}

export const STEPS_BY_FORM: Readonly<Record<StepForm, Step>> = {
  fused: { ...integerStep('int8', productFused), opset: 26 },
  'fused-unsigned': { ...integerStep('uint8', productFused), opset: 26 },
  integer: { ...integerStep('int8', productFolded), opset: 11 },
  unsigned: { ...integerStep('uint8', productFolded), opset: 11 },
  float: { running: 'float', opset: 11, first: firstFloat, next: nextFloat },
};

type IntegerType = 'int8' | 'uint8';

/** Makes `output` of the running matrices' type from M · Y. */
type Product = (
  graph: GraphBuilder,
  prefix: string,
  operands: readonly [matrices: string, running: string],
  output: Typed,
) => void;

interface Typed {
  readonly name: string;
  readonly type: IntegerType;
}

function integerStep(type: IntegerType, product: Product): Omit<Step, 'opset'> {
  return {
    running: type,
    first: (graph, prefix, matrices, name) => {
      const wide = cast(graph, matrices, 'int32', `${prefix}matrix_int32`);
      const zero = graph.scalar('zero_point_int32', 'int32', 128);
      const signed = graph.node('Sub', [wide, zero], `${prefix}matrix_signed`);
      foldInteger(graph, prefix, signed, { name, type });
    },
    next: (graph, prefix, matrices, running, name) =>
      product(graph, prefix, [matrices, running], { name, type }),
  };
}

function productFolded(
  graph: GraphBuilder,
  prefix: string,
  operands: readonly [string, string],
  output: Typed,
): void {
  const zero = zeroPoint(graph);
  const zeros = output.type === 'uint8' ? [zero, zero] : [zero];
  const product = graph.node('MatMulInteger', [...operands, ...zeros], `${prefix}product`);
  foldInteger(graph, prefix, product, output);
}

/**
 * The low byte of v + (v >> 8) = (257·v) >> 8, from v in int32, plus the 128 that makes it unsigned;
 * |257·v| + 2¹⁵ < 2³¹.
 */
function foldInteger(graph: GraphBuilder, prefix: string, value: string, output: Typed): void {
  const factor = graph.scalar('times_257', 'int32', 257);
  let both = graph.node('Mul', [value, factor], `${prefix}low_plus_second`);
  if (output.type === 'uint8') {
    const zero = graph.scalar('zero_point_shifted', 'int32', 128 * 256);
    both = graph.node('Add', [both, zero], `${prefix}plus_zero_point`);
  }
  const unsigned = cast(graph, both, 'uint32', `${prefix}unsigned`);
  const eight = graph.scalar('eight', 'uint32', 8);
  const shifted = graph.node('BitShift', [unsigned, eight], `${prefix}shifted`, {
    attributes: { direction: { text: 'RIGHT' } },
  });
  cast(graph, shifted, output.type, output.name);
}

/**
 * The product as the float b + v / 256 with b = 49152, or 128 less for unsigned ones. It is exact, since
 * a float there counts in steps of 1/256; the low byte of its bits is that of v, and its whole part is
 * v >> 8 plus a multiple of 256, or plus such a one and 128.
 */
function productFused(
  graph: GraphBuilder,
  prefix: string,
  operands: readonly [string, string],
  output: Typed,
): void {
  const scale = graph.scalar('product_scale', 'float', 1 / 256);
  const one = graph.scalar('one', 'float', 1);
  const zero = zeroPoint(graph);
  const isUnsigned = output.type === 'uint8';
  const bias = graph.constant(
    'product_bias',
    { type: 'float', shape: [DIM] },
    Array.from({ length: DIM }, () => (isUnsigned ? 49152 - 128 : 49152)),
  );
  const product = graph.node(
    'MatMulIntegerToFloat',
    [...operands, scale, one, zero, isUnsigned ? zero : '', bias],
    `${prefix}product`,
    { domain: MICROSOFT },
  );
  const bits = graph.node('BitCast', [product], `${prefix}product_bits`, {
    attributes: { to: { type: 'int32' } },
  });
  const low = cast(graph, bits, output.type, `${prefix}low_byte`);
  const whole = cast(graph, product, 'int32', `${prefix}product_whole`);
  const second = cast(graph, whole, output.type, `${prefix}second_byte`);
  graph.node('Add', [low, second], output.name);
}

function firstFloat(graph: GraphBuilder, prefix: string, matrices: string, output: string): void {
  const signed = signedMatrices(graph, prefix, matrices);
  const scale = graph.scalar('per_256', 'float', 1 / 256);
  foldFloat(graph, prefix, graph.node('Mul', [signed, scale], `${prefix}matrix_256th`), output);
}

function nextFloat(
  graph: GraphBuilder,
  prefix: string,
  matrices: string,
  running: string,
  output: string,
): void {
  const signed = signedMatrices(graph, prefix, matrices);
  foldFloat(graph, prefix, graph.node('MatMul', [signed, running], `${prefix}product`), output);
}

/**
 * From q = v / 256: with p = q + ⌊q⌋ / 256, which is (v + (v >> 8)) / 256, the result is p − ⌊p + ½⌋, in
 * [−½, ½). Every value is a multiple of 2⁻⁸ below 2¹⁵ and so exact.
 */
function foldFloat(graph: GraphBuilder, prefix: string, value: string, output: string): void {
  const floor = graph.node('Floor', [value], `${prefix}floor`);
  const scale = graph.scalar('per_256', 'float', 1 / 256);
  const second = graph.node('Mul', [floor, scale], `${prefix}second_byte`);
  const both = graph.node('Add', [value, second], `${prefix}low_plus_second`);
  const half = graph.scalar('half', 'float', 0.5);
  const shifted = graph.node('Add', [both, half], `${prefix}shifted`);
  const wraps = graph.node('Floor', [shifted], `${prefix}wraps`);
  graph.node('Sub', [both, wraps], output);
}

/**
 * Not `DequantizeLinear`, which is one node: tool chains for quantised networks take it for an invitation
 * to compute the product their own way.
 */
function signedMatrices(graph: GraphBuilder, prefix: string, matrices: string): string {
  const wide = cast(graph, matrices, 'float', `${prefix}matrix_float`);
  const zero = graph.scalar('matrix_zero_float', 'float', 128);
  return graph.node('Sub', [wide, zero], `${prefix}matrix_signed`);
}

function zeroPoint(graph: GraphBuilder): string {
  return graph.scalar('zero_point', 'uint8', 128);
}

export function cast(
  graph: GraphBuilder,
  value: string,
  type: ElementType,
  output: string,
): string {
  return graph.node('Cast', [value], output, { attributes: { to: { type } } });
}
