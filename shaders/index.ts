/**
 * The loader of the shaders. A program is its own file, the files it shares with others, and the
 * constants it is made for: WGSL lets declarations stand in any order, so they are simply joined.
 *
 * The own file comes first, because `enable` and `diagnostic` must precede every declaration. No
 * `override`s: sizes of private arrays and names of types must be constants anyway, so everything is.
 */

export type ProgramName =
  | 'headers'
  | 'sequences'
  | 'finish'
  | 'tables'
  | 'product-dp4a'
  | 'product-f32'
  | 'product-int8-matrix'
  | 'product-float-matrix'
  | 'peak-dp4a'
  | 'peak-f32'
  | 'peak-int8-matrix'
  | 'peak-float-matrix';

/** Numbers become `const NAME = value;`, texts `alias NAME = text;`. */
export type ShaderConstants = Readonly<Record<string, number | string>>;

/** Gives the text of a file of this folder, like 'keccak.wgsl'. */
export type ReadShader = (fileName: string) => Promise<string>;

/** What stands after a program's own file. */
const SHARED: Readonly<Record<ProgramName, readonly string[]>> = {
  headers: ['keccak.wgsl'],
  sequences: ['keccak.wgsl'],
  finish: ['keccak.wgsl', 'fnv.wgsl'],
  tables: ['bytes.wgsl'],
  'product-dp4a': ['product.wgsl', 'fnv.wgsl', 'bytes.wgsl'],
  'product-f32': ['product.wgsl', 'fnv.wgsl', 'bytes.wgsl'],
  'product-int8-matrix': ['product-matrix.wgsl', 'product.wgsl', 'fnv.wgsl', 'bytes.wgsl'],
  'product-float-matrix': ['product-matrix.wgsl', 'product.wgsl', 'fnv.wgsl', 'bytes.wgsl'],
  'peak-dp4a': [],
  'peak-f32': [],
  'peak-int8-matrix': ['peak-matrix.wgsl'],
  'peak-float-matrix': ['peak-matrix.wgsl'],
};

/** Every file of the shaders: for whoever packs, serves or hashes them. */
export const SHADER_FILES: readonly string[] = [
  ...new Set([...Object.keys(SHARED).map(ownFile), ...Object.values(SHARED).flat()]),
].sort();

/** The whole text of a program. Rejects with what `read` rejects with. */
export async function loadShader(
  program: ProgramName,
  constants: ShaderConstants,
  read: ReadShader,
): Promise<string> {
  const texts = await Promise.all([ownFile(program), ...SHARED[program]].map(read));
  return [...texts, constantLines(constants)].join('\n');
}

function ownFile(program: string): string {
  return `${program}.wgsl`;
}

function constantLines(constants: ShaderConstants): string {
  return Object.entries(constants)
    .map(([name, value]) =>
      typeof value === 'number' ? `const ${name} = ${value};` : `alias ${name} = ${value};`,
    )
    .join('\n');
}
