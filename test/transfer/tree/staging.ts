/** The staging directory: who may use it, what is taken up again, and what is none. */
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { TargetTree } from '../../../src/archive/os/target-tree.ts'
import { Staging, isOwnName } from '../../../src/transfer/tree/staging.ts'
import { NO_LIBC, makeDirectory, openDescriptors } from '../../archive/support/trees.ts'

const OFFER = Buffer.alloc(16, 0x5a)
const NAME = `.warp-receive-${OFFER.toString('hex')}`

/** Runs `act` with staging of the offer, and closes both; @returns what it returns */
function within<T>(target: string, act: (staging: Staging) => T, offer = OFFER): T {
  const tree = new TargetTree(target)
  try {
    const staging = Staging.open(tree, offer, 65_536)
    try {
      return act(staging)
    } finally {
      staging.close()
    }
  } finally {
    tree.close()
  }
}

/** What one that was interrupted leaves: a listing, and a file. */
function begun(t: Test): string {
  const target = makeDirectory(t)
  within(target, ({ journal }) => journal.addListing(0, Buffer.from('listing')))
  fs.writeFileSync(path.join(target, NAME, 'tree', 'file'), 'received')
  return target
}

t.test('made, taken up again, removed', async (t) => {
  const target = begun(t)
  const fds = openDescriptors()
  t.equal(fs.statSync(path.join(target, NAME)).mode & 0o777, 0o700, 'for nobody else')
  within(target, ({ isResumed, journal, components }) => {
    t.equal(isResumed, true)
    t.equal(journal.listings.length, 1)
    t.equal(Buffer.concat(components).toString(), `${NAME}tree`)
  })
  t.equal(fs.readFileSync(path.join(target, NAME, 'tree', 'file'), 'utf8'), 'received')
  within(target, ({ isResumed }) => t.equal(isResumed, false), Buffer.alloc(16, 1))
  const tree = new TargetTree(target)
  Staging.open(tree, OFFER, 65_536).remove()
  tree.close()
  t.strictSame(fs.readdirSync(target), [`.warp-receive-${'01'.repeat(16)}`], 'that of another offer stays')
  t.strictSame(openDescriptors(), fds)
})

t.test('for one at a time', { skip: NO_LIBC }, async (t) => {
  const target = begun(t)
  const fds = openDescriptors()
  within(target, () => {
    const tree = new TargetTree(target)
    t.throws(() => Staging.open(tree, OFFER, 65_536), { code: 'ERR_WARP_PEER_REFUSED' })
    const other = Staging.open(tree, Buffer.alloc(16, 1), 65_536)
    other.remove()
    tree.close()
  })
  t.equal(within(target, ({ isResumed }) => isResumed), true)
  t.strictSame(openDescriptors(), fds)
})

// Then it is begun anew: nothing that lies there is believed.
const unusable: Record<string, (staged: string) => void> = {
  'no journal': (staged) => fs.rmSync(path.join(staged, 'journal')),
  'an empty journal': (staged) => fs.truncateSync(path.join(staged, 'journal')),
  'a journal of another version': (staged) => {
    const bytes = fs.readFileSync(path.join(staged, 'journal'))
    bytes[5]! ^= 2
    fs.writeFileSync(path.join(staged, 'journal'), bytes)
  },
  'no tree': (staged) => fs.rmSync(path.join(staged, 'tree'), { recursive: true }),
  'a file in place of the tree': (staged) => {
    fs.rmSync(path.join(staged, 'tree'), { recursive: true })
    fs.writeFileSync(path.join(staged, 'tree'), '')
  },
  'a symlink in place of the tree': (staged) => {
    fs.rmSync(path.join(staged, 'tree'), { recursive: true })
    fs.symlinkSync('../../outside', path.join(staged, 'tree'))
  },
  'nothing but a symlink in place of the tree': (staged) => {
    for (const name of fs.readdirSync(staged)) fs.rmSync(path.join(staged, name), { recursive: true })
    fs.symlinkSync('../../outside', path.join(staged, 'tree'))
  },
}
for (const [name, act] of Object.entries(unusable)) {
  t.test(`begun anew: ${name}`, async (t) => {
    const target = path.join(begun(t), '.')
    const fds = openDescriptors()
    act(path.join(target, NAME))
    within(target, ({ isResumed, journal }) => {
      t.equal(isResumed, false)
      t.strictSame(journal.listings, [])
    })
    t.ok(fs.lstatSync(path.join(target, NAME, 'tree')).isDirectory())
    t.strictSame(fs.readdirSync(path.join(target, NAME, 'tree')), [])
    t.strictSame(openDescriptors(), fds)
  })
}

// What is in the way is left for its owner to look at.
const inTheWay: Record<string, (staged: string, outside: string) => void> = {
  'a symlink to a directory': (staged, outside) => fs.symlinkSync(outside, staged),
  'a file': (staged) => fs.writeFileSync(staged, ''),
  'a journal of another offer': (staged) => {
    const other = `${path.dirname(staged)}/.warp-receive-${'01'.repeat(16)}`
    within(path.dirname(staged), () => {}, Buffer.alloc(16, 1))
    fs.renameSync(other, staged)
  },
  'a lock that leads elsewhere': (staged, outside) => {
    fs.mkdirSync(staged)
    fs.symlinkSync(path.join(outside, 'new'), path.join(staged, 'lock'))
  },
  'a journal that leads elsewhere': (staged, outside) => {
    fs.mkdirSync(staged)
    fs.symlinkSync(path.join(outside, 'new'), path.join(staged, 'journal'))
  },
}
for (const [name, act] of Object.entries(inTheWay)) {
  t.test(`in its place: ${name}`, async (t) => {
    const [target, outside] = [makeDirectory(t), makeDirectory(t)]
    act(path.join(target, NAME), outside)
    const fds = openDescriptors()
    t.throws(() => within(target, () => {}), { code: 'ERR_WARP_OUTPUT' })
    t.strictSame(openDescriptors(), fds)
    t.strictSame(fs.readdirSync(outside), [])
  })
}

t.test('names that are kept for it', async (t) => {
  for (const name of [NAME, `${NAME}/tree/x`, '.warp-receive-', '.warp-receive-x']) t.equal(isOwnName(Buffer.from(name)), true, name)
  for (const name of ['', 'x', '.warp-receive', '.warp-Receive-', `d/${NAME}`]) t.equal(isOwnName(Buffer.from(name)), false, name)
})
