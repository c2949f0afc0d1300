/**
 * Subgroup matrices in plain WGSL, so that the kernels written with them run, and can be wrong, on
 * adapters that have none. Only the builtins and the types are replaced in the kernel's text; every
 * offset, stride, pass and barrier stays.
 *
 * A matrix is spread over the LANES threads of a subgroup. Thread `lane` holds the results of the quads
 * (four columns of one row) lane, lane + LANES, …, and of the factors what it needs for them.
 */

export interface Emulation {
  /** Threads of a subgroup: at most what the program calls SUBGROUP_SIZE. */
  readonly lanes: number;
  /**
   * For programs that need more workgroup memory than there is: the tile lies in a buffer, binding 4,
   * and a dispatch of one workgroup computes this block.
   */
  readonly block?: number;
}

/** Replaces subgroup matrices in the text of a product program. Throws if one is left, or none was there. */
export function emulateMatrices(text: string, { lanes, block }: Emulation): string {
  const isInt8 = text.includes('alias COMPONENT = i8;');
  let result = replaceEach(text, MATRICES);
  if (/subgroupMatrix|subgroup_matrix|subgroup_id/.test(result.replaceAll(/\/\/.*/g, ''))) {
    throw new Error('a use of subgroup matrices is left');
  }
  result = replaceEach(result, [ONE_COPY]);
  if (block !== undefined) {
    result = replaceEach(result, [
      ...TILE_IN_BUFFER,
      [/let block = group\.x;/g, `let block = group.x + ${block};`],
    ]);
  }
  return [result, COMMON, isInt8 ? INT8 : FLOAT, `const LANES = ${lanes}u;`].join('\n');
}

type Replacement = readonly [pattern: RegExp, replacement: string];

function replaceEach(text: string, replacements: readonly Replacement[]): string {
  let result = text;
  for (const [pattern, replacement] of replacements) {
    const next = result.replaceAll(pattern, replacement);
    if (next === result) throw new Error(`the program holds nothing like ${pattern}`);
    result = next;
  }
  return result;
}

const MATRICES: readonly Replacement[] = [
  [/^(enable (subgroups|chromium_experimental_subgroup_matrix|f16)|diagnostic\(.*\));$/gm, ''],
  [/^alias (Left|Right|Result) = subgroup_matrix_.*$/gm, ''],
  [/^alias (COMPONENT|RESULT) = .*$/gm, ''],
  [
    /,\s*@builtin\(subgroup_id\) subgroup: u32,\s*\) \{/g,
    ') {\nlet subgroup = t / LANES;\nlane = t % LANES;\n',
  ],
  [/subgroupMatrixLoad<Left, row_major>\(\s*&x,/g, 'load_left('],
  [/subgroupMatrixLoad<Right, col_major>\(\s*&table,/g, 'load_right('],
  [/subgroupMatrixStore<row_major>\(\s*&x,/g, 'store_result('],
  [/subgroupMatrixMultiplyAccumulate\(/g, 'multiply_add('],
];

/** The compiler would unroll these loops, and then take half a minute for all the copies. */
const ONE_COPY: Replacement = [
  /< (TILES\w*|K_STEPS|PASSES|TURNS|PASS_UNITS \* UNIT_TILES|PASSES \* TURNS);/g,
  '< $1 + (group.x >> 16u);',
];

const TILE_IN_BUFFER: readonly Replacement[] = [
  [/var<workgroup> x:/g, '@group(0) @binding(4) var<storage, read_write> x:'],
  [/workgroupBarrier\(\);/g, 'workgroupBarrier(); storageBarrier();'],
];

const COMMON = /* wgsl */ `
var<private> lane: u32;
const TILE_QUADS = TILE_N / 4u;
const QUADS = TILE_M * TILE_QUADS;
const LANE_QUADS = (QUADS + LANES - 1u) / LANES;
const FACTORS = TILE_K / select(1u, 4u, PER_VEC4 == 16u);

fn row_of(i: u32) -> u32 {
  return min(lane + i * LANES, QUADS - 1u) / TILE_QUADS;
}

fn load_left(offset: u32, stride: u32) -> Left {
  var left: Left;
  for (var i = 0u; i < LANE_QUADS; i++) {
    for (var v = 0u; v < K_VEC4; v++) {
      let data = x[offset + row_of(i) * stride + v];
      for (var j = 0u; j < FACTORS / K_VEC4; j++) {
        left.v[i * FACTORS + v * (FACTORS / K_VEC4) + j] = factor(data, j);
      }
    }
  }
  return left;
}

fn load_right(offset: u32, stride: u32) -> Right {
  var right: Right;
  let at = offset + lane % TILE_QUADS * 4u * stride;
  // One load for the compiler to see, not a dozen: they are what it spends its time on.
  for (var i = 0u; i < 4u * K_VEC4 + (lane >> 16u); i++) {
    let data = table[at + i % 4u * stride + i / 4u];
    for (var j = 0u; j < FACTORS / K_VEC4; j++) {
      right.v[i / 4u * (FACTORS / K_VEC4) + j][i % 4u] = factor(data, j);
    }
  }
  return right;
}

// Whole vec4s: writing a component rewrites its neighbours on some adapters.
fn store_result(offset: u32, result: Result, stride: u32) {
  for (var i = 0u; i < LANE_QUADS; i++) {
    if (lane + i * LANES < QUADS) {
      x[offset + row_of(i) * stride + lane % TILE_QUADS] = bitcast<vec4<u32>>(result.v[i]);
    }
  }
}
`;

/** Four int8 to a factor. */
const INT8 = /* wgsl */ `
struct Left { v: array<u32, LANE_QUADS * FACTORS> }
struct Right { v: array<array<u32, 4>, FACTORS> }
struct Result { v: array<vec4<i32>, LANE_QUADS> }

fn factor(v: vec4<u32>, j: u32) -> u32 { return v[j]; }

fn multiply_add(left: Left, right: Right, acc: Result) -> Result {
  var result = acc;
  for (var i = 0u; i < LANE_QUADS; i++) {
    for (var j = 0u; j < FACTORS; j++) {
      let a = left.v[i * FACTORS + j];
      let b = right.v[j];
      result.v[i] += vec4<i32>(
        dot4I8Packed(a, b[0]), dot4I8Packed(a, b[1]), dot4I8Packed(a, b[2]), dot4I8Packed(a, b[3]));
    }
  }
  return result;
}
`;

/** One f16 or f32 to a factor. */
const FLOAT = /* wgsl */ `
struct Left { v: array<f32, LANE_QUADS * FACTORS> }
struct Right { v: array<array<f32, 4>, FACTORS> }
struct Result { v: array<vec4<f32>, LANE_QUADS> }

fn factor(v: vec4<u32>, j: u32) -> f32 {
  if (PER_VEC4 == 8u) {
    return unpack2x16float(v[j / 2u])[j % 2u];
  }
  return bitcast<f32>(v[j & 3u]);
}

fn multiply_add(left: Left, right: Right, acc: Result) -> Result {
  var result = acc;
  for (var i = 0u; i < LANE_QUADS; i++) {
    for (var j = 0u; j < FACTORS; j++) {
      let b = right.v[j];
      result.v[i] += left.v[i * FACTORS + j] * vec4<f32>(b[0], b[1], b[2], b[3]);
    }
  }
  return result;
}
`;
