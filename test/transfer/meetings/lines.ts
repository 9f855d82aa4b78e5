import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { MAX_LINE_BYTES, readLine } from '../../../src/transfer/meetings/lines.ts'

async function rest(stream: Readable): Promise<string> {
  const pieces: Buffer[] = []
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  await new Promise((resolve) => stream.once('end', resolve))
  return Buffer.concat(pieces).toString()
}

t.test('lines, then whatever follows, however it is split', async (t) => {
  const text = 'one\ntwo\r\n\nrest\nof it'
  for (const pieceBytes of [1, 2, 3, 5, 100]) {
    const stream = new PassThrough()
    void (async () => {
      for (let at = 0; at < text.length; at += pieceBytes) {
        stream.write(text.slice(at, at + pieceBytes))
        await sleep(0)
      }
      stream.end()
    })()
    t.equal(await readLine(stream), 'one')
    t.equal(await readLine(stream), 'two')
    t.equal(await readLine(stream), '')
    t.equal(await rest(stream), 'rest\nof it')
  }
})

t.test('no line', async (t) => {
  const ended = Readable.from([Buffer.from('half')])
  t.equal(await readLine(ended), null)
  t.equal(await readLine(ended), null, 'after the end')
  const destroyed = new PassThrough()
  const reading = readLine(destroyed)
  destroyed.destroy()
  t.equal(await reading, null)
  t.equal(await readLine(Readable.from([Buffer.alloc(MAX_LINE_BYTES + 1), Buffer.from('\n')])), null, 'too long')
  t.equal((await readLine(Readable.from([Buffer.alloc(MAX_LINE_BYTES, 'a'), Buffer.from('\n')])))?.length, MAX_LINE_BYTES)
})

t.test('an abort ends the wait', async (t) => {
  const stream = new PassThrough()
  const controller = new AbortController()
  const reading = readLine(stream, controller.signal)
  controller.abort()
  t.equal(await reading, null)
  stream.write('later\n')
  t.equal(await readLine(stream, controller.signal), null)
  t.equal(await readLine(stream), 'later')
})
