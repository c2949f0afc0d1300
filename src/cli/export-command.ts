/**
 * `bytom-node export`: the main chain as raw blocks in hex, one a line. Written beside its final
 * name and renamed when it is whole and on disk, so that no half a chain is taken for a whole one.
 */
import { createWriteStream, type Stats } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Block, encodeBlock } from '../chain/block.ts';
import { transactionsRoot } from '../chain/merkle.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { StoreError } from '../store/store-error.ts';
import { bytesEqual, bytesToHex } from '../util/bytes.ts';
import { CodedError, errorText, InputError } from '../util/errors.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { ExportOptions } from './node-options.ts';
import { openReport, openStore, type Report } from './node-parts.ts';
import { optionError } from './option-values.ts';
import { printResult, rounded } from './output.ts';

/** The file that was to be written cannot be. */
export class ExportError extends CodedError<{
  readonly code: 'exists' | 'unwritable';
  readonly file: string;
}> {}

/** Heights, both included. */
interface Span {
  readonly from: number;
  readonly to: number;
}

export async function exportCommand(
  options: ExportOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const toStdout = options.file === '-';
  if (toStdout && options.json === true) {
    throw optionError('--json has no place in what export - writes to standard output');
  }
  const store = await openStore(options, { readOnly: true });
  try {
    const span = spanOf(options, store.tip().height);
    const report = openReport('progress', 'export', toStdout ? process.stderr : process.stdout);
    const start = performance.now();
    const lines = Readable.from(hexLines(store, span, report), { highWaterMark: 16 });
    try {
      if (toStdout) await pipeline(lines, process.stdout, { signal, end: false });
      else await writeFile(options, lines, signal);
    } finally {
      report.progress.clear();
    }
    const result = {
      height: span.to,
      hash: bytesToHex(store.mainHash(span.to)!),
      blocks: span.to - span.from + 1,
      seconds: rounded((performance.now() - start) / 1000, 3),
    };
    if (!toStdout) {
      const text = `${result.blocks} blocks, heights ${span.from} to ${span.to}, in ${options.file}`;
      printResult(text, result, options.json);
    }
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

/** Throws `InputError` for heights that the chain does not have. */
function spanOf({ from = 0, to }: ExportOptions, tip: number): Span {
  if (to !== undefined && to > tip) {
    throw new InputError('to', `a height up to that of the tip, ${tip}`, `${to}`);
  }
  const last = to ?? tip;
  if (from > last) throw new InputError('from', `a height up to ${last}`, `${from}`);
  return { from, to: last };
}

function* hexLines(store: ChainStore, { from, to }: Span, { progress }: Report): Generator<string> {
  for (let height = from; height <= to; height++) {
    yield `${bytesToHex(encodeBlock(storedBlock(store, height)))}\n`;
    const blocks = height - from + 1;
    progress.update({ blocks, height, fraction: blocks / (to - from + 1) });
  }
}

/**
 * The block at `height`. A reader sees the chain as it was when it was opened, so it is there; unless
 * the database is damaged, and then no file is to be made of it.
 */
function storedBlock(store: ChainStore, height: number): Block {
  const hash = store.mainHash(height);
  const block = hash === undefined ? undefined : store.block(hash);
  const root = block === undefined ? undefined : transactionsRoot(block.transactions);
  if (block !== undefined && bytesEqual(root!, block.header.transactionsMerkleRoot)) return block;
  const problem = block === undefined ? 'missing' : 'its transactions are not those of its header';
  const { directory } = store;
  throw new StoreError({ code: 'damaged', directory, key: `block at height ${height}`, problem });
}

async function writeFile(
  { file, force }: ExportOptions,
  lines: Readable,
  signal: AbortSignal,
): Promise<void> {
  const isCompressed = file.endsWith('.gz');
  const there = await statOf(file);
  if (there?.isDirectory() === true) {
    throw new ExportError(`${file}: is a directory`, { code: 'unwritable', file });
  }
  // A pipe or a device is written to as it is.
  const inPlace = there !== undefined && !there.isFile();
  if (there?.isFile() === true && force !== true) throw existsError(file);
  const path = inPlace ? file : `${file}.${process.pid}.part`;
  try {
    // Flushed: on disk before it gets its name.
    const out = createWriteStream(path, { flags: inPlace ? 'w' : 'wx', flush: !inPlace });
    const through = isCompressed ? [createGzip()] : [];
    await pipeline([lines, ...through, out] as [Readable, ...Writable[]], { signal });
    if (!inPlace) {
      if (force !== true && (await statOf(file)) !== undefined) throw existsError(file);
      await rename(path, file);
    }
  } catch (cause) {
    if (!inPlace) await rm(path, { force: true });
    if (signal.aborted || !isSystemError(cause)) throw cause;
    const detail = { code: 'unwritable', file } as const;
    throw new ExportError(`${file}: cannot be written: ${errorText(cause)}`, detail, { cause });
  }
}

function existsError(file: string): ExportError {
  const detail = { code: 'exists', file } as const;
  return new ExportError(`${file}: is there already; --force replaces it`, detail);
}

/** `undefined` if nothing has that name. What else is wrong with it shows when it is opened. */
async function statOf(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch {
    return undefined;
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
