// Header hashes for consecutive nonces: SHA3-256("entryid:blockheader:" ‖ SHA3-256(preimage)), where
// the nonce is the last 8 bytes of the 136-byte preimage, little-endian. One thread makes one hash.

struct SearchParams {
  /// 34 little-endian words, then two of zero; the last two of the 34 are replaced by the nonce.
  preimage: array<vec4<u32>, 9>,
  start_low: u32,
  start_high: u32,
  count: u32,
  pad: u32,
}

@group(0) @binding(0) var<uniform> params: SearchParams;
/// 8 words a hash; hash i belongs to nonce start + i.
@group(0) @binding(1) var<storage, read_write> headerHashes: array<u32>;

/// "entryid:blockheader:" as little-endian words.
const PREFIX = array<u32, 5>(0x72746e65u, 0x3a646979u, 0x636f6c62u, 0x6165686bu, 0x3a726564u);

@compute @workgroup_size(64)
fn hash_headers(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= params.count) {
    return;
  }
  // The carry into the high word, without 64-bit integers.
  let nonce_low = params.start_low + i;
  let nonce_high = params.start_high + select(0u, 1u, nonce_low < i);

  var state = KeccakState();
  for (var lane = 0u; lane < 16u; lane++) {
    let words = params.preimage[lane >> 1u];
    state[lane] = select(words.xy, words.zw, (lane & 1u) == 1u);
  }
  state[16] = vec2<u32>(nonce_low, nonce_high);
  // The preimage fills its block exactly; the padding is a block of its own.
  keccak_f(&state);
  absorb_end(&state, 0u);
  keccak_f(&state);

  var outer = KeccakState();
  for (var word = 0u; word < 5u; word++) {
    absorb(&outer, word, PREFIX[word]);
  }
  for (var word = 0u; word < 4u; word++) {
    absorb(&outer, 5u + 2u * word, state[word].x);
    absorb(&outer, 6u + 2u * word, state[word].y);
  }
  absorb_end(&outer, 13u);
  keccak_f(&outer);
  for (var lane = 0u; lane < 4u; lane++) {
    headerHashes[8u * i + 2u * lane] = outer[lane].x;
    headerHashes[8u * i + 2u * lane + 1u] = outer[lane].y;
  }
}
