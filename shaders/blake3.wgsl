// BLAKE3 digests of many chunks of one buffer, plain or keyed: a thread for each leaf of 1 KiB, then a
// workgroup for each chunk that merges its leaves in pairs.
// Spec: format-spec §4.5; https://github.com/BLAKE3-team/BLAKE3-specs §2. Twin: src/codec/blake3.ts (hashChunks).
//
// Bindings, group 0 (n chunks, m leaves of all of them together):
//   0 parameters  uniform, Parameters
//   1 chunks      Chunk[n], in the order of their leaves, those of more than one leaf first
//   2 values      Value[m], chaining values of leaves; merge overwrites them
//   3 digests     Value[n], results
//   4 bytes       u32[], what the chunks lie in; leaves only
// Dispatch: leaves ⌈m / LEAVES_PER_GROUP⌉ workgroups, then merge one for each chunk of more than one leaf.
// Needed features: none. Workgroup memory: none.

override LEAVES_PER_GROUP: u32 = 64;
override MERGE_THREADS: u32 = 64;

const LEAF_BYTES = 1024u;
const BLOCK_BYTES = 64u;

// BLAKE3 §2.2, table 3.
const CHUNK_START = 1u;
const CHUNK_END = 2u;
const PARENT = 4u;
const ROOT = 8u;

// BLAKE3 §2.2, table 1: the IV of SHA-256, of which compression takes the first half.
const IV = vec4<u32>(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au);

struct Parameters {
  /** The key, or the IV where there is none. */
  start: Value,
  /** KEYED_HASH, or 0. */
  mode: u32,
  chunkCount: u32,
  leafCount: u32,
  /** Chunks of more than one leaf. */
  mergeCount: u32,
}

struct Chunk {
  /** Bytes. */
  offset: u32,
  length: u32,
  /** Number of leaves of the chunks before. */
  firstLeaf: u32,
  /** Index of its digest. */
  digest: u32,
}

/** A chaining value or digest: words 0–3 and 4–7. */
struct Value {
  low: vec4<u32>,
  high: vec4<u32>,
}

/** A block of 16 words in order. */
struct Block {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

/** The rows of the state of 4 × 4 words. */
struct Rows {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(2) var<storage, read_write> values: array<Value>;
@group(0) @binding(3) var<storage, read_write> digests: array<Value>;
@group(0) @binding(4) var<storage, read> bytes: array<u32>;

fn rotateRight(words: vec4<u32>, by: u32) -> vec4<u32> {
  return (words >> vec4(by)) | (words << vec4(32u - by));
}

/** Four G functions side by side, one in each column. */
fn mix(rows: Rows, x: vec4<u32>, y: vec4<u32>) -> Rows {
  var r = rows;
  r.a = r.a + r.b + x;
  r.d = rotateRight(r.d ^ r.a, 16u);
  r.c = r.c + r.d;
  r.b = rotateRight(r.b ^ r.c, 12u);
  r.a = r.a + r.b + y;
  r.d = rotateRight(r.d ^ r.a, 8u);
  r.c = r.c + r.d;
  r.b = rotateRight(r.b ^ r.c, 7u);
  return r;
}

/** One round: the columns, then the diagonals, which are columns while the rows are turned. */
fn round(rows: Rows, m: Block) -> Rows {
  var r = mix(rows, vec4(m.a.xz, m.b.xz), vec4(m.a.yw, m.b.yw));
  r = mix(Rows(r.a, r.b.yzwx, r.c.zwxy, r.d.wxyz), vec4(m.c.xz, m.d.xz), vec4(m.c.yw, m.d.yw));
  return Rows(r.a, r.b.wxyz, r.c.zwxy, r.d.yzwx);
}

/** BLAKE3 §2.2, table 2. Between unrolled rounds it renames registers and costs nothing. */
fn permute(m: Block) -> Block {
  return Block(
    vec4(m.a.z, m.b.z, m.a.w, m.c.z), // 2 6 3 10
    vec4(m.b.w, m.a.x, m.b.x, m.d.y), // 7 0 4 13
    vec4(m.a.y, m.c.w, m.d.x, m.b.y), // 1 11 12 5
    vec4(m.c.y, m.d.z, m.d.w, m.c.x), // 9 14 15 8
  );
}

/** @param counter index of the leaf in its chunk, below 2^32; 0 for parents */
fn compress(before: Value, block: Block, counter: u32, length: u32, flags: u32) -> Value {
  var r = Rows(before.low, before.high, IV, vec4(counter, 0u, length, flags));
  var m = block;
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  m = permute(m);
  r = round(r, m);
  return Value(r.a ^ r.c, r.b ^ r.d);
}

/** Four words at a byte position of which `shift` is the bits above a word; `next` is `at` one word on. */
fn align(at: vec4<u32>, next: vec4<u32>, shift: u32) -> vec4<u32> {
  // In two steps, since a shift by 32 would be one by 0.
  return (at >> vec4(shift)) | ((next << vec4(1u)) << vec4(31u - shift));
}

/** Of four words the first of which is byte `first` of a block: those bytes that lie before `length`, else 0. */
fn keep(words: vec4<u32>, first: i32, length: u32) -> vec4<u32> {
  let count = vec4<u32>(clamp(vec4<i32>(i32(length) - first) - vec4<i32>(0, 4, 8, 12), vec4<i32>(0), vec4<i32>(4)));
  return words & select((vec4(1u) << (8u * count)) - 1u, vec4(0xffffffffu), count == vec4(4u));
}

/** Index of the chunk that a leaf belongs to. */
fn chunkOf(leaf: u32) -> u32 {
  var low = 0u;
  var high = parameters.chunkCount;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (chunks[middle].firstLeaf <= leaf) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

@compute @workgroup_size(LEAVES_PER_GROUP)
fn leaves(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let leaf = (group.x + group.y * groups.x) * LEAVES_PER_GROUP + local;
  if (leaf >= parameters.leafCount) {
    return;
  }
  let chunk = chunks[chunkOf(leaf)];
  let counter = leaf - chunk.firstLeaf;
  let start = chunk.offset + counter * LEAF_BYTES;
  let length = min(chunk.length - counter * LEAF_BYTES, LEAF_BYTES);
  let shift = 8u * (start & 3u);

  var value = parameters.start;
  var flags = parameters.mode | CHUNK_START;
  var done = 0u;
  // What lies behind the leaf is read along, from whatever is there, and masked.
  var word = start / 4u;
  var at = bytes[word];
  loop {
    let w0 = vec4(at, bytes[word + 1u], bytes[word + 2u], bytes[word + 3u]);
    let w1 = vec4(bytes[word + 4u], bytes[word + 5u], bytes[word + 6u], bytes[word + 7u]);
    let w2 = vec4(bytes[word + 8u], bytes[word + 9u], bytes[word + 10u], bytes[word + 11u]);
    let w3 = vec4(bytes[word + 12u], bytes[word + 13u], bytes[word + 14u], bytes[word + 15u]);
    at = bytes[word + 16u];
    var block = Block(
      align(w0, vec4(w0.yzw, w1.x), shift),
      align(w1, vec4(w1.yzw, w2.x), shift),
      align(w2, vec4(w2.yzw, w3.x), shift),
      align(w3, vec4(w3.yzw, at), shift),
    );
    let left = length - done;
    if (left < BLOCK_BYTES) {
      block = Block(keep(block.a, 0, left), keep(block.b, 16, left), keep(block.c, 32, left), keep(block.d, 48, left));
    }
    let isLast = left <= BLOCK_BYTES;
    if (isLast) {
      flags |= CHUNK_END | select(0u, ROOT, chunk.length <= LEAF_BYTES);
    }
    value = compress(value, block, counter, min(left, BLOCK_BYTES), flags);
    if (isLast) {
      break;
    }
    flags = parameters.mode;
    done += BLOCK_BYTES;
    word += 16u;
  }
  if (chunk.length <= LEAF_BYTES) {
    digests[chunk.digest] = value;
  } else {
    values[leaf] = value;
  }
}

@compute @workgroup_size(MERGE_THREADS)
fn merge(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = group.x + group.y * groups.x;
  if (index >= parameters.mergeCount) {
    return;
  }
  let first = chunks[index].firstLeaf;
  let count = (chunks[index].length + LEAF_BYTES - 1u) / LEAF_BYTES;
  // At each level the nodes lie `stride` apart, and a parent takes the place of its left child: so no
  // thread writes what another reads, and an odd node is promoted by staying where it is.
  for (var stride = 1u; stride < count; stride *= 2u) {
    let isRoot = 2u * stride >= count;
    let pairs = (count + stride - 1u) / stride / 2u;
    for (var pair = local; pair < pairs; pair += MERGE_THREADS) {
      let at = first + 2u * pair * stride;
      let left = values[at];
      let right = values[at + stride];
      let flags = parameters.mode | PARENT | select(0u, ROOT, isRoot);
      let parent = compress(parameters.start, Block(left.low, left.high, right.low, right.high), 0u, BLOCK_BYTES, flags);
      if (isRoot) {
        digests[chunks[index].digest] = parent;
      } else {
        values[at] = parent;
      }
    }
    storageBarrier();
  }
}
