// How fast int8 dot products alone are: 8 factors by 8 in registers, as in a kernel, but without memory
// and barriers. Constants: THREADS, TURNS.

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(THREADS)
fn measure_peak(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
  var rows: array<vec4<f32>, 2>;
  var columns: array<vec4<u32>, 2>;
  var acc: array<vec4<i32>, 16>;
  for (var i = 0u; i < 2u; i++) {
    rows[i] = vec4<f32>(1.0, 1.25, 1.5, 1.75) + f32(2u * t + i) * 0x1p-20;
    columns[i] = vec4<u32>(0x9e3779b1u, 0x85ebca77u, 0xc2b2ae3du, 0x27d4eb2fu) * (2u * t + i + 1u);
  }
  for (var i = 0u; i < 16u; i++) {
    acc[i] = vec4<i32>();
  }
  for (var turn = 0u; turn < TURNS; turn++) {
    for (var i = 0u; i < 2u; i++) {
      // So that no product is the same in two turns, and can be taken out of the loop. As floats, because
      // most GPUs add these beside the integers.
      rows[i] += vec4<f32>(0x1p-10);
      let row = bitcast<vec4<u32>>(rows[i]);
      for (var j = 0u; j < 2u; j++) {
        let m = columns[j];
        for (var k = 0u; k < 4u; k++) {
          acc[8u * i + 4u * j + k] += vec4<i32>(
            dot4I8Packed(row[k], m.x), dot4I8Packed(row[k], m.y),
            dot4I8Packed(row[k], m.z), dot4I8Packed(row[k], m.w));
        }
      }
    }
  }
  var all = vec4<i32>();
  for (var i = 0u; i < 16u; i++) {
    all += acc[i] * i32(2u * i + 1u);
  }
  out[group.x * THREADS + t] = bitcast<u32>(all.x + all.y + all.z + all.w);
}
