enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
// See product-int8-matrix.wgsl.
diagnostic(off, chromium.subgroup_matrix_uniformity);

// The products on floating-point matrix units, with f32 sums: product-matrix.wgsl for f16 and f32.
// Exact: f16 holds every integer up to 2^11, and f32 every one up to 2^24. Sums in f16 would not be.
// Constants besides those of product-matrix.wgsl: COMPONENT (f16 or f32), PER_VEC4 (8 or 4).

alias RESULT = f32;

/// Four sums as the matrix unit left them in memory, folded and packed.
fn folded(sums: vec4<u32>) -> u32 {
  return fold4(vec4<i32>(bitcast<vec4<f32>>(sums)));
}

/// Writes 16 packed int8 of a row, from place 16q on.
fn put(row: u32, q: u32, words: vec4<u32>) {
  let at = row * ROW_STRIDE + q * (16u / PER_VEC4);
  if (PER_VEC4 == 4) {
    for (var i = 0u; i < 4u; i++) {
      x[at + i] = bitcast<vec4<u32>>(vec4<f32>(unpack4xI8(words[i])));
    }
  } else {
    x[at] = vec4<u32>(halves(words.x), halves(words.y));
    x[at + 1u] = vec4<u32>(halves(words.z), halves(words.w));
  }
}

/// Four packed int8 as f16, two to a word.
fn halves(word: u32) -> vec2<u32> {
  let values = vec4<f32>(unpack4xI8(word));
  return vec2<u32>(pack2x16float(values.xy), pack2x16float(values.zw));
}
