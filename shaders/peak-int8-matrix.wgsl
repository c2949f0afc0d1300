enable subgroups;
enable chromium_experimental_subgroup_matrix;
// See product-int8-matrix.wgsl.
diagnostic(off, chromium.subgroup_matrix_uniformity);

// How fast int8 matrix units alone are: peak-matrix.wgsl for int8.

alias COMPONENT = i8;
alias RESULT = i32;
const PER_VEC4 = 16u;
