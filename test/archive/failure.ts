import t from 'tap'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Failure } from '../../src/archive/failure.ts'

t.test('gives what is awaited, or the failure', async t => {
  const failure = new Failure()
  t.equal(await failure.until(Promise.resolve(7)), 7)
  await t.rejects(failure.until(Promise.reject(new Error('its own'))), { message: 'its own' })
  const waiting = failure.until(new Promise(() => {}))
  failure.fail(new Error('first'))
  failure.fail(new Error('second'))
  await t.rejects(waiting, { message: 'first' })
  await t.rejects(failure.until(Promise.resolve(7)), { message: 'first' }, 'from then on nothing is waited for')
  await t.rejects(failure.until(Promise.reject(new Error('unheard'))), { message: 'first' })
  t.match(failure.error, { error: { message: 'first' } })
})

t.test('what was awaited is not held on to', async t => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const failure = new Failure()
  const wait = async (count: number) => {
    for (let i = 0; i < count; i++) await failure.until(new Promise(resolve => setImmediate(resolve, new Uint8Array(8))))
  }
  await wait(5000)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await wait(20_000)
  collectGarbage()
  const grown = process.memoryUsage().heapUsed - before
  // With Promise.race against a promise that lasts it is some 300 bytes each.
  t.ok(grown < 20_000 * 100, `${grown} bytes`)
})
