// What the device does in 32-bit integer operations: a roof for the kernels of shaders. Eight independent chains of
// add, xor and rotation, as ChaCha20 and BLAKE3 have them: four operations a step (a rotation is counted as two shifts or one).
// Bindings: 0 out, array<u32>, a word for each invocation.

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

override STEPS: u32 = 256u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var a = vec4u(id.x, id.x + 1u, id.x + 2u, id.x + 3u);
  var b = vec4u(id.x + 4u, id.x + 5u, id.x + 6u, id.x + 7u);
  for (var i = 0u; i < STEPS; i++) {
    a += b;
    b ^= a;
    b = (b << vec4u(7u)) | (b >> vec4u(25u));
    b += a;
    a ^= b;
    a = (a << vec4u(16u)) | (a >> vec4u(16u));
  }
  out[id.x] = a.x ^ a.y ^ a.z ^ a.w ^ b.x ^ b.y ^ b.z ^ b.w;
}
