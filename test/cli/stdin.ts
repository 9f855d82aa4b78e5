import t from 'tap'
import { Stdin } from '../../src/cli/stdin.ts'

t.test('standard input is taken once', async t => {
  const stdin = new Stdin(new AbortController().signal)
  t.equal(stdin.claim('the archive'), process.stdin)
  t.throws(() => stdin.claim('the passphrase'), { code: 'ERR_WARP_USAGE' })
})
