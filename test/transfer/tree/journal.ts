/** The journal of what was received: what it says after a crash at any byte, or with any bit that has changed. */
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { hash } from '../../../src/codec/blake3.ts'
import { pageDigest } from '../../../src/codec/merkle.ts'
import { ByteWriter } from '../../../src/format/cursor.ts'
import { Journal, type JournalledListing } from '../../../src/transfer/tree/journal.ts'
import { makeDirectory, noise, openDescriptors } from '../../archive/support/trees.ts'

const START = { offerId: Buffer.alloc(16, 0xab), average: 65_536 }
const CONTENTS = [noise(1, 40), noise(2, 300), noise(3, 1)]

/** What a journal says. */
interface Said {
  listings: Pick<JournalledListing, 'done'>[]
  contents: string[]
  isPublishing: boolean
}

function said(journal: Journal): Said {
  const { listings, isPublishing } = journal
  for (const [i, { digest }] of listings.entries()) {
    if (!Buffer.from(digest).equals(pageDigest(journal.contentOf(i)))) throw new Error('a digest of something else')
  }
  return { isPublishing, listings: listings.map(({ done }) => ({ done })), contents: listings.map((_, i) => Buffer.from(journal.contentOf(i)).toString('hex')) }
}

/** A journal of every kind of record; with what it says after each, and how long it is then. */
function written(file: string): { bytes: Buffer; steps: { length: number; said: Said }[] } {
  const journal = Journal.create(Buffer.from(file), START)
  const steps = [{ length: fs.statSync(file).size, said: said(journal) }]
  for (const act of [
    () => journal.addListing(0, CONTENTS[0]!), () => journal.setDone(0, [[0, 1], [3, 200]]), () => journal.addListing(1, CONTENTS[1]!),
    () => journal.setDone(1, null), () => journal.setDone(0, []), () => journal.addListing(2, CONTENTS[2]!), () => journal.setDone(0, null),
    // The source has changed.
    () => journal.addListing(1, CONTENTS[2]!), () => journal.setDone(1, [[0, 1]]), () => journal.setPublishing(),
  ]) {
    act()
    steps.push({ length: fs.statSync(file).size, said: said(journal) })
  }
  journal.close()
  return { bytes: fs.readFileSync(file), steps }
}

/** As `t.strictSame`, which takes long for what is done for every byte. */
function demandSame(t: Test, journal: Journal | null, expected: Said | undefined, what: string): void {
  const found = journal ? said(journal) : undefined
  if (JSON.stringify(found) !== JSON.stringify(expected)) t.strictSame(found, expected, what)
}

function place(t: Test): string {
  return path.join(makeDirectory(t), 'journal')
}

/** Opens a journal of these bytes. */
function open(file: string, bytes: Uint8Array): Journal | null {
  fs.writeFileSync(file, bytes)
  return Journal.open(Buffer.from(file))
}

/** A record as it stands in the file. */
function record(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32LE(payload.length)
  head[4] = type
  const covered = Buffer.concat([head, payload])
  return Buffer.concat([covered, hash(covered).subarray(0, 8)])
}

t.test('cut at every byte: it says what its whole records say, and goes on from there', async (t) => {
  const file = place(t)
  const { bytes, steps } = written(path.join(makeDirectory(t), 'journal'))
  const fds = openDescriptors()
  for (let length = 0; length <= bytes.length; length++) {
    const expected = steps.findLast((step) => step.length <= length)
    const journal = open(file, bytes.subarray(0, length))
    demandSame(t, journal, expected?.said, `${length} bytes`)
    if (!journal || !expected) continue
    if (!Buffer.from(journal.start.offerId).equals(START.offerId)) t.fail('of another offer')
    if (fs.statSync(file).size !== expected.length) t.fail('what is torn is not cut off')
    journal.addListing(journal.listings.length, CONTENTS[0]!)
    journal.setDone(journal.listings.length - 1, null)
    const after = said(journal)
    journal.close()
    const again = Journal.open(Buffer.from(file))
    demandSame(t, again, after, `${length} bytes, gone on with`)
    again?.close()
  }
  t.strictSame(openDescriptors(), fds)
})

t.test('a changed bit at every byte: nothing from there on is believed', async (t) => {
  const file = place(t)
  const { bytes, steps } = written(path.join(makeDirectory(t), 'journal'))
  const fds = openDescriptors()
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 1 << (at % 8)
    const expected = steps.findLast((step) => step.length <= at)
    const journal = open(file, changed)
    demandSame(t, journal, expected?.said, `bit ${at % 8} of byte ${at}`)
    journal?.close()
  }
  t.strictSame(openDescriptors(), fds)
})

t.test('records that are whole and make no sense end it', async (t) => {
  const file = place(t)
  const { bytes, steps } = written(path.join(makeDirectory(t), 'journal'))
  const { length, said: before } = steps[3]!
  const varints = (...numbers: number[]) => numbers.reduce((writer, number) => writer.varint(number), new ByteWriter()).take()
  const fds = openDescriptors()
  for (const [what, next] of Object.entries({
    'a listing far ahead': record(2, varints(2 ** 52)), 'the listing after the next': record(2, varints(3)), 'a listing without a number': record(2, Buffer.alloc(0)),
    'more runs than there are': record(3, varints(0, 0, 2 ** 31)), 'a run that ends': record(3, varints(0, 0, 1, 1)), 'bytes after the runs': record(3, varints(0, 0, 0, 0)),
    'an unknown type': record(9, Buffer.alloc(0)), 'a start': bytes.subarray(0, steps[0]!.length), 'publishing, and more': record(4, Buffer.alloc(1)),
    'a length of 4 GiB': Buffer.from('ffffffff02', 'hex'),
  })) {
    const journal = open(file, Buffer.concat([bytes.subarray(0, length), next, bytes.subarray(length)]))!
    t.strictSame(said(journal), before, what)
    t.equal(fs.statSync(file).size, length)
    journal.close()
  }
  for (const [what, start] of Object.entries({
    'another version': Buffer.concat([Buffer.from([2]), Buffer.alloc(20)]), 'a short start': Buffer.from([1]), 'a long start': Buffer.concat([Buffer.from([1]), Buffer.alloc(21)]),
  })) t.equal(open(file, Buffer.concat([record(1, start), bytes.subarray(steps[0]!.length)])), null, what)
  t.strictSame(openDescriptors(), fds)
})

t.test('what stands where a journal was', async (t) => {
  const file = place(t)
  const fds = openDescriptors()
  t.throws(() => Journal.open(Buffer.from(file)), { code: 'ERR_WARP_OUTPUT' }, 'nothing')
  fs.writeFileSync(`${file}-elsewhere`, 'kept')
  fs.symlinkSync(`${file}-elsewhere`, file)
  t.throws(() => Journal.open(Buffer.from(file)), { code: 'ERR_WARP_OUTPUT' }, 'a symlink is not followed')
  t.throws(() => Journal.create(Buffer.from(file), START), { code: 'ERR_WARP_OUTPUT' })
  t.equal(fs.readFileSync(`${file}-elsewhere`, 'utf8'), 'kept')
  fs.rmSync(file)
  fs.mkdirSync(file)
  t.throws(() => Journal.open(Buffer.from(file)), { code: 'ERR_WARP_OUTPUT' }, 'a directory')
  t.strictSame(openDescriptors(), fds)
})
