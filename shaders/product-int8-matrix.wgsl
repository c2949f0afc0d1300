enable subgroups;
enable chromium_experimental_subgroup_matrix;
// The subgroup number decides what a subgroup multiplies; the compiler cannot see that it is the same
// in all its threads.
diagnostic(off, chromium.subgroup_matrix_uniformity);

// The products on int8 matrix units, with 32-bit sums: product-matrix.wgsl for int8.
// What the fast path is written in; see there for the constants.

/// Components of a matrix in one vec4 of memory.
const PER_VEC4 = 16u;

alias COMPONENT = i8;
alias RESULT = i32;

/// Four sums as the matrix unit left them in memory, folded and packed.
fn folded(sums: vec4<u32>) -> u32 {
  return fold4(bitcast<vec4<i32>>(sums));
}

/// Writes 16 packed int8 of a row, from place 16q on.
fn put(row: u32, q: u32, words: vec4<u32>) {
  x[row * ROW_STRIDE + q] = words;
}
