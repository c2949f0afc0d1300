/**
 * ONNX models as bytes: nodes, constants, nested graphs, and what a viewer shows of them. The same calls
 * give the same bytes. Fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
import { bytesEqual, concatBytes } from '../../src/util/bytes.ts';
import { bytesField, intField, repeated, textField } from './protobuf.ts';

/** Element types by their numbers in `TensorProto.DataType`. */
const TYPES = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  uint32: 12,
} as const;

export type ElementType = keyof typeof TYPES;

export interface ValueType {
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** An input or output of a graph. */
export interface Port extends ValueType {
  readonly name: string;
  /** What it holds, for people. */
  readonly doc?: string;
}

/** An attribute: an integer (an element type by its name), a text, or a nested graph. */
export type Attribute =
  | number
  | readonly number[]
  | { readonly type: ElementType }
  | { readonly text: string }
  | { readonly graph: GraphBuilder };

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** `com.microsoft` for ONNX Runtime's own operators. */
  readonly domain?: string;
  /** Of the first output, so that a viewer shows its shape on the edge. */
  readonly gives?: ValueType;
}

/** A graph in the making. Nodes come in the order of the calls, which must be one they can run in. */
export class GraphBuilder {
  readonly #name: string;
  /** The outermost graph, which keeps the constants; what is in a graph may be used in nested ones. */
  readonly #root: GraphBuilder;
  readonly #nodes: Uint8Array[] = [];
  readonly #constants: Map<string, Uint8Array> = new Map();
  readonly #inputs: Uint8Array[] = [];
  readonly #outputs: Uint8Array[] = [];
  readonly #values: Uint8Array[] = [];

  /** Whether there are operators of ONNX Runtime's own, in nested graphs too. */
  usesMicrosoft = false;

  constructor(name: string, outer?: GraphBuilder) {
    this.#name = name;
    this.#root = outer === undefined ? this : outer.#root;
  }

  input(port: Port): string {
    this.#inputs.push(encodePort(port));
    return port.name;
  }

  /** Names a value that there is by now as an output. */
  output(port: Port): void {
    this.#outputs.push(encodePort(port));
  }

  /**
   * Adds a node, called as its output is, and gives that name back. An input that is left out is `''`.
   * Names are unique in the whole model, nested graphs included.
   */
  node(op: string, inputs: readonly string[], output: string, options: NodeOptions = {}): string {
    this.nodes(op, inputs, [output], options);
    return output;
  }

  /** Adds a node with several outputs, called as the first of them is. */
  nodes(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    options: NodeOptions = {},
  ): void {
    const name = outputs[0]!;
    if (options.domain === MICROSOFT) this.#root.usesMicrosoft = true;
    this.#nodes.push(
      concatBytes(
        repeated(inputs, (input) => bytesField(1, input)),
        repeated(outputs, (output) => bytesField(2, output)),
        textField(3, name),
        bytesField(4, op),
        repeated(Object.entries(options.attributes ?? {}), ([key, value]) =>
          bytesField(5, encodeAttribute(key, value)),
        ),
        textField(7, options.domain),
      ),
    );
    if (options.gives !== undefined) this.#values.push(encodePort({ name, ...options.gives }));
  }

  /** A constant of that name and no dimensions; the same name again is the same constant. */
  scalar(name: string, type: ElementType, value: number): string {
    return this.constant(name, { type, shape: [] }, [value]);
  }

  /** A constant of that name, row-major; the same name again is the same constant. */
  constant(name: string, { type, shape }: ValueType, values: readonly number[]): string {
    const constants = this.#root.#constants;
    const tensor = encodeTensor({ name, type, shape }, rawData(type, values));
    if (!bytesEqual(constants.get(name) ?? tensor, tensor)) {
      throw new RangeError(`the constant "${name}" is there already, with another value`);
    }
    constants.set(name, tensor);
    return name;
  }

  encode(doc?: string): Uint8Array {
    return concatBytes(
      repeated(this.#nodes, (node) => bytesField(1, node)),
      bytesField(2, this.#name),
      repeated([...this.#constants.values()], (tensor) => bytesField(5, tensor)),
      textField(10, doc),
      repeated(this.#inputs, (port) => bytesField(11, port)),
      repeated(this.#outputs, (port) => bytesField(12, port)),
      repeated(this.#values, (port) => bytesField(13, port)),
    );
  }
}

export interface ModelOptions {
  /** Version of the standard operators. */
  readonly opset: number;
  readonly doc: string;
  readonly metadata: Readonly<Record<string, string>>;
}

const PRODUCER = 'bytom-tensority';

/** The whole file. */
export function encodeModel(graph: GraphBuilder, options: ModelOptions): Uint8Array {
  const opsets = [{ domain: '', version: options.opset }];
  if (graph.usesMicrosoft) opsets.push({ domain: MICROSOFT, version: 1 });
  return concatBytes(
    intField(1, irVersion(options.opset)),
    bytesField(2, PRODUCER),
    textField(6, options.doc),
    bytesField(7, graph.encode(options.doc)),
    repeated(opsets, ({ domain, version }) =>
      bytesField(8, concatBytes(textField(1, domain), intField(2, version))),
    ),
    repeated(Object.entries(options.metadata), ([key, value]) =>
      bytesField(14, concatBytes(bytesField(1, key), bytesField(2, value))),
    ),
  );
}

export const MICROSOFT = 'com.microsoft';

/** The version of the file format that came with an opset: readers check them against each other. */
export function irVersion(opset: number): number {
  // https://github.com/onnx/onnx/blob/main/docs/Versioning.md
  const last = [
    [11, 6],
    [14, 7],
    [18, 8],
    [20, 9],
    [22, 10],
    [23, 11],
    [24, 12],
  ] as const;
  return last.find(([newest]) => opset <= newest)?.[1] ?? 13;
}

/** A `TensorProto`: `data` are its entries, row-major and little-endian. */
export function encodeTensor({ name, type, shape }: Port, data: Uint8Array): Uint8Array {
  return concatBytes(
    repeated(shape, (size) => intField(1, size)),
    intField(2, TYPES[type]),
    bytesField(8, name),
    bytesField(9, data),
  );
}

function encodePort({ name, type, shape, doc }: Port): Uint8Array {
  const dimensions = repeated(shape, (size) => bytesField(1, intField(1, size)));
  const tensorType = concatBytes(intField(1, TYPES[type]), bytesField(2, dimensions));
  return concatBytes(
    bytesField(1, name),
    bytesField(2, bytesField(1, tensorType)),
    textField(3, doc),
  );
}

function encodeAttribute(name: string, value: Attribute): Uint8Array {
  const [body, type] = attributeBody(value);
  return concatBytes(bytesField(1, name), body, intField(20, type));
}

/** The field with the value, and the number of its kind. */
function attributeBody(value: Attribute): [Uint8Array, number] {
  if (typeof value === 'number') return [intField(3, value), 2];
  if ('text' in value) return [bytesField(4, value.text), 3];
  if ('graph' in value) return [bytesField(6, value.graph.encode()), 5];
  if ('type' in value) return [intField(3, TYPES[value.type]), 2];
  return [repeated(value, (entry) => intField(8, entry)), 7];
}

/** Little-endian, as the format wants it on every machine. */
function rawData(type: ElementType, values: readonly number[]): Uint8Array {
  const size = { float: 4, uint8: 1, int8: 1, int32: 4, int64: 8, bool: 1, uint32: 4 }[type];
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  const set: Readonly<Record<ElementType, (at: number, value: number) => void>> = {
    float: (at, value) => view.setFloat32(at, value, true),
    uint8: (at, value) => view.setUint8(at, value),
    int8: (at, value) => view.setInt8(at, value),
    int32: (at, value) => view.setInt32(at, value, true),
    int64: (at, value) => view.setBigInt64(at, BigInt(value), true),
    bool: (at, value) => view.setUint8(at, value),
    uint32: (at, value) => view.setUint32(at, value, true),
  };
  for (const [index, value] of values.entries()) set[type](index * size, value);
  return bytes;
}
