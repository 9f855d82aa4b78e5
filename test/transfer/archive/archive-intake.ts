import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { MIB } from '../../../src/base/limits.ts'
import { ArchiveIntake } from '../../../src/transfer/archive/archive-intake.ts'
import { ARCHIVE_DATA_BYTES } from '../../../src/transfer/archive/archive-messages.ts'
import { IntakeThread } from '../../../src/transfer/archive/intake-thread.ts'
import { makeDirectory } from '../../archive/support/trees.ts'
import { boundaries, makeArchive, offerOf } from '../support/archives.ts'

async function prepare(t: Test, fileBytes: number) {
  const directory = makeDirectory(t)
  const file = await makeArchive(directory, fileBytes, { compress: 'none' })
  const output = path.join(directory, 'out')
  const fd = fs.openSync(output, 'w+')
  t.teardown(() => fs.closeSync(fd))
  return { bytes: fs.readFileSync(file), offer: await offerOf(file), output, fd }
}

t.test('pieces of any size are checked and written', async t => {
  const { bytes, offer, output, fd } = await prepare(t, 200_000)
  for (const size of [bytes.length, 7919, 1000]) {
    fs.ftruncateSync(fd, 0)
    const intake = new ArchiveIntake({ fd, offer, resumed: null })
    let soFar
    for (let at = 0; at < bytes.length; at += size) soFar = intake.take(bytes.subarray(at, at + size))
    intake.finish()
    t.equal(soFar!.position, bytes.length)
    t.ok(fs.readFileSync(output).equals(bytes), `${size}`)
  }
})

t.test('it goes on after a block', async t => {
  const { bytes, offer, output, fd } = await prepare(t, 200_000)
  const soFar = boundaries(offer, bytes)[1]
  fs.writeSync(fd, bytes, 0, soFar.position, 0)
  const intake = new ArchiveIntake({ fd, offer, resumed: { head: bytes.subarray(0, soFar.position), soFar } })
  t.throws(() => intake.finish(), { code: 'ERR_WARP_TRUNCATED' })
  intake.take(bytes.subarray(soFar.position))
  intake.finish()
  t.ok(fs.readFileSync(output).equals(bytes))
})

t.test('what is wrong is not written, nor what follows', async t => {
  const { bytes, offer, output, fd } = await prepare(t, 200_000)
  const damaged = Buffer.from(bytes)
  damaged[100_000] ^= 1
  const intake = new ArchiveIntake({ fd, offer, resumed: null })
  intake.take(damaged.subarray(0, 50_000))
  t.throws(() => intake.take(damaged.subarray(50_000)), { code: 'ERR_WARP_BLOCK_DAMAGED' })
  t.throws(() => intake.take(damaged.subarray(0, 1)), { code: 'ERR_WARP_BLOCK_DAMAGED' })
  t.throws(() => intake.finish(), { code: 'ERR_WARP_BLOCK_DAMAGED' })
  t.equal(fs.statSync(output).size, 50_000)
})

// Below and above what is worth a thread.
for (const fileBytes of [1 * MIB, 12 * MIB]) {
  t.test(`a thread that shares its memory, ${fileBytes} bytes`, async t => {
    const { bytes, offer, output, fd } = await prepare(t, fileBytes)
    const failures: unknown[] = []
    const thread = new IntakeThread({ fd, offer, resumed: null }, error => failures.push(error))
    const taken = []
    for (let at = 0; at < bytes.length; at += ARCHIVE_DATA_BYTES) {
      const piece = bytes.subarray(at, at + ARCHIVE_DATA_BYTES)
      const memory = thread.memoryFor(piece.length)
      t.equal(memory.length, piece.length)
      memory.set(piece)
      taken.push(thread.take(memory))
    }
    const soFar = (await Promise.all(taken)).at(-1)
    await thread.finish()
    t.match(soFar, { position: bytes.length })
    const pooled = thread.memoryFor(ARCHIVE_DATA_BYTES)
    t.not(pooled.buffer, thread.memoryFor(ARCHIVE_DATA_BYTES).buffer, 'no two messages share memory')
    t.same(failures, [])
    t.ok(fs.readFileSync(output).equals(bytes))
    t.equal(await thread.take(Buffer.from('more')), null)
    t.match(failures, [{ code: 'ERR_WARP_PEER_PROTOCOL' }])
    await thread.close()
  })
}

t.test('it cannot be written', async t => {
  const { bytes, offer } = await prepare(t, 1000)
  const fd = fs.openSync('/dev/full', 'w')
  t.teardown(() => fs.closeSync(fd))
  const failures: unknown[] = []
  const thread = new IntakeThread({ fd, offer, resumed: null }, error => failures.push(error))
  t.equal(await thread.take(bytes), null)
  await thread.close()
  t.match(failures, [{ code: 'ENOSPC' }])
})
