/** What the commands `hash` and `verify` read, and the hashing they share. */
import { readFile, stat } from 'node:fs/promises';
import { BLOCK_FLAG, type BlockHeader, decodeHeader } from '../chain/header.ts';
import type { BatchHasher, Seed } from '../tensority/hasher.ts';
import type { MatrixTable } from '../tensority/table.ts';
import { bytesEqual, bytesToHex, concatBytes, hexToBytes } from '../util/bytes.ts';
import { CodedError, errorText, InputError } from '../util/errors.ts';

/** What a command gives back: data for `--json`, text for people. */
export interface CommandOutput<R> {
  readonly result: R;
  readonly text: string;
  /** 1 if what was asked about is wrong. */
  readonly exitCode: 0 | 1;
}

export interface HashParts {
  readonly hasher: BatchHasher;
  /** The matrix table of a seed, built or from a cache. */
  readonly tables: (seed: Seed) => Promise<MatrixTable>;
  /** Ends the hashing; whoever waits for it gets the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface VerifyParts extends HashParts {
  /** Computes again, by another path, every hash that would blame somebody. */
  readonly confirm?: BatchHasher;
}

/** Two kernels computed different hashes: neither answer can be given. */
export class KernelsDisagreeError extends CodedError<{
  readonly code: 'kernels-disagree';
  readonly seed: string;
  readonly headerHash: string;
  readonly first: string;
  readonly second: string;
}> {
  constructor(seed: Seed, headerHash: Uint8Array, first: Uint8Array, second: Uint8Array) {
    const detail = {
      code: 'kernels-disagree',
      seed: bytesToHex(seed),
      headerHash: bytesToHex(headerHash),
      first: bytesToHex(first),
      second: bytesToHex(second),
    } as const;
    super(
      `kernels disagree on header hash ${detail.headerHash} under seed ${detail.seed}: ` +
        `${detail.first}, then ${detail.second}`,
      detail,
    );
  }
}

/** PoW hashes of `inputs` (32-byte header hashes) in order, in batches; `onBatch` hears each size. */
export async function hashAll(
  { hasher, signal }: Pick<HashParts, 'hasher' | 'signal'>,
  table: MatrixTable,
  inputs: readonly Uint8Array[],
  onBatch: (count: number) => void = () => {},
): Promise<readonly Uint8Array[]> {
  await hasher.loadSeed(table.seed, table, signal);
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < inputs.length; at += hasher.maxBatch) {
    const batch = inputs.slice(at, at + hasher.maxBatch);
    const out = new Uint8Array(32 * batch.length);
    await hasher.hash(table.seed, concatBytes(...batch), out, signal);
    for (let i = 0; i < batch.length; i++) hashes.push(out.slice(32 * i, 32 * i + 32));
    onBatch(batch.length);
  }
  return hashes;
}

/** Throws `KernelsDisagreeError` if `confirm`, where there is one, computes anything else than `hashes`. */
export async function confirmHashes(
  { confirm, ...parts }: VerifyParts,
  table: MatrixTable,
  inputs: readonly Uint8Array[],
  hashes: readonly Uint8Array[],
): Promise<void> {
  if (confirm === undefined || inputs.length === 0) return;
  const again = await hashAll({ ...parts, hasher: confirm }, table, inputs);
  for (const [i, second] of again.entries()) {
    const first = hashes[i]!;
    if (!bytesEqual(first, second)) {
      throw new KernelsDisagreeError(table.seed, inputs[i]!, first, second);
    }
  }
}

/** A header from outside, and what stood around it. */
export interface ReadHeader {
  readonly header: BlockHeader;
  /** A header alone, or the header of a whole block whose transactions were not looked at. */
  readonly form: 'header' | 'block';
}

/** Reads a serialised header (no byte may follow) or block (transactions must follow). */
export function readHeader(bytes: Uint8Array, field: string): ReadHeader {
  const { header, flag, bytesRead } = decodeHeader(bytes, field);
  const rest = bytes.length - bytesRead;
  if (flag === BLOCK_FLAG) {
    if (rest > 0) return { header, form: 'block' };
    throw new InputError(`${field}.transactions`, 'the rest of the block (flag 3)', 'the end');
  }
  if (rest === 0) return { header, form: 'header' };
  const trailing = bytesToHex(bytes.subarray(bytesRead));
  throw new InputError(field, `the end after ${bytesRead} bytes`, `${rest} more: ${trailing}`);
}

export function parseSeed(text: string, field = 'seed'): Seed {
  return hexToBytes(text, field, 32);
}

/** The text of a file. Throws an `InputError` that names `field` and says why it cannot be read. */
export async function readTextFile(path: string, field: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path, field));
}

/** `value` is the name of a file that holds hex text or raw bytes; if there is none, it is hex itself. */
export async function readHexOrFile(value: string, field: string): Promise<Uint8Array> {
  if (!(await isFile(value, field)))
    return parseHex(value, field, 'the name of a file or hex digits');
  const bytes = await readBytes(value, field);
  // A serialised block begins with byte 1 or 3, which no text does.
  if (bytes[0] !== undefined && bytes[0] < 0x09) return bytes;
  const text = new TextDecoder().decode(bytes).replace(/\s+/g, '');
  return parseHex(text, field, 'a file of hex digits or of a serialised block');
}

function parseHex(text: string, field: string, expected: string): Uint8Array {
  if (text !== '' && /^[0-9a-fA-F]*$/.test(text)) return hexToBytes(text, field);
  throw new InputError(field, expected, text === '' ? 'nothing' : `"${text}"`);
}

/** False if nothing has that name, which includes names that no file can have. */
async function isFile(name: string, field: string): Promise<boolean> {
  if (name.includes('\0')) return false;
  try {
    if (!(await stat(name)).isDirectory()) return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENAMETOOLONG' || code === 'ENOTDIR') return false;
    throw new InputError(field, 'a readable file', errorText(error), { cause: error });
  }
  throw new InputError(field, 'a file or hex digits', `the directory "${name}"`);
}

async function readBytes(path: string, field: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new InputError(field, 'a readable file', errorText(error), { cause: error });
  }
}
