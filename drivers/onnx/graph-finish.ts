/** The end of a hash as ONNX nodes: the sum of its slices, and the words that SHA3-256 takes. */
import { DIM, SLICES } from '../../src/tensority/params.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { cast, type Step } from './graph-step.ts';

const WORDS = DIM / 4;
const FNV_PRIME = 0x01000193;

export interface FinishOptions {
  /** H, how many hashes. */
  readonly hashes: number;
  readonly opset: number;
  /** What the end matrices are kept as. */
  readonly running: Step['running'];
}

/**
 * The sum of the slices of each hash as `output` int32 [H, 256, 256], not yet wrapped. `ends` is
 * [4·H, 256, 256]. Of `uint8` ones the four times 128 are left in it: modulo 256 they are nothing.
 */
export function sumSlices(
  graph: GraphBuilder,
  ends: string,
  output: string,
  { hashes, opset, running }: FinishOptions,
): void {
  const slices = reshape(graph, ends, [hashes, SLICES, DIM, DIM], 'slices');
  if (running === 'float') {
    const sum = reduceSum(graph, slices, 1, 'slice_sum_256th', opset);
    const scale = graph.scalar('times_256', 'float', 256);
    cast(graph, graph.node('Mul', [sum, scale], 'slice_sum_float'), 'int32', output);
  } else {
    reduceSum(graph, cast(graph, slices, 'int32', 'slices_int32'), 1, output, opset);
  }
}

/**
 * The words uint32 [H, 64] of the sums as `output`: four bytes 64 columns apart make a word, and FNV
 * takes the rows two by two until one is left. The sums are transposed: their rows are the last axis.
 *
 * In int64, because not every runtime multiplies uint32; a product of two words stays below 2⁵⁷.
 */
export function foldWords(
  graph: GraphBuilder,
  sums: string,
  output: string,
  { hashes, opset }: FinishOptions,
): void {
  // A cast between integers drops the high bits: this is the sum modulo 256, unsigned.
  const bytes = cast(graph, cast(graph, sums, 'uint8', 'sum_bytes'), 'int64', 'sum_int64');
  const quarters = reshape(graph, bytes, [hashes, 4, WORDS * DIM], 'sum_quarters');
  const weights = graph.constant('byte_weights', { type: 'int64', shape: [1, 4] }, [
    1,
    2 ** 8,
    2 ** 16,
    2 ** 24,
  ]);
  const packed = graph.node('MatMul', [weights, quarters], 'packed_words');
  let words = reshape(graph, packed, [hashes, WORDS, DIM], 'row_words');
  const prime = graph.scalar('fnv_prime', 'int64', FNV_PRIME);
  const mask = graph.scalar('word_mask', 'int64', 2 ** 32 - 1);
  for (let rows = DIM; rows > 1; rows /= 2) {
    const prefix = `fnv_${rows}/`;
    const [first, second] = [`${prefix}first_half`, `${prefix}second_half`];
    graph.nodes('Split', [words], [first, second], {
      // Since opset 18 the number of parts is given twice.
      attributes: opset < 18 ? { axis: 2 } : { axis: 2, num_outputs: 2 },
    });
    const scaled = graph.node('Mul', [first, prime], `${prefix}times_prime`);
    const mixed = graph.node('BitwiseXor', [scaled, second], `${prefix}mixed`);
    words = graph.node('BitwiseAnd', [mixed, mask], `${prefix}words`);
  }
  cast(graph, reshape(graph, words, [hashes, WORDS], 'words_int64'), 'uint32', output);
}

export function reshape(
  graph: GraphBuilder,
  value: string,
  shape: readonly number[],
  output: string,
): string {
  const target = graph.constant(
    `shape_${shape.join('x')}`,
    { type: 'int64', shape: [shape.length] },
    shape,
  );
  return graph.node('Reshape', [value, target], output);
}

function reduceSum(
  graph: GraphBuilder,
  value: string,
  axis: number,
  output: string,
  opset: number,
): string {
  // Since opset 13 the axes are an input.
  if (opset < 13) {
    return graph.node('ReduceSum', [value], output, { attributes: { axes: [axis], keepdims: 0 } });
  }
  const axes = graph.constant(`axis_${axis}`, { type: 'int64', shape: [1] }, [axis]);
  return graph.node('ReduceSum', [value, axes], output, { attributes: { keepdims: 0 } });
}
