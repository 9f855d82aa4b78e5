import t from 'tap'
import { existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { InlinePool, WorkerPool, type Pool } from '../../src/engine/pool.ts'
import { tasks } from './fixtures/tasks.ts'

const ENTRY = new URL('./fixtures/tasks.ts', import.meta.url)

for (const [kind, open] of [
  ['without threads', () => new InlinePool(tasks)],
  ['with threads', () => new WorkerPool(ENTRY, 2)],
] as [string, () => Pool][]) {
  t.test(kind, async t => {
    const pool = open()
    t.teardown(() => pool.close())
    t.same(await pool.run('echo', { a: [1, 'two', new Uint8Array(3)] }), { a: [1, 'two', new Uint8Array(3)] })
    const slab = new SharedArrayBuffer(16)
    t.same(await pool.run('fill', { slab, byte: 9 }), { view: new Uint8Array(8).fill(9), small: Buffer.from('pooled') })
    t.equal(new Uint8Array(slab)[15], 9, 'slabs are shared, not copied')
    await t.rejects(pool.run('refuse', null), { name: 'WarpError', code: 'ERR_WARP_BLOCK_DAMAGED', offset: 7, path: 'p', hint: 'h' })
    await t.rejects(pool.run('fail', null), { code: 'EIO', syscall: 'read', message: 'failed' })
    await t.rejects(pool.run('throwString', null))
    t.same(await pool.run('echo', 1), 1, 'a failed task does not end the pool')
    // more than the two jobs a worker is sent ahead, so that some wait
    const many = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.run('echo', i)))
    t.same(many, Array.from({ length: 50 }, (_, i) => i))
  })
}

t.test('work is spread over the threads', async t => {
  const pool = new WorkerPool(ENTRY, 2)
  t.teardown(() => pool.close())
  t.equal(pool.size, 2)
  const replies = await Promise.all(Array.from({ length: 9 }, () => pool.run('wait', 5))) as { threadId: number }[]
  t.equal(new Set(replies.map(({ threadId }) => threadId)).size, 2)
})

for (const task of ['exit', 'leave', 'unsendable']) {
  t.test(`a thread that ends by itself: ${task}`, async t => {
    const pool = new WorkerPool(ENTRY, 1)
    t.teardown(() => pool.close())
    const jobs = [task, 'echo', 'echo', 'echo'].map(name => pool.run(name, 0))
    const ends = await Promise.allSettled(jobs)
    // An answer that was sent before the end may still count; what comes after cannot.
    for (const end of task === 'leave' ? ends.slice(3) : ends) {
      if (end.status === 'rejected') t.match(end.reason, { code: 'ERR_WARP_WORKER_LOST' })
      else t.equal(task, 'leave')
    }
    await t.rejects(async () => {
      for (;;) await pool.run('echo', 0)
    }, { code: 'ERR_WARP_WORKER_LOST' })
  })
}

t.test('a worker that cannot start', async t => {
  const pool = new WorkerPool(new URL('./fixtures/missing.ts', import.meta.url), 1)
  t.teardown(() => pool.close())
  await t.rejects(pool.run('echo', 0), { code: 'ERR_WARP_WORKER_LOST' })
})

t.test('closing rejects what is not finished, and all that follows', async t => {
  const pool = new WorkerPool(ENTRY, 1)
  const begun = pool.run('echo', 0)
  await begun
  const jobs = Array.from({ length: 5 }, () => pool.run('wait', 300))
  const ends = Promise.allSettled(jobs)
  await pool.close()
  await pool.close()
  for (const end of await ends) t.match(end, { status: 'rejected', reason: { code: 'ERR_WARP_INTERRUPTED' } })
  await t.rejects(pool.run('echo', 0), { code: 'ERR_WARP_INTERRUPTED' })
})

const NOT_BUILT = !existsSync(resolve(import.meta.dirname, '../../dist/engine/pool.js')) && 'dist is not built'

t.test('a thread that runs out of heap', { skip: NOT_BUILT }, async t => {
  const script = resolve(import.meta.dirname, 'fixtures/exhaust.mjs')
  // Without tap's hooks, which need more heap than the thread is to have.
  const { stdout } = spawnSync(process.execPath, ['--max-old-space-size=32', script], { encoding: 'utf8' })
  t.equal(stdout, 'ERR_WARP_WORKER_LOST ERR_WARP_WORKER_LOST\n')
})
