import t from 'tap'
import { LiveWindow } from '../../../src/transfer/live/live-window.ts'
import { noise } from '../../archive/support/trees.ts'
import { seeded } from '../support/channels.ts'

const PROTOCOL = { code: 'ERR_WARP_PEER_PROTOCOL' }

t.test('what is pushed is taken in order, again after a rewind, and dropped', async t => {
  const whole = noise(1, 3_000_000)
  for (let seed = 0; seed < 20; seed++) {
    const random = seeded(seed)
    const window = new LiveWindow()
    const taken = Buffer.alloc(whole.length)
    while (window.start < whole.length) {
      const dice = random()
      if (dice < 0.5) {
        // Single bytes, one below and at the limit of small pieces, a slab, a message.
        const sizes = [0, 1, 2, 100, 4095, 4096, 65_536, 65_537, 100_000]
        const bytes = whole.subarray(window.end, window.end + sizes[Math.floor(random() * sizes.length)])
        window.push(bytes.length < 4096 ? Buffer.from(bytes) : bytes)
      } else if (dice < 0.9) {
        const from = window.next
        const most = 1 + Math.floor(random() * 65_536)
        const pieces = window.take(most)
        const count = pieces.reduce((sum, { length }) => sum + length, 0)
        if (window.next - from !== count || count > most || (window.waiting > 0 && count < most)) t.fail('a count is wrong')
        taken.set(Buffer.concat(pieces), from)
      } else if (dice < 0.97) {
        window.drop(window.start + Math.floor(random() * (window.next - window.start + 1)))
      } else {
        window.rewind(window.start + Math.floor(random() * (window.next - window.start + 1)))
      }
    }
    t.ok(taken.equals(whole), `seed ${seed}`)
    t.same([window.kept, window.waiting], [0, 0])
  }
})

t.test('many small pieces become few large ones', async t => {
  const window = new LiveWindow()
  for (let i = 0; i < 100_000; i++) window.push(Uint8Array.of(i))
  t.equal(window.take(100_000).length, 2, 'slabs of 64 KiB')
  const one = Uint8Array.of(7)
  window.push(one)
  one[0] = 8
  t.same([...window.take(1)[0]], [7], 'the memory of small ones may be used again')
})

t.test('only what was sent is acknowledged, and only onwards', async t => {
  const window = new LiveWindow()
  window.push(Buffer.alloc(10_000))
  window.take(5000)
  t.throws(() => window.drop(5001), PROTOCOL)
  window.drop(5000)
  window.drop(5000)
  t.throws(() => window.drop(4999), PROTOCOL)
  t.equal(window.kept, 5000)
})
