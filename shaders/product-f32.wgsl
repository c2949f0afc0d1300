// The products in f32 multiply-adds, for GPUs whose int8 dot product is slow or emulated. Exact: a sum
// is at most 256 · 128 · 128 = 2^22, and f32 holds every integer up to 2^24.
//
// A thread owns 16 rows and one word (four columns), so that it alone reads and converts its part of
// each matrix. Constants: ROWS (16 or 32).

const PARTS = ROWS / 16u;
const THREADS = PARTS * 64u;
const ROW_QUADS = ROWS / 4u;

/// [matrix][k / 4][word], see `pack_words`.
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;

/// The running rows as floats: [k][row], four rows to a vec4. Part p of the threads owns the rows
/// i · PARTS + p, side by side, so that the tree of the end pairs rows of one thread until one is left.
var<workgroup> x: array<vec4<f32>, 256u * ROW_QUADS>;

@compute @workgroup_size(THREADS)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let block = group.x;
  let hash = group.y;
  let word = t & 63u;
  // Zero, and known to be so, where every thread owns all rows.
  let part = select(t >> 6u, 0u, PARTS == 1u);
  var sum: array<u32, 16>;
  // Outside the loops and set to zero by hand: one compiler forgets to do it for a `var` inside.
  var acc: array<vec4<f32>, 16>;
  for (var slice = 0u; slice < 4u; slice++) {
    load_first(matrix_of(hash, slice, 0u), block, t);
    workgroupBarrier();
    for (var step = 1u; step < 64u; step++) {
      let base = matrix_of(hash, slice, step) * 4096u + word;
      for (var i = 0u; i < 16u; i++) {
        acc[i] = vec4<f32>();
      }
      for (var k = 0u; k < 64u; k++) {
        let m = table[base + k * 64u];
        let m0 = unpack(m.x);
        let m1 = unpack(m.y);
        let m2 = unpack(m.z);
        let m3 = unpack(m.w);
        for (var j = 0u; j < 4u; j++) {
          let columns = vec4<f32>(m0[j], m1[j], m2[j], m3[j]);
          for (var i = 0u; i < 4u; i++) {
            let a = x[(4u * k + j) * ROW_QUADS + 4u * part + i];
            acc[4u * i] = fma(vec4<f32>(a.x), columns, acc[4u * i]);
            acc[4u * i + 1u] = fma(vec4<f32>(a.y), columns, acc[4u * i + 1u]);
            acc[4u * i + 2u] = fma(vec4<f32>(a.z), columns, acc[4u * i + 2u]);
            acc[4u * i + 3u] = fma(vec4<f32>(a.w), columns, acc[4u * i + 3u]);
          }
        }
      }
      // Everyone has read the rows before anyone writes the next ones.
      workgroupBarrier();
      for (var i = 0u; i < 4u; i++) {
        let turned = transpose_bytes(vec4<u32>(
          folded(acc[4u * i]), folded(acc[4u * i + 1u]),
          folded(acc[4u * i + 2u]), folded(acc[4u * i + 3u])));
        for (var j = 0u; j < 4u; j++) {
          x[(4u * word + j) * ROW_QUADS + 4u * part + i] = unpack(turned[j]);
        }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < 16u; i++) {
      sum[i] = add_bytes(sum[i], folded(acc[i]));
    }
  }
  for (var half = 8u; half > 0u; half >>= 1u) {
    for (var i = 0u; i < half; i++) {
      sum[i] = fnv(sum[i], sum[i + half]);
    }
  }
  if (PARTS == 2u) {
    // The last two rows meet in x, as halves of words that a float holds exactly.
    if (part == 1u) {
      x[word] = vec4<f32>(f32(sum[0] & 0xffffu), f32(sum[0] >> 16u), 0.0, 0.0);
    }
    workgroupBarrier();
    let other = vec4<u32>(x[word]);
    sum[0] = fnv(sum[0], other.x | (other.y << 16u));
  }
  if (part == 0u) {
    rows[(hash * BLOCKS + block) * 64u + word] = sum[0];
  }
}

/// Fills x with the block's rows of the slice's first matrix.
fn load_first(matrix: u32, block: u32, t: u32) {
  for (var i = t; i < 64u * ROW_QUADS; i += THREADS) {
    let word = i & 63u;
    let quad = i >> 6u;
    var words: vec4<u32>;
    for (var j = 0u; j < 4u; j++) {
      let place = 4u * quad + j;
      let row = (place & 15u) * PARTS + (place >> 4u);
      words[j] = first[(matrix * 256u + row * BLOCKS + block) * 64u + word];
    }
    let turned = transpose_bytes(words);
    for (var j = 0u; j < 4u; j++) {
      x[(4u * word + j) * ROW_QUADS + quad] = unpack(turned[j]);
    }
  }
}

fn unpack(word: u32) -> vec4<f32> {
  return vec4<f32>(unpack4xI8(word));
}

fn folded(sums: vec4<f32>) -> u32 {
  return fold4(vec4<i32>(sums));
}
