/** Archives stored inside an archive: what looks for blocks must not take theirs. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { broken, noise, write } from './support/archives.ts'
import { makeSandbox, tryExtract, tryRecover, tryVerify } from './support/sandbox.ts'

const inner = write([{ path: 'inner', content: noise(3000) }], { archiveId: noise(16, 'other') }).bytes
const entries = [{ path: 'a', content: 'a' }, { path: 'nested.warp', content: inner }, { path: 'z', content: 'z' }]

t.test('recovered from a damaged one', async t => {
  const sandbox = makeSandbox(t)
  const { bytes, blocks } = write(entries, { frameBytes: 1 })
  for (const from of [0, blocks[0]!.offset, blocks[1]!.offset]) {
    const damaged = Buffer.from(bytes)
    // A byte of the header, or of a block header: from there on it is a search.
    damaged[from + 20]! ^= 1
    fs.writeFileSync(sandbox.archive, damaged)
    fs.rmSync(sandbox.target, { recursive: true, force: true })
    t.match(await tryRecover(sandbox), { class: 'ok' })
    fs.renameSync(sandbox.target, sandbox.archive)
    t.match(await tryVerify(sandbox, 'file'), { class: 'ok' })
    t.match(await tryExtract(sandbox, 'file'), { class: 'ok' })
    const found = fs.readdirSync(sandbox.target)
    t.notOk(found.includes('inner'))
    if (found.includes('nested.warp')) t.ok(fs.readFileSync(join(sandbox.target, 'nested.warp')).equals(inner))
    t.ok(found.length >= 2, `one entry is lost at most: ${found}`)
  }
})

t.test('one of the same id, to deceive', async t => {
  const sandbox = makeSandbox(t)
  const twin = write([{ path: 'inner', content: noise(3000) }]).bytes
  const { bytes, blocks } = write([{ path: 'a', content: 'a' }, { path: 'nested.warp', content: twin }],
    { frameBytes: 1 })
  fs.writeFileSync(sandbox.archive, bytes)
  t.match(await tryVerify(sandbox, 'file'), { class: 'ok' })
  bytes[blocks[1]!.offset + 20]! ^= 1
  fs.writeFileSync(sandbox.archive, bytes)
  // Without a key nothing tells them apart; whatever it takes is right in itself.
  const { class: end } = await tryRecover(sandbox)
  t.match(end, /^(ok|malformed|damaged)$/)
})

t.test('a million block magics', async t => {
  const sandbox = makeSandbox(t)
  const magic = Buffer.from('c7777270626c6b0a', 'hex')
  const flood = broken(entries, {
    'block bytes': (value, { ordinal }) =>
      ordinal === 1 ? Buffer.concat([value, Buffer.alloc(2 ** 23, magic)]) : value,
  })
  fs.writeFileSync(sandbox.archive, flood)
  // Reading 1 MiB for each would take longer than any test may.
  t.match(await tryRecover(sandbox), { class: 'ok' })
})
