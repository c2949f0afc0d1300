/**
 * Tensority as an ONNX network. A hash is 4 chains ("slices") of 64 steps, the first one of them without
 * a product; the sum of their end matrices; and FNV over the rows of that. The matrices are an input, so
 * that a new seed needs no new network.
 */
import { DIM, SEQUENCE_LENGTH, SLICES, STEPS } from '../../src/tensority/params.ts';
import { encodeModel, GraphBuilder, type ValueType } from './graph-builder.ts';
import {
  chainUsage,
  endPort,
  hashUsage,
  type ModelDescription,
  matricesPort,
  sequencesPort,
  sumPort,
  wordsPort,
} from './graph-doc.ts';
import { foldWords, reshape, sumSlices } from './graph-finish.ts';
import { cast, STEPS_BY_FORM, type Step, type StepForm } from './graph-step.ts';

export type { ModelDescription } from './graph-doc.ts';
export type { StepForm } from './graph-step.ts';

/** Products of a chain: each step has one but the first. */
const PRODUCTS = STEPS - 1;
/** `BitwiseXor` came with it. */
const WORDS_OPSET = 18;

export interface HashModelOptions {
  readonly form: StepForm;
  /** H, how many hashes a run computes; fixed in the network. */
  readonly hashes: number;
  /** Chains that go side by side through one loop; divides 4·H. Few stay in a core's cache. */
  readonly group: number;
  /** No loop but all 63 products one after the other, for tool chains without `Loop`. */
  readonly unrolled?: boolean;
  /**
   * `words` (the default) computes the whole hash but for SHA3. `sum` ends with the sum of the slices,
   * for providers that lack operators on integers.
   */
  readonly finish?: 'words' | 'sum';
}

export interface ChainModelOptions {
  readonly form: StepForm;
  /** N, how many chains a run computes, side by side. */
  readonly chains: number;
  readonly unrolled?: boolean;
}

/**
 * The network of H hashes.
 *
 * Inputs: `matrices` uint8 [256, 256, 256], the seed's table with 128 added to each entry;
 * `sequences` int32 [H, 4, 32], the matrix names (0 … 255) of each slice.
 *
 * Output: `words` uint32 [H, 64], whose 256 little-endian bytes SHA3-256 makes the PoW hash of. With
 * `finish: 'sum'` instead `sum` [H, 256, 256], the sum of the slices by column and row (transposed):
 * int8 and wrapped, or in `float` form int32 and not wrapped, to be taken modulo 256.
 *
 * `products` is for tests: so many of the 63.
 */
export function hashModel(options: HashModelOptions, products: number = PRODUCTS): Uint8Array {
  const { form, hashes, group, unrolled = false, finish = 'words' } = options;
  const description = describeHashModel(options);
  const step = STEPS_BY_FORM[form];
  const graph = new GraphBuilder('tensority');
  for (const port of description.inputs) graph.input(port);
  const ends = 'ends';
  addChains(graph, step, { ...options, chains: SLICES * hashes, products, output: ends });
  const parts = { hashes, opset: description.opset, running: step.running };
  const { name, type } = description.output;
  const sums = type === 'int32' ? name : 'slice_sum';
  sumSlices(graph, ends, sums, parts);
  if (finish === 'words') foldWords(graph, sums, name, parts);
  else if (sums !== name) cast(graph, sums, type, name);
  graph.output(description.output);
  return encode(graph, description, { form, hashes, group, unrolled, finish });
}

/** Its inputs and output, and how to use them. Throws for what there is no network of. */
export function describeHashModel(options: HashModelOptions): ModelDescription {
  const { form, hashes, group, finish = 'words' } = options;
  checkCount('hashes', hashes);
  const chains = SLICES * hashes;
  if (!(Number.isSafeInteger(group) && group >= 1 && chains % group === 0)) {
    throw new RangeError(`"group" expected a divisor of ${chains}, got ${group}`);
  }
  const { opset } = STEPS_BY_FORM[form];
  return {
    opset: finish === 'words' ? Math.max(opset, WORDS_OPSET) : opset,
    inputs: [matricesPort(), sequencesPort([hashes, SLICES])],
    output:
      finish === 'words' ? wordsPort(hashes) : sumPort(hashes, form === 'float' ? 'int32' : 'int8'),
    usage: hashUsage(finish),
  };
}

/**
 * The network of N single chains: `matrices` as for a hash, `sequences` int32 [N, 32]; its output `end`
 * int8 [N, 256, 256] are the transposed end matrices. `products` is for tests: so many of the 63.
 */
export function chainModel(options: ChainModelOptions, products: number = PRODUCTS): Uint8Array {
  const { form, chains, unrolled = false } = options;
  const description = describeChainModel(options);
  const step = STEPS_BY_FORM[form];
  const graph = new GraphBuilder('tensority_chains');
  for (const port of description.inputs) graph.input(port);
  const { name, type } = description.output;
  const ends = step.running === type ? name : 'ends';
  addChains(graph, step, { ...options, group: chains, products, output: ends });
  if (step.running === 'float') {
    const scale = graph.scalar('times_256', 'float', 256);
    cast(graph, graph.node('Mul', [ends, scale], 'end_float'), type, name);
  } else if (step.running === 'uint8') {
    const zero = graph.scalar('zero_point_int32', 'int32', 128);
    const wide = cast(graph, ends, 'int32', 'end_int32');
    cast(graph, graph.node('Sub', [wide, zero], 'end_signed'), type, name);
  }
  graph.output(description.output);
  return encode(graph, description, { form, chains, unrolled });
}

/** Its inputs and output, and how to use them. Throws for what there is no network of. */
export function describeChainModel({ form, chains }: ChainModelOptions): ModelDescription {
  checkCount('chains', chains);
  return {
    opset: STEPS_BY_FORM[form].opset,
    inputs: [matricesPort(), sequencesPort([chains])],
    output: endPort(chains),
    usage: chainUsage(),
  };
}

/** The file, with how to use it and what it was made with inside. */
function encode(
  graph: GraphBuilder,
  { opset, usage }: ModelDescription,
  made: Readonly<Record<string, string | number | boolean>>,
): Uint8Array {
  const metadata = Object.entries(made).map(([key, value]) => [key, String(value)] as const);
  return encodeModel(graph, {
    opset,
    doc: ["Tensority, the proof of work of Bytom's chain.", ...usage].join('\n'),
    metadata: Object.fromEntries(metadata),
  });
}

interface ChainsOptions {
  readonly chains: number;
  readonly group: number;
  readonly products: number;
  readonly unrolled?: boolean;
  /** What to call the end matrices [chains, 256, 256]. */
  readonly output: string;
}

/** All chains, group after group. */
function addChains(graph: GraphBuilder, step: Step, options: ChainsOptions): void {
  const { chains, group, output } = options;
  if (group === chains) {
    const sequences = reshape(graph, 'sequences', [chains, SEQUENCE_LENGTH], 'chain_sequences');
    addGroup(graph, step, { ...options, prefix: '', sequences });
    return;
  }
  const shape = [chains / group, group, SEQUENCE_LENGTH];
  const groups = reshape(graph, 'sequences', shape, 'group_sequences');
  const ends: string[] = [];
  for (let first = 0; first < chains; first += group) {
    const prefix = group === 1 ? `chain_${first}/` : `chains_${first}_${first + group - 1}/`;
    const index = graph.scalar(`group_${first / group}`, 'int64', first / group);
    const sequences = graph.node('Gather', [groups, index], `${prefix}sequences`, {
      attributes: { axis: 0 },
    });
    const end = `${prefix}end`;
    addGroup(graph, step, { ...options, prefix, sequences, output: end });
    ends.push(end);
  }
  graph.node('Concat', ends, output, { attributes: { axis: 0 } });
}

interface GroupOptions extends ChainsOptions {
  /** Goes before the names of values. */
  readonly prefix: string;
  /** Name of the sequences [group, 32]. */
  readonly sequences: string;
}

/** The chains of one group, side by side. */
function addGroup(graph: GraphBuilder, step: Step, options: GroupOptions): void {
  const { prefix, sequences, group, products, unrolled = false, output } = options;
  const firstPrefix = `${prefix}step_0/`;
  const matrices = addMatrices(graph, firstPrefix, sequences, nameIndex(graph, 0), group);
  let running = `${firstPrefix}running`;
  step.first(graph, firstPrefix, matrices, running);
  if (!unrolled) {
    addLoop(graph, step, running, options);
    return;
  }
  for (let product = 1; product <= products; product++) {
    const stepPrefix = `${prefix}step_${product}/`;
    const index = nameIndex(graph, product);
    const next = product === products ? output : `${stepPrefix}running`;
    const named = addMatrices(graph, stepPrefix, sequences, index, group);
    step.next(graph, stepPrefix, named, running, next);
    running = next;
  }
}

/** All products of a group in a loop, from the `first` running matrices on. */
function addLoop(
  graph: GraphBuilder,
  step: Step,
  first: string,
  { prefix, sequences, group, products, output }: GroupOptions,
): void {
  const stepPrefix = `${prefix}step/`;
  const running: ValueType = { type: step.running, shape: [group, DIM, DIM] };
  const body = new GraphBuilder('step', graph);
  const iteration = body.input({ name: `${stepPrefix}iteration`, type: 'int64', shape: [] });
  const goOn = body.input({ name: `${stepPrefix}go_on`, type: 'bool', shape: [] });
  const now = body.input({ name: `${stepPrefix}running`, ...running });
  const order = graph.constant(
    'name_order',
    { type: 'int64', shape: [products] },
    Array.from({ length: products }, (_, i) => (i + 1) % SEQUENCE_LENGTH),
  );
  const index = body.node('Gather', [order, iteration], `${stepPrefix}name_index`, {
    attributes: { axis: 0 },
  });
  const matrices = addMatrices(body, stepPrefix, sequences, index, group);
  const next = `${stepPrefix}next`;
  step.next(body, stepPrefix, matrices, now, next);
  const goesOn = body.node('Identity', [goOn], `${stepPrefix}goes_on`);
  body.output({ name: goesOn, type: 'bool', shape: [] });
  body.output({ name: next, ...running });
  const count = graph.scalar('products', 'int64', products);
  // It may be left out, but not every runtime then goes on.
  const always = graph.scalar('always', 'bool', 1);
  graph.node('Loop', [count, always, first], output, { attributes: { body: { graph: body } } });
}

/** The matrices [group, 256, 256] that the names at `index` of the sequences stand for. */
function addMatrices(
  graph: GraphBuilder,
  prefix: string,
  sequences: string,
  index: string,
  group: number,
): string {
  const names = graph.node('Gather', [sequences, index], `${prefix}names`, {
    attributes: { axis: 1 },
  });
  return graph.node('Gather', ['matrices', names], `${prefix}matrices`, {
    attributes: { axis: 0 },
    gives: { type: 'uint8', shape: [group, DIM, DIM] },
  });
}

/** Each step takes the next name of its sequence, and the sequence is gone through twice. */
function nameIndex(graph: GraphBuilder, step: number): string {
  const index = step % SEQUENCE_LENGTH;
  return graph.scalar(`name_${index}`, 'int64', index);
}

function checkCount(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value >= 1)) {
    throw new RangeError(`"${name}" expected a whole number from 1, got ${value}`);
  }
}
