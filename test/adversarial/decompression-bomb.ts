/** Much from little: payloads that decode to more, or less, than they may, and memory that stays small. */
import fs from 'node:fs'
import t from 'tap'
import { broken, u, write, zstdOf, type Hook } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'
import { makeSandbox, surroundings, tryExtract, tryList, tryVerify, type From } from './support/sandbox.ts'

const MIB = 2 ** 20
const letter = Buffer.from('x')
const entries = [{ path: 'a', content: [{ data: letter }] }]

/** The first block of `kind` gets another payload. */
const payload = (kind: number, codec: number, plainLength: number, encoded: Uint8Array): Hook => value => {
  if (value.kind === kind) Object.assign(value, { codec, plainLength, encoded, storedLength: encoded.length })
}

/** An LZ4 block that repeats one byte `length` times: one long match. */
function lz4Of(length: number): Buffer {
  // A literal, then a match of distance 1 that leaves 5 literals for the end.
  const matched = length - 1 - 5
  const extra = matched - 4 - 15
  const match = Buffer.concat([
    Buffer.from([0x1f, 0x78, 1, 0]), Buffer.alloc(Math.floor(extra / 255), 255), Buffer.from([extra % 255]),
  ])
  return Buffer.concat([match, Buffer.from([0x50]), Buffer.alloc(5, 0x78)])
}
const lz4Parts = (bodies: Buffer[]) => Buffer.concat([...bodies.map(body => u(4, body.length)), ...bodies])

const frames: Record<string, [codec: number, plainLength: number, encoded: Buffer]> = {
  'zstd frame of 1 GiB that declares 16 MiB': [2, 16 * MIB, zstdOf(letter, 1024 * MIB)],
  'zstd frame of 1 GiB that declares 1 byte': [2, 2 ** 14, zstdOf(letter, 1024 * MIB).subarray(0, 2 ** 13)],
  'zstd frame whose blocks give more than it declares': [2, 6000, zstdOf(letter, 8 * MIB).fill(u(4, 6000), 5, 9)],
  'zstd frame whose blocks give less than it declares': [2, 8 * MIB, zstdOf(letter, 6000).fill(u(4, 8 * MIB), 5, 9)],
  'LZ4 parts that give more than a part': [1, 65_536, lz4Parts([lz4Of(16 * MIB)])],
  'LZ4 parts that give one byte more': [1, 65_536, lz4Parts([lz4Of(65_537)])],
  'LZ4 parts that give less': [1, 65_536, lz4Parts([lz4Of(65_535)])],
  'more LZ4 parts than declared': [1, 65_536, lz4Parts([lz4Of(65_536), lz4Of(65_536)])],
}
for (const [name, [codec, plainLength, encoded]] of Object.entries(frames)) {
  await demandRefusal(t, name, {
    bytes: broken(entries, { block: payload(1, codec, plainLength, encoded) }),
    codes: ['ERR_WARP_CHUNK_DAMAGED', 'ERR_WARP_MALFORMED', 'ERR_WARP_BLOCK_DAMAGED', 'ERR_WARP_COUNT_MISMATCH'],
    // A list has nothing to do with frames.
    listCodes: null,
  })
}

for (const [name, length] of [['4 MiB of zeros', 4 * MIB], ['1 GiB that declares 4 MiB', 1024 * MIB]] as const) {
  for (const kind of [2, 3]) {
    await demandRefusal(t, `${kind === 2 ? 'page' : 'index page'}: ${name}`, {
      bytes: broken(entries, {
        before: (value, where) => void (kind === 3 && where.kind === 4 && value.push({ kind: 3, plain: letter })),
        block: payload(kind, 2, 4 * MIB, zstdOf(Buffer.alloc(1), length)),
      }),
      codes: ['ERR_WARP_MALFORMED', 'ERR_WARP_BLOCK_DAMAGED', 'ERR_WARP_COUNT_MISMATCH'],
      restored: kind === 3 ? ['a'] : [],
    })
  }
}

/** As many frames of 16 MiB, of which one byte each is used, before one page. */
function fullFrames(count: number): Buffer {
  const plainLength = 16 * MIB
  const content = Array.from({ length: count }, (_, i) => ({ data: Buffer.from([65 + i]) }))
  return broken([{ path: 'frames', content }], {
    block: value => {
      if (value.kind === 1) payload(1, 2, plainLength, zstdOf(value.encoded, plainLength))(value, null)
    },
    footer: value => void (value.frameBytes = count * plainLength),
  }, { frameBytes: 1 })
}

await demandRefusal(t, 'more than 128 MiB before a page', {
  bytes: fullFrames(9), codes: ['ERR_WARP_MALFORMED'], restored: ['frames'], fileIsRight: true,
})

t.test('128 MiB from 6 KB take little memory', async t => {
  const sandbox = makeSandbox(t)
  const bytes = fullFrames(8)
  fs.writeFileSync(sandbox.archive, bytes)
  const around = surroundings(sandbox)
  t.ok(bytes.length < 8192)
  for (const from of ['file', 'stream'] as From[]) {
    t.match(await tryVerify(sandbox, from), { class: 'ok' })
    const before = process.resourceUsage().maxRSS
    t.match(await tryExtract(sandbox, from), { class: 'ok' })
    // Two frames and their archive buffers, with room for what the collector has not got to.
    t.ok(process.resourceUsage().maxRSS - before < 96 * 1024, 'KiB')
    t.equal(fs.statSync(`${sandbox.target}/frames`).size, 8)
    fs.rmSync(sandbox.target, { recursive: true })
  }
  t.strictSame(surroundings(sandbox), around)
})

t.test('a hole larger than any disk', async t => {
  const sandbox = makeSandbox(t)
  const around = surroundings(sandbox)
  const chunk = { data: letter }
  for (const hole of [2 ** 53 - 4096, 2 ** 50, 2 ** 44]) {
    const between = [{ data: Buffer.alloc(4096, 1) }, { hole: hole - 4096 }, chunk]
    for (const content of [[{ hole }], [{ hole }, chunk], between]) {
      fs.writeFileSync(sandbox.archive, write([{ path: 'f', content }, { path: 'g', content: 'well' }]).bytes)
      for (const from of ['file', 'stream'] as From[]) {
        t.match(await tryVerify(sandbox, from), { class: 'ok' })
        t.match(await tryList(sandbox, from), { class: 'ok' })
        const { class: end, problems } = await tryExtract(sandbox, from)
        if (end === 'incomplete') t.match(problems, [{ kind: 'unrestored', path: 'f', message: /large/ }])
        else t.equal(end, 'ok', 'there are systems where such a file fits')
        t.equal(fs.readFileSync(`${sandbox.target}/g`, 'utf8'), 'well')
        t.strictSame(fs.readdirSync(sandbox.target), end === 'ok' ? ['f', 'g'] : ['g'], 'nothing half-written stays')
        fs.rmSync(sandbox.target, { recursive: true })
        t.strictSame(surroundings(sandbox), around)
      }
    }
  }
})
