import t from 'tap'
import { parseLines, warp } from '../support/run.ts'

// A GPU takes longer to measure than all the rest, and has tests of its own.
const env = { VK_DRIVER_FILES: '/nonexistent' }

t.test('what is there', async t => {
  const { status, stdout } = await warp(['doctor'], { env })
  t.equal(status, 0)
  t.match(stdout, /^system +\w+/)
  t.match(stdout, /^tls +available$/m)
  t.match(stdout, /^quic +(available|not available: .+)$/m)
  t.match(stdout, /^webtransport +(available|not available: .+)$/m)
})

t.test('as JSON', async t => {
  const { stdout } = await warp(['doctor', '--json'], { env })
  t.match(parseLines(stdout), [{
    system: { platform: process.platform },
    transports: { quic: { available: Boolean }, tls: { available: true, reason: null }, webtransport: { available: Boolean } },
  }])
})
