/** Single-bit flips and truncations of small archives that are encrypted, or signed. */
import t from 'tap'
import { identityFromSeed } from '../../src/codec/identity.ts'
import { noise, recipientOf, SEED, write } from './support/archives.ts'
import { tryAll } from './support/flips.ts'

const entries = [
  { path: 'a', content: noise(50), mode: 0o640, mtime: [1_700_000_000, 5e8] as [number, number] },
  { path: 'b', target: 'a' },
]

// The least that Argon2id takes, 8 KiB once: thousands of keys are derived here.
t.test('for a passphrase', t => tryAll(t, write(entries, { passphrase: 'p' }), { passphrase: 'p' }, 3))

// Each try takes some multiplications on a curve.
t.test('for a recipient', t =>
  tryAll(t, write(entries, { recipients: [recipientOf(SEED)] }), { identities: [identityFromSeed(SEED)] }, 16))

t.test('signed', t => tryAll(t, write(entries, { signerSeed: SEED }), {}, 16))
