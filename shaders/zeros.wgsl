// Tells which blocks of files are all zeros; of runs of them holes are made.
// Spec: §4.3. Twin: src/codec/zeros.ts.
//
// A workgroup makes one word of flags: 32 blocks, each looked at by the threads of one row. A thread stops at the first
// 16 bytes that are not all zero, so that of most data next to nothing is read. Blocks start at any byte: the vectors
// in which one starts and ends are masked, those between are taken whole.
//
// Bindings:
//   0 bytes  vec4<u32>[bytes / 16]
//   1 flags  u32[words]: bit i of a word is its block i, 1 if all zeros, 0 where there is no such block
//   2 plan   the blocks of each word
// Features: none. Workgroup memory: 4 bytes.

override block_bytes: u32;

const THREADS = 256u;
const BLOCKS = 32u;
const ROW = THREADS / BLOCKS;
const VECTOR_BYTES = 16u;

struct Plan {
  word_count: u32,
  unused: u32,
  // For each word of flags: where its first block starts, and where its last one ends at the latest, in bytes.
  spans: array<vec2<u32>>,
}

@group(0) @binding(0) var<storage, read> bytes: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> flags: array<u32>;
@group(0) @binding(2) var<storage, read> plan: Plan;

var<workgroup> other: atomic<u32>;

// Ones in the first `count` bytes of a vector: none where it is negative, all from 16 on.
fn first_bytes(count: i32) -> vec4<u32> {
  let bits = clamp(vec4(8 * count) - vec4(0, 32, 64, 96), vec4(0), vec4(32));
  // A shift by 32 would be one by 0.
  return select((vec4(1u) << vec4<u32>(bits)) - vec4(1u), vec4(0xffffffffu), bits == vec4(32));
}

// What of the vector lies in start … end - 1, zeros for the rest.
fn masked(vector: u32, start: u32, end: u32) -> vec4<u32> {
  let at = vector * VECTOR_BYTES;
  return bytes[vector] & first_bytes(i32(end - at)) & ~first_bytes(i32(start - at));
}

fn is_zero(a: vec4<u32>) -> bool {
  return (a.x | a.y | a.z | a.w) == 0u;
}

// Whether `column`'s share of start … end - 1 is all zeros.
fn share_is_zero(start: u32, end: u32, column: u32) -> bool {
  let first = (start + VECTOR_BYTES - 1u) / VECTOR_BYTES;
  let last = end / VECTOR_BYTES;
  if !is_zero(masked(start / VECTOR_BYTES, start, end)) || !is_zero(masked(last, start, end)) { return false; }
  var at = first + column;
  // Four loads under way at once.
  for (; at + 3u * ROW < last; at += 4u * ROW) {
    if !is_zero(bytes[at] | bytes[at + ROW] | bytes[at + 2u * ROW] | bytes[at + 3u * ROW]) { return false; }
  }
  for (; at < last; at += ROW) {
    if !is_zero(bytes[at]) { return false; }
  }
  return true;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let word = group.y * groups.x + group.x;
  if word >= plan.word_count { return; }
  let span = plan.spans[word];
  let block = lane / ROW;
  let start = span.x + block * block_bytes;
  if start >= span.y || !share_is_zero(start, min(start + block_bytes, span.y), lane % ROW) {
    atomicOr(&other, 1u << block);
  }
  workgroupBarrier();
  if lane == 0u { flags[word] = ~atomicLoad(&other); }
}
