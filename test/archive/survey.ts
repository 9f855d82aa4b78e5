import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { archiveOf } from './support/archives.ts'
import { makeDirectory, MIB } from './support/trees.ts'

t.test('a create that has failed looks at no more files', async t => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'a'), '')
  fs.truncateSync(path.join(directory, 'a'), 9 * MIB) // writing begins before the walk has ended
  const count = 20_000 // the walk lets others run each 256
  for (let i = 0; i < count; i++) fs.writeFileSync(path.join(directory, `b${i}`), '')
  t.intercept(fs, 'lstatSync', { value: t.captureFn(fs.lstatSync) })
  const lstat = fs.lstatSync as unknown as { calls: unknown[] }
  // No slot takes so many iterations.
  await t.rejects(archiveOf(directory, `${directory}.warp`, { passphrase: 'x', passphraseCost: { iterations: 99, memoryKib: 8 } }))
  const looked = lstat.calls.length
  await wait(200)
  t.ok(looked < count, `${looked} of ${count}`)
  t.ok(lstat.calls.length <= looked + 256, `${lstat.calls.length} in the end`)
})
