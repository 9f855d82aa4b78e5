import t from 'tap'
import { openInto } from '../../../src/codec/aead.ts'
import { frameHeader } from '../../../src/transfer/channel/frame-parser.ts'
import { MessageOpener, MessageSealer } from '../../../src/transfer/channel/sealed-messages.ts'

const KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
const AUTH = { code: 'ERR_WARP_PEER_AUTH', exitCode: 15 }

interface Sealed {
  header: Buffer
  payload: Buffer
}

function seal(sealer: MessageSealer, type: number, ...pieces: Buffer[]): Sealed {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const header = frameHeader(type, length + 16)
  return { header, payload: Buffer.from(sealer.seal(header, pieces, length)) }
}

const open = (opener: MessageOpener, { header, payload }: Sealed): Buffer => opener.open(header, Buffer.from(payload))

t.test('sealed as the specification says', async t => {
  const sealer = new MessageSealer(KEY)
  seal(sealer, 16)
  const { header, payload } = seal(sealer, 17, Buffer.from('some '), Buffer.from('text'))
  const plain = Buffer.alloc(9)
  // 4 zero bytes, then the count of messages before it.
  const nonce = Buffer.from('000000000100000000000000', 'hex')
  t.ok(openInto(KEY, nonce, header, payload.subarray(0, 9), payload.subarray(9), plain))
  t.equal(plain.toString(), 'some text')
  t.equal(header.toString('hex'), '1900000011')
})

t.test('any number of pieces, several before they are written', async t => {
  const sealer = new MessageSealer(KEY)
  const opener = new MessageOpener(KEY)
  const texts = [0, 1, 15, 16, 17, 70_000, 5, 70_000].map((length, i) => Buffer.alloc(length, i + 1))
  for (let round = 0; round < 2; round++) {
    sealer.reuse()
    const sealed = texts.map((text, i) => {
      const header = frameHeader(16 + i, text.length + 16)
      const pieces = i % 3 === 0 ? [text] : [text.subarray(0, i), Buffer.alloc(0), text.subarray(i)]
      return { header, payload: sealer.seal(header, pieces, text.length) as Buffer }
    })
    for (const [i, text] of texts.entries()) t.ok(open(opener, sealed[i]).equals(text), `${text.length} bytes`)
  }
})

t.test('a bit flipped anywhere, and everything after, is refused', async t => {
  const sealed = seal(new MessageSealer(KEY), 16, Buffer.from('text'))
  for (const part of ['header', 'payload'] as const) {
    for (let bit = 0; bit < sealed[part].length * 8; bit++) {
      const changed = { ...sealed, [part]: Buffer.from(sealed[part]) }
      changed[part][bit >> 3] ^= 1 << (bit & 7)
      if (part === 'header' && bit < 32) continue // another length: not these bytes
      t.throws(() => open(new MessageOpener(KEY), changed), AUTH)
    }
  }
  t.throws(() => open(new MessageOpener(Buffer.alloc(32)), sealed), AUTH, 'another key')
})

t.test('messages left out, repeated or put elsewhere', async t => {
  const sealer = new MessageSealer(KEY)
  const sealed = Array.from({ length: 3 }, () => seal(sealer, 16, Buffer.from('text')))
  for (const order of [[1], [0, 0], [0, 2], [0, 1, 0], [0, 1, 1]]) {
    const opener = new MessageOpener(KEY)
    for (const at of order.slice(0, -1)) open(opener, sealed[at])
    t.throws(() => open(opener, sealed[order.at(-1)!]), AUTH, order.join())
  }
})

t.test('the key is a copy, and is forgotten', async t => {
  const key = Buffer.from(KEY)
  const sealer = new MessageSealer(key)
  const opener = new MessageOpener(key)
  key.fill(0)
  t.equal(open(opener, seal(sealer, 16, Buffer.from('a'))).toString(), 'a')
  sealer.wipe()
  opener.wipe()
  t.throws(() => open(new MessageOpener(KEY), seal(sealer, 16)), AUTH)
})
