// How fast int8 dot products alone are: chains of them in registers. Each one feeds on the one before,
// so that none can be left out or taken out of the loop. Constants: THREADS, CHAINS, TURNS.

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(THREADS)
fn measure_peak(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  let factor = t * 0x01000193u;
  var acc: array<vec4<i32>, CHAINS>;
  for (var i = 0u; i < CHAINS; i++) {
    acc[i] = vec4<i32>(vec4<u32>(1u, 2u, 3u, 4u) * (factor + i));
  }
  for (var turn = 0u; turn < TURNS; turn++) {
    for (var i = 0u; i < CHAINS; i++) {
      let a = bitcast<vec4<u32>>(acc[i]);
      acc[i] += vec4<i32>(
        dot4I8Packed(a.x, factor), dot4I8Packed(a.y, factor),
        dot4I8Packed(a.z, factor), dot4I8Packed(a.w, factor));
    }
  }
  var all = vec4<i32>();
  for (var i = 0u; i < CHAINS; i++) {
    all ^= acc[i];
  }
  out[group.x * THREADS + t] = bitcast<u32>(all.x ^ all.y ^ all.z ^ all.w);
}
