// How fast f32 multiply-adds alone are: 16 factors by 4 in registers, as in a kernel, but without memory
// and barriers. Constants: THREADS, TURNS.

@group(0) @binding(0) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(THREADS)
fn measure_peak(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  var columns = vec4<u32>(0x3f800000u, 0x3f900000u, 0x3fa00000u, 0x3fb00000u) + vec4<u32>(t);
  var rows: array<f32, 16>;
  var acc: array<vec4<f32>, 16>;
  for (var i = 0u; i < 16u; i++) {
    rows[i] = f32(16u * t + i + 1u) * 0x1p-16;
    acc[i] = vec4<f32>();
  }
  for (var turn = 0u; turn < TURNS; turn++) {
    // So that no product is the same in two turns, and can be taken out of the loop. As integers, because
    // most GPUs add these beside the floats.
    columns += vec4<u32>(1u);
    for (var i = 0u; i < 16u; i++) {
      acc[i] = fma(vec4<f32>(rows[i]), bitcast<vec4<f32>>(columns), acc[i]);
    }
  }
  var all = vec4<f32>();
  for (var i = 0u; i < 16u; i++) {
    all += acc[i] * f32(i + 1u);
  }
  out[group.x * THREADS + t] = all.x + all.y + all.z + all.w;
}
