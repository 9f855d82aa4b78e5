import t from 'tap'
import fc from 'fast-check'
import { FrameParser, frameHeader } from '../../../src/transfer/channel/frame-parser.ts'

interface Seen {
  events: string[]
  payloads: Buffer[]
}

/** Feeds `pieces` to a parser. */
function parse(pieces: Uint8Array[]): Seen & { parser: FrameParser } {
  const seen: Seen = { events: [], payloads: [] }
  const parser = new FrameParser({
    admit: (type, length) => {
      seen.events.push(`admit ${type} ${length}`)
      return undefined
    },
    deliver: (type, payload, header) => {
      seen.events.push(`deliver ${type} ${payload.length} ${Buffer.from(header).toString('hex')}`)
      seen.payloads.push(payload)
    },
  })
  for (const piece of pieces) parser.push(piece)
  return { ...seen, parser }
}

/** `bytes` cut at the places of `cuts`, in memory that is overwritten later. */
function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => Buffer.from(bytes.subarray(places[i], end)))
}

const MESSAGES: [number, Buffer][] = [
  [0, Buffer.from('8 bytes!')],
  [1, Buffer.alloc(0)],
  [255, Buffer.alloc(0)],
  [16, Buffer.alloc(300, 3)],
  [17, Buffer.from([7])],
]
const BYTES = Buffer.concat(MESSAGES.flatMap(([type, payload]) => [frameHeader(type, payload.length), payload]))

t.test('the header', async t => {
  t.equal(frameHeader(0xfe, 0x01020304).toString('hex'), '04030201fe')
  t.equal(frameHeader(16, 0xffff_ffff).toString('hex'), 'ffffffff10')
})

t.test('the same messages come out, however the bytes are split', async t => {
  const whole = parse([BYTES])
  t.same(whole.events.slice(0, 4), ['admit 0 8', 'deliver 0 8 0800000000', 'admit 1 0', 'deliver 1 0 0000000001'])
  const check = (pieces: Buffer[]): boolean => {
    const { events, payloads, parser } = parse(pieces)
    for (const piece of pieces) piece.fill(0xee)
    return events.join() === whole.events.join() && parser.isBetween
      && payloads.every((payload, i) => payload.equals(MESSAGES[i][1]) && payload.buffer.byteLength === payload.length)
  }
  t.ok(check(cutAt(BYTES, Array.from(BYTES.keys()))), 'byte by byte')
  for (let at = 0; at <= BYTES.length; at++) if (!check(cutAt(BYTES, [at]))) t.fail(`split at ${at}`)
  const cuts = fc.array(fc.nat(BYTES.length), { maxLength: 20 })
  t.doesNotThrow(() => fc.assert(fc.property(cuts, (at) => check(cutAt(BYTES, at)))))
})

t.test('what is refused at its header was not allocated', async t => {
  let admitted = 0
  const parser = new FrameParser({
    admit: (_type, length) => {
      admitted++
      if (length > 10) throw new RangeError('too long')
      return undefined
    },
    deliver: () => t.fail('delivered'),
  })
  const header = frameHeader(16, 0xffff_ffff)
  parser.push(header.subarray(0, 4))
  t.equal(admitted, 0)
  t.notOk(parser.isBetween)
  t.throws(() => parser.push(header.subarray(4)), RangeError)
  t.equal(admitted, 1)
})

t.test('a payload goes into memory that it is given', async t => {
  const memory = Buffer.alloc(8)
  const payloads: Buffer[] = []
  const parser = new FrameParser({ admit: (type, length) => type === 16 ? memory.subarray(0, length) : undefined, deliver: (_type, payload) => void payloads.push(payload) })
  for (const type of [16, 17]) parser.push(Buffer.concat([frameHeader(type, 3), Buffer.from('abc')]))
  t.same(payloads.map(String), ['abc', 'abc'])
  t.equal(payloads[0].buffer, memory.buffer)
  t.not(payloads[1].buffer, memory.buffer)
  t.equal(memory.toString('latin1', 0, 3), 'abc')
})

t.test('the middle of a message is known', async t => {
  t.ok(parse([]).parser.isBetween)
  t.notOk(parse([frameHeader(16, 2)]).parser.isBetween)
  t.notOk(parse([frameHeader(16, 2), Buffer.alloc(1)]).parser.isBetween)
  t.ok(parse([frameHeader(16, 2), Buffer.alloc(2)]).parser.isBetween)
})
