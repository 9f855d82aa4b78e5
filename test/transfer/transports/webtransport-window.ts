import t from 'tap'
import type { Http2Session } from 'node:http2'
import { quietPings } from '../../../src/transfer/transports/webtransport-binding.ts'
import { widenIfBulk } from '../../../src/transfer/transports/webtransport-window.ts'

const MIB = 1 << 20

/** A session, and the sizes that were asked of it. */
function session({ destroyed = false, initialWindowSize = 65_535 } = {}) {
  const asked: unknown[] = []
  const http2 = {
    destroyed, remoteSettings: { initialWindowSize },
    settings: (settings: unknown) => asked.push(settings),
    setLocalWindowSize: (bytes: number) => asked.push(bytes),
    ping: () => {
      if (http2.destroyed) throw new Error('destroyed')
      return asked.push('ping') > 0
    },
  }
  return { http2: http2 as unknown as Http2Session, asked }
}

t.test('the side that the bulk comes to gets the window, and only one', async (t) => {
  const cases: [string, ReturnType<typeof session>, number, number, boolean, boolean][] = [
    ['little has come', session(), 200_000, 0, false, false],
    ['much, and little went', session(), MIB, 1000, true, true],
    ['as much went', session(), MIB, MIB, false, false],
    ['the peer has it', session({ initialWindowSize: 16 * MIB }), MIB, 1000, true, false],
    ['it is gone', session({ destroyed: true }), MIB, 1000, true, false],
  ]
  for (const [name, { http2, asked }, received, sent, isSettled, isWidened] of cases) {
    t.equal(widenIfBulk(http2, received, sent), isSettled, name)
    t.equal(asked.length > 0, isWidened, name)
  }
})

t.test('a ping of a session that was destroyed is no error', async (t) => {
  for (const destroyed of [false, true]) {
    const { http2, asked } = session({ destroyed })
    quietPings(http2)
    t.equal(http2.ping(() => {}), !destroyed)
    t.equal(asked.length, destroyed ? 0 : 1)
  }
})
