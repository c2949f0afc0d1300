// How fast matrix units alone are: TILES tiles of results in each of SUBGROUPS subgroups, added to TURNS
// times. The factors are whatever lies at the start of the buffer.
// Constants besides: SUBGROUP_SIZE; TILE_M, TILE_N, TILE_K; PER_VEC4 and COMPONENT where not in the own file.

alias Left = subgroup_matrix_left<COMPONENT, TILE_K, TILE_M>;
alias Right = subgroup_matrix_right<COMPONENT, TILE_N, TILE_K>;
alias Result = subgroup_matrix_result<RESULT, TILE_N, TILE_M>;

const THREADS = SUBGROUPS * SUBGROUP_SIZE;

@group(0) @binding(0) var<storage, read_write> out: array<vec4<u32>>;

var<workgroup> factors: array<vec4<u32>, max(TILE_M, TILE_N) * TILE_K / PER_VEC4>;

@compute @workgroup_size(THREADS)
fn measure_peak(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) t: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  const LENGTH = u32(max(TILE_M, TILE_N) * TILE_K / PER_VEC4);
  for (var i = t; i < LENGTH; i += u32(THREADS)) {
    factors[i] = out[i];
  }
  workgroupBarrier();
  let works = subgroup < SUBGROUPS;
  var acc: array<Result, TILES>;
  if (works) {
    let left = subgroupMatrixLoad<Left, row_major>(&factors, 0u, TILE_K / PER_VEC4);
    let right = subgroupMatrixLoad<Right, col_major>(&factors, 0u, TILE_K / PER_VEC4);
    for (var i = 0u; i < TILES; i++) {
      acc[i] = Result();
    }
    for (var turn = 0u; turn < TURNS; turn++) {
      for (var i = 0u; i < TILES; i++) {
        acc[i] = subgroupMatrixMultiplyAccumulate(left, right, acc[i]);
      }
    }
    // All of them to one place: nothing may be left out, but nobody reads it.
    let at = (group.x * SUBGROUPS + subgroup) * TILE_M * TILE_N / 4u;
    for (var i = 0u; i < TILES; i++) {
      subgroupMatrixStore<row_major>(&out, at, acc[i], TILE_N / 4u);
    }
  }
}
