// SHA3-256 (FIPS 202): Keccak-f[1600] over 25 lanes of 64 bits, each as vec2(low word, high word).
// Unrolled by lane: with constant indices the state stays in registers.

alias KeccakState = array<vec2<u32>, 25>;

/// Words of one block of SHA3-256 (136 bytes).
const RATE_WORDS = 34u;

const ROUND_CONSTANTS = array<vec2<u32>, 24>(
  vec2<u32>(0x00000001u, 0x00000000u), vec2<u32>(0x00008082u, 0x00000000u),
  vec2<u32>(0x0000808au, 0x80000000u), vec2<u32>(0x80008000u, 0x80000000u),
  vec2<u32>(0x0000808bu, 0x00000000u), vec2<u32>(0x80000001u, 0x00000000u),
  vec2<u32>(0x80008081u, 0x80000000u), vec2<u32>(0x00008009u, 0x80000000u),
  vec2<u32>(0x0000008au, 0x00000000u), vec2<u32>(0x00000088u, 0x00000000u),
  vec2<u32>(0x80008009u, 0x00000000u), vec2<u32>(0x8000000au, 0x00000000u),
  vec2<u32>(0x8000808bu, 0x00000000u), vec2<u32>(0x0000008bu, 0x80000000u),
  vec2<u32>(0x00008089u, 0x80000000u), vec2<u32>(0x00008003u, 0x80000000u),
  vec2<u32>(0x00008002u, 0x80000000u), vec2<u32>(0x00000080u, 0x80000000u),
  vec2<u32>(0x0000800au, 0x00000000u), vec2<u32>(0x8000000au, 0x80000000u),
  vec2<u32>(0x80008081u, 0x80000000u), vec2<u32>(0x00008080u, 0x80000000u),
  vec2<u32>(0x80000001u, 0x00000000u), vec2<u32>(0x80008008u, 0x80000000u),
);

/// Rotates a lane to the left by 1 … 63 bits, but not 32.
fn rotate(lane: vec2<u32>, bits: u32) -> vec2<u32> {
  let v = select(lane, lane.yx, bits > 32u);
  let n = bits & 31u;
  return (v << vec2<u32>(n)) | (v.yx >> vec2<u32>(32u - n));
}

/// XORs word `i` of a block (little-endian, counted from its start) into the state.
fn absorb(state: ptr<function, KeccakState>, i: u32, word: u32) {
  if ((i & 1u) == 0u) {
    (*state)[i >> 1u].x ^= word;
  } else {
    (*state)[i >> 1u].y ^= word;
  }
}

/// Ends a message whose last block holds `words` whole words: SHA3's domain bits, then the last bit of the block.
fn absorb_end(state: ptr<function, KeccakState>, words: u32) {
  absorb(state, words, 0x06u);
  absorb(state, RATE_WORDS - 1u, 0x80000000u);
}

fn keccak_f(state: ptr<function, KeccakState>) {
  var s = *state;
  for (var round = 0u; round < 24u; round++) {
    // Theta: the parity of each column.
    let c0 = s[0] ^ s[5] ^ s[10] ^ s[15] ^ s[20];
    let c1 = s[1] ^ s[6] ^ s[11] ^ s[16] ^ s[21];
    let c2 = s[2] ^ s[7] ^ s[12] ^ s[17] ^ s[22];
    let c3 = s[3] ^ s[8] ^ s[13] ^ s[18] ^ s[23];
    let c4 = s[4] ^ s[9] ^ s[14] ^ s[19] ^ s[24];
    let d0 = c4 ^ rotate(c1, 1u);
    let d1 = c0 ^ rotate(c2, 1u);
    let d2 = c1 ^ rotate(c3, 1u);
    let d3 = c2 ^ rotate(c4, 1u);
    let d4 = c3 ^ rotate(c0, 1u);
    // Rho and pi: each lane rotated, and moved to its new place.
    let b0 = s[0] ^ d0;
    let b10 = rotate(s[1] ^ d1, 1u);
    let b20 = rotate(s[2] ^ d2, 62u);
    let b5 = rotate(s[3] ^ d3, 28u);
    let b15 = rotate(s[4] ^ d4, 27u);
    let b16 = rotate(s[5] ^ d0, 36u);
    let b1 = rotate(s[6] ^ d1, 44u);
    let b11 = rotate(s[7] ^ d2, 6u);
    let b21 = rotate(s[8] ^ d3, 55u);
    let b6 = rotate(s[9] ^ d4, 20u);
    let b7 = rotate(s[10] ^ d0, 3u);
    let b17 = rotate(s[11] ^ d1, 10u);
    let b2 = rotate(s[12] ^ d2, 43u);
    let b12 = rotate(s[13] ^ d3, 25u);
    let b22 = rotate(s[14] ^ d4, 39u);
    let b23 = rotate(s[15] ^ d0, 41u);
    let b8 = rotate(s[16] ^ d1, 45u);
    let b18 = rotate(s[17] ^ d2, 15u);
    let b3 = rotate(s[18] ^ d3, 21u);
    let b13 = rotate(s[19] ^ d4, 8u);
    let b14 = rotate(s[20] ^ d0, 18u);
    let b24 = rotate(s[21] ^ d1, 2u);
    let b9 = rotate(s[22] ^ d2, 61u);
    let b19 = rotate(s[23] ^ d3, 56u);
    let b4 = rotate(s[24] ^ d4, 14u);
    // Chi: the only step that is not linear; and iota.
    s[0] = b0 ^ (~b1 & b2) ^ ROUND_CONSTANTS[round];
    s[1] = b1 ^ (~b2 & b3);
    s[2] = b2 ^ (~b3 & b4);
    s[3] = b3 ^ (~b4 & b0);
    s[4] = b4 ^ (~b0 & b1);
    s[5] = b5 ^ (~b6 & b7);
    s[6] = b6 ^ (~b7 & b8);
    s[7] = b7 ^ (~b8 & b9);
    s[8] = b8 ^ (~b9 & b5);
    s[9] = b9 ^ (~b5 & b6);
    s[10] = b10 ^ (~b11 & b12);
    s[11] = b11 ^ (~b12 & b13);
    s[12] = b12 ^ (~b13 & b14);
    s[13] = b13 ^ (~b14 & b10);
    s[14] = b14 ^ (~b10 & b11);
    s[15] = b15 ^ (~b16 & b17);
    s[16] = b16 ^ (~b17 & b18);
    s[17] = b17 ^ (~b18 & b19);
    s[18] = b18 ^ (~b19 & b15);
    s[19] = b19 ^ (~b15 & b16);
    s[20] = b20 ^ (~b21 & b22);
    s[21] = b21 ^ (~b22 & b23);
    s[22] = b22 ^ (~b23 & b24);
    s[23] = b23 ^ (~b24 & b20);
    s[24] = b24 ^ (~b20 & b21);
  }
  *state = s;
}
