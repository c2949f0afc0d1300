// Arithmetic on int8 values, four to a word.

/// Folds four sums to int8 and packs them: low byte plus second byte, wrapped.
fn fold4(sums: vec4<i32>) -> u32 {
  let folded = bitcast<vec4<u32>>(sums + (sums >> vec4<u32>(8u)));
  return (folded.x & 0xffu) | ((folded.y & 0xffu) << 8u) | ((folded.z & 0xffu) << 16u)
    | (folded.w << 24u);
}

/// Folds four int8 values. Their second byte is all ones if they are negative and zero otherwise, so
/// negative ones lose 1; a byte of 0x80 or more never borrows.
fn fold_bytes(word: u32) -> u32 {
  return word - ((word >> 7u) & 0x01010101u);
}

/// Adds four pairs of bytes, each modulo 256: the low 7 bits without carries, then the top bits.
fn add_bytes(a: u32, b: u32) -> u32 {
  return ((a & 0x7f7f7f7fu) + (b & 0x7f7f7f7fu)) ^ ((a ^ b) & 0x80808080u);
}

/// The transpose of 4×4 bytes: word i of the result holds byte i of each word.
fn transpose_bytes(v: vec4<u32>) -> vec4<u32> {
  let low = vec2<u32>(v.x, v.z);
  let high = vec2<u32>(v.y, v.w);
  // Byte pairs first (0 and 2 of each pair of words, then 1 and 3), then halves.
  let even = (low & vec2<u32>(0x00ff00ffu)) | ((high & vec2<u32>(0x00ff00ffu)) << vec2<u32>(8u));
  let odd = ((low >> vec2<u32>(8u)) & vec2<u32>(0x00ff00ffu)) | (high & vec2<u32>(0xff00ff00u));
  return vec4<u32>(
    (even.x & 0xffffu) | (even.y << 16u),
    (odd.x & 0xffffu) | (odd.y << 16u),
    (even.x >> 16u) | (even.y & 0xffff0000u),
    (odd.x >> 16u) | (odd.y & 0xffff0000u),
  );
}

fn add_bytes4(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  return ((a & vec4<u32>(0x7f7f7f7fu)) + (b & vec4<u32>(0x7f7f7f7fu)))
    ^ ((a ^ b) & vec4<u32>(0x80808080u));
}
