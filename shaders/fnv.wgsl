// FNV-1 with a whole word, which folds two rows of the summed matrix into one.

fn fnv(a: u32, b: u32) -> u32 {
  return (a * 0x01000193u) ^ b;
}

fn fnv4(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  return (a * 0x01000193u) ^ b;
}
