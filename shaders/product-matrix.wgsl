// The products on matrix units, for any component type and tile: what product-int8-matrix.wgsl and
// product-float-matrix.wgsl have in common.
//
// A subgroup owns SPAN_ROWS × SPAN_COLUMNS results as tiles of TILE_M × TILE_N. Components cannot be
// reached inside a matrix, so after each product the tiles go to workgroup memory, from where threads
// read, fold and pack them. That memory is the same as the rows', which are dead by then; so the
// folded words stay in registers until all tiles are through, in PASSES passes.
//
// Constants: ROWS; SUBGROUPS, GRID_COLUMNS (how many of them lie side by side), SUBGROUP_SIZE (the
// largest that the device may choose), EXACT_SIZE (1: it has no other); TILE_M, TILE_N (8 or 16),
// TILE_K; PASS_UNITS. PER_VEC4 and the component types come from the own file or from the constants.

const THREADS = SUBGROUPS * SUBGROUP_SIZE;
const SPAN_ROWS = ROWS / (SUBGROUPS / GRID_COLUMNS);
const SPAN_COLUMNS = 256u / GRID_COLUMNS;
const TILES_DOWN = SPAN_ROWS / TILE_M;
const TILES_ACROSS = SPAN_COLUMNS / TILE_N;
const TILES = TILES_DOWN * TILES_ACROSS;
const K_STEPS = 256u / TILE_K;

/// Of rows, tiles and the table, all counted in vec4. A row has one vec4 more than it needs: so the
/// same column of consecutive rows lies in different banks.
const ROW_VEC4 = 256u / PER_VEC4;
const ROW_STRIDE = ROW_VEC4 + 1u;
const K_VEC4 = TILE_K / PER_VEC4;
const MATRIX_VEC4 = 256u * ROW_VEC4;
/// The tiles of the table are contiguous, those of one k side by side.
const TABLE_K_STEP = 256u * K_VEC4;

/// A unit is 16 columns wide, so that a row of it packs to one vec4: one tile, or two of 8 columns. Its
/// sums take 4 vec4 a row; the fifth again spreads the rows over the banks.
const UNIT_TILES = 16u / TILE_N;
const UNITS_ACROSS = SPAN_COLUMNS / 16u;
const UNITS = TILES / UNIT_TILES;
const UNIT_STRIDE = 5u;
const PASSES = UNITS / PASS_UNITS;
/// Rows of units that a pass folds, in TURNS turns of one a thread.
const PIECES = SUBGROUPS * PASS_UNITS * TILE_M;
const TURNS = (PIECES + THREADS - 1u) / THREADS;

alias Left = subgroup_matrix_left<COMPONENT, TILE_K, TILE_M>;
alias Right = subgroup_matrix_right<COMPONENT, TILE_N, TILE_K>;
alias Result = subgroup_matrix_result<RESULT, TILE_N, TILE_M>;

/// See `pack_tiles`.
@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;

/// The running rows, row-major; or sums of a pass; or, at the end, the summed slices, 16 vec4 a row.
var<workgroup> x: array<vec4<u32>, max(ROWS * ROW_STRIDE, PIECES * UNIT_STRIDE)>;

@compute @workgroup_size(THREADS)
fn multiply(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) t: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let block = group.x;
  let hash = group.y;
  // Where the device chose smaller subgroups there are more of them than there is work for.
  let works = EXACT_SIZE == 1 || subgroup < SUBGROUPS;
  let row0 = subgroup / GRID_COLUMNS * SPAN_ROWS;
  let column0 = subgroup % GRID_COLUMNS * SPAN_COLUMNS;
  let table0 = column0 * K_VEC4;
  let scratch0 = subgroup * PASS_UNITS * TILE_M * UNIT_STRIDE;

  var acc: array<Result, TILES>;
  var right: array<Right, TILES_ACROSS>;
  var ahead: array<Right, TILES_ACROSS>;
  var sum: array<vec4<u32>, PASSES * TURNS>;
  var kept: array<vec4<u32>, PASSES * TURNS>;
  for (var slice = 0u; slice < 4u; slice++) {
    load_first(matrix_of(hash, slice, 0u), block, t);
    workgroupBarrier();
    if (works) {
      let source = matrix_of(hash, slice, 1u) * MATRIX_VEC4 + table0;
      for (var j = 0u; j < TILES_ACROSS; j++) {
        ahead[j] = subgroupMatrixLoad<Right, col_major>(
          &table, source + j * TILE_N * K_VEC4, K_VEC4);
      }
    }
    for (var step = 1u; step < 64u; step++) {
      if (works) {
        let matrix = matrix_of(hash, slice, step) * MATRIX_VEC4 + table0;
        // The last step has no next one; any matrix will do.
        let next = matrix_of(hash, slice, step + 1u) * MATRIX_VEC4 + table0;
        for (var i = 0u; i < TILES; i++) {
          acc[i] = Result();
        }
        for (var k = 0u; k < K_STEPS; k++) {
          // The table is far away: what the next turn needs is asked for before this one begins, even
          // across the fold of a step.
          for (var j = 0u; j < TILES_ACROSS; j++) {
            right[j] = ahead[j];
          }
          let source = select(matrix + (k + 1u) * TABLE_K_STEP, next, k + 1u == K_STEPS);
          for (var j = 0u; j < TILES_ACROSS; j++) {
            ahead[j] = subgroupMatrixLoad<Right, col_major>(
              &table, source + j * TILE_N * K_VEC4, K_VEC4);
          }
          for (var i = 0u; i < TILES_DOWN; i++) {
            let left = subgroupMatrixLoad<Left, row_major>(
              &x, (row0 + i * TILE_M) * ROW_STRIDE + k * K_VEC4, ROW_STRIDE);
            for (var j = 0u; j < TILES_ACROSS; j++) {
              acc[i * TILES_ACROSS + j] =
                subgroupMatrixMultiplyAccumulate(left, right[j], acc[i * TILES_ACROSS + j]);
            }
          }
        }
      }
      // Everyone has read the rows before anyone writes sums over them.
      workgroupBarrier();
      for (var round = 0u; round < PASSES; round++) {
        if (works) {
          for (var i = 0u; i < PASS_UNITS * UNIT_TILES; i++) {
            let at = scratch0 + i / UNIT_TILES * TILE_M * UNIT_STRIDE + i % UNIT_TILES * (TILE_N / 4u);
            subgroupMatrixStore<row_major>(
              &x, at, acc[round * PASS_UNITS * UNIT_TILES + i], UNIT_STRIDE);
          }
        }
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
          let piece = turn * THREADS + t;
          if (piece < PIECES) {
            let at = piece * UNIT_STRIDE;
            kept[round * TURNS + turn] = vec4<u32>(
              folded(x[at]), folded(x[at + 1u]), folded(x[at + 2u]), folded(x[at + 3u]));
          }
        }
        workgroupBarrier();
      }
      for (var i = 0u; i < PASSES * TURNS; i++) {
        let place = place_of(i, t);
        if (place.z == 1u) {
          put(place.x, place.y, kept[i]);
        }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < PASSES * TURNS; i++) {
      sum[i] = add_bytes4(sum[i], kept[i]);
    }
  }
  for (var i = 0u; i < PASSES * TURNS; i++) {
    let place = place_of(i, t);
    if (place.z == 1u) {
      x[place.x * 16u + place.y] = sum[i];
    }
  }
  reduce_rows(hash, block, t);
}

/// Row and vec4 (16 columns) that a thread folds in one turn of a pass, `i` = pass · TURNS + turn; z is 0
/// if it has none.
fn place_of(i: u32, t: u32) -> vec3<u32> {
  let piece = i % TURNS * THREADS + t;
  let unit = i / TURNS * PASS_UNITS + piece / TILE_M % PASS_UNITS;
  let subgroup = piece / (PASS_UNITS * TILE_M);
  let row = subgroup / GRID_COLUMNS * SPAN_ROWS + unit / UNITS_ACROSS * TILE_M + piece % TILE_M;
  let q = subgroup % GRID_COLUMNS * UNITS_ACROSS + unit % UNITS_ACROSS;
  return vec3<u32>(row, q, select(0u, 1u, piece < PIECES));
}

/// Fills x with the block's rows of the slice's first matrix.
fn load_first(matrix: u32, block: u32, t: u32) {
  for (var i = t; i < ROWS * 16u; i += THREADS) {
    let row = i >> 4u;
    let q = i & 15u;
    let at = (matrix * 256u + row * BLOCKS + block) * 64u + q * 4u;
    put(row, q, vec4<u32>(first[at], first[at + 1u], first[at + 2u], first[at + 3u]));
  }
}

/// Folds the summed slices to one row and writes it.
fn reduce_rows(hash: u32, block: u32, t: u32) {
  for (var half = ROWS / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    for (var i = t; i < half * 16u; i += THREADS) {
      x[i] = fnv4(x[i], x[i + half * 16u]);
    }
  }
  workgroupBarrier();
  for (var i = t; i < 64u; i += THREADS) {
    let word = x[i >> 2u];
    rows[(hash * BLOCKS + block) * 64u + i] = word[i & 3u];
  }
}
