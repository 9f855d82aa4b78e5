import t from 'tap'
import { FrameJobs, packIds, type FrameJob } from '../../src/archive/frame-jobs.ts'

const id = new Uint8Array(32)

t.test('what is wanted of one frame is one job', async t => {
  const ran: FrameJob<string>[] = []
  const jobs = new FrameJobs<string>(2, async job => void ran.push(job))
  jobs.add(100, 0, 5, id, 'a')
  jobs.add(200, 7, 1, id, 'b')
  jobs.add(100, 5, 6, id.slice().fill(1), 'c')
  await jobs.settle()
  t.same(ran, [], 'few frames wait for more that wants them')
  await jobs.drain()
  t.same(ran.map(({ offset, chunks, wants }) => ({ offset, chunks, wants })), [
    { offset: 100, chunks: [0, 5, 5, 6], wants: ['a', 'c'] }, { offset: 200, chunks: [7, 1], wants: ['b'] },
  ])
  t.same(packIds(ran[0].ids), Uint8Array.from({ length: 64 }, (_, i) => i < 32 ? 0 : 1))
})

t.test('jobs run in the order of their frames, so many at a time', async t => {
  const order: number[] = []
  let running = 0
  let most = 0
  const jobs = new FrameJobs<null>(3, async ({ offset }) => {
    order.push(offset)
    most = Math.max(most, ++running)
    await new Promise(resolve => setImmediate(resolve))
    running--
  })
  for (let offset = 100; offset > 0; offset--) jobs.add(offset, 0, 1, id, null)
  await jobs.settle()
  const started = order.length
  t.ok(started >= 100 - 16 && started < 100, 'all but those that are held')
  await jobs.drain()
  t.same(order, [...order].sort((a, b) => a - b))
  t.same([order.length, most], [100, 3])
})

t.test('what is wanted of few frames does not pile up', async t => {
  const ran: number[] = []
  const jobs = new FrameJobs<number>(2, async ({ wants }) => void ran.push(wants.length))
  // Tiny files: many in a frame.
  for (let i = 0; i < 100_000; i++) {
    jobs.add(i % 2, 0, 1, id, i)
    await jobs.settle()
  }
  await jobs.drain()
  t.equal(ran.reduce((sum, wants) => sum + wants, 0), 100_000)
  t.ok(Math.max(...ran) <= 16_385)
})

for (const verb of ['settle', 'drain'] as const) {
  t.test(`after a failure nothing runs any more: ${verb}`, async t => {
    let running = 0
    let started = 0
    const jobs = new FrameJobs<null>(4, async ({ offset }) => {
      running++
      started++
      for (let turns = 0; turns < offset; turns++) await new Promise(resolve => setImmediate(resolve))
      running--
      if (offset === 2) throw new Error('second')
    })
    for (let offset = 1; offset <= 100; offset++) jobs.add(offset, 0, 1, id, null)
    await t.rejects(jobs[verb](), { message: 'second' })
    t.equal(running, 0, 'whoever closes files now closes none that is being written')
    t.ok(started < 100)
    await t.rejects(jobs.drain(), { message: 'second' })
  })
}
