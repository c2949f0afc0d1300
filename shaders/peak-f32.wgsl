// How fast f32 multiply-adds alone are; see peak-dp4a.wgsl.

@group(0) @binding(0) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn measure_peak(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  // Below 1, so that the numbers neither overflow nor come to be denormal.
  let factor = vec4<f32>(1.0 - f32(t + 1u) * 0x1p-12);
  var acc: array<vec4<f32>, CHAINS>;
  for (var i = 0u; i < CHAINS; i++) {
    acc[i] = vec4<f32>(1.0, 2.0, 3.0, 4.0) * f32(i + 1u);
  }
  for (var turn = 0u; turn < TURNS; turn++) {
    for (var i = 0u; i < CHAINS; i++) {
      acc[i] = fma(acc[i], factor, vec4<f32>(1.0));
    }
  }
  var all = vec4<f32>();
  for (var i = 0u; i < CHAINS; i++) {
    all += acc[i];
  }
  out[group.x * THREADS + t] = all.x + all.y + all.z + all.w;
}
