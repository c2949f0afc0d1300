import { describe, expect, it } from 'vitest';
import { encodeModel, GraphBuilder } from '../../drivers/onnx/graph-builder.ts';
import { bytesToHex } from '../../src/util/bytes.ts';

const hex = (text: string): string => Buffer.from(text).toString('hex');

describe('a graph', () => {
  it('is encoded as the schema says: node, name, constant, input, output', () => {
    const graph = new GraphBuilder('g');
    graph.input({ name: 'x', type: 'uint8', shape: [2] });
    graph.node('Add', ['x', graph.scalar('c', 'uint8', 200)], 'y');
    graph.output({ name: 'y', type: 'uint8', shape: [2] });
    const port = (name: string): string => `0a01${hex(name)}120a0a08080212040a020802`;
    const node = `0a0178${'0a0163'}120179${'1a0179'}2203${hex('Add')}`;
    expect(bytesToHex(graph.encode())).toBe(
      [
        `0a11${node}`,
        `1201${hex('g')}`,
        // A scalar: no dimensions, type 2, name, one byte.
        `2a0810024201634a01c8`,
        `5a0f${port('x')}`,
        `620f${port('y')}`,
      ].join(''),
    );
  });

  it('keeps the constants of nested graphs, each once', () => {
    const outer = new GraphBuilder('outer');
    const inner = new GraphBuilder('inner', outer);
    expect(inner.scalar('one', 'float', 1)).toBe('one');
    expect(outer.scalar('one', 'float', 1)).toBe('one');
    expect(bytesToHex(inner.encode())).toBe(`1205${hex('inner')}`);
    expect(bytesToHex(outer.encode())).toBe(`1205${hex('outer')}2a0d100142036f6e654a040000803f`);
    expect(() => outer.scalar('one', 'float', 2)).toThrow('"one" is there already');
    expect(() => inner.scalar('one', 'int8', 1)).toThrow('"one" is there already');
  });

  it.each([
    ['float', -0.5, '000000bf'],
    ['uint8', 255, 'ff'],
    ['int8', -2, 'fe'],
    ['int32', -2, 'feffffff'],
    ['int64', -2, 'feffffffffffffff'],
    ['bool', 1, '01'],
    ['uint32', 2 ** 32 - 1, 'ffffffff'],
  ] as const)('has %s constants little-endian', (type, value, bytes) => {
    const graph = new GraphBuilder('');
    graph.constant('c', { type, shape: [1] }, [value]);
    expect(bytesToHex(graph.encode())).toMatch(new RegExp(`4a0${bytes.length / 2}${bytes}$`));
  });
});

describe('a model', () => {
  it('has the version of the file format that came with its operators', () => {
    for (const [opset, ir] of [
      [11, 6],
      [12, 7],
      [14, 7],
      [15, 8],
      [18, 8],
      [19, 9],
      [21, 10],
      [23, 11],
      [24, 12],
      [26, 13],
    ] as const) {
      const bytes = encodeModel(new GraphBuilder('g'), { opset, doc: '', metadata: {} });
      expect([...bytes.subarray(0, 2)], `opset ${opset}`).toEqual([8, ir]);
    }
  });

  it("asks for ONNX Runtime's own operators only if it has any", () => {
    const text = (domain?: string): string => {
      const graph = new GraphBuilder('g');
      const body = new GraphBuilder('body', graph);
      body.node('Op', [], 'y', domain === undefined ? {} : { domain });
      graph.node('Loop', [], 'z', { attributes: { body: { graph: body } } });
      const bytes = encodeModel(graph, { opset: 11, doc: '', metadata: { key: 'value' } });
      return bytesToHex(bytes);
    };
    const tail = `720c0a03${hex('key')}1205${hex('value')}`;
    expect(text()).toMatch(new RegExp(`4202100b${tail}$`));
    const own = `42110a0d${hex('com.microsoft')}1001`;
    expect(text('com.microsoft')).toMatch(new RegExp(`4202100b${own}${tail}$`));
  });
});
