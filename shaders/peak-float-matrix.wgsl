enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
// See product-int8-matrix.wgsl.
diagnostic(off, chromium.subgroup_matrix_uniformity);

// How fast floating-point matrix units alone are: peak-matrix.wgsl for f16 and f32.

alias RESULT = f32;
