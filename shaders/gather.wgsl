// Puts the chunks of each frame side by side: copies pieces of one buffer, at any alignment, into frames of another.
// Spec: §2, frame. Twin: src/codec/gather.ts.
//
// A workgroup writes one tile of a frame, a thread 16 bytes at a time: each comes of two aligned loads where one piece
// covers it, of two more for each piece that starts in it. Adjacent threads load and store adjacent bytes.
//
// Bindings:
//   0 source  vec4<u32>[bytes / 16]
//   1 target  vec4<u32>[bytes / 16]; written are the frames, zeros behind each up to a multiple of 64 bytes, and no more
//   2 plan    what is written where; see Frame
//   3 pieces  vec2<u32>[pieces] of all frames in order: where the piece ends in its frame, and what is to be added,
//             modulo 2^32, to a position in the frame to get the offset in the source
// Features: none. Workgroup memory: none.

override tile_vectors: u32;

const THREADS = 256u;
const VECTOR_BYTES = 16u;
const PAD_BYTES = 64u;

struct Frame {
  first_tile: u32,
  // Of its start in the target, in vectors.
  target_vector: u32,
  // In bytes; not 0.
  length: u32,
  first_piece: u32,
  last_piece: u32,
}

struct Plan {
  tile_count: u32,
  frame_count: u32,
  frames: array<Frame>,
}

@group(0) @binding(0) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> target_frames: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> plan: Plan;
@group(0) @binding(3) var<storage, read> pieces: array<vec2<u32>>;

// The last frame that starts at `tile` or before.
fn find_frame(tile: u32) -> u32 {
  var low = 0u;
  var high = plan.frame_count - 1u;
  while low < high {
    let middle = (low + high + 1u) / 2u;
    if plan.frames[middle].first_tile <= tile { low = middle; } else { high = middle - 1u; }
  }
  return low;
}

// Of pieces first … last, the first that ends behind `position`; `last` if none does.
fn find_piece(first: u32, last: u32, position: u32) -> u32 {
  var low = first;
  var high = last;
  while low < high {
    let middle = (low + high) / 2u;
    if pieces[middle].x > position { high = middle; } else { low = middle + 1u; }
  }
  return low;
}

// Ones in the first `count` bytes of a vector: none where it is negative, all from 16 on.
fn first_bytes(count: i32) -> vec4<u32> {
  let bits = clamp(vec4(8 * count) - vec4(0, 32, 64, 96), vec4(0), vec4(32));
  // A shift by 32 would be one by 0.
  return select((vec4(1u) << vec4<u32>(bits)) - vec4(1u), vec4(0xffffffffu), bits == vec4(32));
}

// The 16 bytes from `offset` on. Those outside of the buffer have any value.
fn load(offset: i32) -> vec4<u32> {
  // -16 < offset, if only a later part of the vector is wanted.
  let a = source[offset >> 4u];
  let b = source[(offset >> 4u) + 1];
  let two = (offset & 8) != 0;
  let one = (offset & 4) != 0;
  let c = select(a, vec4(a.zw, b.xy), two);
  let d = select(b.xy, b.zw, two);
  let low = select(c, vec4(c.yzw, d.x), one);
  let next = select(d.x, d.y, one);
  let bits = vec4(u32(offset & 3) * 8u);
  // In two steps, since a shift by 32 would be one by 0.
  return (low >> bits) | ((vec4(low.yzw, next) << (31u - bits)) << vec4(1u));
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = group.y * groups.x + group.x;
  if tile >= plan.tile_count { return; }
  let frame = plan.frames[find_frame(tile)];
  let tile_bytes = tile_vectors * VECTOR_BYTES;
  let start = (tile - frame.first_tile) * tile_bytes;
  // The same in all threads: most tiles have one piece, and no thread has to search any more.
  let tile_first = find_piece(frame.first_piece, frame.last_piece, start);
  let tile_last = find_piece(tile_first, frame.last_piece, start + tile_bytes - 1u);
  let end = min(start + tile_bytes, (frame.length + PAD_BYTES - 1u) & ~(PAD_BYTES - 1u));
  for (var position = start + lane * VECTOR_BYTES; position < end; position += THREADS * VECTOR_BYTES) {
    var index = find_piece(tile_first, tile_last, position);
    var piece = pieces[index];
    var value = load(bitcast<i32>(position + piece.y));
    while piece.x < position + VECTOR_BYTES && index < tile_last {
      let before = first_bytes(i32(piece.x - position));
      index += 1u;
      piece = pieces[index];
      value = (value & before) | (load(bitcast<i32>(position + piece.y)) & ~before);
    }
    value &= first_bytes(i32(frame.length) - i32(position));
    target_frames[frame.target_vector + position / VECTOR_BYTES] = value;
  }
}
