// The matrix names that each slice runs through: SHA3-256 of its 8 bytes of the header hash.
// One thread makes the sequence of one slice.

struct SequenceParams {
  /// Hashes, four slices each.
  count: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<uniform> params: SequenceParams;
/// 8 words a hash.
@group(0) @binding(1) var<storage, read> headerHashes: array<u32>;
/// 32 words a hash: four slices of 32 bytes, each byte a matrix name.
@group(0) @binding(2) var<storage, read_write> sequences: array<u32>;

@compute @workgroup_size(64)
fn make_sequences(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i >= 4u * params.count) {
    return;
  }
  var state = KeccakState();
  state[0] = vec2<u32>(headerHashes[2u * i], headerHashes[2u * i + 1u]);
  absorb_end(&state, 2u);
  keccak_f(&state);
  for (var lane = 0u; lane < 4u; lane++) {
    sequences[8u * i + 2u * lane] = state[lane].x;
    sequences[8u * i + 2u * lane + 1u] = state[lane].y;
  }
}
