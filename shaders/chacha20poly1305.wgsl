// ChaCha20-Poly1305 over whole blocks of an archive in place, several of any lengths at once: a thread for each
// 64 bytes of keystream; Poly1305 by 256 lanes for each segment of a message, which are then added in pairs.
// Spec: format-spec §5.3; RFC 8439 §2.3–§2.8. Twin: src/codec/aead.ts (sealInto, openInto).
//
// A block is the associated data, always 64 bytes (the block header), and the text after it.
//
// Bindings, group 0 (n frames; each entry point has those that it uses):
//   0 batch     uniform, Batch
//   1 frames    Frame[n]
//   2 secrets   Secrets[n]; written by derive, then read
//   3 partials  Limbs, one for each segment of all frames; written by absorb, then read
//   4 blocks    vec4<u32>[], what the blocks lie in
//   5 tags      vec4<u32>[n]; seal writes them, check compares with them
//   6 verdicts  u32[n], 1: the tag is right, 0: it is wrong; written by check, read by decrypt
// Dispatch, seal: derive ⌈n / 64⌉, encrypt batch.spans, absorb batch.segments, seal n workgroups.
//           open: derive ⌈n / 64⌉, absorb batch.segments, check n, decrypt batch.spans workgroups.
// Needed features: none. Workgroup memory: 5,120 bytes in absorb, seal and check, else none.

/** Bytes of associated data, right before the text and padded to whole 16 bytes with zeros. */
override AAD_BYTES: u32 = 64;
/** 16-byte blocks that a lane takes of a segment, as a power of two; 4 at most. */
override STEPS_LOG2: u32 = 4;
/** Poly1305 without the rest: the key is the one-time key, and no lengths follow the message. For tests. */
override MAC_ALONE: bool = false;

const LANES = 256u;
const LANES_LOG2 = 8u;
const FRAMES_PER_GROUP = 64u;
/** Powers r^(2^k) that the largest STEPS_LOG2 needs: to the stride of seal and check over segments. */
const LEVELS = 2u * LANES_LOG2 + 4u + 1u;

struct Batch {
  key: array<vec4<u32>, 2>,
  frames: u32,
  /** Workgroups of encrypt and decrypt, and of absorb. */
  spans: u32,
  segments: u32,
}

struct Frame {
  /** Of the block, in units of 16 bytes. */
  offset: u32,
  /** Of the text, bytes. */
  length: u32,
  /** Spans and segments of the frames before. */
  firstSpan: u32,
  firstSegment: u32,
  nonce: vec3<u32>,
}

/**
 * A residue modulo p = 2^130 − 5 in limbs of 13 bits, lowest first. WGSL has no product of 64 bits; so small
 * are the limbs that a whole column of products fits into 32.
 */
struct Limbs {
  l0: u32, l1: u32, l2: u32, l3: u32, l4: u32, l5: u32, l6: u32, l7: u32, l8: u32, l9: u32,
}

struct Secrets {
  /** r^(2^k) at k. */
  powers: array<Limbs, LEVELS>,
  s: vec4<u32>,
}

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> frames: array<Frame>;
@group(0) @binding(2) var<storage, read_write> derived: array<Secrets>;
@group(0) @binding(2) var<storage, read> secrets: array<Secrets>;
@group(0) @binding(3) var<storage, read_write> absorbed: array<Limbs>;
@group(0) @binding(3) var<storage, read> partials: array<Limbs>;
@group(0) @binding(4) var<storage, read_write> blocks: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> messages: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> tags: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> givenTags: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> found: array<u32>;
@group(0) @binding(6) var<storage, read> verdicts: array<u32>;

/** The last frame that starts at or before this workgroup; those without a span are passed over. */
fn frameOf(group: u32, inSegments: bool) -> u32 {
  var low = 0u;
  var high = batch.frames;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (select(frames[middle].firstSpan, frames[middle].firstSegment, inSegments) <= group) { low = middle; } else { high = middle; }
  }
  return low;
}

fn ceilDivide(n: u32, log2: u32) -> u32 {
  return (n >> log2) + select(0u, 1u, (n & ((1u << log2) - 1u)) != 0u);
}

/** Ones for those of bytes 16·quarter … 16·quarter + 15 that are below `bytes`. */
fn maskBelow(bytes: u32, quarter: u32) -> vec4<u32> {
  let start = vec4<i32>(0, 4, 8, 12) + i32(16u * quarter);
  let kept = vec4<u32>(clamp(vec4<i32>(i32(min(bytes, 64u))) - start, vec4<i32>(0), vec4<i32>(4)));
  return select((vec4<u32>(1u) << (8u * kept)) - 1u, vec4<u32>(0xffffffffu), kept == vec4<u32>(4u));
}

// ---- ChaCha20, RFC 8439 §2.1–§2.4

/** The rows of the state: a quarter round of all columns at once is made of vector operations. */
struct Rows {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn rotate(x: vec4<u32>, bits: u32) -> vec4<u32> {
  return (x << vec4<u32>(bits)) | (x >> vec4<u32>(32u - bits));
}

fn quarterRounds(x: Rows) -> Rows {
  var a = x.a + x.b;
  var d = rotate(x.d ^ a, 16u);
  var c = x.c + d;
  var b = rotate(x.b ^ c, 12u);
  a += b;
  d = rotate(d ^ a, 8u);
  c += d;
  b = rotate(b ^ c, 7u);
  return Rows(a, b, c, d);
}

/** Columns, then diagonals: rows turned so that these are columns, and back. */
fn doubleRound(x: Rows) -> Rows {
  let y = quarterRounds(x);
  let z = quarterRounds(Rows(y.a, y.b.yzwx, y.c.zwxy, y.d.wxyz));
  return Rows(z.a, z.b.wxyz, z.c.zwxy, z.d.yzwx);
}

fn keystream(nonce: vec3<u32>, counter: u32) -> Rows {
  let start = Rows(vec4<u32>(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u), batch.key[0], batch.key[1], vec4<u32>(counter, nonce));
  var x = doubleRound(start);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  x = doubleRound(x);
  return Rows(x.a + start.a, x.b + start.b, x.c + start.c, x.d + start.d);
}

/** 64 bytes of text; of the last ones, what lies beyond the text stays as it was. */
fn cipher(frame: Frame, part: u32) {
  if (part >= ceilDivide(frame.length, 6u)) { return; }
  // §2.8: the keystream of the text starts with counter 1.
  let stream = keystream(frame.nonce, part + 1u);
  let at = frame.offset + 4u + 4u * part;
  let left = frame.length - 64u * part;
  if (left >= 64u) {
    blocks[at] ^= stream.a;
    blocks[at + 1u] ^= stream.b;
    blocks[at + 2u] ^= stream.c;
    blocks[at + 3u] ^= stream.d;
  } else {
    blocks[at] ^= stream.a & maskBelow(left, 0u);
    blocks[at + 1u] ^= stream.b & maskBelow(left, 1u);
    blocks[at + 2u] ^= stream.c & maskBelow(left, 2u);
    blocks[at + 3u] ^= stream.d & maskBelow(left, 3u);
  }
}

fn withhold(frame: Frame, part: u32) {
  if (part >= ceilDivide(frame.length, 6u)) { return; }
  let left = frame.length - 64u * part;
  for (var quarter = 0u; quarter < 4u; quarter++) {
    blocks[frame.offset + 4u + 4u * part + quarter] &= ~maskBelow(left, quarter);
  }
}

@compute @workgroup_size(LANES)
fn encrypt(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= batch.spans) { return; }
  let frame = frames[frameOf(group, false)];
  cipher(frame, (group - frame.firstSpan) * LANES + lane);
}

@compute @workgroup_size(LANES)
fn decrypt(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= batch.spans) { return; }
  let index = frameOf(group, false);
  let frame = frames[index];
  let part = (group - frame.firstSpan) * LANES + lane;
  if (verdicts[index] == 1u) { cipher(frame, part); } else { withhold(frame, part); }
}

// ---- Poly1305, RFC 8439 §2.5

const LIMB_BITS = 13u;
const LIMB_MASK = 0x1fffu;

fn limbsOf(words: vec4<u32>, top: u32) -> Limbs {
  return Limbs(
    words.x & LIMB_MASK,
    (words.x >> 13u) & LIMB_MASK,
    ((words.x >> 26u) | (words.y << 6u)) & LIMB_MASK,
    (words.y >> 7u) & LIMB_MASK,
    ((words.y >> 20u) | (words.z << 12u)) & LIMB_MASK,
    (words.z >> 1u) & LIMB_MASK,
    (words.z >> 14u) & LIMB_MASK,
    ((words.z >> 27u) | (words.w << 5u)) & LIMB_MASK,
    (words.w >> 8u) & LIMB_MASK,
    (words.w >> 21u) | top,
  );
}

/** A 16-byte block of the message, with the bit beyond it. Every one is whole: AEAD pads with zeros. */
fn blockLimbs(words: vec4<u32>) -> Limbs {
  return limbsOf(words, 1u << 11u);
}

/** Modulo 2^128. */
fn wordsOf(h: Limbs) -> vec4<u32> {
  return vec4<u32>(
    h.l0 | (h.l1 << 13u) | (h.l2 << 26u),
    (h.l2 >> 6u) | (h.l3 << 7u) | (h.l4 << 20u),
    (h.l4 >> 12u) | (h.l5 << 1u) | (h.l6 << 14u) | (h.l7 << 27u),
    (h.l7 >> 5u) | (h.l8 << 8u) | (h.l9 << 21u),
  );
}

/** Carries upwards once; the top limb keeps what it has above 13 bits. */
fn carryUp(sums: Limbs) -> Limbs {
  let l1 = sums.l1 + (sums.l0 >> LIMB_BITS);
  let l2 = sums.l2 + (l1 >> LIMB_BITS);
  let l3 = sums.l3 + (l2 >> LIMB_BITS);
  let l4 = sums.l4 + (l3 >> LIMB_BITS);
  let l5 = sums.l5 + (l4 >> LIMB_BITS);
  let l6 = sums.l6 + (l5 >> LIMB_BITS);
  let l7 = sums.l7 + (l6 >> LIMB_BITS);
  let l8 = sums.l8 + (l7 >> LIMB_BITS);
  let l9 = sums.l9 + (l8 >> LIMB_BITS);
  return Limbs(
    sums.l0 & LIMB_MASK, l1 & LIMB_MASK, l2 & LIMB_MASK, l3 & LIMB_MASK, l4 & LIMB_MASK,
    l5 & LIMB_MASK, l6 & LIMB_MASK, l7 & LIMB_MASK, l8 & LIMB_MASK, l9,
  );
}

/** What is above 2^130 comes in again at the bottom, five times. */
fn carryAround(sums: Limbs) -> Limbs {
  let h = carryUp(sums);
  let l0 = h.l0 + 5u * (h.l9 >> LIMB_BITS);
  return Limbs(l0 & LIMB_MASK, h.l1 + (l0 >> LIMB_BITS), h.l2, h.l3, h.l4, h.l5, h.l6, h.l7, h.l8, h.l9 & LIMB_MASK);
}

/**
 * h·r + m modulo p, limbs below 2^13 but for l1, which is at most 8,511.
 *
 * Exact for such h, r and m: a column has ten products, at most nine of them five-fold, so it is at most
 * 46 · 8,511² + 8,511 + 2^19 (carried in) < 2^32. The carry out of l9 is then below 2^19, and five times that
 * with l0 carries at most 320 into l1: 8,191 + 320.
 */
fn multiplyAdd(h: Limbs, r: Limbs, m: Limbs) -> Limbs {
  let t1 = 5u * r.l1;
  let t2 = 5u * r.l2;
  let t3 = 5u * r.l3;
  let t4 = 5u * r.l4;
  let t5 = 5u * r.l5;
  let t6 = 5u * r.l6;
  let t7 = 5u * r.l7;
  let t8 = 5u * r.l8;
  let t9 = 5u * r.l9;
  return carryAround(Limbs(
    m.l0 + h.l0 * r.l0 + h.l1 * t9 + h.l2 * t8 + h.l3 * t7 + h.l4 * t6 + h.l5 * t5 + h.l6 * t4 + h.l7 * t3 + h.l8 * t2 + h.l9 * t1,
    m.l1 + h.l0 * r.l1 + h.l1 * r.l0 + h.l2 * t9 + h.l3 * t8 + h.l4 * t7 + h.l5 * t6 + h.l6 * t5 + h.l7 * t4 + h.l8 * t3 + h.l9 * t2,
    m.l2 + h.l0 * r.l2 + h.l1 * r.l1 + h.l2 * r.l0 + h.l3 * t9 + h.l4 * t8 + h.l5 * t7 + h.l6 * t6 + h.l7 * t5 + h.l8 * t4 + h.l9 * t3,
    m.l3 + h.l0 * r.l3 + h.l1 * r.l2 + h.l2 * r.l1 + h.l3 * r.l0 + h.l4 * t9 + h.l5 * t8 + h.l6 * t7 + h.l7 * t6 + h.l8 * t5 + h.l9 * t4,
    m.l4 + h.l0 * r.l4 + h.l1 * r.l3 + h.l2 * r.l2 + h.l3 * r.l1 + h.l4 * r.l0 + h.l5 * t9 + h.l6 * t8 + h.l7 * t7 + h.l8 * t6 + h.l9 * t5,
    m.l5 + h.l0 * r.l5 + h.l1 * r.l4 + h.l2 * r.l3 + h.l3 * r.l2 + h.l4 * r.l1 + h.l5 * r.l0 + h.l6 * t9 + h.l7 * t8 + h.l8 * t7 + h.l9 * t6,
    m.l6 + h.l0 * r.l6 + h.l1 * r.l5 + h.l2 * r.l4 + h.l3 * r.l3 + h.l4 * r.l2 + h.l5 * r.l1 + h.l6 * r.l0 + h.l7 * t9 + h.l8 * t8 + h.l9 * t7,
    m.l7 + h.l0 * r.l7 + h.l1 * r.l6 + h.l2 * r.l5 + h.l3 * r.l4 + h.l4 * r.l3 + h.l5 * r.l2 + h.l6 * r.l1 + h.l7 * r.l0 + h.l8 * t9 + h.l9 * t8,
    m.l8 + h.l0 * r.l8 + h.l1 * r.l7 + h.l2 * r.l6 + h.l3 * r.l5 + h.l4 * r.l4 + h.l5 * r.l3 + h.l6 * r.l2 + h.l7 * r.l1 + h.l8 * r.l0 + h.l9 * t9,
    m.l9 + h.l0 * r.l9 + h.l1 * r.l8 + h.l2 * r.l7 + h.l3 * r.l6 + h.l4 * r.l5 + h.l5 * r.l4 + h.l6 * r.l3 + h.l7 * r.l2 + h.l8 * r.l1 + h.l9 * r.l0,
  ));
}

/** r and s of each frame (§2.6), and r^(2^k): a thread for each frame. */
@compute @workgroup_size(FRAMES_PER_GROUP)
fn derive(@builtin(global_invocation_id) id: vec3<u32>) {
  let index = id.x;
  if (index >= batch.frames) { return; }
  var r = batch.key[0];
  var s = batch.key[1];
  if (!MAC_ALONE) {
    let first = keystream(frames[index].nonce, 0u);
    r = first.a;
    s = first.b;
  }
  derived[index].s = s;
  // §2.5: some bits of r are clear.
  var power = limbsOf(r & vec4<u32>(0x0fffffffu, 0x0ffffffcu, 0x0ffffffcu, 0x0ffffffcu), 0u);
  derived[index].powers[0] = power;
  for (var level = 1u; level < LEVELS; level++) {
    power = multiplyAdd(power, power, Limbs());
    derived[index].powers[level] = power;
  }
}

var<workgroup> slots: array<Limbs, LANES / 2u>;

/**
 * The sum over all lanes of own · x^(255 − lane), in lane 0, where x^(2^k) is at `level` + k: eight times the
 * upper half of the lanes hands what it has to the lower.
 */
fn addLanes(own: Limbs, lane: u32, frame: u32, level: u32) -> Limbs {
  var sum = own;
  for (var k = LANES_LOG2; k > 0u; k--) {
    let half = 1u << (k - 1u);
    // Asked for here, it is on its way while the lanes wait for each other.
    let power = secrets[frame].powers[level + k - 1u];
    if (lane >= half && lane < 2u * half) { slots[lane - half] = sum; }
    workgroupBarrier();
    if (lane < half) { sum = multiplyAdd(sum, power, slots[lane]); }
    workgroupBarrier();
  }
  return sum;
}

/** 16-byte blocks of associated data and text. */
fn blockCount(frame: Frame) -> u32 {
  return ceilDivide(AAD_BYTES, 4u) + ceilDivide(frame.length, 4u);
}

fn messageBlock(frame: Frame, block: u32, count: u32) -> Limbs {
  var words = messages[frame.offset + 4u - ceilDivide(AAD_BYTES, 4u) + block];
  let beyond = frame.length & 15u;
  if (block == count - 1u && beyond != 0u) { words &= maskBelow(beyond, 0u); }
  return blockLimbs(words);
}

/**
 * The polynomial of each segment. Segments are counted from the end of the message, so that the powers are
 * the same for all: blocks that the first one lacks are zeros before the message, which add nothing.
 */
@compute @workgroup_size(LANES)
fn absorb(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = id.y * groups.x + id.x;
  if (group >= batch.segments) { return; }
  let index = frameOf(group, true);
  let frame = frames[index];
  let count = blockCount(frame);
  let absent = (ceilDivide(count, LANES_LOG2 + STEPS_LOG2) << (LANES_LOG2 + STEPS_LOG2)) - count;
  var at = ((group - frame.firstSegment) << (LANES_LOG2 + STEPS_LOG2)) + lane;
  let stride = secrets[index].powers[LANES_LOG2];
  var sum = Limbs();
  if (at >= absent) { sum = messageBlock(frame, at - absent, count); }
  for (var step = 1u; step < (1u << STEPS_LOG2); step++) {
    at += LANES;
    if (at >= absent) { sum = multiplyAdd(sum, stride, messageBlock(frame, at - absent, count)); }
  }
  sum = addLanes(sum, lane, index, 0u);
  if (lane == 0u) { absorbed[group] = sum; }
}

/** The tag of a frame, in lane 0. */
fn tagOf(index: u32, lane: u32) -> vec4<u32> {
  let frame = frames[index];
  let level = LANES_LOG2 + STEPS_LOG2;
  let segments = ceilDivide(blockCount(frame), level);
  let absent = (ceilDivide(segments, LANES_LOG2) << LANES_LOG2) - segments;
  let stride = secrets[index].powers[level + LANES_LOG2];
  var sum = Limbs();
  for (var at = lane; at < absent + segments; at += LANES) {
    if (at >= absent) { sum = multiplyAdd(sum, stride, partials[frame.firstSegment + at - absent]); }
  }
  sum = addLanes(sum, lane, index, level);
  let r = secrets[index].powers[0];
  // §2.8: the lengths are the last block.
  if (!MAC_ALONE) { sum = multiplyAdd(sum, r, blockLimbs(vec4<u32>(AAD_BYTES, 0u, frame.length, 0u))); }
  return addModulo128(wordsOf(reduce(multiplyAdd(sum, r, Limbs()))), secrets[index].s);
}

/** The one value below p, for what multiplyAdd gives: that is at most 2^130 + 320 · 2^13, so below 2p. */
fn reduce(h: Limbs) -> Limbs {
  var above = h;
  above.l0 += 5u;
  // h + 5 reaches 2^130 if h is p or more; then h − p = h + 5 − 2^130.
  var least = h;
  least.l0 += 5u * (carryUp(above).l9 >> LIMB_BITS);
  least = carryUp(least);
  least.l9 &= LIMB_MASK;
  return least;
}

fn addModulo128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  var sum = a + b;
  let carries = select(vec3<u32>(0u), vec3<u32>(1u), sum.xyz < a.xyz);
  sum.y += carries.x;
  let second = carries.y | select(0u, 1u, sum.y < carries.x);
  sum.z += second;
  let third = carries.z | select(0u, 1u, sum.z < second);
  sum.w += third;
  return sum;
}

@compute @workgroup_size(LANES)
fn seal(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = id.y * groups.x + id.x;
  if (index >= batch.frames) { return; }
  let tag = tagOf(index, lane);
  if (lane == 0u) { tags[index] = tag; }
}

@compute @workgroup_size(LANES)
fn check(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = id.y * groups.x + id.x;
  if (index >= batch.frames) { return; }
  let wrong = tagOf(index, lane) ^ givenTags[index];
  if (lane == 0u) { found[index] = select(0u, 1u, (wrong.x | wrong.y | wrong.z | wrong.w) == 0u); }
}
