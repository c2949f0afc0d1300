/**
 * The checker of the ONNX project, which is a Python package: whether a file is what the standard says,
 * operator by operator, with every type and shape inferred. Debian's python3-onnx knows opsets up to 17;
 * TEST_ONNX_PYTHON names a Python with a newer one.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the checker said of a model: nothing was wrong, what was, or why it could not tell. */
export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly message: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** What the program below prints. */
interface Checked {
  readonly version: string;
  /** The newest that it knows. */
  readonly opset: number;
  /** By file; empty if nothing was wrong. */
  readonly messages: Readonly<Record<string, string>>;
}

// Nothing is checked that is newer than the package: to it that would be wrong.
const PROGRAM = `
import json, sys
import onnx
newest = onnx.defs.onnx_opset_version()
messages = {}
for name in sys.argv[1:]:
    model = onnx.load(name)
    if max(entry.version for entry in model.opset_import if entry.domain == "") > newest:
        continue
    try:
        onnx.checker.check_model(model, full_check=True)
        messages[name] = ""
    except Exception as error:
        messages[name] = str(error) or repr(error)
print(json.dumps({"version": onnx.__version__, "opset": newest, "messages": messages}))
`;

/** Checks the models together, because Python takes a while to start. */
export function checkModels(
  models: Readonly<Record<string, Uint8Array>>,
): Readonly<Record<string, Verdict>> {
  const folder = mkdtempSync(join(tmpdir(), 'onnx-'));
  try {
    const names = Object.keys(models);
    const files = names.map((_, index) => join(folder, `${index}.onnx`));
    for (const [index, name] of names.entries()) writeFileSync(files[index]!, models[name]!);
    const found = run(files);
    return Object.fromEntries(names.map((name, index) => [name, verdict(found, files[index]!)]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function verdict(found: Checked | string, file: string): Verdict {
  if (typeof found === 'string') return { kind: 'unknown', why: found };
  const message = found.messages[file];
  if (message === undefined) {
    const why = `onnx ${found.version} knows opsets up to ${found.opset} only`;
    return { kind: 'unknown', why };
  }
  return message === '' ? { kind: 'right' } : { kind: 'wrong', message };
}

/** By the first Python that has the package, or why there is none. */
function run(files: readonly string[]): Checked | string {
  const named = process.env['TEST_ONNX_PYTHON'];
  const pythons = named === undefined ? ['python3', '/usr/bin/python3'] : [named];
  for (const python of pythons) {
    const { status, stdout, stderr } = spawnSync(python, ['-c', PROGRAM, ...files], {
      encoding: 'utf8',
    });
    if (status === 0) return JSON.parse(stdout) as Checked;
    const isMissing = status === null || /ModuleNotFoundError: No module named 'onnx'/.test(stderr);
    if (!isMissing || named !== undefined)
      throw new Error(`${python} with onnx failed:\n${stderr}`);
  }
  return `no onnx in ${pythons.join(' or ')}`;
}
