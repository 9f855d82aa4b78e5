/** The GPU engine beside the CPU engine: equal candidates, runs of zeros, ids and, for equal payloads, blocks. */
import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { load } from '../../src/archive/load-task.ts'
import { findCandidates } from '../../src/codec/buzhash.ts'
import { openBlock, readBlockHeaderOf, type Compression } from '../../src/engine/block.ts'
import { CpuEngine } from '../../src/engine/cpu.ts'
import { WARMUP_BYTES, type EngineOptions, type Resident, type Segment } from '../../src/engine/engine.ts'
import { GpuEngine } from '../../src/engine/gpu.ts'
import { InlinePool } from '../../src/engine/pool.ts'
import { engineTasks } from '../../src/engine/tasks.ts'
import { CODEC } from '../../src/format/block.ts'
import { whyNoGpu } from '../support/gpu.ts'
import { KIB, MIB, makeDirectory, noise } from '../archive/support/trees.ts'

const skip = (await whyNoGpu()) ?? false
const key = new Uint8Array(32).fill(3)
const pool = new InlinePool({ ...engineTasks, load })
const SLAB_BYTES = 12 * MIB
const AVERAGE = 4 * KIB

function optionsOf(compression: Compression, isEncrypted: boolean): EngineOptions {
  const sealing = { archiveId: new Uint8Array(16).fill(9), sealingKey: isEncrypted ? new Uint8Array(32).fill(5) : null }
  return { average: AVERAGE, chunkIdKey: isEncrypted ? key : null, sealing, compression, level: () => 1 }
}

/** A run of bytes, over and over, in which every turn has a candidate: more in 2 MiB than a list holds. */
function denseBytes(length: number, average: number): Buffer {
  for (let seed = 0; ; seed++) {
    const unit = noise(seed, 16)
    const bytes = Buffer.alloc(length, unit)
    if (findCandidates(bytes.subarray(0, 96), 48, 96, average, new Uint32Array(96)) > 0) return bytes
  }
}

/** Two parts of a large file with an odd place in the slab, and whole files around them. */
function segmentsOf(t: Parameters<typeof makeDirectory>[0]): { direct: Segment[]; mixed: Segment[] } {
  const directory = makeDirectory(t)
  const content = noise(1, 9 * MIB + 5)
  content.fill(0, 3 * MIB, 5 * MIB)
  content.set(denseBytes(2 * MIB, AVERAGE), 6 * MIB)
  const file = path.join(directory, 'file')
  fs.writeFileSync(file, content)
  const fd = fs.openSync(file, 'r')
  t.teardown(() => fs.closeSync(fd))
  const base = { path: null, fd, lookahead: 0, final: false, mtimeMs: 0, ctimeMs: 0 }
  const direct: Segment[] = [
    { ...base, fileOffset: 0, length: 4 * MIB, lookahead: MIB, slabOffset: 0 },
    { ...base, fileOffset: 4 * MIB, length: 5 * MIB + 5, final: true, slabOffset: 5 * MIB + WARMUP_BYTES + 3 },
  ]
  const small = ['', 'x', 'y'.repeat(70_000)].map((text, i): Segment => {
    const name = path.join(directory, String(i))
    fs.writeFileSync(name, text)
    return { ...base, path: name, fd: -1, fileOffset: 0, length: text.length, final: true, slabOffset: 11 * MIB + i * 100 }
  })
  return { direct, mixed: [...direct, ...small] }
}

interface Seen {
  segments: unknown[]
  ids: string
  blocks: Buffer[]
}

async function see(resident: Resident): Promise<Seen> {
  const segments = resident.segments.map(({ bytesRead, candidates, zeroRuns, failure, reply, index }) => {
    const ends = reply.files.extentEnds
    const extents = Array.from(reply.files.extents.subarray(index > 0 ? ends[index - 1] : 0, ends[index]))
    const { chunks, ids } = reply.files
    return {
      bytesRead, candidates: Array.from(candidates), zeroRuns, failure,
      extents: extents.map(extent => extent < 0 ? extent
        : [chunks[2 * extent], chunks[2 * extent + 1], Buffer.from(ids.subarray(32 * extent, 32 * extent + 32)).toString('hex')]),
    }
  })
  // Chunks of odd lengths at odd places, side by side and apart.
  const chunks = Uint32Array.of(0, 100_001, 100_001, 3, 5 * MIB + 77, MIB, 11 * MIB + 200, 70_000)
  const ids = Buffer.from(await resident.hashes(chunks)).toString('hex')
  const blocks = await resident.seal([
    { ordinal: 1, pieces: chunks.slice(0, 4), plainLength: 100_004 },
    { ordinal: 2, pieces: chunks.slice(4), plainLength: MIB + 70_000 },
  ])
  const seen = { segments, ids, blocks: blocks.map(block => Buffer.from(Buffer.from(block))) }
  resident.release()
  return seen
}

t.test('equal to the CPU engine', { skip }, async t => {
  const { direct, mixed } = segmentsOf(t)
  for (const [compression, isEncrypted] of [['none', false], ['none', true], ['lz4', true], ['zstd', true]] as const) {
    const options = optionsOf(compression, isEncrypted)
    const cpu = new CpuEngine(pool, SLAB_BYTES, 2, options)
    const gpu = await GpuEngine.open(cpu, pool, {
      ...options, gpuMemory: 512 * MIB, maxSlots: 2, encoder: compression === 'zstd' ? null : compression === 'none' ? 'store' : 'lz4', onFailure: reason => t.fail(reason),
    })
    // Those of descriptors alone go straight to the device, where it seals; the last piece of `see` lies beyond them.
    for (const segments of compression === 'zstd' ? [mixed] : [mixed, direct]) {
      const slab = await cpu.acquire()
      new Uint8Array(slab).fill(0)
      const expected = await see(await cpu.load(slab, segments))
      const again = await gpu.acquire()
      new Uint8Array(again).fill(0)
      const found = await see(await gpu.load(again, segments))
      const name = `${compression}, ${isEncrypted ? 'encrypted' : 'not encrypted'}, ${segments.length} segments`
      t.same(found.segments, expected.segments, name)
      t.ok((expected.segments[1] as { candidates: number[] }).candidates.length > 65_536, 'more than a list holds')
      if (segments === direct) continue
      t.equal(found.ids, expected.ids, name)
      if (compression === 'none') t.ok(found.blocks.every((block, i) => block.equals(expected.blocks[i]!)), `${name}: blocks`)
      for (const [i, block] of found.blocks.entries()) {
        const header = readBlockHeaderOf(options.sealing, block.subarray(0, 64), 0, { ordinal: i + 1 })
        const other = readBlockHeaderOf(options.sealing, expected.blocks[i]!.subarray(0, 64), 0, { ordinal: i + 1 })
        t.equal(header.plainLength, other.plainLength)
        const plain = Buffer.from(openBlock(options.sealing, header, block, 0))
        t.ok(plain.equals(openBlock(options.sealing, other, expected.blocks[i]!, 0)), `${name}: content`)
        if (compression === 'lz4') t.equal(header.codec, i === 0 ? CODEC.store : CODEC.lz4)
      }
    }
    await gpu.close()
  }
})
