/** Key slots that would cost more to try than anyone should pay, and slots that are not what they seem. */
import t from 'tap'
import { broken, recipientOf, SEED, u, type Hook } from './support/archives.ts'
import { identityFromSeed } from '../../src/codec/identity.ts'
import { demandRefusal } from './support/refusal.ts'
import type { ErrorCode } from '../../src/index.ts'

const entries = [{ path: 'a', content: 'a' }]
const identities = [identityFromSeed(SEED)]
const refuse = (name: string, slot: Hook, codes: ErrorCode[], hooks: Record<string, Hook> = {}) =>
  demandRefusal(t, name, {
    bytes: broken(entries, { slot, ...hooks }, { passphrase: 'p' }), codes, keys: { passphrase: 'p' }, brief: true,
  })

await refuse('17 iterations', slot => void slot.set(u(4, 17), 4), ['ERR_WARP_LIMIT'])
await refuse('2^32 - 1 iterations', slot => void slot.set(u(4, 2 ** 32 - 1), 4), ['ERR_WARP_LIMIT'])
await refuse('no iterations', slot => void slot.set(u(4, 0), 4), ['ERR_WARP_LIMIT', 'ERR_WARP_MALFORMED'])
await refuse('more than 1 GiB', slot => void slot.set(u(4, 2 ** 20 + 1), 8), ['ERR_WARP_LIMIT'])
await refuse('4 TiB', slot => void slot.set(u(4, 2 ** 32 - 1), 8), ['ERR_WARP_LIMIT'])
const eight = (count: number): Hook => slot => Buffer.concat(Array<Buffer>(count).fill(slot))
await refuse('nine passphrases', eight(9), ['ERR_WARP_LIMIT'], { header: value => void value.set(u(2, 9), 10) })
await refuse('eight passphrases too dear together', slot => {
  slot.set(u(4, 16), 4)
  slot.set(u(4, 2 ** 20), 8)
  return eight(8)(slot, null)
}, ['ERR_WARP_LIMIT'], { header: value => void value.set(u(2, 8), 10) })

// A share of small order gives everyone the same key (RFC 7748 §6.1).
const shares = {
  zero: Buffer.alloc(32), one: Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]),
  'order 8': Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex'),
}
for (const [name, share] of Object.entries(shares)) {
  await demandRefusal(t, `a share of small order: ${name}`, {
    bytes: broken(entries, { slot: slot => void slot.set(share, 16) }, { recipients: [recipientOf(SEED)] }),
    codes: ['ERR_WARP_KEY_WRONG', 'ERR_WARP_MALFORMED'], keys: { identities }, brief: true,
  })
}
await demandRefusal(t, 'no key', {
  bytes: broken(entries, {}, { passphrase: 'p', recipients: [recipientOf(SEED)] }), codes: ['ERR_WARP_KEY_NEEDED'],
})
await demandRefusal(t, 'a wrong passphrase', {
  bytes: broken(entries, {}, { passphrase: 'p' }), codes: ['ERR_WARP_KEY_WRONG'], keys: { passphrase: 'q' },
})
await demandRefusal(t, 'an identity for a passphrase', {
  bytes: broken(entries, {}, { passphrase: 'p' }), codes: ['ERR_WARP_KEY_WRONG'], keys: { identities },
})
