// What the products share. A workgroup owns ROWS rows of one hash and runs all four slices for them:
// rows of the running matrix never mix.
//
// Block b of BLOCKS owns the rows r · BLOCKS + b. The end of a hash folds row i with row i + 128, then
// with row i + 64, and so on: so a workgroup folds its own rows to one, and 256 bytes leave it
// instead of ROWS · 256.
//
// Rows are kept in word order (tables.wgsl): word j is made of the columns j, j + 64, j + 128, j + 192.

const BLOCKS = 256u / ROWS;

/// 32 words a hash: the names of the matrices, slice by slice.
@group(0) @binding(0) var<storage, read> sequences: array<u32>;
/// What a slice starts from, by its first matrix: 64 words a row.
@group(0) @binding(2) var<storage, read> first: array<u32>;
/// 64 words a block: what is left of its rows.
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;

/// The name of the matrix of step 0 … 63; a slice runs through its sequence twice.
fn matrix_of(hash: u32, slice: u32, step: u32) -> u32 {
  let i = step & 31u;
  return (sequences[hash * 32u + slice * 8u + (i >> 2u)] >> ((i & 3u) * 8u)) & 0xffu;
}
