import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { measure, openEngine } from '../../src/archive/engine-choice.ts'
import { tasks } from '../../src/archive/worker.ts'
import { CpuEngine } from '../../src/engine/cpu.ts'
import { InlinePool } from '../../src/engine/pool.ts'
import { hasDriver } from '../../src/gpu/driver.ts'
import { doctor } from '../../src/index.ts'
import { whyNoGpu } from '../support/gpu.ts'
import { makeDirectory } from './support/trees.ts'

const skip = (await whyNoGpu()) ?? false

t.test('what is measured is kept for the next time', { skip }, async t => {
  const cache = makeDirectory(t)
  const first = await measure(2, true, {}, { always: true, cache })
  t.equal(first.isCached, false)
  t.ok(first.adapters[0]!.limits['maxBufferSize']! > 0)
  for (const rate of [...Object.values(first.rates!.cpuThread), ...Object.values(first.rates!.gpu)]) t.ok(rate > 0)
  const [file] = fs.readdirSync(cache)
  t.match(file, /^gpu-[0-9a-f]{16}\.json$/)
  const second = await measure(2, true, {}, { cache })
  t.equal(second.isCached, true)
  t.strictSame(second.rates, first.rates)
  // What somebody else left there is not trusted.
  for (const content of ['', '{}', '{"cpuThread":{"cut":1},"gpu":{}}', JSON.stringify(first.rates).replace(/\d+/, '-1')]) {
    fs.writeFileSync(path.join(cache, file!), content)
    const again = await measure(2, true, {}, { cache })
    // A software rasteriser is not measured unasked.
    t.equal(again.isCached, false)
    t.equal(again.rates === null, again.adapters[0]!.isSoftware)
    if (!again.adapters[0]!.isSoftware) break
  }
})

/** An engine that looks for a GPU with the first batch. */
function openAuto(t: Test, client = {}) {
  const pool = new InlinePool(tasks)
  const options = {
    average: 8192, chunkIdKey: null, sealing: { archiveId: new Uint8Array(16), sealingKey: null }, compression: 'none' as const, level: () => 3,
  }
  const cpu = new CpuEngine(pool, 64 * 1024, 1, options)
  return openEngine(cpu, pool, {
    ...options, wish: 'auto', gpuMemory: 2 ** 30, maxSlots: 1, hasLevel: false, reproducible: false, note: message => t.fail(message), largeJobBytes: 0, client,
  })
}

t.test('auto stays with the CPU where the GPU is a software rasteriser', { skip }, async t => {
  const { engine, gpu, close } = await openAuto(t)
  const { adapters } = await measure(1, true)
  const resident = await engine.load(await engine.acquire(), [])
  resident.release()
  if (adapters[0]!.isSoftware) t.equal(gpu(), null)
  await close()
})

t.test('without a driver auto asks no thread', async t => {
  const variables = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES']
  const before = variables.map(name => process.env[name])
  t.teardown(() => variables.forEach((name, i) => {
    if (before[i] !== undefined) process.env[name] = before[i]
  }))
  let asked = 0
  const client = {
    get entry() {
      asked++
      return new URL('data:text/javascript,')
    },
  }
  const load = async () => {
    asked = 0
    const { engine, close } = await openAuto(t, client)
    const resident = await engine.load(await engine.acquire(), [])
    resident.release()
    await close()
  }
  process.env['VK_DRIVER_FILES'] = '/missing.json'
  await load()
  t.ok(asked > 0, 'one that is named is tried')
  for (const name of variables) delete process.env[name]
  if (hasDriver()) return void t.pass('skipped: this system has a driver of its own')
  await load()
  t.equal(asked, 0)
})

t.test('doctor tells all of it', { skip }, async t => {
  const cacheFolder = makeDirectory(t)
  const found = await doctor({ threads: 2, cacheFolder, measureAgain: true })
  t.match(found, {
    system: { platform: process.platform, threads: 2 }, codecs: { blake3: /native|portable/ }, koffi: Boolean,
    gpu: { adapters: Array, rates: { cpuThread: { hash: Number } }, isCached: false, choice: { engine: /cpu|gpu/, reason: String } },
  })
})

t.test('doctor without a GPU', async t => {
  // A worker that ends at once stands for all that can go wrong.
  const entry = new URL('data:text/javascript,')
  const { gpu } = await doctor({ threads: 1, gpuClient: { entry } })
  t.match(gpu, { error: /ended by itself/ })
})
