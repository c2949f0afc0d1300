/** What also runs in a page: no Node built-ins, and at run time nothing but each other. */
export const BROWSER_SAFE: readonly string[] = [
  'src/util/bytes.ts',
  'src/util/errors.ts',
  'src/util/json.ts',
  'src/util/sha3.ts',
  'src/util/u256.ts',
  'src/web/',
  'src/tensority/params.ts',
  'src/tensority/seed.ts',
  'src/tensority/smix.ts',
  'src/tensority/matmul.ts',
  'src/tensority/table.ts',
  'src/tensority/reference.ts',
  'src/tensority/hasher.ts',
  'src/tensority/target.ts',
  'src/chain/',
  'drivers/webgpu/engine.ts',
];
