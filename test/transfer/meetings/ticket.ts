import t from 'tap'
import { bech32 } from '@scure/base'
import fc from 'fast-check'
import { blake3 } from '@noble/hashes/blake3.js'
import { WarpError } from '../../../src/base/errors.ts'
import { decodeTicket, encodeTicket, secretOf, type NetworkTransport, type Ticket } from '../../../src/transfer/meetings/ticket.ts'

const ticket: Ticket = {
  role: 'receive',
  expires: 1_800_000_000,
  secret: Uint8Array.from({ length: 16 }, (_, i) => i),
  fingerprint: new Uint8Array(32).fill(0xf1),
  addresses: [
    { host: '192.0.2.1', port: 4433, transports: ['quic', 'tls'] },
    { host: '2001:db8::1', port: 4434, transports: ['webtransport'] },
    { host: 'host.example', port: 1, transports: ['quic', 'tls', 'webtransport'] },
  ],
}

/** The bytes of the ticket above, written by hand. */
const bytes = Buffer.from([
  '01', '02', '00d2496b', '000102030405060708090a0b0c0d0e0f', 'f1'.repeat(32), '03',
  '03', '01', '5111', 'c0000201',
  '04', '02', '5211', '20010db8000000000000000000000001',
  '07', '03', '0100', '0c', Buffer.from('host.example').toString('hex'),
].join(''), 'hex')

const asText = (content: Uint8Array, prefix = 'warp'): string => bech32.encode(prefix, bech32.toWords(content), false)

t.test('the documented bytes', async (t) => {
  const text = encodeTicket(ticket)
  t.match(text, /^warp1[a-z0-9]+$/)
  t.equal(text, asText(bytes))
  const decoded = decodeTicket(text)
  t.same({ ...decoded, secret: null, fingerprint: null }, { ...ticket, secret: null, fingerprint: null })
  t.ok(Buffer.from(decoded.secret).equals(ticket.secret) && Buffer.from(decoded.fingerprint).equals(ticket.fingerprint))
  t.equal(encodeTicket(decoded), text)
  t.equal(encodeTicket(decodeTicket(` ${text}\n`)), text)
  t.equal(encodeTicket(decodeTicket(text.toUpperCase())), text, 'as QR codes like it')
})

t.test('any ticket comes back', async () => {
  const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{1,10}){0,3}$/)
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), name)
  const address = fc.record({
    host, port: fc.integer({ min: 1, max: 65_535 }),
    transports: fc.subarray<NetworkTransport>(['quic', 'tls', 'webtransport'], { minLength: 1 }),
  })
  const any = fc.record({
    role: fc.constantFrom('send' as const, 'receive' as const),
    expires: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    secret: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    addresses: fc.uniqueArray(address, { minLength: 1, maxLength: 16, selector: ({ port }) => port }),
  })
  fc.assert(fc.property(any, (one) => {
    const text = encodeTicket(one)
    const back = decodeTicket(text)
    return encodeTicket(back) === text && back.expires === one.expires && back.addresses.length === one.addresses.length
      && back.addresses.every(({ port, transports }, i) => port === one.addresses[i].port && `${transports}` === `${one.addresses[i].transports}`)
  }), { numRuns: 200 })
})

t.test('the largest', async (t) => {
  const host = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`
  const addresses = Array.from({ length: 16 }, (_, i) => ({ host, port: 65_535 - i, transports: ['tls' as const] }))
  t.equal(host.length, 253)
  const text = encodeTicket({ ...ticket, addresses })
  t.same(decodeTicket(text).addresses, addresses)
  t.throws(() => decodeTicket(`${text}q`), { code: 'ERR_WARP_USAGE' })
})

t.test('one valid encoding', async (t) => {
  const ADDRESSES = 54
  const change = (at: number, ...values: number[]): Buffer => {
    const changed = Buffer.from(bytes)
    changed.set(values, at)
    return changed
  }
  const withHost = (...host: number[]): Buffer => Buffer.concat([bytes.subarray(0, ADDRESSES), Uint8Array.from([1, 1, ...host])])
  const named = (name: string): Buffer => withHost(3, 1, 0, name.length, ...Buffer.from(name))
  const good = [named('a'), named('xn--a.b-c_d'), withHost(1, 1, 0, 0, 0, 0, 0), named('1.2.3.4.example')]
  for (const content of good) t.equal(asText(content), encodeTicket(decodeTicket(asText(content))))
  const bad: [string, Buffer][] = [
    ['role 0', change(1, 0)], ['role 3', change(1, 3)], ['expiry 0', change(2, 0, 0, 0, 0)],
    ['no address', change(ADDRESSES, 0)], ['17 addresses', change(ADDRESSES, 17)], ['fewer than it says', change(ADDRESSES, 4)],
    ['more than it says', change(ADDRESSES, 2)], ['no transport', change(55, 0)], ['an unknown transport', change(55, 8)],
    ['family 0', change(56, 0)], ['family 4', change(56, 4)], ['port 0', change(57, 0, 0)],
    ['a byte too many', Buffer.concat([bytes, Buffer.alloc(1)])],
    ['IPv4 in the form of IPv6', withHost(2, 1, 0, ...Buffer.alloc(10), 255, 255, 1, 2, 3, 4)],
    ['an address twice', Buffer.concat([bytes.subarray(0, ADDRESSES), Uint8Array.from([2, 1, 1, 1, 0, 1, 2, 3, 4, 2, 1, 1, 0, 1, 2, 3, 4])])],
    ...['', 'A', 'a..b', '.a', 'a.', '-a', 'a-', 'a b', 'a\n', '1.2.3.4', '1', 'a.1', '0x1', 'ü', 'a'.repeat(64)]
      .map((name): [string, Buffer] => [`the name ${JSON.stringify(name)}`, named(name)]),
    ...Array.from({ length: bytes.length }, (_, length): [string, Buffer] => [`cut to ${length}`, bytes.subarray(0, length)]),
  ]
  for (const [name, content] of bad) {
    t.throws(() => decodeTicket(asText(content)), { code: 'ERR_WARP_USAGE', message: 'the ticket is mistyped or cut short' }, name)
  }
  t.throws(() => decodeTicket(asText(change(0, 2))), { code: 'ERR_WARP_USAGE', message: /version 2/ })
})

t.test('what is no ticket is not repeated', async (t) => {
  const text = encodeTicket(ticket)
  const mistyped = [...Array(40).keys()].map((i) => {
    const at = 5 + i * 4
    return text.slice(0, at) + (text[at] === 'q' ? 'p' : 'q') + text.slice(at + 1)
  })
  const longer = { ...ticket, addresses: [{ ...ticket.addresses[2], host: 'host.example.net' }] }
  const { words } = bech32.decode(encodeTicket(longer) as `warp1${string}`, false)
  // No multiple of 5 bytes: the last word has bits that must be zero.
  t.not(bech32.fromWords(words).length % 5, 0)
  const padded = bech32.encode('warp', [...words.slice(0, -1), words.at(-1)! | 1], false)
  const texts = ['', 'warp1', 'secret', asText(bytes, 'warq'), text.slice(0, -1), `${text}q`, `W${text.slice(1)}`, padded, '\u{1f600}', 'q'.repeat(1e6), ...mistyped]
  for (const wrong of texts) {
    try {
      decodeTicket(wrong)
      t.fail('was taken')
    } catch (error) {
      t.ok(error instanceof WarpError && error.code === 'ERR_WARP_USAGE' && error.message === 'the ticket is mistyped or cut short')
    }
  }
})

t.test('misuse', async (t) => {
  const [address] = ticket.addresses
  const wrong: Partial<Ticket>[] = [
    { secret: new Uint8Array(15) }, { fingerprint: new Uint8Array(31) }, { expires: 0 }, { expires: 2 ** 32 }, { expires: 1.5 },
    { addresses: [] }, { addresses: Array.from({ length: 17 }, (_, port) => ({ ...address, port: port + 1 })) },
    { addresses: [{ ...address, port: 0 }] }, { addresses: [{ ...address, port: 65_536 }] }, { addresses: [{ ...address, transports: [] }] },
    { addresses: [{ ...address, host: 'fe80::1%eth0' }] }, { addresses: [{ ...address, host: 'a b' }] },
    { addresses: [address, { ...address, transports: ['tls'] }] },
    { addresses: [address, { ...address, host: '::ffff:192.0.2.1' }] },
  ]
  for (const change of wrong) t.throws(() => encodeTicket({ ...ticket, ...change }), RangeError)
  t.equal(decodeTicket(encodeTicket({ ...ticket, addresses: [{ ...address, host: 'Host.EXAMPLE' }] })).addresses[0].host, 'host.example')
})

t.test('the secret of the handshake', async (t) => {
  const derive = (context: string): Uint8Array => blake3(ticket.secret, { context: Buffer.from(context) })
  const secret = secretOf(ticket)
  t.equal(secret.kind, 'ticket')
  t.ok(Buffer.from(secret.psk).equals(derive('warp-transfer 1 ticket')))
  t.ok(Buffer.from(secret.id).equals(derive('warp-transfer 1 ticket id').subarray(0, 16)))
  t.equal(secret.id.length, 16)
})
