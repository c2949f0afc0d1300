// The products with dot4I8Packed, the int8 dot product of four pairs that every WebGPU offers. Exact:
// the sums are 32-bit integers.
//
// Each thread owns TILE_ROWS rows and TILE_WORDS words (of four columns), with all results in
// registers. Constants: ROWS, TILE_ROWS (a multiple of 4), TILE_WORDS.

const COLUMN_GROUPS = 64u / TILE_WORDS;
const THREADS = ROWS / TILE_ROWS * COLUMN_GROUPS;
const ROW_QUADS = ROWS / 4u;
const RESULTS = TILE_ROWS * TILE_WORDS;

/// [matrix][k / 4][word], see `pack_words`.
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;

/// The running rows, packed int8: [word][row], four rows to a vec4, so that a thread reads all its rows
/// of one word at once and writes whole vec4s.
var<workgroup> x: array<vec4<u32>, 64u * ROW_QUADS>;

@compute @workgroup_size(THREADS)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let block = group.x;
  let hash = group.y;
  let column = t % COLUMN_GROUPS;
  // Zero, and known to be so, where every thread owns all rows.
  let row_quad = select(t / COLUMN_GROUPS * (TILE_ROWS / 4u), 0u, TILE_ROWS == ROWS);
  var sum: array<u32, RESULTS>;
  // Outside the loops and set to zero by hand: one compiler forgets to do it for a `var` inside.
  var acc: array<vec4<i32>, RESULTS>;
  for (var slice = 0u; slice < 4u; slice++) {
    load_first(matrix_of(hash, slice, 0u), block, t);
    workgroupBarrier();
    for (var step = 1u; step < 64u; step++) {
      let base = matrix_of(hash, slice, step) * 4096u + column;
      for (var i = 0u; i < RESULTS; i++) {
        acc[i] = vec4<i32>();
      }
      for (var k = 0u; k < 64u; k++) {
        for (var q = 0u; q < TILE_WORDS; q++) {
          let m = table[base + k * 64u + q * COLUMN_GROUPS];
          for (var i = 0u; i < TILE_ROWS / 4u; i++) {
            let a = x[k * ROW_QUADS + row_quad + i];
            for (var j = 0u; j < 4u; j++) {
              acc[q * TILE_ROWS + 4u * i + j] += vec4<i32>(
                dot4I8Packed(a[j], m.x), dot4I8Packed(a[j], m.y),
                dot4I8Packed(a[j], m.z), dot4I8Packed(a[j], m.w));
            }
          }
        }
      }
      // Everyone has read the tile before anyone writes the next one.
      workgroupBarrier();
      for (var q = 0u; q < TILE_WORDS; q++) {
        for (var i = 0u; i < TILE_ROWS / 4u; i++) {
          let r = q * TILE_ROWS + 4u * i;
          x[(column + q * COLUMN_GROUPS) * ROW_QUADS + row_quad + i] = vec4<u32>(
            fold4(acc[r]), fold4(acc[r + 1u]), fold4(acc[r + 2u]), fold4(acc[r + 3u]));
        }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < RESULTS; i++) {
      sum[i] = add_bytes(sum[i], fold4(acc[i]));
    }
  }
  for (var q = 0u; q < TILE_WORDS; q++) {
    for (var i = 0u; i < TILE_ROWS / 4u; i++) {
      let r = q * TILE_ROWS + 4u * i;
      x[(column + q * COLUMN_GROUPS) * ROW_QUADS + row_quad + i] = vec4<u32>(
        sum[r], sum[r + 1u], sum[r + 2u], sum[r + 3u]);
    }
  }
  reduce_rows(hash, block, t);
}

/// Fills the tile with the block's rows of the slice's first matrix.
fn load_first(matrix: u32, block: u32, t: u32) {
  for (var i = t; i < 64u * ROW_QUADS; i += THREADS) {
    let word = i & 63u;
    let quad = i >> 6u;
    let at = (matrix * 256u + quad * 4u * BLOCKS + block) * 64u + word;
    x[word * ROW_QUADS + quad] = vec4<u32>(
      first[at], first[at + BLOCKS * 64u], first[at + BLOCKS * 128u], first[at + BLOCKS * 192u]);
  }
}

/// Folds the sums in the tile to one row and writes it.
fn reduce_rows(hash: u32, block: u32, t: u32) {
  for (var half = ROW_QUADS / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    for (var i = t; i < 64u * half; i += THREADS) {
      let at = (i & 63u) * ROW_QUADS + (i >> 6u);
      x[at] = fnv4(x[at], x[at + half]);
    }
  }
  workgroupBarrier();
  for (var word = t; word < 64u; word += THREADS) {
    let last = x[word * ROW_QUADS];
    rows[(hash * BLOCKS + block) * 64u + word] = fnv(fnv(last.x, last.z), fnv(last.y, last.w));
  }
}
