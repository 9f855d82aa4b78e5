import t from 'tap'
import fs from 'node:fs'
import { WarpError } from '../../../src/base/errors.ts'
import { BLOCK_HEADER_BYTES, FOOTER_BLOCK_BYTES, HEADER_BYTES } from '../../../src/base/limits.ts'
import { sealBlock } from '../../../src/engine/block.ts'
import { KIND } from '../../../src/format/block.ts'
import { ArchiveCheck } from '../../../src/transfer/archive/archive-check.ts'
import type { ArchiveOffer } from '../../../src/transfer/archive/archive-messages.ts'
import { CHEAP } from '../../archive/support/archives.ts'
import { makeDirectory } from '../../archive/support/trees.ts'
import { boundaries, makeArchive, offerOf } from '../support/archives.ts'

const ENCRYPTED = { passphrase: 'secret', passphraseCost: CHEAP }

function checkAll(offer: ArchiveOffer, bytes: Uint8Array, size = bytes.length): ArchiveCheck {
  const check = new ArchiveCheck(offer)
  for (let at = 0; at < bytes.length; at += size) check.push(bytes.subarray(at, at + size))
  check.finish()
  return check
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof WarpError ? error.code : String(error)
  }
}

for (const options of [{}, ENCRYPTED]) {
  const kind = 'passphrase' in options ? 'encrypted' : 'plain'

  t.test(`an archive in pieces of any size, ${kind}`, async t => {
    const file = await makeArchive(makeDirectory(t), 200_000, options)
    const [bytes, offer] = [fs.readFileSync(file), await offerOf(file)]
    // Whole, around a block header and the header of the archive, odd, byte by byte.
    for (const size of [bytes.length, HEADER_BYTES, BLOCK_HEADER_BYTES - 1, 7919, 1]) {
      const check = checkAll(offer, bytes, size)
      t.equal(check.soFar.position, bytes.length, `${size}`)
      t.equal(check.arrived, bytes.length)
    }
    for (const length of [0, 1, HEADER_BYTES, bytes.length - FOOTER_BLOCK_BYTES, bytes.length - 1]) {
      t.equal(codeOf(() => checkAll(offer, bytes.subarray(0, length))), 'ERR_WARP_TRUNCATED')
    }
    t.equal(codeOf(() => checkAll(offer, Buffer.concat([bytes, Buffer.alloc(1)]))), 'ERR_WARP_PEER_PROTOCOL')
  })

  t.test(`it goes on after every block, ${kind}`, async t => {
    const file = await makeArchive(makeDirectory(t), 100_000, options)
    const [bytes, offer] = [fs.readFileSync(file), await offerOf(file)]
    const ends = boundaries(offer, bytes)
    t.ok(ends.length > 3)
    for (const soFar of ends) {
      const check = ArchiveCheck.resume(offer, bytes.subarray(0, soFar.position), soFar)
      check.push(bytes.subarray(soFar.position))
      check.finish()
    }
    t.equal(codeOf(() => ArchiveCheck.resume(offer, bytes.subarray(1), ends[1])), 'ERR_WARP_NOT_AN_ARCHIVE')
    t.equal(codeOf(() => ArchiveCheck.resume(offer, bytes.subarray(0, 0), ends[1])), 'ERR_WARP_TRUNCATED')
    t.equal(codeOf(() => ArchiveCheck.resume({ ...offer, headDigest: new Uint8Array(32) }, bytes, ends[1])), 'ERR_WARP_PEER_PROTOCOL')
  })
}

t.test('every changed byte is found where nothing is encrypted', async t => {
  const file = await makeArchive(makeDirectory(t), 1000)
  const [bytes, offer] = [fs.readFileSync(file), await offerOf(file)]
  const codes = new Map<string, number>()
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] ^= 1 << (at % 8)
    const code = codeOf(() => checkAll(offer, bytes))
    codes.set(code, (codes.get(code) ?? 0) + 1)
    bytes[at] ^= 1 << (at % 8)
  }
  t.notOk(codes.has('none'))
  for (const code of codes.keys()) t.match(code, /^ERR_WARP_/)
  t.ok(codes.get('ERR_WARP_BLOCK_DAMAGED')! > 1000)
})

t.test('blocks that are intact and out of place', async t => {
  const directory = makeDirectory(t)
  const file = await makeArchive(directory, 100_000)
  const [bytes, offer] = [fs.readFileSync(file), await offerOf(file)]
  const ends = boundaries(offer, bytes).map(({ position }) => position)
  const [head, first] = [bytes.subarray(0, ends[0]), bytes.subarray(ends[0], ends[1])]
  const footer = bytes.subarray(bytes.length - FOOTER_BLOCK_BYTES)
  const as = (...parts: Buffer[]): string => {
    const whole = Buffer.concat(parts)
    return codeOf(() => checkAll({ ...offer, length: whole.length }, whole))
  }
  t.equal(as(head, first, first, bytes.subarray(ends[1])), 'ERR_WARP_MALFORMED', 'a block twice')
  t.equal(as(head, bytes.subarray(ends[1])), 'ERR_WARP_MALFORMED', 'a block left out')
  t.equal(as(bytes, footer), 'ERR_WARP_TRAILING_BYTES')
  t.equal(as(bytes, Buffer.alloc(1)), 'ERR_WARP_TRAILING_BYTES')
  t.equal(as(bytes.subarray(0, -FOOTER_BLOCK_BYTES)), 'ERR_WARP_TRUNCATED')
  t.equal(as(head), 'ERR_WARP_TRUNCATED', 'only a header')
  t.equal(as(head, Buffer.alloc(1000)), 'ERR_WARP_MALFORMED', 'garbage')
  fs.rmSync(directory, { recursive: true })
  fs.mkdirSync(directory)
  const other = fs.readFileSync(await makeArchive(directory, 100_000))
  t.equal(as(other), 'ERR_WARP_PEER_PROTOCOL', 'another archive')
  t.equal(as(head, other.subarray(ends[0])), 'ERR_WARP_MALFORMED', 'blocks of another archive')

  const sealing = { archiveId: offer.archiveId, sealingKey: null }
  const block = (kind: number, ordinal: number, plain: Uint8Array): Buffer => {
    const out = Buffer.alloc(plain.length + 1000)
    return out.subarray(0, sealBlock(sealing, { kind, ordinal, compression: 'none', level: 1 }, plain, out))
  }
  // The footer's body of the archive itself counts more than there is.
  const body = footer.subarray(BLOCK_HEADER_BYTES, -16)
  t.equal(as(head, block(KIND.footer, 0, body)), 'ERR_WARP_COUNT_MISMATCH')
  t.equal(as(head, block(KIND.frame, 0, Buffer.alloc(9)), block(KIND.footer, 1, body)), 'ERR_WARP_MALFORMED', 'frames without a page')
  t.equal(as(head, ...Array.from({ length: 9 }, (_, i) => block(KIND.frame, i, Buffer.alloc(16 * 1024 * 1024))), footer), 'ERR_WARP_MALFORMED', 'too many')
})
