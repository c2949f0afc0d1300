/**
 * Inputs of a network with the output that it must have for them, so that whoever compiles it elsewhere
 * can see whether it still computes the same. They are known hashes, computed on the CPU. One set is under the table
 * of a real seed, one under the table that shows what saturates, rounds or requantises.
 */
import { transposed } from '../../src/tensority/matmul.ts';
import { DIM, MATRIX_BYTES, SLICES } from '../../src/tensority/params.ts';
import { foldRows, sliceSequence } from '../../src/tensority/reference.ts';
import { openSliceRunner } from '../../src/tensority/slice-runner.ts';
import type { MatrixTable, TableProvider } from '../../src/tensority/table.ts';
import { bytesEqual, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { extremeTable } from '../extreme-table.ts';
import { SELF_TEST_GROUPS, SELF_TEST_SEARCH, type SelfTestGroup } from '../selftest.ts';
import { encodeTensor, type Port } from './graph-builder.ts';
import type { ModelDescription } from './graph-doc.ts';

/** Two inputs and an output, each a `TensorProto`. */
export interface TestDataSet {
  readonly inputs: readonly Uint8Array[];
  readonly output: Uint8Array;
}

export interface TestDataParts {
  /** Builds the tables of seeds. */
  readonly tables: TableProvider;
}

/** The groups of known hashes that the sets are made of. */
const GROUPS: readonly SelfTestGroup[] = SELF_TEST_GROUPS.filter(
  ({ seed }) => seed === 'extreme' || seed === SELF_TEST_SEARCH.seed,
).reverse();

/** The sets for a network of whole hashes or of chains; the real seed's first. */
export async function makeTestData(
  { inputs, output }: ModelDescription,
  { tables }: TestDataParts,
): Promise<readonly TestDataSet[]> {
  const [matricesPort, sequencesPort] = inputs as [Port, Port];
  const chains = sequencesPort.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const sets: TestDataSet[] = [];
  for (const group of GROUPS) {
    const table =
      group.seed === 'extreme' ? extremeTable() : await tables(hexToBytes(group.seed, 'seed', 32));
    const known = knownChains(group, table, chains);
    const used = Array.from({ length: chains }, (_, chain) => known[chain % known.length]!);
    const names = used.flatMap(({ sequence }) => [...sequence]);
    sets.push({
      inputs: [
        encodeTensor(matricesPort, withZeroPoints(table)),
        encodeTensor(sequencesPort, littleEndian(names)),
      ],
      output: encodeTensor(output, expected(output, used)),
    });
  }
  return sets;
}

interface KnownChain {
  readonly sequence: Uint8Array;
  /** Row-major. */
  readonly end: Int8Array;
}

/** The chains of the group's first hash, or of its first two if there are more chains than that. */
function knownChains(
  { vectors }: SelfTestGroup,
  table: MatrixTable,
  count: number,
): readonly KnownChain[] {
  const run = openSliceRunner(table);
  const chains: KnownChain[] = [];
  for (const { headerHash, powHash } of vectors.slice(0, count > SLICES ? 2 : 1)) {
    const bytes = hexToBytes(headerHash, 'headerHash', 32);
    const own = Array.from({ length: SLICES }, (_, slice): KnownChain => {
      const sequence = sliceSequence(bytes, slice);
      return { sequence, end: run(sequence) };
    });
    // What is given away as right is compared with what a node of the chain computed.
    if (!bytesEqual(sha3(foldRows(sumOf(own))), hexToBytes(powHash, 'powHash', 32))) {
      throw new Error(`the CPU does not compute the known hash ${powHash}`);
    }
    chains.push(...own);
  }
  return chains;
}

function expected({ name, type }: Port, chains: readonly KnownChain[]): Uint8Array {
  if (name === 'end') return concatBytes(...chains.map(({ end }) => transposed(bytesOf(end))));
  const hashes = Array.from({ length: chains.length / SLICES }, (_, hash) =>
    chains.slice(SLICES * hash, SLICES * (hash + 1)),
  );
  if (name === 'words') return concatBytes(...hashes.map((slices) => foldRows(sumOf(slices))));
  if (type === 'int8') return concatBytes(...hashes.map((slices) => transposed(sumOf(slices))));
  return concatBytes(...hashes.map((slices) => littleEndian(unwrappedSum(slices))));
}

function sumOf(slices: readonly KnownChain[]): Uint8Array {
  const sum = new Uint8Array(MATRIX_BYTES);
  for (const { end } of slices) for (let i = 0; i < sum.length; i++) sum[i]! += end[i]!;
  return sum;
}

/** Transposed, as the network has it. */
function unwrappedSum(slices: readonly KnownChain[]): readonly number[] {
  return Array.from({ length: MATRIX_BYTES }, (_, at) => {
    const from = (at % DIM) * DIM + Math.floor(at / DIM);
    return slices.reduce((sum, { end }) => sum + end[from]!, 0);
  });
}

function withZeroPoints({ data }: MatrixTable): Uint8Array {
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = data[i]! ^ 0x80;
  return bytes;
}

function bytesOf({ buffer, byteOffset, length }: Int8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** Integers of 32 bits. */
function littleEndian(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setInt32(4 * index, value, true);
  return bytes;
}
