/**
 * Files of blocks, as `import` reads them: raw blocks in hex, one a line; the same compressed with
 * gzip; or JSON (an array of hex texts or of objects with `raw_block`, or such an array inside
 * `blocks` or `steps`). What a file is, its first bytes say, not its name.
 *
 * Lines are read as they are asked for, so that a file of any size takes constant memory; JSON is
 * read as a whole. A line that cannot be read is an entry like any other, with what is wrong.
 */
import { createReadStream, fstatSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { hexToBytes } from '../util/bytes.ts';
import { CodedError, errorText, InputError } from '../util/errors.ts';

export type BlockFileErrorDetail = { readonly file: string } & (
  | { readonly code: 'unreadable'; readonly reason: string }
  | { readonly code: 'damaged'; readonly reason: string; readonly after: string }
  | { readonly code: 'unknown-form'; readonly got: string }
  | { readonly code: 'no-blocks' }
);

/**
 * - `unreadable`: the operating system does not give its bytes.
 * - `damaged`: it ends too early or was changed; `after` is the last entry that could be read.
 * - `unknown-form`: none of the forms that this program reads.
 * - `no-blocks`: it holds nothing.
 */
export class BlockFileError extends CodedError<BlockFileErrorDetail> {
  constructor(detail: BlockFileErrorDetail, options?: ErrorOptions) {
    super(`${detail.file}: ${messageOf(detail)}`, detail, options);
  }
}

/** A block as the file has it. */
export type BlockFileEntry = {
  /** Where it stands, as people look for it: `line 12`, `item 3` (of a JSON array, from 0). */
  readonly place: string;
  /** How much of the file had been read, 0 … 1; `undefined` if its size is not known. */
  readonly fraction: number | undefined;
} & ({ readonly bytes: Uint8Array } | { readonly problem: string });

export interface BlockFileOptions {
  /** Longest block that is read, in bytes. */
  readonly maxBlockBytes?: number;
  /** Longest JSON text, in bytes. */
  readonly maxJsonBytes?: number;
}

export interface BlockFile {
  /** For messages. */
  readonly name: string;
  /** May be gone through once. Rejects with `BlockFileError`, or with the signal's reason. */
  readonly entries: AsyncIterable<BlockFileEntry>;
}

/** Peers send each other blocks of up to 11 MB. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;
/** Read as a whole, and JSON made of little else than brackets takes forty times its size. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;
/** What a form is told by. */
const FORM_BYTES = 512;
/** Small enough that a small file, too, shows how far it is. */
const READ_BYTES = 16 * 1024;

/**
 * Opens a file, or standard input for `-`. Rejects with `BlockFileError` if it cannot be read. The
 * signal ends the reading, also while it waits for more.
 */
export async function openBlockFile(
  path: string,
  signal: AbortSignal,
  options: BlockFileOptions = {},
): Promise<BlockFile> {
  if (path === '-') return blockFile('standard input', process.stdin, stdinSize(), signal, options);
  const { handle, size } = await openFile(path);
  const stream = createReadStream(path, { fd: handle, highWaterMark: READ_BYTES });
  return blockFile(path, stream, size, signal, options);
}

/** A file of blocks in any stream of bytes; `size` in bytes, if known. */
export function blockFile(
  name: string,
  stream: Readable,
  size: number | undefined,
  signal: AbortSignal,
  options: BlockFileOptions = {},
): BlockFile {
  return { name, entries: readEntries(new Input(name, stream, size, signal), options) };
}

async function* readEntries(
  input: Input,
  options: BlockFileOptions,
): AsyncGenerator<BlockFileEntry> {
  const { maxBlockBytes = MAX_BLOCK_BYTES, maxJsonBytes = MAX_JSON_BYTES } = options;
  const chunks = input.chunks();
  let last: BlockFileEntry | undefined;
  try {
    const { first, rest } = await firstBytes(chunks);
    const entries = isJson(first, input.name)
      ? jsonEntries(input.name, await readWhole(input.name, rest, maxJsonBytes))
      : lineEntries(rest, 2 * maxBlockBytes, () => input.fraction());
    for await (const entry of entries) {
      last = entry;
      yield entry;
    }
    if (last === undefined) throw new BlockFileError({ code: 'no-blocks', file: input.name });
  } catch (error) {
    if (error instanceof BlockFileError) throw error;
    throw input.errorOf(error, last?.place);
  } finally {
    input.close();
  }
}

/** The bytes of a file, out of gzip if they are in it. */
class Input {
  readonly name: string;
  readonly #stream: Readable;
  readonly #size: number | undefined;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  /** Bytes of the file that were used. */
  #used: () => number = () => 0;

  constructor(name: string, stream: Readable, size: number | undefined, signal: AbortSignal) {
    this.name = name;
    this.#stream = stream;
    this.#size = size;
    this.#signal = signal;
    this.#onAbort = () => stream.destroy(signal.reason);
    if (signal.aborted) this.#onAbort();
    signal.addEventListener('abort', this.#onAbort);
  }

  async *chunks(): AsyncGenerator<Buffer> {
    const { first, rest } = await firstBytes(this.#stream as AsyncIterable<Buffer>, 2);
    if (!(first[0] === 0x1f && first[1] === 0x8b)) {
      let used = 0;
      this.#used = () => used;
      for await (const chunk of rest) {
        used += chunk.length;
        yield chunk;
      }
      return;
    }
    const gunzip = createGunzip();
    this.#used = () => gunzip.bytesWritten;
    // An error of either end reaches whoever iterates.
    pipeline(Readable.from(rest), gunzip, () => {});
    yield* gunzip as AsyncIterable<Buffer>;
  }

  fraction(): number | undefined {
    return this.#size === undefined || this.#size === 0
      ? undefined
      : Math.min(1, this.#used() / this.#size);
  }

  /** What an error of the stream means. */
  errorOf(error: unknown, after = 'its beginning'): unknown {
    if (this.#signal.aborted) return this.#signal.reason;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const reason = errorText(error);
    const file = this.name;
    return code.startsWith('Z_')
      ? new BlockFileError(
          { code: 'damaged', file, reason: `gzip: ${reason}`, after },
          { cause: error },
        )
      : new BlockFileError({ code: 'unreadable', file, reason }, { cause: error });
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#stream.destroy();
  }
}

/** The first bytes (`count` or more, if there are so many) and all of it, they included. */
async function firstBytes(
  chunks: AsyncIterable<Buffer>,
  count = FORM_BYTES,
): Promise<{ readonly first: Buffer; readonly rest: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first: Buffer = Buffer.alloc(0);
  while (first.length < count) {
    const next = await iterator.next();
    if (next.done === true) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return { first, rest: startingWith(first, iterator) };
}

async function* startingWith(
  first: Buffer,
  iterator: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* { [Symbol.asyncIterator]: () => iterator };
}

/** True for JSON, false for lines. Throws for what can be neither. */
function isJson(first: Buffer, file: string): boolean {
  const at = first.findIndex((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20));
  if (at >= 0) {
    const got = `byte 0x${first[at]!.toString(16).padStart(2, '0')} at position ${at}`;
    throw new BlockFileError({ code: 'unknown-form', file, got });
  }
  return /^(?:\u00ef\u00bb\u00bf)?\s*[[{]/.test(first.toString('latin1'));
}

const LINE_FEED = 0x0a;

async function* lineEntries(
  chunks: AsyncIterable<Buffer>,
  maxDigits: number,
  fraction: () => number | undefined,
): AsyncGenerator<BlockFileEntry> {
  let number = 0;
  /** The line so far; given up, with only its length, once it is too long. */
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= maxDigits + 2) parts.push(part);
    else parts = [];
  };
  const end = (): BlockFileEntry | undefined => {
    number++;
    const place = `line ${number}`;
    const text = length <= maxDigits + 2 ? lineText(parts) : undefined;
    const tooLong = `more than ${maxDigits} characters`;
    parts = [];
    length = 0;
    if (text === '') return undefined;
    return text === undefined || text.length > maxDigits
      ? { place, fraction: fraction(), problem: tooLong }
      : readHex(text, place, fraction());
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(LINE_FEED); to >= 0; to = chunk.indexOf(LINE_FEED, from)) {
      take(chunk.subarray(from, to));
      from = to + 1;
      const entry = end();
      if (entry !== undefined) yield entry;
    }
    take(chunk.subarray(from));
  }
  const entry = end();
  if (entry !== undefined) yield entry;
}

/** The line without white space around it, and without the mark that some editors put first. */
function lineText(parts: readonly Buffer[]): string {
  const text =
    parts.length === 1 ? parts[0]!.toString('latin1') : Buffer.concat(parts).toString('latin1');
  return text.replace(/^\u00ef\u00bb\u00bf/, '').trim();
}

function readHex(text: string, place: string, fraction: number | undefined): BlockFileEntry {
  try {
    return { place, fraction, bytes: hexToBytes(text, 'hex') };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { place, fraction, problem: error.message };
  }
}

async function readWhole(
  file: string,
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > maxBytes) {
      const got = `JSON of more than ${maxBytes} bytes (one block a line in hex has no limit)`;
      throw new BlockFileError({ code: 'unknown-form', file, got });
    }
    parts.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

function* jsonEntries(file: string, text: string): Generator<BlockFileEntry> {
  let value: unknown;
  try {
    // Only texts are taken from it: no number needs to be exact.
    value = JSON.parse(text);
  } catch (error) {
    const got = `JSON with an error: ${errorText(error)}`;
    throw new BlockFileError({ code: 'unknown-form', file, got }, { cause: error });
  }
  const list = Array.isArray(value)
    ? value
    : (memberOf(value, 'blocks') ?? memberOf(value, 'steps'));
  if (!Array.isArray(list)) {
    const got = 'JSON without an array, on its own or as "blocks" or "steps"';
    throw new BlockFileError({ code: 'unknown-form', file, got });
  }
  for (const [index, item] of list.entries()) {
    const place = `item ${index}`;
    const fraction = (index + 1) / list.length;
    const hex = typeof item === 'string' ? item : memberOf(item, 'raw_block');
    if (typeof hex === 'string') yield readHex(hex, place, fraction);
    else yield { place, fraction, problem: 'expected a text or a member "raw_block" with one' };
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

async function openFile(
  path: string,
): Promise<{ readonly handle: FileHandle; readonly size: number | undefined }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new Error('it is a directory');
    return { handle, size: stat.isFile() ? stat.size : undefined };
  } catch (error) {
    await handle?.close();
    const detail = { code: 'unreadable', file: path, reason: errorText(error) } as const;
    throw new BlockFileError(detail, { cause: error });
  }
}

/** Known if standard input is a file: `import - < blocks.txt`. */
function stdinSize(): number | undefined {
  try {
    const stat = fstatSync(0);
    return stat.isFile() ? stat.size : undefined;
  } catch {
    return undefined; // closed: reading it will tell
  }
}

function messageOf(detail: BlockFileErrorDetail): string {
  switch (detail.code) {
    case 'unreadable':
      return `cannot be read: ${detail.reason}`;
    case 'damaged':
      return `damaged or cut off after ${detail.after}: ${detail.reason}`;
    case 'unknown-form':
      return `expected raw blocks in hex, one a line, or JSON with them, or either in gzip; got ${detail.got}`;
    case 'no-blocks':
      return 'holds no blocks';
  }
}
