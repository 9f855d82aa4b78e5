// Cut-point candidates of regions of one buffer, in three steps: `scan` makes a bitmap of them, a bit for each
// byte; `sum` and `list` turn it into an ascending list. The list is thus the same however work is scheduled,
// and where there is no room in it, the bitmap has the rest.
// Spec: format-spec §4.2. Twin: src/codec/buzhash.ts (findCandidates).
//
// A digest depends on the 48 bytes before its position alone: so the buffer is cut into tiles whatever lies in
// it, and the regions only say which bits count. Bit i of the bitmap stands for position i + 1 of the buffer,
// whose window ends with byte i.
//
// Bindings, group 0, of a batch of t tiles:
//       scan                                 sum                                 list
//   0   parameters, uniform                  parameters, uniform                 parameters, uniform
//   1   bitmap u32[], written from           counts u32[t + 1], of each tile     bitmap u32[], read
//       the batch's first tile on            in, of those before it out
//   2   counts u32[t], written               list u32[], [0] written             counts u32[t + 1], read
//   3   ranges vec2<u32>[], read                                                 list u32[], from [1] written
//   4   table u32[256], read
//   5   bytes u32[], read
// list[0] is the number of candidates, whether or not there is room for them.
// Dispatch: scan t workgroups, sum 1, list t.
// Needed features: none. Workgroup memory: scan 9.5 KiB, sum and list 1 KiB.

/** Threads of a tile, at most SUM_THREADS. */
override THREADS: u32 = 64;
/** Words of the bitmap that a thread makes, each of 32 bytes. */
override STRIP_BITMAP_WORDS: u32 = 4;

override STRIP_WORDS = STRIP_BITMAP_WORDS * 8u;
override TILE_WORDS = THREADS * STRIP_WORDS;
override TILE_BITMAP_WORDS = THREADS * STRIP_BITMAP_WORDS;

const SUM_THREADS = 256u;
const WINDOW_WORDS = 12u;
/** How far, modulo 32, an entry of the table is rotated when its byte leaves the window. */
const LEAVING = 16u;

struct Parameters {
  mask: u32,
  firstTile: u32,
  tileCount: u32,
  rangeCount: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;

@group(0) @binding(1) var<storage, read_write> bitmap: array<u32>;
@group(0) @binding(2) var<storage, read_write> tileCounts: array<u32>;
/** Bytes [x, y) whose bits count; ascending, disjoint, none empty. */
@group(0) @binding(3) var<storage, read> ranges: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> table: array<u32, 256>;
@group(0) @binding(5) var<storage, read> bytes: array<u32>;

var<workgroup> entries: array<u32, 256>;
/** A tile and the window before it. */
var<workgroup> tile: array<u32, TILE_WORDS + WINDOW_WORDS + THREADS + 2u>;
var<workgroup> tileCount: atomic<u32>;

/** Where a word of the tile is kept: strips begin an odd number of words apart, and so in different banks. */
fn slot(word: u32) -> u32 {
  return word + word / STRIP_WORDS;
}

fn rotateLeft(word: u32, by: u32) -> u32 {
  return (word << by) | (word >> (32u - by));
}

/** Index of the first range that ends after byte `at`. */
fn firstRange(at: u32) -> u32 {
  var low = 0u;
  var high = parameters.rangeCount;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (ranges[middle].y <= at) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}

/** The bits of the 32 bytes from `at` on that lie in ranges. @param first a range at or before the first of these */
fn countedBits(at: u32, first: u32) -> u32 {
  var bits = 0u;
  for (var i = first; i < parameters.rangeCount && ranges[i].x < at + 32u; i++) {
    let start = max(ranges[i].x, at);
    let end = min(ranges[i].y, at + 32u);
    if (start < end) {
      bits |= (0xffffffffu >> (32u - (end - start))) << (start - at);
    }
  }
  return bits;
}

@compute @workgroup_size(THREADS)
fn scan(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = group.x + group.y * groups.x;
  if (index >= parameters.tileCount) {
    return;
  }
  let tileWord = (parameters.firstTile + index) * TILE_WORDS;
  let bitmapWord = (parameters.firstTile + index) * TILE_BITMAP_WORDS + local * STRIP_BITMAP_WORDS;
  let tileRange = firstRange(4u * tileWord);
  if (tileRange == parameters.rangeCount || ranges[tileRange].x >= 4u * (tileWord + TILE_WORDS)) {
    for (var k = 0u; k < STRIP_BITMAP_WORDS; k++) {
      if (bitmapWord + k < arrayLength(&bitmap)) {
        bitmap[bitmapWord + k] = 0u;
      }
    }
    if (local == 0u) {
      tileCounts[index] = 0u;
    }
    return;
  }

  for (var k = local; k < 256u; k += THREADS) {
    entries[k] = table[k];
  }
  // What is not there, before the buffer and after it, is in no window of a bit that counts.
  for (var k = local; k < TILE_WORDS + WINDOW_WORDS; k += THREADS) {
    tile[slot(k)] = bytes[min(max(tileWord + k, WINDOW_WORDS) - WINDOW_WORDS, arrayLength(&bytes) - 1u)];
  }
  workgroupBarrier();

  // The window before the strip is at `leaving`, the strip at `entering`.
  var leaving = local * STRIP_WORDS;
  var entering = leaving + WINDOW_WORDS;
  var digest = 0u;
  for (var k = 0u; k < WINDOW_WORDS; k++) {
    let word = tile[slot(leaving + k)];
    digest = rotateLeft(digest, 1u) ^ entries[word & 0xffu];
    digest = rotateLeft(digest, 1u) ^ entries[(word >> 8u) & 0xffu];
    digest = rotateLeft(digest, 1u) ^ entries[(word >> 16u) & 0xffu];
    digest = rotateLeft(digest, 1u) ^ entries[word >> 24u];
  }
  let mask = parameters.mask;
  let isWhole = ranges[tileRange].x <= 4u * tileWord && ranges[tileRange].y >= 4u * (tileWord + TILE_WORDS);
  var count = 0u;
  for (var k = 0u; k < STRIP_BITMAP_WORDS; k++) {
    var bits = 0u;
    for (var byte = 0u; byte < 32u; byte += 4u) {
      let next = tile[slot(entering)];
      let old = tile[slot(leaving)];
      entering++;
      leaving++;
      digest = rotateLeft(digest, 1u) ^ entries[next & 0xffu] ^ rotateLeft(entries[old & 0xffu], LEAVING);
      var four = select(0u, 1u, (digest & mask) == 0u);
      digest = rotateLeft(digest, 1u) ^ entries[(next >> 8u) & 0xffu] ^ rotateLeft(entries[(old >> 8u) & 0xffu], LEAVING);
      four |= select(0u, 2u, (digest & mask) == 0u);
      digest = rotateLeft(digest, 1u) ^ entries[(next >> 16u) & 0xffu] ^ rotateLeft(entries[(old >> 16u) & 0xffu], LEAVING);
      four |= select(0u, 4u, (digest & mask) == 0u);
      digest = rotateLeft(digest, 1u) ^ entries[next >> 24u] ^ rotateLeft(entries[old >> 24u], LEAVING);
      four |= select(0u, 8u, (digest & mask) == 0u);
      bits |= four << byte;
    }
    if (!isWhole && bits != 0u) {
      bits &= countedBits(32u * (bitmapWord + k), tileRange);
    }
    if (bitmapWord + k < arrayLength(&bitmap)) {
      bitmap[bitmapWord + k] = bits;
    }
    count += countOneBits(bits);
  }
  if (count > 0u) {
    atomicAdd(&tileCount, count);
  }
  workgroupBarrier();
  if (local == 0u) {
    tileCounts[index] = atomicLoad(&tileCount);
  }
}

var<workgroup> partial: array<u32, SUM_THREADS>;

/** The sum of the values of all threads before this one. @param threads of the workgroup, a power of two */
fn sumBefore(local: u32, value: u32, threads: u32) -> u32 {
  partial[local] = value;
  workgroupBarrier();
  for (var distance = 1u; distance < threads; distance *= 2u) {
    var sum = partial[local];
    if (local >= distance) {
      sum += partial[local - distance];
    }
    workgroupBarrier();
    partial[local] = sum;
    workgroupBarrier();
  }
  return partial[local] - value;
}

@group(0) @binding(1) var<storage, read_write> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> total: array<u32>;

/** Of the counts of the tiles makes the number of candidates before each. */
@compute @workgroup_size(SUM_THREADS)
fn sum(@builtin(local_invocation_index) local: u32) {
  let share = (parameters.tileCount + SUM_THREADS - 1u) / SUM_THREADS;
  let first = min(local * share, parameters.tileCount);
  let end = min(first + share, parameters.tileCount);
  var own = 0u;
  for (var i = first; i < end; i++) {
    own += counts[i];
  }
  var before = sumBefore(local, own, SUM_THREADS);
  for (var i = first; i < end; i++) {
    let count = counts[i];
    counts[i] = before;
    before += count;
  }
  if (local == SUM_THREADS - 1u) {
    counts[parameters.tileCount] = before;
    total[0] = before;
  }
}

@group(0) @binding(1) var<storage, read> scanned: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read_write> positions: array<u32>;

@compute @workgroup_size(THREADS)
fn list(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = group.x + group.y * groups.x;
  if (index >= parameters.tileCount || starts[index] == starts[index + 1u]) {
    return;
  }
  let word = (parameters.firstTile + index) * TILE_BITMAP_WORDS + local * STRIP_BITMAP_WORDS;
  let end = min(word + STRIP_BITMAP_WORDS, arrayLength(&scanned));
  var own = 0u;
  for (var k = word; k < end; k++) {
    own += countOneBits(scanned[k]);
  }
  var at = 1u + starts[index] + sumBefore(local, own, THREADS);
  for (var k = word; k < end; k++) {
    for (var bits = scanned[k]; bits != 0u; bits &= bits - 1u) {
      if (at < arrayLength(&positions)) {
        positions[at] = 32u * k + countTrailingZeros(bits) + 1u;
      }
      at++;
    }
  }
}
