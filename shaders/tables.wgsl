// Makes the layouts that the products read from the table as it comes: 256 matrices of 256×256 int8,
// row-major, 4 columns to a word.
//
// All of them are in word order: place p of a row holds column (p & 3) · 64 + (p >> 2). The end of a hash
// makes its words of the columns j, j + 64, j + 128 and j + 192; in word order those are the four bytes of
// word j, and nobody has to put them together. A product does not care in which order it adds, as
// long as both factors use the same.
//
// Every entry is dispatched with 2^20 threads (16384 workgroups).

@group(0) @binding(0) var<storage, read> raw: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

/// The four bytes of word `j` of a row in word order. `row` counts rows of all matrices.
fn ordered_word(row: u32, j: u32) -> u32 {
  let at = row * 64u + (j >> 2u);
  let shift = (j & 3u) * 8u;
  return ((raw[at] >> shift) & 0xffu) | (((raw[at + 16u] >> shift) & 0xffu) << 8u)
    | (((raw[at + 32u] >> shift) & 0xffu) << 16u) | (((raw[at + 48u] >> shift) & 0xffu) << 24u);
}

/// The start of every slice: identity · mᵀ, folded, which is the fold of the transpose. Row-major, its
/// columns in word order. One thread turns one tile of 4×4.
@compute @workgroup_size(64)
fn fold_transpose(@builtin(global_invocation_id) id: vec3<u32>) {
  let matrix = (id.x >> 12u) * 16384u;
  let from_word = id.x & 63u;
  let to_word = (id.x >> 6u) & 63u;
  // The rows of the raw matrix that make the columns of the word.
  let at = matrix + to_word * 64u + from_word;
  let turned = transpose_bytes(
    vec4<u32>(raw[at], raw[at + 4096u], raw[at + 8192u], raw[at + 12288u]));
  let to = matrix + from_word * 256u + to_word;
  for (var i = 0u; i < 4u; i++) {
    out[to + 64u * i] = fold_bytes(turned[i]);
  }
}

/// [matrix][k / 4][word] of vec4: the four columns of a word, each with 4 int8 along k. Neighbouring
/// threads own neighbouring words, so they read one run of memory together. One thread makes one vec4.
@compute @workgroup_size(64)
fn pack_words(@builtin(global_invocation_id) id: vec3<u32>) {
  let word = id.x & 63u;
  let k = (id.x >> 6u) & 63u;
  let matrix = id.x >> 12u;
  for (var i = 0u; i < 4u; i++) {
    out[4u * id.x + i] = ordered_word(matrix * 256u + word + 64u * i, k);
  }
}

/// For matrix units, tile by tile: [matrix][k / TILE_K][column / TILE_N][column % TILE_N][k % TILE_K], so
/// that a tile is one run of memory, and the tiles of one k another. Components are int8, f16 or f32:
/// PER_WORD (4, 2 or 1) of them to a word. One thread packs 16.
@compute @workgroup_size(64)
fn pack_tiles(@builtin(global_invocation_id) id: vec3<u32>) {
  let matrix = id.x >> 12u;
  let place = (id.x >> 4u) & 255u;
  // The column that a place stands for, in word order like everything.
  let row = matrix * 256u + (place & 3u) * 64u + (place >> 2u);
  for (var i = 0u; i < 4u; i++) {
    let j = (id.x & 15u) * 4u + i;
    let word = ordered_word(row, j);
    let values = vec4<f32>(unpack4xI8(word));
    if (PER_WORD == 4) {
      out[tile_word(matrix, place, j)] = word;
    } else if (PER_WORD == 2) {
      out[tile_word(matrix, place, 2u * j)] = pack2x16float(values.xy);
      out[tile_word(matrix, place, 2u * j + 1u)] = pack2x16float(values.zw);
    } else {
      for (var c = 0u; c < 4u; c++) {
        out[tile_word(matrix, place, 4u * j + c)] = bitcast<u32>(values[c]);
      }
    }
  }
}

/// Where word `j` of a row of the product's right factor lies.
fn tile_word(matrix: u32, place: u32, j: u32) -> u32 {
  const WORDS = 256u / PER_WORD;
  const TILE_WORDS = TILE_K / PER_WORD;
  let tile = j / TILE_WORDS * (256u / TILE_N) + place / TILE_N;
  return matrix * 256u * WORDS + (tile * TILE_N + place % TILE_N) * TILE_WORDS + j % TILE_WORDS;
}
