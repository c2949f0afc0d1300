// The end of a hash: the rows that the blocks left are folded into one, SHA3-256 of it is the PoW
// hash, and that is compared with the target. One thread finishes one hash.

struct FinishParams {
  count: u32,
  /// Rows that the product left of each hash: a power of two, at most 64.
  blocks: u32,
  /// 0: compare with `wanted`; 1: every hash counts (a target of 2^256 or more); 2: none does.
  any: u32,
  pad: u32,
  /// The target: eight words of a little-endian number.
  wanted: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: FinishParams;
/// 64 words a row, `blocks` rows a hash.
@group(0) @binding(1) var<storage, read> rows: array<u32>;
/// 8 words a hash.
@group(0) @binding(2) var<storage, read_write> powHashes: array<u32>;
/// Bit i: hash i meets the target. Whole words are written, so nothing need be cleared before.
@group(0) @binding(3) var<storage, read_write> found: array<atomic<u32>>;

const MOST_BLOCKS = 64u;
var<workgroup> bits: array<atomic<u32>, 2>;

@compute @workgroup_size(64)
fn finish_hashes(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(local_invocation_index) t: u32,
  @builtin(workgroup_id) group: vec3<u32>,
) {
  let i = id.x;
  if (i < params.count) {
    var hash = pow_hash(i);
    for (var word = 0u; word < 8u; word++) {
      powHashes[8u * i + word] = hash[word];
    }
    if (meets_target(&hash)) {
      atomicOr(&bits[t >> 5u], 1u << (t & 31u));
    }
  }
  workgroupBarrier();
  let word = 2u * group.x + t;
  if (t < 2u && word < arrayLength(&found)) {
    atomicStore(&found[word], atomicLoad(&bits[t]));
  }
}

fn pow_hash(i: u32) -> array<u32, 8> {
  var state = KeccakState();
  // 256 bytes: one block of 34 words, and 30 words of a second.
  for (var word = 0u; word < RATE_WORDS; word++) {
    absorb(&state, word, folded_word(i, word));
  }
  keccak_f(&state);
  for (var word = RATE_WORDS; word < 64u; word++) {
    absorb(&state, word - RATE_WORDS, folded_word(i, word));
  }
  absorb_end(&state, 64u - RATE_WORDS);
  keccak_f(&state);
  var hash: array<u32, 8>;
  for (var lane = 0u; lane < 4u; lane++) {
    hash[2u * lane] = state[lane].x;
    hash[2u * lane + 1u] = state[lane].y;
  }
  return hash;
}

/// One word of the row that is left: row i is paired with row i + half, until there is one.
fn folded_word(hash: u32, word: u32) -> u32 {
  var column: array<u32, MOST_BLOCKS>;
  for (var block = 0u; block < params.blocks; block++) {
    column[block] = rows[(hash * params.blocks + block) * 64u + word];
  }
  for (var half = params.blocks >> 1u; half > 0u; half >>= 1u) {
    for (var block = 0u; block < half; block++) {
      column[block] = fnv(column[block], column[block + half]);
    }
  }
  return column[0];
}

fn meets_target(hash: ptr<function, array<u32, 8>>) -> bool {
  if (params.any != 0u) {
    return params.any == 1u;
  }
  // From the most significant word down; the first that differs decides.
  for (var word = 8u; word > 0u; word--) {
    let mine = (*hash)[word - 1u];
    let limit = params.wanted[(word - 1u) >> 2u][(word - 1u) & 3u];
    if (mine != limit) {
      return mine < limit;
    }
  }
  return true;
}
