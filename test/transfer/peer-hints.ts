import t from 'tap'
import { WarpError, type ErrorCode } from '../../src/base/errors.ts'
import { withPeerHint } from '../../src/transfer/peer-hints.ts'

const hinted = (code: ErrorCode, hint?: string) => withPeerHint(new WarpError(code, 'it failed', { hint, path: 'a' })) as WarpError

t.test('a failure of a peer says what to do', async t => {
  t.match(hinted('ERR_WARP_PEER_LOST'), { code: 'ERR_WARP_PEER_LOST', message: 'it failed', path: 'a', hint: /run the same command again/ })
  t.match(hinted('ERR_WARP_TICKET_USED'), { hint: /take a new one/ })
})

t.test('what has a hint keeps it, and what is no failure of a peer gets none', async t => {
  t.equal(hinted('ERR_WARP_PEER_LOST', 'mine').hint, 'mine')
  t.equal(hinted('ERR_WARP_USAGE').hint, undefined)
  const other = new Error('other')
  t.equal(withPeerHint(other), other)
})
