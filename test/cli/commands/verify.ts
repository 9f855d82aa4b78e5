import t from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, warp } from '../support/run.ts'

const cwd = t.testdir({ d: { a: 'content of a', b: 'content of b' } })
await warp(['create', '-q', '-o', 'x.warp', '--compress', 'none', 'd'], { cwd })
const bytes = readFileSync(resolve(cwd, 'x.warp'))

/** Writes the archive with one bit changed. */
function damage(name: string, offset: number): void {
  const changed = Buffer.from(bytes)
  changed[offset] ^= 1
  writeFileSync(resolve(cwd, name), changed)
}

t.test('a good archive', async t => {
  const { status, stdout, stderr } = await warp(['verify', 'x.warp'], { cwd })
  t.equal(status, 0)
  t.equal(stderr, '')
  t.match(stdout, /^archive +x\.warp: good$/m)
  t.match(stdout, /^holds +3 entries, 24 B$/m)
  t.match(stdout, /^signed +no$/m)
  t.match(await warp(['verify', '-q', 'x.warp'], { cwd }), { status: 0, stdout: '', stderr: '' })
  const json = await warp(['verify', '--json', 'x.warp'], { cwd })
  t.match(parseLines(json.stdout), [{
    archive: 'x.warp', good: true, quick: false, root: /^[0-9a-f]{64}$/, archiveId: /^[0-9a-f]{32}$/,
    signer: null,
    encrypted: false, partial: false, entries: 3, logicalBytes: 24, damage: [], unstable: 0,
    durationMs: Number,
  }])
})

t.test('damaged content', async t => {
  damage('bad.warp', bytes.indexOf('content of a'))
  const { status, stdout, stderr } = await warp(['verify', 'bad.warp'], { cwd })
  t.equal(status, 13)
  t.match(stderr, /^warp: .*\(at byte 256\)$/m)
  t.match(stderr, /^warp: d\/a: damaged$/m)
  t.match(stdout, /^archive +bad\.warp: damaged$/m)
  const json = await warp(['verify', '--json', 'bad.warp'], { cwd })
  t.equal(json.status, 13)
  t.match(parseLines(json.stdout), [{
    good: false, damage: [{ code: 'ERR_WARP_BLOCK_DAMAGED', message: String, offset: 256, paths: Array }],
  }])
  t.match(await warp(['verify', '--quick', 'bad.warp'], { cwd }), { status: 0, stdout: /content not read/ })
})

t.test('damaged content of very many files', async t => {
  const many = Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`f${i}`, 'the same']))
  const cwd = t.testdir({ m: many })
  await warp(['create', '-q', '-o', 'm.warp', '--compress', 'none', 'm'], { cwd })
  const bytes = readFileSync(resolve(cwd, 'm.warp'))
  bytes[bytes.indexOf('the same')] ^= 1
  writeFileSync(resolve(cwd, 'm.warp'), bytes)
  const { status, stderr } = await warp(['verify', 'm.warp'], { cwd })
  t.equal(status, 13)
  t.match(stderr, /^warp: m\/f0: damaged$/m)
  t.match(stderr, /and 10 more files/)
})

t.test('damaged structure', async t => {
  damage('bad.warp', 20) // the average of the header
  t.match(await warp(['verify', 'bad.warp'], { cwd }), { status: 10 })
  damage('bad.warp', bytes.length - 100) // the footer
  t.match(await warp(['verify', 'bad.warp'], { cwd }), { status: 13 })
  writeFileSync(resolve(cwd, 'bad.warp'), bytes.subarray(0, -1))
  t.match(await warp(['verify', 'bad.warp'], { cwd }), { status: 10 })
  t.match(await warp(['verify', '--quick', 'bad.warp'], { cwd }), { status: 10 })
})

t.test('resources', async t => {
  const words = ['verify', 'x.warp', '--threads', '1', '--memory', '256M', '--temp-dir', '.']
  t.match(await warp(words, { cwd }), { status: 0 })
})
