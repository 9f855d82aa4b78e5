/** What format-spec/warp-transfer.md shows byte by byte is what the code sends. */
import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeDirectory } from '../archive/support/trees.ts'
import { CHANNEL_MESSAGE, writeClose, writeCredit } from '../../src/transfer/channel/channel-messages.ts'
import { frameHeader } from '../../src/transfer/channel/frame-parser.ts'
import { WarpError } from '../../src/base/errors.ts'
import { MessageSealer } from '../../src/transfer/channel/sealed-messages.ts'
import { RECEIVE_WINDOW_BYTES } from '../../src/transfer/sessions.ts'
import { CONTENT, dump, hex, workedTransfer } from './support/worked-transfer.ts'

const SPEC = fs.readFileSync(fileURLToPath(new URL('../../format-spec/warp-transfer.md', import.meta.url)), 'utf8')

/** The blocks of bytes in section `title`. */
function blocksOf(title: string): string[] {
  const from = SPEC.indexOf(`\n${title}\n`)
  const end = SPEC.slice(from + 1).search(/\n#+ /)
  const text = SPEC.slice(from, end < 0 ? undefined : from + 1 + end)
  return Array.from(text.matchAll(/```\n([^]*?)\n```/g), ([, block]) => block!)
}

t.test('the transfer of §15, all bytes after the handshake', async (t) => {
  const to = makeDirectory(t)
  const { sender, receiver, root } = await workedTransfer(to)
  t.ok(fs.readFileSync(path.join(to, 'd', 'f')).equals(CONTENT), 'it arrived')
  const [ofSender, ofReceiver] = blocksOf('## 15. A transfer in bytes')
  t.equal(ofSender, dump(sender), 'sender → receiver')
  t.equal(ofReceiver, dump(receiver), 'receiver → sender')
  t.ok(Buffer.from(receiver.find(({ name }) => name === 'DONE')!.payload).subarray(0, 32).equals(root))
})

t.test('the messages of §7.7, plain and sealed', async (t) => {
  const [plain, sealed] = blocksOf('### 7.7 Example')
  const { credit, ping, close } = CHANNEL_MESSAGE
  const sealer = new MessageSealer(Uint8Array.from({ length: 32 }, (_, i) => i))
  const messages: [number, Uint8Array][] = [
    [credit, writeCredit(RECEIVE_WINDOW_BYTES)], [ping, new Uint8Array()], [close, writeClose(new WarpError('ERR_WARP_PEER_REFUSED', 'not now'))],
  ]
  const line = (header: Uint8Array, payload: Uint8Array): string => `${hex(header)} | ${hex(payload)}`.trim()
  t.equal(plain!.replace(/ {2,}[A-Z].*$/gm, '').replace(/\| *$/gm, '|'), messages.map(([type, payload]) => line(frameHeader(type, payload.length), payload)).join('\n'))
  t.equal(sealed, messages.map(([type, payload]) => {
    const header = frameHeader(type, payload.length + 16)
    return line(header, sealer.seal(header, [payload], payload.length))
  }).join('\n'))
})
