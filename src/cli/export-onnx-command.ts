/**
 * `bytom-miner export-onnx`: Tensority as an ONNX file, for runtimes and compilers of one's own. What
 * goes in and comes out is printed, and stands in the file too.
 */
import type { Stats } from 'node:fs';
import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  chainModel,
  describeChainModel,
  describeHashModel,
  hashModel,
  type ModelDescription,
  type StepForm,
} from '../../drivers/onnx/graph.ts';
import { irVersion, type Port } from '../../drivers/onnx/graph-builder.ts';
import { SLICES } from '../tensority/params.ts';
import { errorText } from '../util/errors.ts';
import { jsonOption, ownOptions, subcommand } from './common-options.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { ModelFileError } from './model-file-error.ts';
import { checkNoTestData, writeTestData } from './onnx-test-data.ts';
import { oneOf, optionError, wholeNumber } from './option-values.ts';
import { printResult } from './output.ts';

export interface ExportOnnxOptions {
  /** A name, or `-` for standard output. */
  readonly file: string;
  readonly part?: 'hash' | 'chain';
  readonly form?: StepForm;
  /** With the part `hash` only. */
  readonly hashes?: number;
  readonly finish?: 'words' | 'sum';
  /** With the part `chain` only. */
  readonly chains?: number;
  readonly unrolled?: boolean;
  readonly testData?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export interface ExportedModel {
  readonly bytes: Uint8Array;
  readonly description: ModelDescription;
  readonly result: ExportResult;
  /** The result for people. */
  readonly text: string;
}

/** What `--json` prints. */
export interface ExportResult {
  readonly file: string;
  readonly bytes: number;
  readonly part: 'hash' | 'chain';
  readonly form: StepForm;
  readonly opset: number;
  readonly irVersion: number;
  readonly inputs: readonly Port[];
  readonly output: Port;
  readonly usage: readonly string[];
}

const FORMS: readonly StepForm[] = ['integer', 'unsigned', 'float', 'fused', 'fused-unsigned'];
/** Their working state is more than 1 MiB each. */
const MOST_HASHES = 1024;
/** Of what is printed, in columns. */
const WIDTH = 100;

/** Adds the command to the program. */
export function addExportOnnxCommand(
  program: Command,
  action: (options: ExportOnnxOptions) => Promise<void>,
): void {
  subcommand(program, 'export-onnx')
    .description('write the hash as an ONNX network, for other runtimes')
    .argument('<file>', 'gets the network; - for standard output')
    .addOption(
      new Option(
        '--part <part>',
        'hash: all but SHA3-256; chain: the 64 steps of a slice (default: hash)',
      ).argParser(oneOf('part', ['hash', 'chain'] as const)),
    )
    .addOption(
      new Option(
        '--form <form>',
        `operators of a step: ${FORMS.join(', ')}. float is for where there are no products of integers; ` +
          'fused is the fastest in ONNX Runtime and for it alone; unsigned ones are for where products ' +
          'of uint8 by int8 saturate, as on x86 without VNNI (default: integer)',
      ).argParser(oneOf('form', FORMS)),
    )
    .addOption(
      new Option('--hashes <n>', 'hashes that a run computes (default: 1)').argParser(
        wholeNumber('hashes', 1, MOST_HASHES),
      ),
    )
    .addOption(
      new Option(
        '--chains <n>',
        'chains that a run of the part chain computes (default: 4)',
      ).argParser(wholeNumber('chains', 1, SLICES * MOST_HASHES)),
    )
    .addOption(new Option('--unrolled', 'all steps one after the other, without Loop'))
    .addOption(
      new Option(
        '--finish <end>',
        'words, for SHA3-256; or sum, where the words are left to the caller and the network does ' +
          'without bitwise operators (default: words)',
      ).argParser(oneOf('finish', ['words', 'sum'] as const)),
    )
    .addOption(
      new Option(
        '--test-data <folder>',
        'also write inputs and the outputs that belong to them, as folders test_data_set_0 and 1 in ' +
          "the form of ONNX's own test runners",
      ),
    )
    .addOption(new Option('--force', 'replace files that are there'))
    .addOption(jsonOption())
    .action((file: string, _: unknown, self: Command) =>
      action({ ...ownOptions<ExportOnnxOptions>(self), file }),
    );
}

export async function exportOnnxCommand(options: ExportOnnxOptions): Promise<ExitCode> {
  const { file, force = false, testData, json } = options;
  if (file === '' || testData === '') throw optionError('export-onnx expected a name, got none');
  const model = buildModel(options);
  if (testData !== undefined && !force) await checkNoTestData(testData);
  if (file === '-') {
    if (json === true) {
      throw optionError('--json has no place in what export-onnx - writes to standard output');
    }
    process.stdout.write(model.bytes);
  } else {
    await writeModel(file, model.bytes, force);
  }
  if (testData !== undefined) await writeTestData(testData, model.description);
  const made =
    testData === undefined
      ? ''
      : `\n\ntest data: ${testData}: test_data_set_0 under the seed of block 123, test_data_set_1 under extreme values`;
  if (file !== '-') {
    printResult(`${model.text}${made}`, { ...model.result, testData: testData ?? null }, json);
  }
  return EXIT.ok;
}

/** Throws for options that do not go together. */
export function buildModel(options: ExportOnnxOptions): ExportedModel {
  const { file, part = 'hash', form = 'integer' } = options;
  const [bytes, description] =
    part === 'hash' ? buildHash(options, form) : buildChain(options, form);
  const { opset, inputs, output, usage } = description;
  const result: ExportResult = {
    file,
    bytes: bytes.length,
    part,
    form,
    opset,
    irVersion: irVersion(opset),
    inputs,
    output,
    usage,
  };
  return { bytes, description, result, text: resultText(result) };
}

function buildHash(options: ExportOnnxOptions, form: StepForm): [Uint8Array, ModelDescription] {
  const { hashes = 1, chains, finish = 'words', unrolled = false } = options;
  if (chains !== undefined) throw optionError('--chains goes with --part chain');
  // All chains in one loop: accelerators are the faster the more they get at once.
  const made = { form, hashes, group: SLICES * hashes, unrolled, finish };
  return [hashModel(made), describeHashModel(made)];
}

function buildChain(options: ExportOnnxOptions, form: StepForm): [Uint8Array, ModelDescription] {
  const { chains = SLICES, hashes, finish, unrolled = false } = options;
  if (hashes !== undefined) throw optionError('--hashes goes with --part hash');
  if (finish !== undefined) throw optionError('--finish goes with --part hash');
  const made = { form, chains, unrolled };
  return [chainModel(made), describeChainModel(made)];
}

function resultText(result: ExportResult): string {
  const { file, part, form, opset, bytes, inputs, output, usage } = result;
  const rows = [...inputs.map((port) => portRow('input', port)), portRow('output', output)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  );
  return [
    `${file}: ${part}, ${form} form, opset ${opset}, IR version ${result.irVersion}, ${bytes} bytes`,
    '',
    ...table,
    '',
    ...usage.flatMap((text) => wrap(text, WIDTH)),
  ].join('\n');
}

function portRow(kind: string, { name, type, shape, doc = '' }: Port): readonly string[] {
  return [kind, name, type, `[${shape.join(', ')}]`, doc];
}

/** The text in lines of at most `width` characters, the later ones indented. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' ';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Beside its name first, so that no half a network is taken for a whole one. */
export async function writeModel(file: string, bytes: Uint8Array, force: boolean): Promise<void> {
  const there = await statOf(file);
  if (there?.isDirectory() === true) {
    throw new ModelFileError(`${file}: is a directory`, { code: 'unwritable', file });
  }
  // A pipe or a device is written to as it is.
  const inPlace = there !== undefined && !there.isFile();
  if (there?.isFile() === true && !force) throw ModelFileError.exists(file);
  const path = `${file}.${process.pid}.part`;
  try {
    if (inPlace) {
      await writeFile(file, bytes);
      return;
    }
    await writeNew(path, bytes);
    if (!force && (await statOf(file)) !== undefined) throw ModelFileError.exists(file);
    await rename(path, file);
  } catch (cause) {
    if (!inPlace) await rm(path, { force: true });
    if (cause instanceof ModelFileError) throw cause;
    const detail = { code: 'unwritable', file } as const;
    throw new ModelFileError(`${file}: cannot be written: ${errorText(cause)}`, detail, { cause });
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** `undefined` if nothing has that name. What else is wrong with it shows when it is opened. */
async function statOf(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch {
    return undefined;
  }
}
