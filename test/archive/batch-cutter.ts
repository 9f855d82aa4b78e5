/** Cuts do not depend on how a file is divided into segments, nor on what happens to it meanwhile. */
import t from 'tap'
import fc from 'fast-check'
import fs from 'node:fs'
import path from 'node:path'
import { BatchCutter } from '../../src/archive/batch-cutter.ts'
import type { Batch, Item } from '../../src/archive/batch.ts'
import { load } from '../../src/archive/load-task.ts'
import { LargeFile, StreamFile } from '../../src/archive/open-file.ts'
import { cutAll, lookaheadBytes } from '../../src/codec/chunker.ts'
import { CpuEngine } from '../../src/engine/cpu.ts'
import { WARMUP_BYTES, type Resident, type Segment } from '../../src/engine/engine.ts'
import { InlinePool } from '../../src/engine/pool.ts'
import { engineTasks } from '../../src/engine/tasks.ts'
import { metadata } from './support/archives.ts'
import { makeDirectory, noise } from './support/trees.ts'

/** The least that the format has: many chunks in little data. */
const AVERAGE = 4096
const LOOKAHEAD = lookaheadBytes(AVERAGE)
const engine = new CpuEngine(new InlinePool({ ...engineTasks, load }), 2 * 1024 * 1024, 1, {
  average: AVERAGE, chunkIdKey: null, sealing: { archiveId: new Uint8Array(16), sealingKey: null }, compression: 'none', level: () => 1,
})

const item: Item = {
  path: Buffer.from('file'), inode: null, isLink: false, isLastName: false, record: null, failure: null, segment: 0, zeros: null, file: null, isFirst: true, isLast: true,
}

/** Noise with runs of zeros: lengths around those at which a hole begins to be one. */
const contents = fc.array(fc.record({
  data: fc.integer({ min: 0, max: 15_000 }),
  zeros: fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom(65_535, 65_536, 65_537, 69_632)),
  aligned: fc.boolean(),
}), { maxLength: 4 }).map(parts => {
  const pieces: Buffer[] = []
  let length = 0
  parts.forEach(({ data, zeros, aligned }, i) => {
    // A run that starts at a block is a hole from its first byte.
    const bytes = noise(i, aligned ? Math.ceil((length + data) / 4096) * 4096 - length : data)
    pieces.push(bytes, Buffer.alloc(zeros))
    length += bytes.length + zeros
  })
  return Buffer.concat(pieces)
})

interface Cut {
  kind: 'chunk' | 'hole'
  offset: number
  length: number
}

/** What `content` is cut into when it comes in segments that end at `ends`. */
async function cutInSegments(content: Buffer, ends: number[], file: LargeFile | StreamFile, seen = content.length): Promise<Cut[]> {
  const cutter = new BatchCutter(AVERAGE)
  const cuts: Cut[] = []
  let position = 0
  for (let offset = 0, i = 0; i < ends.length; offset = ends[i++]) {
    const length = ends[i] - offset
    const lookahead = Math.min(content.length - ends[i], LOOKAHEAD)
    const segment: Segment = {
      path: null, fd: 'fd' in file ? file.fd : -1, fileOffset: offset, length, lookahead, final: length + lookahead === content.length - offset,
      mtimeMs: 0, ctimeMs: 0, slabOffset: WARMUP_BYTES,
    }
    const slab = await engine.acquire()
    new Uint8Array(slab).set(content.subarray(Math.max(0, offset - WARMUP_BYTES), ends[i] + lookahead), Math.max(0, WARMUP_BYTES - offset))
    const resident = await engine.load(slab, [segment])
    if (seen < content.length) clip(resident, Math.max(0, seen - offset))
    const batch: Batch = { slab, segments: [segment], items: [{ ...item, file, isFirst: i === 0, isLast: i === ends.length - 1 }] }
    const cut = cutter.cut(batch, resident)
    for (const extent of cut.extentsOf(0)) {
      const kind = extent < 0 ? 'hole' : 'chunk'
      const extentLength = extent < 0 ? -extent : cut.chunks[2 * extent + 1]
      if (kind === 'chunk') t.equal(cut.chunks[2 * extent] - WARMUP_BYTES + offset, position)
      cuts.push({ kind, offset: position, length: extentLength })
      position += extentLength
    }
    resident.release()
  }
  return cuts
}

function clip(resident: Resident, bytesRead: number): void {
  const [segment] = resident.segments
  segment.bytesRead = Math.min(segment.bytesRead, bytesRead)
}

const stream = () => new StreamFile((async function* () {})(), metadata, AVERAGE)

t.test('segments do not show in the extents', async t => {
  await fc.assert(fc.asyncProperty(contents, fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 4 }), async (content, blocks) => {
    // Segments end at multiples of 4,096 (§4.3: blocks lie at multiples of the file).
    const ends = [...new Set(blocks.map(block => Math.min(block * 4096 * 3, content.length)))].sort((a, b) => a - b)
    if (ends.at(-1) !== content.length) ends.push(content.length)
    const expected = cutAll(content, AVERAGE).map(({ kind, offset, length }) => ({ kind, offset, length }))
    t.strictSame(await cutInSegments(content, ends, stream()), expected)
  }), { numRuns: 30 })
})

t.test('a file that is read whole', async t => {
  const file = path.join(makeDirectory(t), 'file')
  await fc.assert(fc.asyncProperty(contents, async content => {
    const slab = await engine.acquire()
    fs.writeFileSync(file, content)
    const segment: Segment = {
      path: file, fd: -1, fileOffset: 0, length: content.length, lookahead: 0, final: true, mtimeMs: 0, ctimeMs: 0, slabOffset: WARMUP_BYTES,
    }
    const resident = await engine.load(slab, [segment])
    const cut = new BatchCutter(AVERAGE).cut({ slab, segments: [segment], items: [item] }, resident)
    const lengths = cut.extentsOf(0).map(extent => extent < 0 ? extent : cut.chunks[2 * extent + 1])
    t.strictSame(lengths, cutAll(content, AVERAGE).map(({ kind, length }) => kind === 'hole' ? -length : length))
    resident.release()
  }), { numRuns: 20 })
})

t.test('a file that shrinks while it is read is cut as far as it was seen', async t => {
  // As many chunks as the segments need, no more: the oracle is slow.
  const content = noise(1, 250_000)
  for (const seen of [0, 1, 61_439, 61_440, 61_441, 100_000, 122_880, 122_881, 249_999]) {
    const cuts = await cutInSegments(content, [61_440, 122_880, 250_000], stream(), seen)
    const total = cuts.reduce((sum, { length }) => sum + length, 0)
    t.ok(total >= seen && total <= content.length, `${seen} bytes seen, ${total} stored`)
    const whole = cutAll(content.subarray(0, total), AVERAGE)
    t.strictSame(cuts.slice(0, -1).map(({ length }) => length), whole.slice(0, cuts.length - 1).map(({ length }) => length))
  }
})

t.test('a file that shrinks and grows again while it is read', async t => {
  const content = noise(2, 300_000)
  // A hole that goes on where the file ended for a moment.
  content.fill(0, 106_496, 200_704)
  const file = path.join(makeDirectory(t), 'file')
  fs.writeFileSync(file, content)
  const large = new LargeFile({ path: 'file', source: file, kind: 'file', size: content.length, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, inode: null, names: 0, stream: null })
  t.teardown(() => large.close())
  const cutter = new BatchCutter(AVERAGE)
  let total = 0
  for (const [offset, length, bytesRead] of [[0, 102_400, 120_000], [102_400, 197_600, 197_600]]) {
    const segment: Segment = {
      path: null, fd: large.fd, fileOffset: offset, length, lookahead: Math.min(LOOKAHEAD, content.length - offset - length), final: offset > 0,
      mtimeMs: 0, ctimeMs: 0, slabOffset: WARMUP_BYTES,
    }
    const slab = await engine.acquire()
    const resident = await engine.load(slab, [segment])
    // In the lookahead of the first segment it ended early; for the second all is there again.
    clip(resident, bytesRead)
    const cut = cutter.cut({ slab, segments: [segment], items: [{ ...item, file: large, isFirst: offset === 0, isLast: offset > 0 }] }, resident)
    for (const extent of cut.extentsOf(0)) total += extent < 0 ? -extent : cut.chunks[2 * extent + 1]
    resident.release()
  }
  t.equal(total, 120_000)
  t.not(cutter.endOf({ ...item, file: large }), content.length, 'so that it is marked unstable')
})

t.test('what could not be read fails its own item alone', async t => {
  const slab = await engine.acquire()
  const segment = (name: string, slabOffset: number): Segment => ({
    path: name, fd: -1, fileOffset: 0, length: 3, lookahead: 0, final: true, mtimeMs: 0, ctimeMs: 0, slabOffset,
  })
  const file = path.join(makeDirectory(t), 'abc')
  fs.writeFileSync(file, 'abc')
  const segments = [segment(file, 64), segment(`${file}/missing`, 128), segment(file, 192)]
  const resident = await engine.load(slab, segments)
  const cut = new BatchCutter(AVERAGE).cut({ slab, segments, items: [0, 1, 2].map(i => ({ ...item, segment: i })) }, resident)
  t.same([0, 1, 2].map(i => cut.extentsOf(i).length), [1, 0, 1])
  t.equal(cut.failureOf(0), null)
  t.match(cut.failureOf(1), /ENOTDIR/)
  resident.release()
})

t.test('of a file whose beginning could not be read, no chunk is left over', async t => {
  const content = noise(3, 300_000)
  const file = stream()
  const cutter = new BatchCutter(AVERAGE)
  const chunks: number[] = []
  const failures: (string | null)[] = []
  for (const [offset, length] of [[0, 102_400], [102_400, 197_600]]) {
    const segment: Segment = {
      path: null, fd: -1, fileOffset: offset, length, lookahead: offset > 0 ? 0 : LOOKAHEAD, final: offset > 0, mtimeMs: 0, ctimeMs: 0,
      slabOffset: WARMUP_BYTES,
    }
    const slab = await engine.acquire()
    new Uint8Array(slab).set(content.subarray(offset), WARMUP_BYTES)
    const resident = await engine.load(slab, [segment])
    // In the lookahead: all of the first segment itself was there.
    if (offset === 0) Object.assign(resident.segments[0], { bytesRead: 110_000, failure: 'EIO' })
    const items = [{ ...item, file, isFirst: offset === 0, isLast: offset > 0 }]
    const cut = cutter.cut({ slab, segments: [segment], items }, resident)
    chunks.push(cut.chunks.length, cut.extentsOf(0).length)
    failures.push(cut.failureOf(0))
    resident.release()
  }
  t.same(chunks, [0, 0, 0, 0])
  t.equal(failures[0], 'EIO')
  t.ok(cutter.isForgotten({ ...item, file }))
})

t.test('a sparse file that shrinks while it is read', async t => {
  const zerosEnd = 10_485_760
  const content = noise(4, 102_400 + LOOKAHEAD)
  const file = stream()
  const cutter = new BatchCutter(AVERAGE)
  const segment: Segment = {
    path: null, fd: -1, fileOffset: 0, length: 102_400, lookahead: LOOKAHEAD, final: false, mtimeMs: 0, ctimeMs: 0, slabOffset: WARMUP_BYTES,
  }
  const slab = await engine.acquire()
  new Uint8Array(slab).set(content, WARMUP_BYTES)
  const resident = await engine.load(slab, [segment])
  // It ended in the lookahead by then; that zeros follow had been found before.
  clip(resident, 110_000)
  const first = cutter.cut({ slab, segments: [segment], items: [{ ...item, file, isLast: false }] }, resident)
  const items: Item[] = [{ ...item, segment: -1, zeros: [102_400, zerosEnd], file, isFirst: false }]
  const second = cutter.cut({ slab: null, segments: [], items }, null)
  t.ok(first.extentsOf(0).length > 0)
  t.same(second.extentsOf(0), [])
  t.not(cutter.endOf({ ...item, file }), zerosEnd, 'so that it is marked unstable')
  resident.release()
})
