import fs from 'node:fs'
import t from 'tap'
import { hash } from '../../src/codec/blake3.ts'
import { MIB } from '../../src/base/limits.ts'
import { ChunkFilter } from '../../src/archive/chunk-filter.ts'
import { planFrames } from '../../src/archive/frame-plan.ts'
import { SpillingIndex } from '../../src/archive/spilling-index.ts'
import { verify } from '../../src/index.ts'
import { archiveEntries, file, hex } from './support/archives.ts'
import { makeDirectory, noise } from './support/trees.ts'

const LENGTH = 1000 // bytes of each chunk

/** `count` ids from number `first` on. */
function idsOf(first: number, count: number): Uint32Array {
  const ids = new Uint32Array(count * 8)
  const bytes = new Uint8Array(ids.buffer)
  for (let i = 0; i < count; i++) bytes.set(hash(Buffer.from(`${first + i}`)), i * 32)
  return ids
}

function indexOf(maxBytes: number, tempDir: string): { index: SpillingIndex; degraded: string[] } {
  const degraded: string[] = []
  return { index: new SpillingIndex({ maxBytes, tempDir, onDegraded: reason => degraded.push(reason) }), degraded }
}

/** Plans a batch as the writer does; the frame of each chunk tells which batch stored it. */
async function plan(index: SpillingIndex, ids: Uint32Array, batch: number): Promise<{ stored: number; frameOf: number[]; offsetOf: number[] }> {
  await index.prepare(ids)
  const count = ids.length / 8
  const chunks = Uint32Array.from({ length: count * 2 }, (_, i) => i % 2 === 0 ? (i / 2) * LENGTH : LENGTH)
  const { frames, frameOf, offsetOf } = planFrames(index.table, ids, chunks, batch)
  return { stored: frames.reduce((sum, { plainLength }) => sum + plainLength / LENGTH, 0), frameOf: [...frameOf], offsetOf: [...offsetOf] }
}

t.test('every chunk is stored once, however many times the index spills', async t => {
  // The least table has room for 716 ids: 60 spills make runs of two levels, and a merge begins anew.
  const { index, degraded } = indexOf(0, makeDirectory(t))
  const size = 500
  for (let batch = 0; batch < 90; batch++) t.equal((await plan(index, idsOf(batch * size, size), batch)).stored, size)
  t.ok(index.runCount > 3 && index.runCount < 30, `${index.runCount} runs of 89`)
  // In another order, so that lookups hit all runs.
  for (let batch = 0; batch < 90; batch += 7) {
    const { stored, frameOf, offsetOf } = await plan(index, idsOf(batch * size + 250, size), 1000)
    t.equal(stored, batch < 89 ? 0 : 250)
    t.same([frameOf[0], offsetOf[0]], [batch, 250 * LENGTH])
    if (batch < 89) t.same([frameOf[499], offsetOf[499]], [batch + 1, 249 * LENGTH])
  }
  t.same(degraded, [])
  index.close()
})

t.test('without a spill nothing is waited for', async t => {
  const { index } = indexOf(MIB, makeDirectory(t))
  for (let batch = 0; batch < 10; batch++) {
    t.equal(index.prepare(idsOf(batch * 700, 700)), null)
    await plan(index, idsOf(batch * 700, 700), batch)
  }
  t.equal(index.runCount, 0)
})

t.test('a batch larger than the share fits, and duplicates within it are found', async t => {
  const { index } = indexOf(0, makeDirectory(t))
  const ids = new Uint32Array(2 * 5000 * 8)
  ids.set(idsOf(0, 5000))
  ids.set(idsOf(0, 5000), 5000 * 8)
  t.equal((await plan(index, ids, 0)).stored, 5000)
  t.equal((await plan(index, idsOf(5000, 5000), 1)).stored, 5000)
  t.equal((await plan(index, ids, 2)).stored, 0)
  index.close()
})

t.test('memory is bounded: filters give way when there is no room', async t => {
  const { index } = indexOf(6 * MIB, makeDirectory(t))
  const size = 8000
  let most = 0
  for (let batch = 0; batch < 60; batch++) {
    await plan(index, idsOf(batch * size, size), batch)
    most = Math.max(most, index.runBytes)
  }
  t.ok(index.table.maxBytes + most <= 6 * MIB, `${index.table.maxBytes} for the table, ${most} for runs`)
  for (let batch = 0; batch < 60; batch += 13) t.equal((await plan(index, idsOf(batch * size, size), 1000)).stored, 0)
  index.close()
})

t.test('nothing stands in the directory, and nothing is left open', async t => {
  const directory = makeDirectory(t)
  const before = fs.readdirSync('/proc/self/fd').length
  const { index } = indexOf(0, directory)
  for (let batch = 0; batch < 12; batch++) await plan(index, idsOf(batch * 700, 700), batch)
  t.ok(index.runCount > 0)
  t.same(fs.readdirSync(directory), [])
  index.close()
  t.equal(fs.readdirSync('/proc/self/fd').length, before)
})

t.test('a full disk costs duplicates alone, and is told once', async t => {
  const { index, degraded } = indexOf(0, '/nowhere')
  const size = 500
  for (let batch = 0; batch < 20; batch++) {
    const { stored, frameOf } = await plan(index, idsOf(batch * size, size), batch)
    t.equal(stored, size)
    t.ok(frameOf.every(frame => frame === batch))
  }
  t.equal(degraded.length, 1)
  t.equal((await plan(index, idsOf(19 * size, size), 99)).stored, 0, 'what came last is still known')
  t.equal((await plan(index, idsOf(10 * size, size), 99)).stored, size)
  index.close()
})

t.test('a disk that fails later costs duplicates alone', { skip: !fs.existsSync('/proc/self/fd') }, async t => {
  const directory = makeDirectory(t)
  const { index, degraded } = indexOf(0, directory)
  for (let batch = 0; batch < 6; batch++) await plan(index, idsOf(batch * 700, 700), batch)
  const { runCount } = index
  t.ok(runCount > 0)
  fs.rmdirSync(directory)
  for (let batch = 6; batch < 20; batch++) t.equal((await plan(index, idsOf(batch * 700, 700), batch)).stored, 700)
  t.equal(degraded.length, 1)
  t.equal(index.runCount, runCount)
  t.equal((await plan(index, idsOf(0, 700), 99)).stored, 0, 'runs from before are still looked up')
  fs.mkdirSync(directory)
  index.close()
})

t.test('ids that begin alike are told apart in runs', async t => {
  const { index } = indexOf(0, makeDirectory(t))
  // More than a block's 102 records with the same first word, and neighbours on both sides.
  const alike = (last: number, first = 7) => [first, 0, 0, 0, 0, 0, 0, last]
  const ids = Uint32Array.from([...Array.from({ length: 50 }, (_, i) => alike(i, 6)), ...Array.from({ length: 300 }, (_, i) => alike(i)), ...Array.from({ length: 50 }, (_, i) => alike(i, 8))].flat())
  await plan(index, ids, 0)
  await plan(index, idsOf(0, 700), 1)
  await plan(index, idsOf(700, 700), 2)
  t.ok(index.runCount > 0)
  t.equal((await plan(index, ids, 3)).stored, 0)
  t.equal((await plan(index, Uint32Array.from(alike(300)), 4)).stored, 1)
  index.close()
})

t.test('a filter holds what was added, and little else', async t => {
  const random = noise(1, 32 * 20_000)
  const words = new Uint32Array(random.buffer, random.byteOffset, random.length / 4)
  for (const [bits, most] of [[10, 0.03], [4, 0.25]] as const) {
    const filter = new ChunkFilter(bits * 10_000 / 8, 10_000)
    for (let i = 0; i < 10_000; i++) filter.add(words, i * 8)
    let others = 0
    for (let i = 0; i < 20_000; i++) {
      if (i < 10_000 && !filter.mayHold(words, i * 8)) t.fail(`${i} was added`)
      if (i >= 10_000 && filter.mayHold(words, i * 8)) others++
    }
    t.ok(others / 10_000 < most, `${bits} bits: ${others} of 10,000`)
  }
})

t.test('an archive is the same whether or not the index spills, but for the place of chunks', async t => {
  const directory = makeDirectory(t)
  const count = 12_000 // more than a table that was grown for one batch of 8,192 holds
  const archive = async (name: string, indexBytes: number | undefined, tempDir?: string) => {
    const entries = Array.from({ length: 2 * count }, (_, i) => file(`${100_000 + i}`, Buffer.from(`content ${i % count}`)))
    const output = `${directory}/${name}`
    const { result, problems } = await archiveEntries(entries, output, { indexBytes, options: { tempDir } })
    t.same((await verify(output)).damage, [])
    return { result, problems }
  }
  const whole = await archive('whole.warp', undefined)
  const spilled = await archive('spilled.warp', 0)
  t.same(spilled.problems, [])
  t.equal(hex(spilled.result.root), hex(whole.result.root))
  t.equal(spilled.result.frameBytes, whole.result.frameBytes, 'deduplication is exact')
  const degraded = await archive('degraded.warp', 0, '/nowhere')
  t.match(degraded.problems, [{ kind: 'note', message: /nowhere.*index of chunks/ }])
  t.equal(hex(degraded.result.root), hex(whole.result.root))
  t.ok(degraded.result.frameBytes > whole.result.frameBytes)
})
