/** Every kind of network before the checker of the ONNX project. */
import { beforeAll, describe, expect, it } from 'vitest';
import { chainModel, hashModel, type StepForm } from '../../drivers/onnx/graph.ts';
import { encodeModel, GraphBuilder } from '../../drivers/onnx/graph-builder.ts';
import { checkModels, type Verdict } from '../support/onnx-checker.ts';

const FORMS: readonly StepForm[] = ['fused', 'fused-unsigned', 'integer', 'unsigned', 'float'];

const NETWORKS: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  FORMS.flatMap((form) =>
    [false, true].flatMap((unrolled) => {
      const name = `${form}, ${unrolled ? 'unrolled' : 'in a loop'}`;
      const hash = { form, unrolled, hashes: 2 };
      return [
        [`words: ${name}`, hashModel({ ...hash, group: 8 })],
        [`words in groups: ${name}`, hashModel({ ...hash, group: 2 })],
        [`sum: ${name}`, hashModel({ ...hash, group: 8, finish: 'sum' })],
        [`chains: ${name}`, chainModel({ form, unrolled, chains: 3 })],
      ];
    }),
  ),
);

/** Two that are not right, so that one sees that the checker looks. */
const WRONG: Readonly<Record<string, Uint8Array>> = {
  'a wrong shape': tiny('Add', [3]),
  'an operator that there is not': tiny('Addd', [2]),
};

let verdicts: Readonly<Record<string, Verdict>> = {};
beforeAll(() => {
  verdicts = checkModels({ ...NETWORKS, ...WRONG });
});

describe('the checker of ONNX', () => {
  it.for(Object.keys(NETWORKS))('finds nothing wrong with %s', (name, { skip }) => {
    const verdict = verdicts[name]!;
    if (verdict.kind === 'unknown') skip(verdict.why);
    expect(verdict).toEqual({ kind: 'right' });
  });

  it.for(Object.keys(WRONG))('refuses %s', (name, { skip }) => {
    const verdict = verdicts[name]!;
    if (verdict.kind === 'unknown') skip(verdict.why);
    expect(verdict.kind).toBe('wrong');
  });
});

/** A network of one node, x + x, that says its result has this shape. */
function tiny(op: string, shape: readonly number[]): Uint8Array {
  const graph = new GraphBuilder('tiny');
  const x = graph.input({ name: 'x', type: 'float', shape: [2] });
  graph.node(op, [x, x], 'y');
  graph.output({ name: 'y', type: 'float', shape });
  return encodeModel(graph, { opset: 11, doc: '', metadata: {} });
}
