import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { load } from '../../src/archive/load-task.ts'
import { hash } from '../../src/codec/blake3.ts'
import { openBlock, readBlockHeaderOf } from '../../src/engine/block.ts'
import { CpuEngine } from '../../src/engine/cpu.ts'
import { WARMUP_BYTES, type Segment } from '../../src/engine/engine.ts'
import type { LoadReply } from '../../src/engine/load.ts'
import { InlinePool, type Pool } from '../../src/engine/pool.ts'
import { engineTasks } from '../../src/engine/tasks.ts'
import { makeDirectory, noise } from '../archive/support/trees.ts'

const MIB = 1024 * 1024
const sealing = { archiveId: new Uint8Array(16), sealingKey: null }
const options = { average: 65_536, chunkIdKey: null, sealing, compression: 'auto', level: () => 1 } as const
const tasks = { ...engineTasks, load }

/** More than two tasks' worth, with zeros over the boundary of the first two. */
const content = noise(1, 9 * MIB + 5)
content.fill(0, 3 * MIB, 5 * MIB)

const segment: Segment = {
  path: null, fd: -1, fileOffset: 0, length: content.length, lookahead: 0, final: true, mtimeMs: 0, ctimeMs: 0, slabOffset: WARMUP_BYTES,
}

function resident(pool: Pool, segments: Segment[], slabBytes = 12 * MIB) {
  const engine = new CpuEngine(pool, slabBytes, 1, options)
  return engine.acquire().then(slab => {
    new Uint8Array(slab).set(content.subarray(0, slabBytes - WARMUP_BYTES), WARMUP_BYTES)
    return engine.load(slab, segments)
  })
}

t.test('a segment that is divided into tasks', async t => {
  const loaded = await resident(new InlinePool(tasks), [segment])
  const [{ bytesRead, zeroRuns, failure, candidates }] = loaded.segments
  t.equal(bytesRead, content.length)
  t.equal(failure, null)
  t.same(zeroRuns, [3 * MIB, 5 * MIB], 'runs that meet at a boundary are one')
  t.ok(candidates.every((at, i) => i === 0 || at > candidates[i - 1]), 'ascending')
  t.ok(candidates.some(at => at > 8 * MIB), 'those of the last task too')
})

t.test('a file that is shorter than it was', async t => {
  const file = path.join(makeDirectory(t), 'file')
  fs.writeFileSync(file, content.subarray(0, 4 * MIB + 100))
  const fd = fs.openSync(file, 'r')
  t.teardown(() => fs.closeSync(fd))
  const loaded = await resident(new InlinePool(tasks), [{ ...segment, fd }])
  t.equal(loaded.segments[0].bytesRead, 4 * MIB + 100)
  t.same(loaded.segments[0].zeroRuns.slice(0, 1), [3 * MIB])
})

t.test('a file that was shorter for a moment ends where it did then', async t => {
  class Truncating extends InlinePool {
    override async run(name: string, args: unknown): Promise<unknown> {
      const reply = await super.run(name, args) as LoadReply
      // The first piece came up short, the others did not.
      if ((args as { plan: Float64Array }).plan[1] === 0) reply.fields[0] = 1000
      return reply
    }
  }
  const loaded = await resident(new Truncating(tasks), [segment])
  t.equal(loaded.segments[0].bytesRead, 1000)
})

t.test('many segments in one task, among them one that cannot be read', async t => {
  const directory = makeDirectory(t)
  const paths = ['a', 'missing', 'b'].map(name => path.join(directory, name))
  fs.writeFileSync(paths[0], 'first')
  fs.writeFileSync(paths[2], 'second!')
  const segments = paths.map((name, i): Segment => ({ ...segment, path: name, length: 5 + i, slabOffset: 100 * (i + 1) }))
  const loaded = await resident(new InlinePool(tasks), segments)
  t.match(loaded.segments, [{ bytesRead: 5, failure: null }, { failure: /ENOENT/ }, { bytesRead: 7, failure: null }])
})

t.test('hashes and seals', async t => {
  const loaded = await resident(new InlinePool(tasks), [segment])
  // The second job starts with the chunk that exceeds the first task.
  const chunks = Uint32Array.of(WARMUP_BYTES, 4 * MIB, 4 * MIB, 100, WARMUP_BYTES + 4 * MIB, 200)
  const ids = await loaded.hashes(chunks)
  t.same(ids.slice(0, 32), new Uint8Array(hash(content.subarray(0, 4 * MIB))))
  t.same(ids.slice(64), new Uint8Array(hash(content.subarray(4 * MIB, 4 * MIB + 200))))
  t.equal((await loaded.hashes(new Uint32Array(0))).length, 0)
  t.same(await loaded.seal([]), [])
  const blocks = await loaded.seal([
    { ordinal: 1, pieces: chunks.slice(0, 2), plainLength: 4 * MIB },
    { ordinal: 2, pieces: chunks.slice(4), plainLength: 200 },
  ])
  const opened = blocks.map((block, i) => {
    const bytes = Buffer.from(block)
    return Buffer.from(openBlock(sealing, readBlockHeaderOf(sealing, bytes.subarray(0, 64), 0, { ordinal: i + 1 }), bytes, 0))
  })
  t.ok(opened[0].equals(content.subarray(0, 4 * MIB)))
  t.ok(opened[1].equals(content.subarray(4 * MIB, 4 * MIB + 200)))
})

t.test('released slabs are lent again', async t => {
  const engine = new CpuEngine(new InlinePool(tasks), MIB, 1, options)
  const slab = await engine.acquire()
  const loaded = await engine.load(slab, [])
  let isLent = false
  const next = engine.acquire().then(again => (isLent = true, again))
  await new Promise(resolve => setImmediate(resolve))
  t.notOk(isLent)
  loaded.release()
  t.equal(await next, slab)
})
