import t from 'tap'
import fc from 'fast-check'
import { formatRoundTrip, formatTransfer } from '../../src/cli/transfer-progress.ts'
import type { TransferProgress } from '../../src/index.ts'

const PROGRESS: TransferProgress = {
  state: 'transferring', bytes: 1_100_000_000, totalBytes: 2_600_000_000, entries: 12_345, totalEntries: 30_000,
  wireBytes: 800_000_000, transport: 'quic', rttMs: 12.3, lostPackets: 7, bottleneck: 'network',
}

t.test('the line says how far, how fast, and why not faster', async t => {
  t.equal(
    formatTransfer('send', PROGRESS, 310_000_000, 160),
    'send  [#################-----------------------]   42 %  1.1 GB of 2.6 GB  310.0 MB/s  0:05 left  limit: network  '
    + '800.0 MB on the wire  quic 12 ms  7 lost',
  )
  t.match(formatTransfer('send', { ...PROGRESS, bottleneck: 'window' }, 1, 160), /limit: other side/)
})

t.test('what does not fit is left out whole', async t => {
  const line = formatTransfer('receive', PROGRESS, 310_000_000, 80)
  t.match(line, /0:05 left {2}limit: network$/)
})

t.test('what is not known is not told', async t => {
  const unknown = { ...PROGRESS, totalBytes: null, rttMs: null, lostPackets: null, bottleneck: null }
  t.equal(formatTransfer('receive', unknown, 500, 100), 'receive  1.1 GB  500 B/s  800.0 MB on the wire  quic')
  t.notMatch(formatTransfer('receive', { ...PROGRESS, lostPackets: 0 }, 0, 200), / lost| left/)
})

t.test('before, between and after connections', async t => {
  const start = { ...PROGRESS, state: 'waiting', bytes: 0, totalBytes: null } as const
  t.equal(formatTransfer('send', start, 0, 80), 'send  waiting for the other side')
  t.match(formatTransfer('send', { ...PROGRESS, state: 'waiting' }, 9, 100), /42 %.*waiting for the other side(?!.*left)/)
  t.match(formatTransfer('send', { ...PROGRESS, state: 'finishing' }, 9, 100), /finishing(?!.*left)/)
})

t.test('no line is as wide as the terminal', async t => {
  const amount = fc.maxSafeNat()
  fc.assert(fc.property(
    amount, fc.option(amount), amount, fc.option(amount), amount, fc.integer({ min: 1, max: 300 }),
    fc.constantFrom('waiting', 'connected', 'transferring', 'finishing'),
    (bytes, totalBytes, wireBytes, lostPackets, rate, columns, state) => {
      const line = formatTransfer('receive', { ...PROGRESS, bytes, totalBytes, wireBytes, lostPackets, state }, rate, columns)
      t.ok(line.length < columns, `${line.length} of ${columns}`)
    }), { numRuns: 200 })
})

t.test('round-trip times', async t => {
  t.equal(formatRoundTrip(0.42), '0.4 ms')
  t.equal(formatRoundTrip(120.4), '120 ms')
})
