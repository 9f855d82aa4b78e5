import t from 'tap'
import { WarpError, type ErrorCode } from '../../../src/base/errors.ts'
import { MAX_PEER_TEXT_BYTES, tellPeer, toldByPeer } from '../../../src/transfer/channel/peer-codes.ts'

const NOTHING = new Uint8Array()

function roundTrip(code: ErrorCode, message = 'a reason'): WarpError {
  const { number, text } = tellPeer(new WarpError(code, message))
  return toldByPeer(number, text)
}

t.test('what a failure becomes at the other side', async t => {
  const same: ErrorCode[] = [
    'ERR_WARP_TICKET_USED', 'ERR_WARP_TICKET_EXPIRED', 'ERR_WARP_TICKET_BUSY', 'ERR_WARP_CODE_WRONG',
    'ERR_WARP_PEER_AUTH', 'ERR_WARP_PEER_PROTOCOL', 'ERR_WARP_PEER_VERSION', 'ERR_WARP_PEER_REFUSED', 'ERR_WARP_PEER_FAILED',
  ]
  for (const code of same) t.match(roundTrip(code), { code, class: 'peer' })
  t.match(roundTrip('ERR_WARP_PEER_UNKNOWN'), { code: 'ERR_WARP_PEER_REFUSED' })
  t.match(roundTrip('ERR_WARP_PEER_SILENT'), { code: 'ERR_WARP_PEER_LOST' })
  // A failure of the peer's own is never taken for one of ours.
  for (const code of ['ERR_WARP_NO_SPACE', 'ERR_WARP_OUTPUT', 'ERR_WARP_INTERNAL', 'ERR_WARP_INTERRUPTED', 'ERR_WARP_GPU_FAILED'] as const) {
    t.match(roundTrip(code), { code: 'ERR_WARP_PEER_FAILED', exitCode: 15 })
  }
  t.match(roundTrip('ERR_WARP_NO_SPACE').message, /^the other side: no space left/)
})

t.test('the numbers stay what they are', async t => {
  const number = (code: ErrorCode): number => tellPeer(new WarpError(code, '')).number
  t.same((['ERR_WARP_PEER_FAILED', 'ERR_WARP_PEER_PROTOCOL', 'ERR_WARP_TICKET_USED', 'ERR_WARP_NO_SPACE', 'ERR_WARP_NOT_FOUND'] as const).map(number),
    [1, 2, 16, 32, 1])
  t.match(toldByPeer(0, NOTHING), { code: 'ERR_WARP_PEER_LOST' })
  for (const unknown of [9, 1000, 65_535]) t.match(toldByPeer(unknown, NOTHING), { code: 'ERR_WARP_PEER_FAILED' })
})

t.test('what names files of this host is not told', async t => {
  t.equal(tellPeer(new WarpError('ERR_WARP_NO_SPACE', '/home/me/secret: no space left')).text.length, 0)
  t.equal(tellPeer(new WarpError('ERR_WARP_ENTRY_ORDER', '/home/me/secret')).text.length, 0)
  t.match(roundTrip('ERR_WARP_PEER_REFUSED', 'not this tree').message, /not this tree/)
})

t.test('texts are bounded and harmless', async t => {
  const hostile = Buffer.from('\x1b[2Jred\n\u202egnp.exe\u0000\xff', 'utf8')
  const { message } = toldByPeer(6, hostile)
  t.notMatch(message, /[\x00-\x1f\x7f-\x9f\u202e]/)
  t.match(message, /red/)
  // 1,023 bytes and half of a character.
  for (const length of [1022, 1023, 1024, 5000]) {
    const { text } = tellPeer(new WarpError('ERR_WARP_PEER_REFUSED', `${'x'.repeat(length)}é`))
    t.ok(text.length <= MAX_PEER_TEXT_BYTES)
    t.notMatch(Buffer.from(text).toString('utf8'), /\ufffd/)
  }
  t.ok(toldByPeer(6, Buffer.alloc(100_000, 0x41)).message.length < 1200)
})
