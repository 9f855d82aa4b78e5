// Counts by which frames are told apart that no compressor shrinks: how often each byte value occurs in a fixed sample
// of the frame, and how many of its words of four bytes come back.
// Spec: none, a choice of the writer. Twin: src/codec/entropy.ts, the same counts.
//
// A workgroup counts one frame, a thread one position of each slice of the sample. What is compared with what depends
// on positions alone, never on which thread is first. The byte counts and the table of repeats share their memory, one
// after the other.
//
// Bindings:
//   0 plain   u32[bytes / 4], frames that start at multiples of 4 bytes
//   1 counts  u32[frames][257]: of the byte values 0 … 255, then of the repeats
//   2 plan    where the frames lie
// Features: none. Workgroup memory: 16 KiB.

const THREADS = 256u;
const SLICES = 64u;
// A position for each thread.
const SLICE_BYTES = THREADS;
const SAMPLE_BYTES = SLICES * SLICE_BYTES;
const WORD_BYTES = 4u;
const SLICE_WORDS = SLICE_BYTES - WORD_BYTES + 1u;
const SLOTS = 4096u;
const REPEATS = 256u;
const COUNTS = 257u;

struct Plan {
  frame_count: u32,
  unused: u32,
  // Offset in `plain` and length, in bytes.
  frames: array<vec2<u32>>,
}

@group(0) @binding(0) var<storage, read> plain: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read> plan: Plan;

var<workgroup> table: array<atomic<u32>, SLOTS>;

// Where a slice of the sample starts: spread evenly; slice by slice, all of the frame, where it is small.
fn slice_start(slice: u32, length: u32) -> u32 {
  return select(slice * SLICE_BYTES, slice * (length - SLICE_BYTES) / (SLICES - 1u), length > SAMPLE_BYTES);
}

// The four bytes from `offset` on.
fn word_at(offset: u32) -> u32 {
  let bits = (offset & 3u) * 8u;
  // In two steps, since a shift by 32 would be one by 0.
  return (plain[offset / 4u] >> bits) | ((plain[offset / 4u + 1u] << (31u - bits)) << 1u);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let frame = group.y * groups.x + group.x;
  if frame >= plan.frame_count { return; }
  let offset = plan.frames[frame].x;
  let length = plan.frames[frame].y;
  let slices = min((length + SLICE_BYTES - 1u) / SLICE_BYTES, SLICES);

  for (var slice = 0u; slice < slices; slice += 1u) {
    let at = slice_start(slice, length) + lane;
    if at < length {
      let byte = extractBits(plain[(offset + at) / 4u], ((offset + at) & 3u) * 8u, 8u);
      atomicAdd(&table[byte], 1u);
    }
  }
  workgroupBarrier();
  counts[frame * COUNTS + lane] = atomicLoad(&table[lane]);
  atomicStore(&table[lane], 0u);
  workgroupBarrier();

  var repeats = 0u;
  for (var slice = 0u; slice < slices; slice += 1u) {
    let at = slice_start(slice, length) + lane;
    let counts_here = at + WORD_BYTES <= length && (length <= SAMPLE_BYTES || lane < SLICE_WORDS);
    // Of what is no word any value will do.
    let hash = word_at(offset + at) * 0x9e3779b1u;
    let slot = hash >> 20u;
    // The greatest position wins, 1 being the first.
    let mine = ((slice * SLICE_BYTES + lane + 1u) << 18u) | (hash & 0x3ffffu);
    let before = atomicLoad(&table[slot]);
    workgroupBarrier();
    if counts_here { atomicMax(&table[slot], mine); }
    workgroupBarrier();
    let last = atomicLoad(&table[slot]);
    let other = select(last, before, last == mine);
    if counts_here && other != 0u && ((other ^ hash) & 0x3ffffu) == 0u { repeats += 1u; }
  }
  workgroupBarrier();
  if lane == 0u { atomicStore(&table[0], 0u); }
  workgroupBarrier();
  atomicAdd(&table[0], repeats);
  workgroupBarrier();
  if lane == 0u { counts[frame * COUNTS + REPEATS] = atomicLoad(&table[0]); }
}
