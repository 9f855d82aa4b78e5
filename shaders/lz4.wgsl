// LZ4 payloads of frames: parts of 64 KiB as independent LZ4 blocks, the table of their lengths, the bodies back to back.
// Source: format-spec §7 codec 1; https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md.
// Twins: src/codec/lz4-block.ts, src/codec/lz4.ts. The bytes differ from theirs and decode to the same; they depend on the
// input alone, never on the device.
//
// compress  one workgroup a part: finds matches, chooses, writes the block to `scratch` at 16,384 words a part, its length to `parts`
// arrange   one workgroup a frame: where each body lies in the payload, and whether the frame is stored
// pack      PACKERS workgroups a part: payload, or the plain frame, to `blocks`
//
// compress: 0 frames Frame[maxFrames], 1 list u32[1 + maxParts], 2 plain u32[], 3 parts Part[maxParts], 4 scratch u32[maxParts × 16,384]
// arrange:  0 frames, 1 parts, 2 lengths u32[maxFrames] (bytes of each payload, 0: stored)
// pack:     0 frames, 1 list, 2 plain, 3 parts, 4 scratch, 5 lengths, 6 blocks u32[]
//
// Workgroup memory: 15 KiB of 16. No features beyond core.

struct Frame {
  plainWord: u32,
  plainLength: u32,
  blockWord: u32,
  firstPart: u32,
  partCount: u32,
  /** 1: the caller wants it stored. */
  isStored: u32,
}

struct Part {
  /** Bytes of its block, 0: the part does not shrink. */
  length: u32,
  /** Where its body lies in the payload, bytes. */
  offset: u32,
}

/** Which part of which frame. */
struct Place {
  frame: u32,
  index: u32,
}

@group(0) @binding(0) var<storage, read> frames: array<Frame>;
/** How many parts there are, then of each its frame << 8 | its index in the frame. */
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read> plain: array<u32>;
@group(0) @binding(3) var<storage, read_write> compressed: array<Part>;
@group(0) @binding(4) var<storage, read_write> scratch: array<u32>;

@group(0) @binding(1) var<storage, read_write> placed: array<Part>;
@group(0) @binding(2) var<storage, read_write> payloadLengths: array<u32>;

@group(0) @binding(3) var<storage, read> parts: array<Part>;
@group(0) @binding(4) var<storage, read> bodies: array<u32>;
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
@group(0) @binding(6) var<storage, read_write> blocks: array<u32>;

const PART_BYTES = 65536u;
const PART_WORDS = 16384u;
const STORED = 0x80000000u;
const THREADS = 256u;

const MIN_MATCH = 4u;
const LAST_LITERALS = 5u;
const MATCH_START_LIMIT = 12u;

/** Positions that are looked at between two runs of the choice, 4 a thread, and those that enter the table at once. */
const TILE = 1024u;
const STEP = 256u;
const HASH_BITS = 12u;
/** Length up to which every position measures its match alone; all threads together measure the few longer ones that are chosen. */
const LONG_MATCH = 68u;

/**
 * Two positions a word, each as `position ^ 255`, so that the largest value of a slot is the first position of the last step
 * that had any. An empty slot reads as position 255, which does no harm: candidates are compared.
 */
var<workgroup> table: array<atomic<u32>, 1 << (HASH_BITS - 1u)>;
/** Of each position of the tile: length of its match, offset << 16. Later the sizes of the sequences, being summed. */
var<workgroup> matches: array<u32, TILE + 1>;
/** Of each position, 16 bits: where the choice goes on from there. Later the sequences. */
var<workgroup> hops: array<u32, 514>;
/** Bit sets over the tile: where a match may start, the words of that set which are not 0, where one was chosen. */
var<workgroup> starts: array<atomic<u32>, TILE / 32>;
var<workgroup> startWords: atomic<u32>;
var<workgroup> chosen: array<atomic<u32>, TILE / 32>;
/** Matches chosen before each word of `chosen`, and all of them. */
var<workgroup> ranks: array<u32, TILE / 32 + 1>;
/** Stretches of the choice, from | to << 16: one for each four matches, and one before each long match. */
var<workgroup> trips: array<u32, 96>;
var<workgroup> tripCount: u32;
var<workgroup> walked: u32;
var<workgroup> mismatch: atomic<u32>;
/** Bytes written, and the end of the last match. */
var<workgroup> progress: vec2u;
/** The word that is not full yet, written and read by turns. */
var<workgroup> carry: array<u32, 2>;

/** Second half of `hops` where it holds sequences. */
const OUTS = 257u;

fn placeOf(part: u32) -> Place {
  let entry = list[1u + part];
  return Place(entry >> 8u, entry & 255u);
}

fn plainLengthOf(frame: Frame, index: u32) -> u32 {
  return min(PART_BYTES, frame.plainLength - index * PART_BYTES);
}

fn funnel(low: u32, high: u32, shift: u32) -> u32 {
  return (low >> shift) | ((high << 1u) << (31u - shift));
}

/** Four bytes of the part that starts at word `origin`. */
fn bytesAt(origin: u32, at: u32) -> u32 {
  let word = origin + (at >> 2u);
  return funnel(plain[word], plain[word + 1u], (at & 3u) * 8u);
}

/** The four bytes before `end`; the uppermost `end` ones if it has fewer before it. */
fn bytesBefore(origin: u32, end: u32) -> u32 {
  if (end < 4u) {
    return plain[origin] << ((4u - end) * 8u);
  }
  return bytesAt(origin, end - 4u);
}

@compute @workgroup_size(THREADS)
fn compress(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let part = group.x + group.y * groups.x;
  if (part >= list[0]) {
    return;
  }
  let place = placeOf(part);
  let frame = frames[place.frame];
  let length = plainLengthOf(frame, place.index);
  if (frame.isStored != 0u || length <= MATCH_START_LIMIT) {
    if (thread == 0u) {
      compressed[part].length = 0u;
    }
    return;
  }
  let origin = frame.plainWord + place.index * PART_WORDS;
  let lastStart = length - MATCH_START_LIMIT;
  let lastEnd = length - LAST_LITERALS;

  var start = 0u;
  var written = 0u;
  var anchor = 0u;
  var turn = 0u;
  loop {
    let isEnd = start > lastStart;
    var count = 1u;
    if (isEnd) {
      workgroupBarrier();
      if (thread == 0u) {
        let literals = length - anchor;
        let end = written + 1u + extensionBytes(literals) + literals;
        hops[0] = anchor | (length << 16u);
        hops[1] = length & 0xffffu;
        hops[OUTS] = written;
        hops[OUTS + 1u] = end;
        progress = vec2u(end, length);
      }
    } else {
      let base = start & ~(STEP - 1u);
      findMatches(origin, base, start, lastStart, lastEnd, thread);
      if (workgroupUniformLoad(&startWords) == 0u) {
        start = base + TILE;
        continue;
      }
      start = base + choose(origin, base, start - base, lastEnd, thread);
      count = listSequences(origin, base, anchor, written, thread);
    }
    let now = workgroupUniformLoad(&progress);
    // What does not shrink is given up, so that `scratch` has room.
    if (now.x >= length) {
      written = 0u;
      break;
    }
    emit(origin, part * PART_WORDS, written, now.x, count, turn, thread);
    written = now.x;
    anchor = now.y;
    turn ^= 1u;
    if (isEnd) {
      break;
    }
  }
  workgroupBarrier();
  if (thread == 0u) {
    if ((written & 3u) != 0u) {
      scratch[part * PART_WORDS + (written >> 2u)] = carry[turn];
    }
    compressed[part].length = written;
  }
}

/** Fills `matches` and `starts` for the tile at `base`. Positions before `start` have no match. */
fn findMatches(origin: u32, base: u32, start: u32, lastStart: u32, lastEnd: u32, thread: u32) {
  if (thread < TILE / 32u) {
    atomicStore(&starts[thread], 0u);
    atomicStore(&chosen[thread], 0u);
    atomicStore(&startWords, 0u);
  }
  for (var step = 0u; step < TILE; step += STEP) {
    let at = base + step + thread;
    matches[step + thread] = lookUp(at, bytesAt(origin, at), at <= lastStart);
  }
  // Without branches, so that the loads of all steps are under way at once.
  for (var step = 0u; step < TILE; step += STEP) {
    let at = base + step + thread;
    matches[step + thread] = compare(origin, at, matches[step + thread], at >= start && at <= lastStart);
  }
  for (var step = 0u; step < TILE; step += STEP) {
    matches[step + thread] = longest(origin, base + step + thread, matches[step + thread], lastEnd);
  }
  workgroupBarrier();
  for (var step = 0u; step < TILE; step += STEP) {
    offer(step + thread);
  }
}

/**
 * Enters a position, as all threads do, into the table.
 * @returns the candidate before this step << 16, and the first position of this step in the same slot
 */
fn lookUp(at: u32, bytes: u32, isEntered: bool) -> u32 {
  let slot = (bytes * 0x9e3779b1u) >> (32u - HASH_BITS);
  let word = slot >> 1u;
  let shift = (slot & 1u) << 4u;
  var old = atomicLoad(&table[word]);
  let before = extractBits(old, shift, 16u);
  workgroupBarrier();
  if (isEntered) {
    let key = at ^ (STEP - 1u);
    loop {
      if (extractBits(old, shift, 16u) >= key) {
        break;
      }
      let swap = atomicCompareExchangeWeak(&table[word], old, insertBits(old, key, shift, 16u));
      if (swap.exchanged) {
        break;
      }
      old = swap.old_value;
    }
  }
  workgroupBarrier();
  let now = extractBits(atomicLoad(&table[word]), shift, 16u);
  return ((before ^ (STEP - 1u)) << 16u) | (now ^ (STEP - 1u));
}

/** Candidates as they are in `found`, those replaced by the position itself that do not begin with the same four bytes. */
fn compare(origin: u32, at: u32, found: u32, isMatchable: bool) -> u32 {
  let far = found >> 16u;
  let near = found & 0xffffu;
  let bytes = bytesAt(origin, at);
  let isFar = bytesAt(origin, far) == bytes && far < at && isMatchable;
  let isNear = bytesAt(origin, near) == bytes && isMatchable;
  return (select(at, far, isFar) << 16u) | (select(at, near, isNear) & 0xffffu);
}

/**
 * The longer match of a position, length | offset << 16; 0 if there is none. Both candidates are followed at once, eight
 * bytes a step; where one ends, the other is followed twice.
 */
fn longest(origin: u32, at: u32, found: u32, lastEnd: u32) -> u32 {
  var far = found >> 16u;
  var near = found & 0xffffu;
  // A tile may reach beyond the part, and further than 16 bits count.
  if (min(far, near) == (at & 0xffffu)) {
    return 0u;
  }
  if (far == at) {
    far = near;
  } else if (near == at) {
    near = far;
  }
  let limit = min(LONG_MATCH, lastEnd - at);
  var word = origin + (at >> 2u) + 1u;
  let shift = (at & 3u) * 8u;
  var low = plain[word];
  var farLow = plain[word - (at >> 2u) + (far >> 2u)];
  var nearLow = plain[word - (at >> 2u) + (near >> 2u)];
  var length = MIN_MATCH;
  loop {
    let farWord = word - (at >> 2u) + (far >> 2u);
    let nearWord = word - (at >> 2u) + (near >> 2u);
    let middle = plain[word + 1u];
    let high = plain[word + 2u];
    let first = funnel(low, middle, shift);
    let second = funnel(middle, high, shift);
    let farHigh = plain[farWord + 2u];
    let nearHigh = plain[nearWord + 2u];
    // Bytes beyond the limit may be another part's: they must not decide.
    let farAgreed = min(limit - length, agreement(first, second, farLow, plain[farWord + 1u], farHigh, far));
    let nearAgreed = min(limit - length, agreement(first, second, nearLow, plain[nearWord + 1u], nearHigh, near));
    length += max(farAgreed, nearAgreed);
    if (nearAgreed < farAgreed) {
      near = far;
    } else if (farAgreed < nearAgreed) {
      far = near;
    }
    if (max(farAgreed, nearAgreed) < 8u || length == limit) {
      break;
    }
    low = high;
    farLow = select(nearHigh, farHigh, farAgreed == 8u);
    nearLow = select(farHigh, nearHigh, nearAgreed == 8u);
    word += 2u;
  }
  return length | ((at - near) << 16u);
}

/** How many of eight bytes agree, from the first on, with those at `position` & 3 of three words. */
fn agreement(first: u32, second: u32, low: u32, middle: u32, high: u32, position: u32) -> u32 {
  let shift = (position & 3u) * 8u;
  let agreed = countTrailingZeros(first ^ funnel(low, middle, shift)) >> 3u;
  let more = countTrailingZeros(second ^ funnel(middle, high, shift)) >> 3u;
  return agreed + select(0u, more, agreed == 4u);
}

/** A match may start where the next position has none that is longer. */
fn offer(at: u32) {
  let length = matches[at] & 0xffffu;
  if (length != 0u && (matches[at + 1u] & 0xffffu) <= length) {
    if (atomicOr(&starts[at >> 5u], 1u << (at & 31u)) == 0u) {
      atomicOr(&startWords, 1u << (at >> 5u));
    }
  }
}

/** The first position of the tile from `at` on where a match may start, TILE if there is none. */
fn nextStart(at: u32) -> u32 {
  let word = at >> 5u;
  let here = atomicLoad(&starts[word]) & (0xffffffffu << (at & 31u));
  if (here != 0u) {
    return (word << 5u) + countTrailingZeros(here);
  }
  let rest = atomicLoad(&startWords) & (0xfffffffeu << word);
  if (rest == 0u) {
    return TILE;
  }
  let later = countTrailingZeros(rest);
  return (later << 5u) + countTrailingZeros(atomicLoad(&starts[later]));
}

/** The end of the next match; `at` itself if that one is long, since its end is not known yet. */
fn hopFrom(at: u32) -> u32 {
  let next = nextStart(at);
  let length = matches[next] & 0xffffu;
  return select(next + length, at, length == LONG_MATCH);
}

fn hopped(at: u32) -> u32 {
  if (at >= TILE) {
    return at;
  }
  return extractBits(hops[(at & 255u) | ((at >> 9u) << 8u)], ((at >> 8u) & 1u) << 4u, 16u);
}

/**
 * Chooses matches from `first` on, greedily, and sets `chosen`: what comes next is known of every position, and
 * doubled twice; one thread goes along four matches a step, and a thread for each step marks them.
 * @returns where the next tile begins, relative to this one
 */
fn choose(origin: u32, base: u32, first: u32, lastEnd: u32, thread: u32) -> u32 {
  var hop0 = hopFrom(thread);
  var hop1 = hopFrom(thread + STEP);
  var hop2 = hopFrom(thread + 2u * STEP);
  var hop3 = hopFrom(thread + 3u * STEP);
  hops[thread] = hop0 | (hop1 << 16u);
  hops[thread + STEP] = hop2 | (hop3 << 16u);
  workgroupBarrier();
  for (var doubled = 0u; doubled < 2u; doubled++) {
    hop0 = hopped(hop0);
    hop1 = hopped(hop1);
    hop2 = hopped(hop2);
    hop3 = hopped(hop3);
    workgroupBarrier();
    hops[thread] = hop0 | (hop1 << 16u);
    hops[thread + STEP] = hop2 | (hop3 << 16u);
    workgroupBarrier();
  }

  var at = first;
  var steps = 0u;
  loop {
    if (thread == 0u) {
      var to = hopped(at);
      while (to != at) {
        trips[steps] = at | (to << 16u);
        steps++;
        at = to;
        to = hopped(at);
      }
      tripCount = steps;
      if (at < TILE) {
        at = nextStart(at);
        atomicOr(&chosen[at >> 5u], 1u << (at & 31u));
        atomicStore(&mismatch, 0xffffffffu);
      }
      walked = at;
    }
    at = workgroupUniformLoad(&walked);
    if (at >= TILE) {
      break;
    }
    // A long match starts here: all threads look for its end.
    let offset = matches[at] >> 16u;
    var front = base + at + LONG_MATCH;
    var end = 0xffffffffu;
    while (end == 0xffffffffu) {
      let mine = front + thread * 4u;
      if (mine >= lastEnd) {
        atomicMin(&mismatch, lastEnd);
      } else {
        let difference = bytesAt(origin, mine) ^ bytesAt(origin, mine - offset);
        if (difference != 0u) {
          atomicMin(&mismatch, min(lastEnd, mine + (countTrailingZeros(difference) >> 3u)));
        }
      }
      end = workgroupUniformLoad(&mismatch);
      front += THREADS * 4u;
    }
    if (thread == 0u) {
      matches[at] = (offset << 16u) | (end - base - at);
    }
    at = end - base;
    if (at >= TILE) {
      break;
    }
  }

  if (thread < tripCount) {
    var along = trips[thread] & 0xffffu;
    let to = trips[thread] >> 16u;
    while (along != to) {
      let next = nextStart(along);
      if (next >= TILE) {
        break;
      }
      atomicOr(&chosen[next >> 5u], 1u << (next & 31u));
      along = next + (matches[next] & 0xffffu);
    }
  }
  workgroupBarrier();
  return at;
}

/** Bytes that follow a token whose nibble stands for `length`. */
fn extensionBytes(length: u32) -> u32 {
  return select(0u, 1u + (length - 15u) / 255u, length >= 15u);
}

/**
 * Turns the chosen matches into sequences in `hops`: [k] = literals from | match from << 16, [OUTS + k] = first byte
 * written | offset << 16, each with an element after the last; and sets `progress`.
 * @returns how many there are
 */
fn listSequences(origin: u32, base: u32, anchor: u32, written: u32, thread: u32) -> u32 {
  if (thread <= TILE / 32u) {
    var rank = 0u;
    for (var word = 0u; word < thread; word++) {
      rank += countOneBits(atomicLoad(&chosen[word]));
    }
    ranks[thread] = rank;
  }
  workgroupBarrier();
  // Matches in the order of their positions.
  let count = ranks[TILE / 32u];
  let bit = 1u << (thread & 31u);
  for (var at = thread; at < TILE; at += THREADS) {
    let bits = atomicLoad(&chosen[at >> 5u]);
    if ((bits & bit) != 0u) {
      let rank = ranks[at >> 5u] + countOneBits(bits & (bit - 1u));
      hops[rank] = (base + at) | ((matches[at] & 0xffffu) << 16u);
      hops[OUTS + rank] = matches[at] >> 16u;
    }
  }
  workgroupBarrier();

  // Each match grows backwards into the literals before it.
  var literalsFrom = anchor;
  var at = 0u;
  var end = 0u;
  var offset = 0u;
  var size = 0u;
  if (thread < count) {
    if (thread > 0u) {
      let previous = hops[thread - 1u];
      literalsFrom = (previous & 0xffffu) + (previous >> 16u);
    }
    at = hops[thread] & 0xffffu;
    end = at + (hops[thread] >> 16u);
    offset = hops[OUTS + thread];
    loop {
      let room = min(at - literalsFrom, at - offset);
      let difference = bytesBefore(origin, at) ^ bytesBefore(origin, at - offset);
      let grown = min(room, countLeadingZeros(difference) >> 3u);
      at -= grown;
      if (grown < 4u) {
        break;
      }
    }
    let literals = at - literalsFrom;
    size = 3u + extensionBytes(literals) + literals + extensionBytes(end - at - MIN_MATCH);
  }

  // Exclusive sum of the sizes, in groups of 16.
  matches[thread] = size;
  workgroupBarrier();
  var sum = 0u;
  if (thread < count) {
    for (var i = thread & ~15u; i < thread; i++) {
      sum += matches[i];
    }
    if ((thread & 15u) == 15u) {
      matches[THREADS + (thread >> 4u)] = sum + size;
    }
  }
  workgroupBarrier();
  if (thread >= count) {
    return count;
  }
  for (var i = 0u; i < (thread >> 4u); i++) {
    sum += matches[THREADS + i];
  }
  let out = written + sum;
  hops[thread] = literalsFrom | (at << 16u);
  hops[OUTS + thread] = (out & 0xffffu) | (offset << 16u);
  if (thread + 1u == count) {
    hops[count] = end;
    hops[OUTS + count] = (out + size) & 0xffffu;
    progress = vec2u(out + size, end);
  }
  return count;
}

/** Writes `count` sequences to `scratch`: the bytes from `written` to `end` of the block, a thread for each word. */
fn emit(origin: u32, output: u32, written: u32, end: u32, count: u32, turn: u32, thread: u32) {
  for (var word = (written >> 2u) + thread; word * 4u < end; word += THREADS) {
    var out = max(word * 4u, written);
    let stop = min(word * 4u + 4u, end);
    var sequence = 0u;
    var beyond = count;
    while (beyond - sequence > 1u) {
      let middle = (sequence + beyond) >> 1u;
      if ((hops[OUTS + middle] & 0xffffu) <= out) {
        sequence = middle;
      } else {
        beyond = middle;
      }
    }
    var value = select(0u, carry[turn], word * 4u < written);
    while (out < stop) {
      let literalsFrom = hops[sequence] & 0xffffu;
      let at = hops[sequence] >> 16u;
      let first = hops[OUTS + sequence];
      // Modulo 65,536: a part may end there. The sequence at the end of the block has no match.
      let literals = (at - literalsFrom) & 0xffffu;
      let matched = (hops[sequence + 1u] - at) & 0xffffu;
      let literalsAt = 1u + extensionBytes(literals);
      let offsetAt = literalsAt + literals;
      let next = min(stop, hops[OUTS + sequence + 1u] & 0xffffu);
      while (out < next) {
        let place = out - (first & 0xffffu);
        let shift = (out & 3u) * 8u;
        if (place >= literalsAt && place < offsetAt) {
          let taken = min(next - out, offsetAt - place);
          value |= extractBits(bytesAt(origin, literalsFrom + place - literalsAt), 0u, taken * 8u) << shift;
          out += taken;
          continue;
        }
        var byte = 0u;
        if (place == 0u) {
          byte = (min(literals, 15u) << 4u) | select(0u, min(matched - MIN_MATCH, 15u), matched != 0u);
        } else if (place < literalsAt) {
          byte = min(255u, literals - 15u - (place - 1u) * 255u);
        } else if (place < offsetAt + 2u) {
          byte = (first >> (16u + (place - offsetAt) * 8u)) & 255u;
        } else {
          byte = min(255u, matched - MIN_MATCH - 15u - (place - offsetAt - 2u) * 255u);
        }
        value |= byte << shift;
        out++;
      }
      sequence++;
    }
    if (stop == word * 4u + 4u) {
      scratch[output + word] = value;
    } else {
      carry[turn ^ 1u] = value;
    }
  }
}

var<workgroup> sums: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn arrange(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let frame = frames[group.x];
  let isPart = thread < frame.partCount;
  var length = 0u;
  if (isPart) {
    length = placed[frame.firstPart + thread].length;
    length = select(length, plainLengthOf(frame, thread), length == 0u);
  }
  var sum = length;
  sums[thread] = sum;
  workgroupBarrier();
  for (var distance = 1u; distance < THREADS; distance <<= 1u) {
    if (thread >= distance) {
      sum += sums[thread - distance];
    }
    workgroupBarrier();
    sums[thread] = sum;
    workgroupBarrier();
  }
  let tableBytes = frame.partCount * 4u;
  if (isPart) {
    placed[frame.firstPart + thread].offset = tableBytes + sum - length;
  }
  if (thread + 1u == frame.partCount) {
    let total = tableBytes + sum;
    payloadLengths[group.x] = select(total, 0u, frame.isStored != 0u || total >= frame.plainLength);
  }
}

const PACKERS = 4u;
const PACKED_WORDS = PART_WORDS / PACKERS;

fn bodyBytesAt(isStored: bool, origin: u32, at: u32) -> u32 {
  let word = origin + (at >> 2u);
  let shift = (at & 3u) * 8u;
  if (isStored) {
    return funnel(plain[word], plain[word + 1u], shift);
  }
  return funnel(bodies[word], bodies[word + 1u], shift);
}

@compute @workgroup_size(THREADS)
fn pack(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) thread: u32,
) {
  let flat = group.x + group.y * groups.x;
  let part = flat / PACKERS;
  if (part >= list[0]) {
    return;
  }
  let firstWord = flat % PACKERS * PACKED_WORDS;
  let place = placeOf(part);
  let frame = frames[place.frame];
  let plainLength = plainLengthOf(frame, place.index);
  let plainWord = frame.plainWord + place.index * PART_WORDS;
  if (lengths[place.frame] == 0u) {
    let output = frame.blockWord + place.index * PART_WORDS;
    let end = min((plainLength + 3u) >> 2u, firstWord + PACKED_WORDS);
    for (var word = firstWord + thread; word < end; word += THREADS) {
      let kept = min(4u, plainLength - word * 4u);
      blocks[output + word] = extractBits(plain[plainWord + word], 0u, kept * 8u);
    }
    return;
  }

  let body = parts[part];
  let isStored = body.length == 0u;
  let length = select(body.length, plainLength, isStored);
  let origin = select(part * PART_WORDS, plainWord, isStored);
  if (firstWord == 0u && thread == 0u) {
    blocks[frame.blockWord + place.index] = select(length, length | STORED, isStored);
  }
  // The words whose first byte is of this body.
  let skipped = (0u - body.offset) & 3u;
  let output = frame.blockWord + ((body.offset + 3u) >> 2u);
  for (var word = firstWord + thread; word < firstWord + PACKED_WORDS; word += THREADS) {
    let at = skipped + word * 4u;
    if (at >= length) {
      break;
    }
    var value = bodyBytesAt(isStored, origin, at);
    if (at + 4u > length) {
      value = extractBits(value, 0u, (length - at) * 8u);
      value |= followingBytes(frame, place.index + 1u, length - at);
    }
    blocks[output + word] = value;
  }
}

/** A word whose first `filled` bytes are 0, then the first bytes of the bodies from part `index` of a frame on. */
fn followingBytes(frame: Frame, index: u32, filled: u32) -> u32 {
  var value = 0u;
  var at = filled;
  for (var next = index; next < frame.partCount && at < 4u; next++) {
    let body = parts[frame.firstPart + next];
    let isStored = body.length == 0u;
    let length = select(body.length, plainLengthOf(frame, next), isStored);
    let origin = select((frame.firstPart + next) * PART_WORDS, frame.plainWord + next * PART_WORDS, isStored);
    let taken = min(4u - at, length);
    value |= extractBits(bodyBytesAt(isStored, origin, 0u), 0u, taken * 8u) << (at * 8u);
    at += taken;
  }
  return value;
}
