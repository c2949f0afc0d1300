/** The test data of an exported network as files: what ONNX's own test runners look for beside a model. */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelDescription } from '../../drivers/onnx/graph-doc.ts';
import { makeTestData } from '../../drivers/onnx/test-data.ts';
import { buildMatrixTable } from '../tensority/table-builder.ts';
import { errorText } from '../util/errors.ts';
import { ModelFileError } from './model-file-error.ts';

/** As many as `makeTestData` makes. */
const SETS = ['test_data_set_0', 'test_data_set_1'];

/** Rejects if the folder has a set already, before anything is computed. */
export async function checkNoTestData(folder: string): Promise<void> {
  for (const path of SETS.map((name) => join(folder, name))) {
    const there = await stat(path).catch(() => undefined);
    if (there !== undefined) throw ModelFileError.exists(path);
  }
}

/** Writes `folder/test_data_set_0/input_0.pb` and so on; what is there is replaced. */
export async function writeTestData(folder: string, description: ModelDescription): Promise<void> {
  try {
    const sets = await makeTestData(description, {
      tables: async (seed) => buildMatrixTable(seed),
    });
    for (const [index, { inputs, output }] of sets.entries()) {
      const path = join(folder, SETS[index]!);
      await mkdir(path, { recursive: true });
      for (const [number, input] of inputs.entries()) {
        await writeFile(join(path, `input_${number}.pb`), input);
      }
      await writeFile(join(path, 'output_0.pb'), output);
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    const detail = { code: 'unwritable', file: folder } as const;
    throw new ModelFileError(`${folder}: cannot be written: ${errorText(cause)}`, detail, {
      cause,
    });
  }
}
