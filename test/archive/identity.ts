import t from 'tap'
import { formatIdentity, formatRecipient, formatSigner, generateIdentity, parseRecipient, parseSigner, readIdentity } from '../../src/index.ts'

t.test('identities come back from their texts', async t => {
  const identity = generateIdentity()
  t.notSame(generateIdentity().seed, identity.seed)
  const line = formatIdentity(identity)
  t.same(readIdentity(`# a comment\n\n${line}\n`), identity)
  t.same(parseRecipient(formatRecipient(identity.recipient)), identity.recipient)
  t.same(parseSigner(formatSigner(identity.signer)), identity.signer)
  t.throws(() => readIdentity('nothing'), { code: 'ERR_WARP_USAGE' })
  t.throws(() => parseRecipient(formatSigner(identity.signer)), { code: 'ERR_WARP_USAGE' })
})
