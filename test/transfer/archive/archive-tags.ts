import t from 'tap'
import fs from 'node:fs'
import { MIB } from '../../../src/base/limits.ts'
import { ArchiveCheck, NOTHING_CHECKED } from '../../../src/transfer/archive/archive-check.ts'
import { ArchiveTags } from '../../../src/transfer/archive/archive-tags.ts'
import { CHEAP } from '../../archive/support/archives.ts'
import { makeDirectory } from '../../archive/support/trees.ts'
import { makeArchive, offerOf } from '../support/archives.ts'

// Below and above what is worth a thread.
for (const length of [0, 1024 * MIB]) {
  t.test(`blocks of a file, archive of ${length} bytes`, async t => {
    const directory = makeDirectory(t)
    const file = await makeArchive(directory, 6 * MIB, { compress: 'none' })
    const offer = await offerOf(file)
    const bytes = fs.readFileSync(file)
    const check = new ArchiveCheck(offer, false)
    check.push(bytes)
    const head = check.head!
    // The footer is checked as it arrives; it says how long the archive is.
    const soFar = { ...check.soFar, position: bytes.length - 312 }
    const fd = fs.openSync(file, 'r+')
    const written = { fd, written: async () => {} }
    const failures: unknown[] = []
    const open = (from = NOTHING_CHECKED): ArchiveTags => new ArchiveTags(written, { ...offer, length: offer.length + length }, from, error => failures.push(error))

    const tags = open()
    // Less than is worth a message waits.
    tags.reach({ ...NOTHING_CHECKED, position: 1_000_000 }, head)
    tags.reach(soFar, head)
    await tags.settled()
    t.same(failures, [])
    fs.writeSync(fd, Buffer.from([bytes[1_000_000] ^ 1]), 0, 1, 1_000_000)
    tags.reach(soFar, head, 1)
    await tags.settled()
    t.same(failures, [], 'what is checked is not checked again')
    await tags.close()

    const again = open()
    again.reach(soFar, head)
    await again.settled()
    await again.close()
    t.match(failures.splice(0), [{ code: 'ERR_WARP_BLOCK_DAMAGED' }])

    fs.writeSync(fd, bytes, 1_000_000, 1, 1_000_000)
    fs.ftruncateSync(fd, 2_000_000)
    const short = open()
    short.reach(soFar, head)
    await short.close()
    t.match(failures.splice(0), [{ code: /^ERR_WARP_/ }], 'blocks that are not there')
    fs.closeSync(fd)
  })
}

t.test('what is encrypted is not read at all', async t => {
  const file = await makeArchive(makeDirectory(t), 1000, { passphrase: 'secret', passphraseCost: CHEAP })
  const [offer, bytes] = [await offerOf(file), fs.readFileSync(file)]
  const check = new ArchiveCheck(offer, false)
  check.push(bytes)
  const tags = new ArchiveTags({ fd: -1, written: async () => t.fail('it is waited for') }, offer, NOTHING_CHECKED, error => t.fail(String(error)))
  tags.reach(check.soFar, check.head!, 1)
  await tags.close()
})
