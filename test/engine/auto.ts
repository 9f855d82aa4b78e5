import t from 'tap'
import { AutoEngine } from '../../src/engine/auto.ts'
import type { CpuEngine } from '../../src/engine/cpu.ts'
import type { Resident, Segment } from '../../src/engine/engine.ts'
import type { GpuEngine } from '../../src/engine/gpu.ts'

const MIB = 1024 * 1024
const slab = new SharedArrayBuffer(1)
const segments = (length: number) => [{ length }] as Segment[]

/** An engine that only says that it was asked. */
function engine(name: string, log: string[]) {
  return {
    slabBytes: 7, acquire: async () => slab, close: async () => void log.push(`${name} closed`),
    load: async () => (log.push(name), {} as Resident),
  }
}

t.test('goes over to the GPU once the job is large and the GPU is ready', async t => {
  const log: string[] = []
  let ready = () => {}
  const opened = new Promise<GpuEngine>(resolve => {
    ready = () => resolve(engine('gpu', log) as unknown as GpuEngine)
  })
  let asked = 0
  const auto = new AutoEngine(engine('cpu', log) as unknown as CpuEngine, 10 * MIB, () => (asked++, opened))
  t.equal(auto.slabBytes, 7)
  t.equal(await auto.acquire(), slab)
  await auto.load(slab, segments(6 * MIB))
  t.equal(asked, 0, 'a small job never looks for one')
  await auto.load(slab, segments(6 * MIB))
  await auto.load(slab, segments(6 * MIB))
  t.equal(asked, 1)
  t.equal(auto.gpu, null)
  ready()
  await opened
  await new Promise(resolve => setImmediate(resolve))
  await auto.load(slab, segments(1))
  t.same(log, ['cpu', 'cpu', 'cpu', 'gpu'])
  t.ok(auto.gpu)
  await auto.close()
  t.same(log.slice(4), ['gpu closed'])
})

t.test('stays with the CPU', async t => {
  const log: string[] = []
  const auto = new AutoEngine(engine('cpu', log) as unknown as CpuEngine, 1, async () => null)
  for (let i = 0; i < 3; i++) {
    await auto.load(slab, segments(10))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(log, ['cpu', 'cpu', 'cpu'])
  await auto.close()
})
