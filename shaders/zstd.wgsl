// zstd frames (RFC 8878) from matches found in parallel.
// Spec: format-spec §7, codec 2. Oracle: the decoders of src/codec/zstd.ts; a compressor has no bit-exact twin.
//
// A frame is cut into parts of 65,536 bytes; each becomes one zstd block, made by one workgroup:
//   index      each part: its latest position of every hash
//   spread     each frame: what a part starts from is the latest position in all parts before it
//   search     each part: matches anywhere before in the frame, tile by tile; literals packed, counted; sequences listed
//   literals   each part: literals section, Huffman where it pays
//   sequences  each part: codes, tables, state chain, sequences section; header of the block
//   place      each frame: where each block goes, length of the payload
//   pack       each part: head and body into the frame; a frame that does not shrink is copied
//
// Bindings (array<u32> where nothing else is said):
//   0 plain    frames at byte offsets that are multiples of 65,536
//   1 parts    vec4 each: byte offset of the frame in `plain`; offset in the frame; length; flags (below)
//   2 frames   vec4 each: byte offset in `plain` | store in bit 0; length; byte offset in `blocks`; first part
//   3 tables   per part 2 << HASH_BITS words: positions + 1 by hash (index … search), then FSE codes and states (sequences)
//   4 work     per part WORK_WORDS: sequences, literals, body, counts, head, facts
//   5 blocks   payloads, whole words written, zero after the last byte
//   6 lengths  u32 per frame: bytes of the payload, 0 = stored
//   7 sizes    uniform: number of parts, of frames
// Core WGSL only. Workgroup memory: search 12.4 KiB, literals 15.8 KiB, sequences 14.3 KiB, others 5 KiB at most.

/** log2 of the entries of each of the two tables of a part; 13 at least, for what takes their place in `sequences`. */
override HASH_BITS: u32 = 15u;

const PART: u32 = 65536u;
const GROUP: u32 = 256u;
const NONE: u32 = 0xffffffffu;

// Flags of a part; its frame is `flags >> 2`.
const LAST: u32 = 1u;
const STORE: u32 = 2u;

// `work` of a part, in words.
const MAX_SEQUENCES: u32 = 8192u;
const LITERALS_AT: u32 = 16384u;
const BODY_AT: u32 = 32768u;
const BODY_WORDS: u32 = 16640u;
const COUNTS_AT: u32 = 49408u;
const HEAD_AT: u32 = 49664u;
const FACTS_AT: u32 = 49856u;
const WORK_WORDS: u32 = 49920u;

// Facts of a part.
const HEAD_LENGTH: u32 = 0u;
const BODY_LENGTH: u32 = 1u;
const KIND: u32 = 2u;
const SEQUENCES: u32 = 3u;
const LITERALS: u32 = 4u;
const TARGET: u32 = 5u;
const SECTION: u32 = 6u;

// RFC 8878 §3.1.1.2.2.
const RAW: u32 = 0u;
const RLE: u32 = 1u;
const COMPRESSED: u32 = 2u;

@group(0) @binding(0) var<storage, read> plain: array<u32>;
@group(0) @binding(1) var<storage, read> parts: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> frames: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> tables: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> work: array<u32>;
@group(0) @binding(5) var<storage, read_write> blocks: array<u32>;
@group(0) @binding(6) var<storage, read_write> lengths: array<u32>;
@group(0) @binding(7) var<uniform> sizes: vec2<u32>;

fn plain_word(at: u32) -> u32 {
  let i = at >> 2u;
  let shift = (at & 3u) * 8u;
  return select((plain[i] >> shift) | (plain[i + 1u] << (32u - shift)), plain[i], shift == 0u);
}

// ---- sums over a workgroup ------------------------------------------------------------------------------------------

var<workgroup> sums: array<u32, 512>;
var<workgroup> shared_word: u32;

/** Inclusive prefix sum. Two halves in turn, so that each step needs one barrier only. */
fn scan(lid: u32, value: u32) -> u32 {
  var sum = value;
  var half = 0u;
  for (var d = 1u; d < GROUP; d <<= 2u) {
    sums[half + lid] = sum;
    workgroupBarrier();
    if (lid >= d) { sum += sums[half + lid - d]; }
    if (lid >= 2u * d) { sum += sums[half + lid - 2u * d]; }
    if (lid >= 3u * d) { sum += sums[half + lid - 3u * d]; }
    half ^= GROUP;
  }
  return sum;
}

/** What the last invocation holds. */
fn of_last(lid: u32, value: u32) -> u32 {
  if (lid == GROUP - 1u) { shared_word = value; }
  return workgroupUniformLoad(&shared_word);
}

// ---- a stream of bits that the workgroup writes together ------------------------------------------------------------

var<workgroup> stage: array<atomic<u32>, 768>;

/** Words of the body that are complete, and bits that wait in `stage`. */
struct Stream { words: u32, bits: u32 }

/** Adds up to 96 bits at a bit of `stage`; those beyond the ones meant must be 0. */
fn put(at: u32, value: vec3<u32>) {
  let i = at >> 5u;
  let shift = at & 31u;
  // Shifts are by 31 at most: by 1 more for those that would be by 32.
  let over = (value >> vec3(31u - shift)) >> vec3(1u);
  let low = value << vec3(shift);
  let all = vec4(low.x, low.y | over.x, low.z | over.y, over.z);
  if (all.x != 0u) { atomicOr(&stage[i], all.x); }
  if (all.y != 0u) { atomicOr(&stage[i + 1u], all.y); }
  if (all.z != 0u) { atomicOr(&stage[i + 2u], all.z); }
  if (all.w != 0u) { atomicOr(&stage[i + 3u], all.w); }
}

/** Appends `more` bits after those of `value`. */
fn join(value: vec3<u32>, length: u32, more: u32) -> vec3<u32> {
  let shift = length & 31u;
  let low = more << shift;
  let high = select(more >> (32u - shift), 0u, shift == 0u);
  var all = value;
  if (length < 32u) { all.x |= low; all.y |= high; }
  else if (length < 64u) { all.y |= low; all.z |= high; }
  else { all.z |= low; }
  return all;
}

/** Empties `stage` but for its last, incomplete word. Uniform control flow, and a barrier before what comes after in `stage`. */
fn flush(lid: u32, body: u32, stream: Stream) -> Stream {
  workgroupBarrier();
  let full = stream.bits >> 5u;
  for (var i = lid; i < full; i += GROUP) {
    // What does not fit here is longer than the part, which then is stored.
    if (stream.words + i < BODY_WORDS) { work[body + stream.words + i] = atomicLoad(&stage[i]); }
    atomicStore(&stage[i], 0u);
  }
  if (lid == 0u && full > 0u) { atomicStore(&stage[0], atomicExchange(&stage[full], 0u)); }
  return Stream(stream.words + full, stream.bits & 31u);
}

// ---- index, spread --------------------------------------------------------------------------------------------------

/** Bytes that the hash of the first table covers, and that a position needs to be entered in either. */
const LONG: u32 = 8u;

fn hash(low: u32, high: u32) -> u32 {
  let mixed = (low ^ (high * 0x85ebca77u)) * 0x9e3779b1u;
  return ((mixed ^ (mixed >> 15u)) * 0xc2b2ae3du) >> (32u - HASH_BITS);
}

fn long_hash(low: u32, high: u32) -> u32 { return hash(low, high); }

/** Of 5 bytes; the second table follows the first. */
fn short_hash(low: u32, high: u32) -> u32 { return (1u << HASH_BITS) + hash(low + 0x165667b1u, high & 0xffu); }

@compute @workgroup_size(256)
fn index(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let part = group.x + group.y * groups.x;
  if (part >= sizes.x) { return; }
  let p = parts[part];
  if ((p.w & STORE) != 0u) { return; }
  let table = part * (2u << HASH_BITS);
  for (var i = lid; i < (2u << HASH_BITS); i += GROUP) { atomicStore(&tables[table + i], 0u); }
  storageBarrier();
  // A byte repeated makes a block of type RLE, and needs no search.
  let start = p.x + p.y;
  let first = (plain[start >> 2u] & 0xffu) * 0x01010101u;
  var mixed = 0u;
  let length = frames[p.w >> 2u].y;
  for (var i = lid; i < p.z; i += GROUP) {
    let low = plain_word(start + i);
    mixed |= (low ^ first) & 0xffu;
    if (p.y + i + LONG <= length) {
      let high = plain_word(start + i + 4u);
      atomicMax(&tables[table + long_hash(low, high)], p.y + i + 1u);
      atomicMax(&tables[table + short_hash(low, high)], p.y + i + 1u);
    }
  }
  if (lid == 0u) { atomicStore(&stage[0], 0u); }
  workgroupBarrier();
  if (mixed != 0u) { atomicStore(&stage[0], 1u); }
  workgroupBarrier();
  if (lid == 0u) { work[part * WORK_WORDS + FACTS_AT + KIND] = select(RLE, COMPRESSED, atomicLoad(&stage[0]) != 0u); }
}

@compute @workgroup_size(256)
fn spread(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let slices = (2u << HASH_BITS) / GROUP;
  let id = group.x + group.y * groups.x;
  let frame = id / slices;
  if (frame >= sizes.y) { return; }
  let f = frames[frame];
  if ((f.x & 1u) != 0u) { return; }
  let entry = id % slices * GROUP + lid;
  let count = (f.y + PART - 1u) / PART;
  var latest = 0u;
  for (var i = 0u; i < count; i++) {
    let at = (f.w + i) * (2u << HASH_BITS) + entry;
    let own = codes[at];
    codes[at] = latest;
    // Positions rise from part to part.
    latest = select(own, latest, own == 0u);
  }
}

// ---- search ---------------------------------------------------------------------------------------------------------

/** Up to where each invocation measures its own matches; a longer one that is chosen is measured by all. */
const CAP: u32 = 32u;

// In the unit of `score`: what a match must save, how much more the next one must for it to be passed over, and what the
// offset of the match before is worth.
const MIN_SCORE: i32 = 20;
const LAZY: i32 = 11;
const REPEATED: i32 = 12;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> near: array<atomic<u32>, 1024>;
var<workgroup> words: array<u32, 256>;
var<workgroup> match_length: array<u32, 256>;
var<workgroup> match_offset: array<u32, 256>;
var<workgroup> match_score: array<i32, 257>;
var<workgroup> takeable: array<atomic<u32>, 8>;
var<workgroup> starts: array<u32, 8>;
var<workgroup> literal: array<atomic<u32>, 8>;
var<workgroup> equal: atomic<u32>;
var<workgroup> latest_offset: u32;
var<workgroup> found: u32;

/** Length of what is equal from two places on, up to `most`. */
fn measure(a: u32, b: u32, most: u32) -> u32 {
  for (var n = 0u; n < most; n += 4u) {
    let differ = plain_word(a + n) ^ plain_word(b + n);
    if (differ != 0u) { return min(n + (countTrailingZeros(differ) >> 3u), most); }
  }
  return most;
}

/** Marks an answer of the choosing invocation that asks for the length of a match. */
const ASKED: u32 = 0x80000000u;

struct Match { score: i32, length: u32, offset: u32 }

/** Roughly half bits saved: a literal costs 5.5 bits, a sequence about 10 and its offset. */
fn score(length: u32, offset: u32) -> i32 {
  return i32(11u * length) - 2 * i32(firstLeadingBit(offset));
}

/**
 * Offset of the nearest equal word in the tile, 0 if none was found. Bits of `places` tell which eights of the tile hold
 * a word with the same hash.
 */
fn near_offset(lid: u32, word: u32, places: u32) -> u32 {
  let eight = lid >> 3u;
  for (var i = lid; i > eight << 3u; i--) {
    if (words[i - 1u] == word) { return lid + 1u - i; }
  }
  let earlier = places & ((1u << eight) - 1u);
  if (earlier == 0u) { return 0u; }
  let first = firstLeadingBit(earlier) << 3u;
  for (var i = first + 8u; i > first; i--) {
    if (words[i - 1u] == word) { return lid + 1u - i; }
  }
  return 0u;
}

@compute @workgroup_size(256)
fn search(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let part = group.x + group.y * groups.x;
  if (part >= sizes.x) { return; }
  let p = parts[part];
  let own = part * WORK_WORDS;
  if (lid == 0u) { shared_word = select(work[own + FACTS_AT + KIND], RAW, (p.w & STORE) != 0u); }
  if (workgroupUniformLoad(&shared_word) != COMPRESSED) { return; }

  let table = part * (2u << HASH_BITS);
  let start = p.x + p.y;
  let end = p.z;
  let length = frames[p.w >> 2u].y;

  atomicStore(&counts[lid], 0u);
  if (lid < 72u) { atomicStore(&stage[lid], 0u); }
  for (var k = lid; k < 1024u; k += GROUP) { atomicStore(&near[k], 0u); }
  if (lid == 0u) { found = 0u; latest_offset = 1u; match_score[256] = 0; }
  workgroupBarrier();
  // The first literal that no sequence has; invocation 0 alone knows it.
  var anchor = 0u;
  var packed = Stream(0u, 0u);

  // The first byte that no match covers.
  var begin = 0u;

  for (var base = 0u; base < end; base += GROUP) {
    let i = base + lid;
    let at = start + i;
    let low = plain_word(at);
    let high = plain_word(at + 4u);
    let is_hashed = i < end && p.y + i + LONG <= length;
    let long_at = table + long_hash(low, high);
    let short_at = table + short_hash(low, high);
    if (begin >= base + GROUP) {
      // Within a long match: nothing to find.
      if (is_hashed) {
        atomicMax(&tables[long_at], p.y + i + 1u);
        atomicMax(&tables[short_at], p.y + i + 1u);
      }
      storageBarrier();
      continue;
    }
    if (lid < 8u) { atomicStore(&takeable[lid], 0u); atomicStore(&literal[lid], 0u); starts[lid] = 0u; }
    // Matches end with the part: a block stands for itself.
    let most = min(CAP, end - min(i, end));
    var best = Match(MIN_SCORE, 0u, 0u);
    words[lid] = low;
    let near_at = (low * 0x9e3779b1u) >> 22u;
    if (is_hashed) { atomicOr(&near[near_at], 1u << (lid >> 3u)); }
    workgroupBarrier();
    if (is_hashed && i >= begin) {
      let position = p.y + i;
      // All at once, so that their latencies overlap.
      let offsets = vec4(
        position + 1u - atomicLoad(&tables[long_at]), position + 1u - atomicLoad(&tables[short_at]),
        near_offset(lid, low, atomicLoad(&near[near_at])), latest_offset);
      // An empty entry gives an offset before the start.
      let is_within = (offsets != vec4(0u)) & (offsets <= vec4(position));
      let sources = select(vec4(at), at - offsets, is_within);
      let is_first = vec4(true, offsets.y != offsets.x, true, true);
      let is_equal = is_within & is_first
        & (vec4(plain_word(sources.x), plain_word(sources.y), plain_word(sources.z), plain_word(sources.w)) == vec4(low));
      for (var k = 0u; k < 4u; k++) {
        if (!is_equal[k]) { continue; }
        let matched = measure(at, sources[k], most);
        let saved = score(matched, offsets[k]) + select(0, REPEATED, k == 3u);
        if (matched >= 4u && saved > best.score) { best = Match(saved, matched, offsets[k]); }
      }
    }
    match_length[lid] = best.length;
    match_offset[lid] = best.offset;
    match_score[lid] = select(0, best.score, best.length > 0u);
    workgroupBarrier();
    // What the tables held was read before any of it is raised: the barrier above orders workgroup memory alone.
    storageBarrier();
    if (best.length > 0u && (best.length == CAP || match_score[lid + 1u] <= best.score + LAZY)) {
      atomicOr(&takeable[lid >> 5u], 1u << (lid & 31u));
    }
    atomicStore(&near[near_at], 0u);
    if (is_hashed) {
      atomicMax(&tables[long_at], p.y + i + 1u);
      atomicMax(&tables[short_at], p.y + i + 1u);
    }
    workgroupBarrier();

    // Greedy choice by one invocation, which asks the others where a match is longer than they looked.
    var at_choice = max(begin, base) - base;
    let tile_begin = begin;
    var measured = NONE;
    loop {
      if (lid == 0u) {
        shared_word = NONE;
        while (at_choice < GROUP && found < MAX_SEQUENCES) {
          var word = at_choice >> 5u;
          var bits = atomicLoad(&takeable[word]) & (NONE << (at_choice & 31u));
          while (bits == 0u && word < 7u) { word++; bits = atomicLoad(&takeable[word]); }
          if (bits == 0u) { break; }
          let chosen = word * 32u + countTrailingZeros(bits);
          let chosen_length = match_length[chosen];
          if (chosen_length == CAP && measured != chosen) { shared_word = ASKED | chosen; at_choice = chosen; break; }
          let offset = match_offset[chosen];
          work[own + 2u * found] = (base + chosen - anchor) | ((chosen_length - 3u) << 16u);
          work[own + 2u * found + 1u] = offset;
          found++;
          starts[word] |= 1u << (chosen & 31u);
          latest_offset = offset;
          at_choice = chosen + chosen_length;
          anchor = base + at_choice;
        }
        if (shared_word == NONE) { shared_word = anchor; }
      }
      let answer = workgroupUniformLoad(&shared_word);
      if ((answer & ASKED) == 0u) { begin = answer; break; }
      let chosen = answer ^ ASKED;
      let offset = match_offset[chosen];
      let longest = end - base - chosen;
      var reached = CAP;
      loop {
        if (lid == 0u) { atomicStore(&equal, NONE); }
        workgroupBarrier();
        let here = start + base + chosen + reached + 4u * lid;
        let differ = plain_word(here) ^ plain_word(here - offset);
        if (differ != 0u) { atomicMin(&equal, 4u * lid + (countTrailingZeros(differ) >> 3u)); }
        workgroupBarrier();
        if (lid == 0u) { shared_word = atomicLoad(&equal); }
        let same = workgroupUniformLoad(&shared_word);
        reached += min(same, 4u * GROUP);
        if (same != NONE || reached >= longest) { break; }
      }
      if (lid == 0u) { match_length[chosen] = min(reached, longest); }
      measured = chosen;
    }

    // A byte is a literal unless the last match that starts at or before it, or came from an earlier tile, covers it.
    var is_literal = i < end && i >= tile_begin;
    if (is_literal) {
      var word = lid >> 5u;
      var bits = starts[word] & (NONE >> (31u - (lid & 31u)));
      while (bits == 0u && word > 0u) { word--; bits = starts[word]; }
      if (bits != 0u) {
        let last = word * 32u + firstLeadingBit(bits);
        is_literal = lid >= last + match_length[last];
      }
    }
    if (is_literal) {
      atomicOr(&literal[lid >> 5u], 1u << (lid & 31u));
      atomicAdd(&counts[low & 0xffu], 1u);
    }
    workgroupBarrier();
    var rank = 0u;
    var total = 0u;
    for (var word = 0u; word < 8u; word++) {
      let bits = countOneBits(atomicLoad(&literal[word]));
      total += bits;
      if (word < (lid >> 5u)) { rank += bits; }
    }
    rank += countOneBits(atomicLoad(&literal[lid >> 5u]) & ((1u << (lid & 31u)) - 1u));
    if (is_literal) { put(packed.bits + 8u * rank, vec3(low & 0xffu, 0u, 0u)); }
    packed = flush(lid, own + LITERALS_AT, Stream(packed.words, packed.bits + 8u * total));
    storageBarrier();
  }
  workgroupBarrier();
  work[own + COUNTS_AT + lid] = atomicLoad(&counts[lid]);
  if (lid == 0u) {
    if (packed.bits > 0u) { work[own + LITERALS_AT + packed.words] = atomicLoad(&stage[0]); }
    work[own + FACTS_AT + SEQUENCES] = found;
    work[own + FACTS_AT + LITERALS] = 4u * packed.words + packed.bits / 8u;
  }
}

// ---- coding tables (FSE) --------------------------------------------------------------------------------------------

// Coding tables, RFC 8878 §4.1, as FSE keeps them for encoding: 64 symbols a table.
var<workgroup> cells: array<u32, 1280>;
var<workgroup> delta_bits: array<u32, 192>;
var<workgroup> delta_state: array<u32, 192>;
var<workgroup> norm: array<i32, 192>;
var<workgroup> symbol_count: array<atomic<u32>, 192>;
var<workgroup> accuracy: array<u32, 3>;
var<workgroup> mode: array<u32, 3>;
var<workgroup> description: array<u32, 240>;
var<workgroup> description_length: array<u32, 3>;
var<workgroup> symbol_state: array<u32, 3>;

/** Probabilities of `symbols` symbols with `symbol_count`, in parts of 1 << log, at least one each where there is any. */
fn normalize(table: u32, symbols: u32, count: u32, log: u32) {
  let size = 1u << log;
  var rest = i32(size);
  var largest = 0u;
  for (var s = 64u * table; s < 64u * table + symbols; s++) {
    let own = atomicLoad(&symbol_count[s]);
    norm[s] = select(i32(max(1u, (own * size + count / 2u) / count)), 0, own == 0u);
    rest -= norm[s];
    if (s == 64u * table || norm[s] > norm[largest]) { largest = s; }
  }
  if (rest > 0) { norm[largest] += rest; }
  while (rest < 0) {
    for (var s = 64u * table; s < 64u * table + symbols; s++) {
      if (norm[s] > norm[largest]) { largest = s; }
    }
    norm[largest]--;
    rest++;
  }
}

// Bytes of a description: invocation 64 × table writes those of its table.
var<private> waiting: u32;
var<private> waiting_bits: u32;
var<private> written: u32;

fn write_bits(table: u32, value: u32, bits: u32) {
  waiting |= value << waiting_bits;
  waiting_bits += bits;
  while (waiting_bits >= 8u) {
    description[80u * table + written] = waiting & 0xffu;
    written++;
    waiting >>= 8u;
    waiting_bits -= 8u;
  }
}

fn end_bits(table: u32) {
  if (waiting_bits > 0u) { write_bits(table, 0u, 8u - waiting_bits); }
}

/** FSE table description, RFC 8878 §4.1.1. */
fn describe(table: u32, symbols: u32, log: u32) {
  waiting = 0u;
  waiting_bits = 0u;
  written = 0u;
  write_bits(table, log - 5u, 4u);
  var rest = (1 << log) + 1;
  var threshold = 1 << log;
  var bits = log + 1u;
  var s = 0u;
  while (s < symbols && rest > 1) {
    let n = norm[64u * table + s];
    s++;
    let most = 2 * threshold - 1 - rest;
    rest -= abs(n);
    var value = n + 1;
    if (value >= threshold) { value += most; }
    write_bits(table, u32(value), select(bits, bits - 1u, value < most));
    while (rest < threshold) { bits--; threshold >>= 1u; }
    if (n == 0) {
      // How many more zeros follow, three a time.
      var zeros = 0u;
      while (s < symbols && norm[64u * table + s] == 0) { zeros++; s++; }
      for (; zeros >= 3u; zeros -= 3u) { write_bits(table, 3u, 2u); }
      write_bits(table, zeros, 2u);
    }
  }
  end_bits(table);
}

/** Coding table of `norm`, whose numbers add up to 1 << log. A cell holds its state below, the symbol of the cell above. */
fn build(table: u32, first_cell: u32, symbols: u32, log: u32) {
  let size = 1u << log;
  var high = size - 1u;
  var sum = 0u;
  for (var s = 0u; s < symbols; s++) {
    let n = norm[64u * table + s];
    delta_state[64u * table + s] = sum;
    if (n == -1) { cells[first_cell + high] = s << 16u; high--; }
    sum += u32(abs(n));
  }
  let step = (size >> 1u) + (size >> 3u) + 3u;
  var at = 0u;
  for (var s = 0u; s < symbols; s++) {
    for (var n = norm[64u * table + s]; n > 0; n--) {
      cells[first_cell + at] = s << 16u;
      at = (at + step) & (size - 1u);
      while (at > high) { at = (at + step) & (size - 1u); }
    }
  }
  for (var state = 0u; state < size; state++) {
    let s = 64u * table + (cells[first_cell + state] >> 16u);
    let cell = first_cell + delta_state[s];
    delta_state[s]++;
    cells[cell] = (cells[cell] & 0xffff0000u) | (size + state);
  }
  for (var s = 64u * table; s < 64u * table + symbols; s++) {
    let n = u32(abs(norm[s]));
    if (n == 0u) { continue; }
    // delta_state has come to the end of the cells of the symbol: both cases give its first cell less its number.
    delta_state[s] -= 2u * n;
    if (n == 1u) { delta_bits[s] = (log << 16u) - size; continue; }
    let most = log - firstLeadingBit(n - 1u);
    delta_bits[s] = (most << 16u) - (n << most);
  }
}

fn first_state(table: u32, symbol: u32) -> u32 {
  if (mode[table] == 1u) { return 1u; }
  let s = 64u * table + symbol;
  let bits = (delta_bits[s] + 0x8000u) >> 16u;
  let value = (bits << 16u) - delta_bits[s];
  return cells[cells_of(table) + (value >> bits) + delta_state[s]] & 0xffffu;
}

/** Bits to write for `symbol` in `state`: their number above, them below, and the next state. */
fn step_state(table: u32, symbol: u32, state: u32) -> vec2<u32> {
  let s = 64u * table + symbol;
  let bits = (state + delta_bits[s]) >> 16u;
  return vec2((bits << 9u) | (state & ((1u << bits) - 1u)), cells[cells_of(table) + (state >> bits) + delta_state[s]] & 0xffffu);
}

// ---- literals -------------------------------------------------------------------------------------------------------

var<workgroup> head: array<u32, 192>;

/** Bytes of the header of the frame, which stands before its first block; §7: with its content size, and that as its window. */
fn frame_header_length(p: vec4<u32>) -> u32 {
  if (p.y != 0u) { return 0u; }
  let length = frames[p.w >> 2u].y;
  return select(select(9u, 7u, length < 65792u), 6u, length < 256u);
}

fn write_frame_header(p: vec4<u32>) {
  if (p.y != 0u) { return; }
  let length = frames[p.w >> 2u].y;
  let flag = select(select(2u, 1u, length < 65792u), 0u, length < 256u);
  head[0] = 0x28u;
  head[1] = 0xb5u;
  head[2] = 0x2fu;
  head[3] = 0xfdu;
  head[4] = (flag << 6u) | 0x20u;
  let field = select(length, length - 256u, flag == 1u);
  head[5] = field & 0xffu;
  head[6] = (field >> 8u) & 0xffu;
  head[7] = (field >> 16u) & 0xffu;
  head[8] = field >> 24u;
}

/** Literals_Section_Header of literals that are not compressed, RFC 8878 §3.1.1.3.1.1. Returns its length. */
fn write_plain_header(at: u32, kind: u32, length: u32) -> u32 {
  if (length < 32u) { head[at] = kind | (length << 3u); return 1u; }
  if (length < 4096u) {
    let field = kind | (1u << 2u) | (length << 4u);
    head[at] = field & 0xffu;
    head[at + 1u] = field >> 8u;
    return 2u;
  }
  let field = kind | (3u << 2u) | (length << 4u);
  head[at] = field & 0xffu;
  head[at + 1u] = (field >> 8u) & 0xffu;
  head[at + 2u] = field >> 16u;
  return 3u;
}

// Huffman coding, RFC 8878 §4.2. While there is no other use for them, `cells` holds the symbols by rising count from
// ORDER_AT on, and from DEPTH_AT on their counts, in whose place come their depths in the tree.
const ORDER_AT: u32 = 256u;
const DEPTH_AT: u32 = 512u;
const MAX_DEPTH: u32 = 11u;

var<workgroup> depths: array<u32, 12>;

/**
 * Depths of a tree of least redundancy over at least two counts. Source: Moffat and Katajainen, In-place calculation of
 * minimum-redundancy codes, 1995.
 */
fn measure_depths(count: u32) {
  cells[DEPTH_AT] += cells[DEPTH_AT + 1u];
  var root = 0u;
  var leaf = 2u;
  for (var next = 1u; next < count - 1u; next++) {
    if (leaf >= count || cells[DEPTH_AT + root] < cells[DEPTH_AT + leaf]) {
      cells[DEPTH_AT + next] = cells[DEPTH_AT + root];
      cells[DEPTH_AT + root] = next;
      root++;
    } else {
      cells[DEPTH_AT + next] = cells[DEPTH_AT + leaf];
      leaf++;
    }
    if (leaf >= count || (root < next && cells[DEPTH_AT + root] < cells[DEPTH_AT + leaf])) {
      cells[DEPTH_AT + next] += cells[DEPTH_AT + root];
      cells[DEPTH_AT + root] = next;
      root++;
    } else {
      cells[DEPTH_AT + next] += cells[DEPTH_AT + leaf];
      leaf++;
    }
  }
  cells[DEPTH_AT + count - 2u] = 0u;
  for (var next = i32(count) - 3; next >= 0; next--) {
    cells[DEPTH_AT + u32(next)] = cells[DEPTH_AT + cells[DEPTH_AT + u32(next)]] + 1u;
  }
  var open = 1u;
  var inner = 0u;
  var depth = 0u;
  var node = i32(count) - 2;
  var next = count;
  while (open > 0u) {
    while (node >= 0 && cells[DEPTH_AT + u32(node)] == depth) { inner++; node--; }
    while (open > inner) { next--; cells[DEPTH_AT + next] = depth; open--; }
    open = 2u * inner;
    depth++;
    inner = 0u;
  }
}

/** Lengths of the codes into `words`, and how many have each into `depths`; none above MAX_DEPTH. Returns the longest. */
fn measure_codes(count: u32) -> u32 {
  measure_depths(count);
  for (var depth = 0u; depth <= MAX_DEPTH; depth++) { depths[depth] = 0u; }
  var sum = 0u;
  for (var i = 0u; i < count; i++) {
    let depth = min(cells[DEPTH_AT + i], MAX_DEPTH);
    depths[depth]++;
    sum += 1u << (MAX_DEPTH - depth);
  }
  // Shortened codes took more room than there is: a leaf moves one down, and makes room for one of the deepest beside it.
  for (; sum > 1u << MAX_DEPTH; sum--) {
    var depth = MAX_DEPTH - 1u;
    while (depths[depth] == 0u) { depth--; }
    depths[depth]--;
    depths[depth + 1u] += 2u;
    depths[MAX_DEPTH]--;
  }
  var i = 0u;
  var longest = 0u;
  for (var depth = MAX_DEPTH; depth > 0u; depth--) {
    if (longest == 0u && depths[depth] > 0u) { longest = depth; }
    for (var n = depths[depth]; n > 0u; n--) { words[cells[ORDER_AT + i]] = depth; i++; }
  }
  return longest;
}

fn weight(symbol: u32, longest: u32) -> u32 { return select(longest + 1u - words[symbol], 0u, words[symbol] == 0u); }

/** Huffman_Tree_Description of the weights of symbols 0 … count − 1, RFC 8878 §4.2.1. Returns its length, 0 if it cannot be had. */
fn describe_tree(at: u32, count: u32, longest: u32) -> u32 {
  for (var s = 0u; s <= MAX_DEPTH + 1u; s++) { atomicStore(&symbol_count[s], 0u); }
  for (var i = 0u; i < count; i++) { atomicAdd(&symbol_count[weight(i, longest)], 1u); }
  var kinds = 0u;
  for (var s = 0u; s <= MAX_DEPTH; s++) { kinds += select(0u, 1u, atomicLoad(&symbol_count[s]) != 0u); }
  written = NONE;
  if (kinds > 1u) {
    let log = clamp(firstLeadingBit(count) - 1u, 5u, 6u);
    normalize(0u, MAX_DEPTH + 1u, count, log);
    describe(0u, MAX_DEPTH + 1u, log);
    build(0u, 0u, MAX_DEPTH + 1u, log);
    mode[0] = 2u;
    // Two states in turn; RFC 8878 §4.2.1.2.
    var states = array<u32, 2>(0u, 0u);
    for (var i = count; i > 0u; i--) {
      let symbol = weight(i - 1u, longest);
      if (i + 2u > count) { states[(i - 1u) & 1u] = first_state(0u, symbol); continue; }
      let step = step_state(0u, symbol, states[(i - 1u) & 1u]);
      write_bits(0u, step.x & 0x1ffu, step.x >> 9u);
      states[(i - 1u) & 1u] = step.y;
    }
    write_bits(0u, states[1] & ((1u << log) - 1u), log);
    write_bits(0u, states[0] & ((1u << log) - 1u), log);
    write_bits(0u, 1u, 1u);
    end_bits(0u);
  }
  let direct = (count + 1u) / 2u;
  if (written < 128u && (written < direct || count > 128u)) {
    head[at] = written;
    for (var i = 0u; i < written; i++) { head[at + 1u + i] = description[i]; }
    return 1u + written;
  }
  if (count > 128u) { return 0u; }
  head[at] = 127u + count;
  for (var i = 0u; i < count; i += 2u) {
    head[at + 1u + i / 2u] = (weight(i, longest) << 4u) | select(0u, weight(i + 1u, longest), i + 1u < count);
  }
  return 1u + direct;
}

/** Literals_Section_Header of compressed literals, RFC 8878 §3.1.1.3.1.1. Its length depends on `count` alone. */
fn write_huffman_header(at: u32, count: u32, compressed: u32) {
  if (count < 1024u) {
    let field = COMPRESSED | (select(1u, 0u, count < 256u) << 2u) | (count << 4u) | (compressed << 14u);
    for (var i = 0u; i < 3u; i++) { head[at + i] = (field >> (8u * i)) & 0xffu; }
    return;
  }
  let is_short = count < 16384u;
  let field = COMPRESSED | (select(3u, 2u, is_short) << 2u) | (count << 4u) | (compressed << select(22u, 18u, is_short));
  for (var i = 0u; i < 4u; i++) { head[at + i] = (field >> (8u * i)) & 0xffu; }
  if (!is_short) { head[at + 4u] = compressed >> 10u; }
}

@compute @workgroup_size(256)
fn literals(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let part = group.x + group.y * groups.x;
  if (part >= sizes.x) { return; }
  let p = parts[part];
  if ((p.w & STORE) != 0u) { return; }
  let own = part * WORK_WORDS;
  let section = frame_header_length(p) + 3u;
  if (lid == 0u) { shared_word = select(0u, work[own + FACTS_AT + LITERALS], work[own + FACTS_AT + KIND] == COMPRESSED); }
  let count = workgroupUniformLoad(&shared_word);

  for (var i = lid; i < 768u; i += GROUP) { atomicStore(&stage[i], 0u); }
  let occurs = work[own + COUNTS_AT + lid];
  let key = (occurs << 8u) | lid;
  words[lid] = key;
  let used = of_last(lid, scan(lid, select(0u, 1u, occurs > 0u)));
  var rank = 0u;
  for (var i = 0u; i < GROUP; i++) { rank += select(0u, 1u, words[i] >= 256u && words[i] < key); }
  workgroupBarrier();
  if (occurs > 0u) { cells[ORDER_AT + rank] = lid; cells[DEPTH_AT + rank] = occurs; }
  words[lid] = 0u;
  workgroupBarrier();

  // Up to here Huffman does not pay for its table.
  var tree = 0u;
  var longest = 0u;
  let header = select(select(5u, 4u, count < 16384u), 3u, count < 1024u);
  let jumps = select(6u, 0u, count < 256u);
  if (lid == 0u) {
    write_frame_header(p);
    shared_word = 0u;
    if (count >= 64u && used > 1u) {
      longest = measure_codes(used);
      var last = 255u;
      while (words[last] == 0u) { last--; }
      shared_word = describe_tree(section + header, last, longest);
    }
  }
  tree = workgroupUniformLoad(&shared_word);
  let code_length = words[lid];
  let bits = of_last(lid, scan(lid, occurs * code_length));
  // Each of the streams ends with up to a byte of its own.
  let is_packed = tree > 0u && header + tree + jumps + bits / 8u + 4u < count;
  var head_length = section;
  var body_length = count;
  if (is_packed) {
    // Codes of the longest first, each length by symbol.
    var code = 0u;
    for (var depth = MAX_DEPTH; depth > code_length; depth--) { code = (code + depths[depth]) >> 1u; }
    for (var i = 0u; i < lid; i++) { code += select(0u, 1u, words[i] == code_length); }
    workgroupBarrier();
    words[lid] = code | (code_length << 16u);
    workgroupBarrier();
    var stream = Stream(0u, 0u);
    let streams = select(4u, 1u, jumps == 0u);
    let share = select((count + 3u) / 4u, count, jumps == 0u);
    var done = 0u;
    for (var k = 0u; k < streams; k++) {
      let first = k * share;
      let end = min(first + share, count);
      for (var base = end; base > first;) {
        let tile = min(base - first, 4u * GROUP);
        var value = vec3<u32>();
        var length = 0u;
        for (var i = 4u * lid; i < min(4u * lid + 4u, tile); i++) {
          let at = base - 1u - i;
          let packed = words[(work[own + LITERALS_AT + (at >> 2u)] >> ((at & 3u) * 8u)) & 0xffu];
          value = join(value, length, packed & 0xffffu);
          length += packed >> 16u;
        }
        base -= tile;
        // A 1 ends the stream, up to the next byte.
        if (base == first && lid == GROUP - 1u) { value = join(value, length, 1u); length++; }
        let sum = scan(lid, length);
        put(stream.bits + sum - length, value);
        let bits = stream.bits + of_last(lid, sum);
        stream = flush(lid, own + BODY_AT, Stream(stream.words, select(bits, (bits + 7u) & ~7u, base == first)));
      }
      let reached = 4u * stream.words + stream.bits / 8u;
      if (lid == 0u && k < 3u && jumps > 0u) {
        head[section + header + tree + 2u * k] = (reached - done) & 0xffu;
        head[section + header + tree + 2u * k + 1u] = (reached - done) >> 8u;
      }
      done = reached;
    }
    if (lid == 0u) {
      if (stream.bits > 0u) { work[own + BODY_AT + stream.words] = atomicLoad(&stage[0]); }
      write_huffman_header(section, count, tree + jumps + done);
    }
    head_length = section + header + tree + jumps;
    body_length = done;
  } else {
    if (lid == 0u) {
      shared_word = write_plain_header(section, select(RAW, RLE, used == 1u && count > 1u), count);
      if (used == 1u && count > 1u) { head[section + shared_word] = cells[ORDER_AT]; shared_word++; }
    }
    head_length = section + workgroupUniformLoad(&shared_word);
    body_length = select(count, 0u, used == 1u && count > 1u);
    for (var i = lid; i < (body_length + 3u) / 4u; i += GROUP) { work[own + BODY_AT + i] = work[own + LITERALS_AT + i]; }
  }
  workgroupBarrier();
  if (lid < head_length) { work[own + HEAD_AT + lid] = head[lid]; }
  if (lid == 0u) {
    work[own + FACTS_AT + HEAD_LENGTH] = head_length;
    work[own + FACTS_AT + SECTION] = body_length;
  }
}

// ---- sequences ------------------------------------------------------------------------------------------------------

// RFC 8878 §3.1.1.3.2.2; literals lengths, offsets, match lengths: 0, 1, 2.
const LITERALS_LENGTHS = array<i32, 36>(
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1);
const OFFSETS = array<i32, 29>(1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1);
const MATCH_LENGTHS = array<i32, 53>(
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1);

fn symbols_of(table: u32) -> u32 { return select(select(53u, 29u, table == 1u), 36u, table == 0u); }
fn cells_of(table: u32) -> u32 { return select(select(768u, 512u, table == 1u), 0u, table == 0u); }
fn default_norm(table: u32, symbol: u32) -> i32 {
  if (table == 0u) { return LITERALS_LENGTHS[symbol]; }
  if (table == 1u) { return OFFSETS[symbol]; }
  return MATCH_LENGTHS[symbol];
}

fn literals_code(n: u32) -> u32 {
  if (n < 16u) { return n; }
  if (n < 24u) { return 8u + (n >> 1u); }
  if (n < 32u) { return 14u + (n >> 2u); }
  if (n < 48u) { return 18u + (n >> 3u); }
  if (n < 64u) { return 24u; }
  return firstLeadingBit(n) + 19u;
}

fn literals_bits(code: u32) -> u32 {
  if (code < 16u) { return 0u; }
  if (code < 20u) { return 1u; }
  if (code < 22u) { return 2u; }
  if (code < 24u) { return 3u; }
  return select(code - 19u, 4u, code == 24u);
}

/** `n` is the length of the match less 3. */
fn match_code(n: u32) -> u32 {
  if (n < 32u) { return n; }
  if (n < 40u) { return 16u + (n >> 1u); }
  if (n < 48u) { return 26u + (n >> 2u); }
  if (n < 64u) { return 32u + (n >> 3u); }
  if (n < 96u) { return 36u + (n >> 4u); }
  if (n < 128u) { return 42u; }
  return firstLeadingBit(n) + 36u;
}

fn match_bits(code: u32) -> u32 {
  if (code < 32u) { return 0u; }
  if (code < 36u) { return 1u; }
  if (code < 38u) { return 2u; }
  if (code < 40u) { return 3u; }
  if (code < 42u) { return 4u; }
  return select(code - 36u, 5u, code == 42u);
}

/** What stands in the sequence for its offset: 1 repeats the one before, RFC 8878 §3.1.1.5; after no literals 1 means another. */
fn offset_value(own: u32, i: u32, literals: u32) -> u32 {
  let offset = work[own + 2u * i + 1u];
  if (i > 0u && literals > 0u && work[own + 2u * i - 1u] == offset) { return 1u; }
  return offset + 3u;
}

/** log2 in 1/256, interpolated. */
fn log2_256(n: u32) -> u32 {
  let whole = firstLeadingBit(n);
  return (whole << 8u) + ((n << 8u) >> whole) - 256u;
}

/** Bits that all symbols take with `norm`, about. */
fn cost(table: u32, log: u32) -> u32 {
  var all = 0u;
  for (var s = 64u * table; s < 64u * table + symbols_of(table); s++) {
    all += atomicLoad(&symbol_count[s]) * ((log << 8u) - log2_256(max(1u, u32(abs(norm[s])))));
  }
  return all >> 8u;
}

/** The cheapest of: one symbol only, a table of its own, the predefined one. RFC 8878 §3.1.1.3.2.1. */
fn choose_table(table: u32, count: u32) {
  let first = 64u * table;
  var kinds = 0u;
  var last = 0u;
  for (var s = 0u; s < symbols_of(table); s++) {
    if (atomicLoad(&symbol_count[first + s]) != 0u) { kinds++; last = s; }
  }
  description_length[table] = 0u;
  if (kinds == 1u && count > 2u) {
    mode[table] = 1u;
    accuracy[table] = 0u;
    cells[cells_of(table)] = 1u;
    delta_bits[first + last] = 0u;
    delta_state[first + last] = NONE;
    description[80u * table] = last;
    description_length[table] = 1u;
    return;
  }
  for (var s = 0u; s < symbols_of(table); s++) { norm[first + s] = default_norm(table, s); }
  let default_log = select(6u, 5u, table == 1u);
  let default_cost = cost(table, default_log);
  var log = default_log;
  mode[table] = 0u;
  if (kinds > 1u) {
    log = clamp(max(firstLeadingBit(count) - 2u, firstLeadingBit(kinds) + 1u), 5u, select(9u, 8u, table == 1u));
    normalize(table, last + 1u, count, log);
    for (var s = last + 1u; s < symbols_of(table); s++) { norm[first + s] = 0; }
    describe(table, last + 1u, log);
    if (cost(table, log) + 8u * written < default_cost) {
      mode[table] = 2u;
      description_length[table] = written;
    } else {
      log = default_log;
      for (var s = 0u; s < symbols_of(table); s++) { norm[first + s] = default_norm(table, s); }
    }
  }
  accuracy[table] = log;
  build(table, cells_of(table), symbols_of(table), log);
}

/** A byte at a byte boundary of `stage`. Invocation 0 alone. */
fn put_byte(at: u32, byte: u32) { atomicOr(&stage[at >> 2u], byte << ((at & 3u) * 8u)); }

@compute @workgroup_size(256)
fn sequences(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let part = group.x + group.y * groups.x;
  if (part >= sizes.x) { return; }
  let p = parts[part];
  if ((p.w & STORE) != 0u) { return; }
  let own = part * WORK_WORDS;
  let facts = own + FACTS_AT;
  let at_codes = part * (2u << HASH_BITS);
  if (lid == 0u) { shared_word = work[facts + KIND]; }
  let kind = workgroupUniformLoad(&shared_word);
  var body_length = 0u;
  if (kind == COMPRESSED) {
    if (lid == 0u) { shared_word = work[facts + SEQUENCES]; }
    let count = workgroupUniformLoad(&shared_word);
    if (lid == 0u) { shared_word = work[facts + SECTION]; }
    let section = workgroupUniformLoad(&shared_word);

    if (lid < 192u) { atomicStore(&symbol_count[lid], 0u); }
    for (var i = lid; i < 768u; i += GROUP) { atomicStore(&stage[i], 0u); }
    workgroupBarrier();
    for (var i = lid; i < count; i += GROUP) {
      let lengths = work[own + 2u * i];
      let literals = literals_code(lengths & 0xffffu);
      let offset = firstLeadingBit(offset_value(own, i, lengths & 0xffffu));
      let matched = match_code(lengths >> 16u);
      atomicAdd(&symbol_count[literals], 1u);
      atomicAdd(&symbol_count[64u + offset], 1u);
      atomicAdd(&symbol_count[128u + matched], 1u);
      codes[at_codes + 2u * i] = literals | (offset << 8u) | (matched << 16u);
    }
    workgroupBarrier();
    if (count > 0u && lid < 192u && (lid & 63u) == 0u) { choose_table(lid >> 6u, count); }
    storageBarrier();
    workgroupBarrier();

    // The section's head.
    var stream = Stream(section >> 2u, 8u * (section & 3u));
    if (lid == 0u) {
      if ((section & 3u) != 0u) { atomicStore(&stage[0], work[own + BODY_AT + (section >> 2u)] & ((1u << stream.bits) - 1u)); }
      var at = section & 3u;
      if (count < 128u) { put_byte(at, count); at += 1u; }
      else { put_byte(at, 128u + (count >> 8u)); put_byte(at + 1u, count & 0xffu); at += 2u; }
      if (count > 0u) {
        put_byte(at, (mode[0] << 6u) | (mode[1] << 4u) | (mode[2] << 2u));
        at++;
        for (var table = 0u; table < 3u; table++) {
          for (var i = 0u; i < description_length[table]; i++) { put_byte(at, description[80u * table + i]); at++; }
        }
      }
      shared_word = at;
    }
    stream.bits = 8u * workgroupUniformLoad(&shared_word);

    if (count > 0u) {
      // States follow from the last sequence to the first.
      if (lid == 0u) {
        let last = codes[at_codes + 2u * count - 2u];
        var literals = first_state(0u, last & 0xffu);
        var offset = first_state(1u, (last >> 8u) & 0xffu);
        var matched = first_state(2u, last >> 16u);
        codes[at_codes + 2u * count - 2u] = 0u;
        codes[at_codes + 2u * count - 1u] = 0u;
        // Each is read a round ahead: its latency is hidden behind the steps of the one before.
        var next = codes[at_codes + 2u * max(count, 2u) - 4u];
        for (var i = count - 1u; i > 0u; i--) {
          let code = next;
          next = codes[at_codes + 2u * max(i, 2u) - 4u];
          let offset_step = step_state(1u, (code >> 8u) & 0xffu, offset);
          let match_step = step_state(2u, code >> 16u, matched);
          let literals_step = step_state(0u, code & 0xffu, literals);
          offset = offset_step.y;
          matched = match_step.y;
          literals = literals_step.y;
          codes[at_codes + 2u * i - 2u] = literals_step.x | (match_step.x << 13u);
          codes[at_codes + 2u * i - 1u] = offset_step.x;
        }
        symbol_state[0] = literals & ((1u << accuracy[0]) - 1u);
        symbol_state[1] = offset & ((1u << accuracy[1]) - 1u);
        symbol_state[2] = matched & ((1u << accuracy[2]) - 1u);
      }
      storageBarrier();
      workgroupBarrier();
    }
    // The last sequence first; after the first comes the end of the stream.
    for (var base = 0u; base <= count; base += GROUP) {
      var value = vec3<u32>();
      var bits = 0u;
      if (base + lid < count) {
        let i = count - 1u - base - lid;
        let states = codes[at_codes + 2u * i];
        let offset_state = codes[at_codes + 2u * i + 1u];
        value.x = offset_state & 0x1ffu;
        bits = offset_state >> 9u;
        value = join(value, bits, (states >> 13u) & 0x1ffu);
        bits += states >> 22u;
        value = join(value, bits, states & 0x1ffu);
        bits += (states >> 9u) & 15u;
        let lengths = work[own + 2u * i];
        let literals_extra = literals_bits(literals_code(lengths & 0xffffu));
        value = join(value, bits, lengths & 0xffffu & ((1u << literals_extra) - 1u));
        bits += literals_extra;
        let match_extra = match_bits(match_code(lengths >> 16u));
        value = join(value, bits, (lengths >> 16u) & ((1u << match_extra) - 1u));
        bits += match_extra;
        let offset = offset_value(own, i, lengths & 0xffffu);
        let offset_extra = firstLeadingBit(offset);
        value = join(value, bits, offset & ((1u << offset_extra) - 1u));
        bits += offset_extra;
      }
      if (base + lid == count && count > 0u) {
        // Where the decoder starts, and a 1.
        for (var k = 3u; k > 0u; k--) {
          value = join(value, bits, symbol_state[k - 1u]);
          bits += accuracy[k - 1u];
        }
        value = join(value, bits, 1u);
        bits++;
      }
      let sum = scan(lid, bits);
      put(stream.bits + sum - bits, value);
      stream.bits += of_last(lid, sum);
      if (base + GROUP > count) {
        body_length = 4u * stream.words + (stream.bits + 7u) / 8u;
        // Whole words: up to 3 bytes of 0 more.
        stream.bits = (stream.bits + 31u) & ~31u;
      }
      stream = flush(lid, own + BODY_AT, stream);
    }
  }

  if (lid == 0u) {
    let at = frame_header_length(p);
    let head_length = work[facts + HEAD_LENGTH];
    var size = head_length - at - 3u + body_length;
    var chosen = kind;
    if (kind == RLE) {
      size = p.z;
      work[own + HEAD_AT + at + 3u] = plain[(p.x + p.y) >> 2u] & 0xffu;
      work[facts + HEAD_LENGTH] = at + 4u;
      work[facts + BODY_LENGTH] = 0u;
    } else if (size >= p.z) {
      chosen = RAW;
      size = p.z;
      work[facts + HEAD_LENGTH] = at + 3u;
      work[facts + BODY_LENGTH] = p.z;
    } else {
      work[facts + BODY_LENGTH] = body_length;
    }
    work[facts + KIND] = chosen;
    // Block_Header, RFC 8878 §3.1.1.2.
    let field = (p.w & LAST) | (chosen << 1u) | (size << 3u);
    work[own + HEAD_AT + at] = field & 0xffu;
    work[own + HEAD_AT + at + 1u] = (field >> 8u) & 0xffu;
    work[own + HEAD_AT + at + 2u] = field >> 16u;
  }
}

// ---- place, pack ---------------------------------------------------------------------------------------------------

@compute @workgroup_size(256)
fn place(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let frame = group.x + group.y * groups.x;
  if (frame >= sizes.y) { return; }
  let f = frames[frame];
  let count = (f.y + PART - 1u) / PART;
  let facts = (f.w + lid) * WORK_WORDS + FACTS_AT;
  var size = 0u;
  if (lid < count && (f.x & 1u) == 0u) { size = work[facts + HEAD_LENGTH] + work[facts + BODY_LENGTH]; }
  let sum = scan(lid, size);
  if (lid < count) { work[facts + TARGET] = sum - size; }
  if (lid == GROUP - 1u) { lengths[frame] = select(0u, sum, sum < f.y); }
}

/** A byte of a block; 0 after its end. */
fn block_byte(part: u32, i: u32) -> u32 {
  let own = part * WORK_WORDS;
  let head_length = work[own + FACTS_AT + HEAD_LENGTH];
  if (i < head_length) { return work[own + HEAD_AT + i]; }
  let at = i - head_length;
  if (at >= work[own + FACTS_AT + BODY_LENGTH]) { return 0u; }
  if (work[own + FACTS_AT + KIND] == RAW) {
    let start = parts[part].x + parts[part].y + at;
    return (plain[start >> 2u] >> ((start & 3u) * 8u)) & 0xffu;
  }
  return (work[own + BODY_AT + (at >> 2u)] >> ((at & 3u) * 8u)) & 0xffu;
}

@compute @workgroup_size(256)
fn pack(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
  let part = group.x + group.y * groups.x;
  if (part >= sizes.x) { return; }
  let p = parts[part];
  let target_word = frames[p.w >> 2u].z >> 2u;
  if (lengths[p.w >> 2u] == 0u) {
    let source = (p.x + p.y) >> 2u;
    let to = target_word + (p.y >> 2u);
    for (var i = lid; i < (p.z >> 2u); i += GROUP) { blocks[to + i] = plain[source + i]; }
    let rest = p.z & 3u;
    if (lid == 0u && rest != 0u) { blocks[to + (p.z >> 2u)] = plain[source + (p.z >> 2u)] & ((1u << (8u * rest)) - 1u); }
    return;
  }
  let own = part * WORK_WORDS;
  let head_length = work[own + FACTS_AT + HEAD_LENGTH];
  let body_length = work[own + FACTS_AT + BODY_LENGTH];
  let size = head_length + body_length;
  let is_raw = work[own + FACTS_AT + KIND] == RAW;
  let at = work[own + FACTS_AT + TARGET];
  // A word belongs to the block of its first byte. No block is shorter than a word: a word has bytes of two blocks at most.
  for (var word = (at + 3u) / 4u + lid; word < (at + size + 3u) / 4u; word += GROUP) {
    let i = 4u * word - at;
    var value = 0u;
    if (i >= head_length && i + 4u <= size) {
      let body = i - head_length;
      if (is_raw) {
        value = plain_word(p.x + p.y + body);
      } else {
        let source = own + BODY_AT + (body >> 2u);
        let shift = (body & 3u) * 8u;
        value = select((work[source] >> shift) | (work[source + 1u] << (32u - shift)), work[source], shift == 0u);
      }
    } else {
      for (var byte = 0u; byte < 4u; byte++) {
        if (i + byte < size) { value |= block_byte(part, i + byte) << (8u * byte); }
        else if ((p.w & LAST) == 0u) { value |= block_byte(part + 1u, i + byte - size) << (8u * byte); }
      }
    }
    blocks[target_word + word] = value;
  }
}
