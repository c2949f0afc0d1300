/** `bytom-miner verify --vectors`: known PoW hashes against the kernel in use. */
import { bytesEqual, bytesToHex, hexToBytes } from '../util/bytes.ts';
import { errorText, InputError } from '../util/errors.ts';
import { type JsonValue, parseExact } from '../util/json.ts';
import {
  type CommandOutput,
  confirmHashes,
  hashAll,
  parseSeed,
  readTextFile,
  type VerifyParts,
} from './pow-input.ts';

export interface PowVector {
  readonly seed: Uint8Array;
  readonly headerHash: Uint8Array;
  /** The PoW hash that is expected. */
  readonly result: Uint8Array;
}

export interface VerifyResult {
  readonly ok: number;
  readonly wrong: number;
  /** Present if any are wrong. */
  readonly failures?: readonly WrongVector[];
}

export interface WrongVector {
  /** Place in the file, from 0. */
  readonly index: number;
  readonly expected: string;
  readonly got: string;
}

/** `done` of `total` vectors have been hashed. */
export type Progress = (done: number, total: number) => void;

/** Throws `InputError` for a file that cannot be read or understood. */
export async function readVectors(path: string): Promise<readonly PowVector[]> {
  return parseVectors(await readTextFile(path, 'vectors'));
}

/** Reads `[{seed, header_hash, result}, …]` (hex), at the top or as the member `cases`. */
export function parseVectors(text: string): readonly PowVector[] {
  let file: JsonValue;
  try {
    file = parseExact(text);
  } catch (error) {
    throw new InputError('vectors', 'JSON', errorText(error), { cause: error });
  }
  const name = isArray(file) ? '' : 'cases';
  const list = isArray(file) ? file : isRecord(file) ? file['cases'] : undefined;
  if (!isArray(list)) {
    throw new InputError('vectors', 'an array, or an object with an array "cases"', show(file));
  }
  if (list.length === 0) throw new InputError('vectors', 'at least one vector', 'none');
  return list.map((entry, index) => readVector(entry, `${name}[${index}]`));
}

/**
 * Verifies in the order of seeds, so that each table is needed once. Throws `KernelsDisagreeError`
 * if `confirm` computes something else than `hasher` found wrong.
 */
export async function runVerifyVectors(
  vectors: readonly PowVector[],
  parts: VerifyParts,
  onProgress: Progress = () => {},
): Promise<CommandOutput<VerifyResult>> {
  const failures: WrongVector[] = [];
  let done = 0;
  for (const group of groupBySeed(vectors)) {
    const table = await parts.tables(vectors[group[0]!]!.seed);
    const inputs = group.map((index) => vectors[index]!.headerHash);
    const hashes = await hashAll(parts, table, inputs, (count) => {
      done += count;
      onProgress(done, vectors.length);
    });
    const isWrong = (i: number): boolean => !bytesEqual(hashes[i]!, vectors[group[i]!]!.result);
    const wrong = [...group.keys()].filter(isWrong);
    const pick = (list: readonly Uint8Array[]): Uint8Array[] => wrong.map((i) => list[i]!);
    await confirmHashes(parts, table, pick(inputs), pick(hashes));
    for (const i of wrong) {
      const index = group[i]!;
      const expected = bytesToHex(vectors[index]!.result);
      failures.push({ index, expected, got: bytesToHex(hashes[i]!) });
    }
  }
  failures.sort((a, b) => a.index - b.index);
  return verifyOutput(vectors.length, failures);
}

/** Indexes of the vectors, those of one seed together. */
function groupBySeed(vectors: readonly PowVector[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const [index, vector] of vectors.entries()) {
    const key = bytesToHex(vector.seed);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  }
  return [...groups.values()];
}

function verifyOutput(
  total: number,
  failures: readonly WrongVector[],
): CommandOutput<VerifyResult> {
  const wrong = failures.length;
  const counts = { ok: total - wrong, wrong };
  const lines = failures.map((f) => `vector ${f.index}: expected ${f.expected}, got ${f.got}`);
  lines.push(`${counts.ok} ok, ${wrong} wrong`);
  return {
    result: wrong === 0 ? counts : { ...counts, failures },
    text: lines.join('\n'),
    exitCode: wrong === 0 ? 0 : 1,
  };
}

function readVector(entry: JsonValue, name: string): PowVector {
  if (!isRecord(entry)) throw new InputError(name, 'an object', show(entry));
  const text = (member: string): string => {
    const value = entry[member];
    if (typeof value === 'string') return value;
    throw new InputError(`${name}.${member}`, '64 hex digits', show(value));
  };
  return {
    seed: parseSeed(text('seed'), `${name}.seed`),
    headerHash: hexToBytes(text('header_hash'), `${name}.header_hash`, 32),
    result: hexToBytes(text('result'), `${name}.result`, 32),
  };
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isRecord(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object')
    return `an object with ${Object.keys(value).join(', ') || 'no members'}`;
  return `${typeof value} ${String(value)}`;
}
