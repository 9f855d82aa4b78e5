/** What every transport must do, whichever binding is below. */
import type { Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../../../src/transfer/transports/connection.ts'
import { content, digest, readAll, readExactly } from './content.ts'

export interface Candidate {
  /** Two ends of one connection, the initiator's first; closed when the test ends. */
  pair(t: Test): Promise<[Connection, Connection]>
  /** Most bytes that a writer gets rid of while the peer reads nothing. */
  stallBytes: number
  /** Whether `close` on one side is always a break to the reader of the other; else it may be an end. */
  tellsBreak: boolean
}

const LOST = { code: 'ERR_WARP_PEER_LOST' }

/** The tests of connections, however they came to be. */
export function conform(t: Test, { pair, stallBytes, tellsBreak }: Candidate): void {
  t.test('an echo of odd sizes', async (t) => {
    const [near, far] = await pair(t)
    t.equal(near.isInitiator, true)
    t.equal(far.isInitiator, false)
    t.equal(near.kind, far.kind)
    t.ok(near.remoteAddress.length > 0)
    const sizes = [
      0, // nothing is written, and nothing read
      1,
      65_535, // one below a power of two
      (1 << 20) + 1, // more than any binding moves at a time
    ]
    for (const size of sizes) {
      const bytes = content(size, size)
      const echo = readExactly(far, size).then((got) => far.write([got]))
      const [got] = await Promise.all([readExactly(near, size), near.write([bytes]), echo])
      t.ok(got.equals(bytes), `${size} bytes`)
    }
    const total = sizes.reduce((sum, size) => sum + size, 0)
    t.match(near.stats(), { sentBytes: total, receivedBytes: total, writeBusyMs: Number })
  })

  t.test('pieces go in order, and are the caller\'s again', async (t) => {
    const [near, far] = await pair(t)
    const pieces = Array.from({ length: 300 }, (_, i) => content((i * 37) % 1000, i))
    const expected = Buffer.concat([...pieces, ...pieces])
    const got = readExactly(far, expected.length)
    await near.write(pieces)
    const again = pieces.map((piece) => Buffer.from(piece))
    for (const piece of pieces) piece.fill(0xee)
    for (const piece of again) await near.write([piece])
    t.ok((await got).equals(expected))
  })

  t.test('20 MiB both ways at once', async (t) => {
    const [near, far] = await pair(t)
    const size = 20 << 20
    const send = async (connection: Connection, bytes: Buffer): Promise<void> => {
      const step = 300_001 // odd, and no divisor of the size
      for (let at = 0; at < bytes.length; at += step) await connection.write([bytes.subarray(at, at + step)])
      await connection.end()
    }
    const [there, back] = [content(size, 1), content(size, 2)]
    const [got, gotBack] = await Promise.all([readAll(far), readAll(near), send(near, there), send(far, back)])
    t.equal(digest(got), digest(there))
    t.equal(digest(gotBack), digest(back))
  })

  t.test('an end: what was written arrives, then null, and the other way goes on', async (t) => {
    const [near, far] = await pair(t)
    const bytes = content(3 << 20, 3)
    const got = readAll(far)
    await near.write([bytes])
    await near.end()
    await near.end()
    t.ok((await got).equals(bytes))
    t.equal(await far.read(), null, 'may be asked again')
    await far.write([Buffer.from('still')])
    t.equal(String(await readExactly(near, 5)), 'still')
    await far.end()
    t.equal(await near.read(), null)
    await t.rejects(near.write([Buffer.from('late')]))
  })

  t.test('what was written before an end arrives, even if it is closed right after', async (t) => {
    const [near, far] = await pair(t)
    const bytes = content(2 << 20, 4)
    const got = readAll(far)
    await near.write([bytes])
    await near.end()
    near.close()
    t.ok((await got).equals(bytes))
  })

  t.test('closing ends reads and writes under way', async (t) => {
    const [near, far] = await pair(t)
    const reading = t.rejects(near.read(), LOST)
    const writing = t.rejects(writeForever(near), LOST)
    await sleep(50)
    near.close()
    near.close()
    await Promise.all([reading, writing])
    await t.rejects(near.read(), LOST)
    await t.rejects(near.write([Buffer.from('x')]), LOST)
    await t.rejects(near.end(), LOST)
    // What was on its way may come, then it breaks.
    if (tellsBreak) await t.rejects(readAll(far), LOST)
    else await readAll(far).catch((error: unknown) => t.match(error, LOST))
  })

  t.test('a peer that closes ends reads and writes under way', async (t) => {
    const [near, far] = await pair(t)
    const reading = readAll(near)
    reading.catch(() => {})
    const writing = t.rejects(writeForever(near), LOST)
    await sleep(50)
    far.close()
    await writing
    if (tellsBreak) await t.rejects(reading, LOST)
    else await reading.catch((error: unknown) => t.match(error, LOST))
  })

  t.test(`a reader that stalls stops the writer within ${stallBytes} bytes`, async (t) => {
    const [near, far] = await pair(t)
    const piece = content(64 * 1024, 5)
    let written = 0
    let isStalled = false
    let writing: Promise<void> = Promise.resolve()
    while (!isStalled && written <= stallBytes) {
      writing = near.write([piece])
      isStalled = await Promise.race([writing.then(() => false), sleep(500, true)])
      written += piece.length
    }
    t.ok(isStalled, `stalled after ${written} bytes`)
    const got = readExactly(far, written)
    await writing
    t.equal(digest(await got), digest(Buffer.concat(Array.from({ length: written / piece.length }, () => piece))))
    t.ok(near.stats().writeBusyMs > 100, 'and it was counted')
  })

  t.test('two readers, two writers: a mistake that is told', async (t) => {
    const [near] = await pair(t)
    const reading = near.read()
    reading.catch(() => {})
    await t.rejects(near.read(), { code: 'ERR_WARP_INTERNAL' })
    const writing = writeForever(near)
    writing.catch(() => {})
    await t.rejects(near.write([Buffer.from('x')]), { code: 'ERR_WARP_INTERNAL' })
    near.close()
    await t.rejects(reading, LOST)
    await t.rejects(writing, LOST)
  })
}

async function writeForever(connection: Connection): Promise<void> {
  const piece = Buffer.alloc(1 << 20)
  for (;;) await connection.write([piece])
}
