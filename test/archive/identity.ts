import t from 'tap'
import { hex } from './support/archives.ts'
import { formatIdentity, formatRecipient, formatSigner, generateIdentity, parseRecipient, parseSigner, readIdentity } from '../../src/index.ts'

t.test('identities come back from their texts', async t => {
  const identity = generateIdentity()
  t.not(hex(generateIdentity().seed), hex(identity.seed))
  const line = formatIdentity(identity)
  const read = readIdentity(`# a comment\n\n${line}\n`)
  for (const part of ['seed', 'x25519Secret', 'recipient', 'signerSeed', 'signer'] as const) t.equal(hex(read[part]), hex(identity[part]))
  t.equal(hex(parseRecipient(formatRecipient(identity.recipient))), hex(identity.recipient))
  t.equal(hex(parseSigner(formatSigner(identity.signer))), hex(identity.signer))
  t.throws(() => readIdentity('nothing'), { code: 'ERR_WARP_USAGE' })
  t.throws(() => parseRecipient(formatSigner(identity.signer)), { code: 'ERR_WARP_USAGE' })
})
