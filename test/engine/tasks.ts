import t from 'tap'
import { hash, keyedHash } from '../../src/codec/blake3.ts'
import { openBlock, readBlockHeaderOf } from '../../src/engine/block.ts'
import { engineTasks } from '../../src/engine/tasks.ts'
import { noise } from '../archive/support/trees.ts'

const slab = new SharedArrayBuffer(100_000)
new Uint8Array(slab).set(noise(3, 100_000))
const bytes = Buffer.from(slab)

t.test('hashes chunks where they lie', async t => {
  const chunks = Uint32Array.of(0, 1, 5, 70_000, 99_999, 1)
  for (const key of [null, new Uint8Array(32).fill(7)]) {
    const { ids } = engineTasks.hash({ slab, chunks, key }) as { ids: Uint8Array }
    t.equal(ids.length, 96)
    for (let i = 0; i < 3; i++) {
      const chunk = bytes.subarray(chunks[2 * i], chunks[2 * i] + chunks[2 * i + 1])
      t.same(ids.slice(32 * i, 32 * i + 32), new Uint8Array(key ? keyedHash(key, chunk) : hash(chunk)))
    }
  }
})

t.test('seals pieces that lie side by side, and pieces that do not', async t => {
  const sealing = { archiveId: new Uint8Array(16), sealingKey: null }
  const layouts: [string, Uint32Array][] = [
    ['side by side', Uint32Array.of(10, 100, 110, 50)],
    ['apart', Uint32Array.of(90_000, 5000, 10, 100, 110, 50)],
    ['apart and shorter than before', Uint32Array.of(50, 10, 10, 10)],
    ['one', Uint32Array.of(3, 99_997)],
  ]
  for (const [name, pieces] of layouts) {
    const parts: Buffer[] = []
    for (let i = 0; i < pieces.length; i += 2) parts.push(bytes.subarray(pieces[i], pieces[i] + pieces[i + 1]))
    const expected = Buffer.concat(parts)
    const out = new SharedArrayBuffer(200_000)
    const { length } = engineTasks.seal({
      slab, pieces, plainLength: expected.length, out, outOffset: 1000, sealing, ordinal: 4, compression: 'none', level: 3,
    }) as { length: number }
    const block = Buffer.from(out, 1000, length)
    const header = readBlockHeaderOf(sealing, block.subarray(0, 64), 0, { ordinal: 4 })
    t.same(Buffer.from(openBlock(sealing, header, block, 0)), expected, name)
    t.ok(Buffer.from(out, 0, 1000).every(byte => byte === 0), 'nothing before it')
  }
})
