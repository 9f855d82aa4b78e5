import t from 'tap'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { encodeSigner, identityFromSeed } from '../../../src/codec/identity.ts'
import { KnownPeers, defaultKnownPeersFile } from '../../../src/transfer/meetings/known-peers.ts'
import { makeDirectory } from '../../archive/support/trees.ts'

const [alice, bob, eve] = [1, 2, 3].map((byte) => identityFromSeed(Buffer.alloc(32, byte)).signer)

function peersIn(t: Parameters<typeof makeDirectory>[0], text?: string): KnownPeers {
  const file = path.join(makeDirectory(t), 'config', 'warp', 'known_peers')
  if (text !== undefined) {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
  }
  return new KnownPeers(file)
}

t.test('a new name is kept, and known by its key from then on', async (t) => {
  const peers = peersIn(t)
  t.equal(peers.check('alice', alice), 'new')
  t.notOk(fs.existsSync(peers.file), 'looking writes nothing')
  peers.remember('alice', alice)
  peers.remember('bob@host:22', bob)
  peers.remember('alice', alice)
  t.equal(fs.readFileSync(peers.file, 'utf8'), `alice ${encodeSigner(alice)}\nbob@host:22 ${encodeSigner(bob)}\n`)
  t.equal(fs.statSync(peers.file).mode & 0o777, 0o600)
  for (const folder of [path.dirname(peers.file), path.dirname(path.dirname(peers.file))]) t.equal(fs.statSync(folder).mode & 0o777, 0o700)
  t.equal(peers.check('alice', alice), 'known')
  t.equal(new KnownPeers(peers.file).check('bob@host:22', bob), 'known')
  t.equal(peers.check('Alice', bob), 'new')
  t.equal(peers.check('constructor', bob), 'new')
})

t.test('a known name with another key, and none', async (t) => {
  const peers = peersIn(t, `# people\n\nalice ${encodeSigner(alice)}\r\n  bob\t${encodeSigner(bob)}\nalice ${encodeSigner(bob)}`)
  t.equal(peers.check('alice', bob), 'known', 'the second key')
  t.equal(peers.check('bob', bob), 'known')
  const before = fs.readFileSync(peers.file)
  for (const act of [() => peers.check('alice', eve), () => peers.remember('alice', eve)]) {
    t.throws(act, { code: 'ERR_WARP_PEER_UNKNOWN', path: peers.file, hint: `remove line 3 and 5 of ${peers.file}`, message: encodeSigner(eve) })
  }
  t.throws(() => peers.check('bob', alice), { code: 'ERR_WARP_PEER_UNKNOWN', hint: 'remove line 4 of' })
  for (const name of ['alice', 'nobody']) t.throws(() => peers.check(name, null), { code: 'ERR_WARP_PEER_UNKNOWN' })
  t.ok(fs.readFileSync(peers.file).equals(before))
  peers.remember('eve', eve)
  t.equal(fs.readFileSync(peers.file, 'utf8'), `${before}\neve ${encodeSigner(eve)}\n`, 'the last line had no end')
})

t.test('malformed lines are named', async (t) => {
  const key = encodeSigner(alice)
  const bad = [
    'alice', key, `alice ${key} more`, `alice ${key.slice(0, -1)}`, `alice ${key.replace('signer', 'recipient')}`, 'alice  ', `al\u00edce ${key}`,
    `${'a'.repeat(256)} ${key}`, `a\u0000b ${key}`, `alice\u000b${key}`, '\u0000',
  ]
  for (const line of bad) {
    const peers = peersIn(t, `bob ${encodeSigner(bob)}\n# next\n${line}\n`)
    for (const name of ['bob', 'alice', 'new']) {
      t.throws(() => peers.check(name, bob), { code: 'ERR_WARP_USAGE', path: peers.file, message: /known_peers:3: / }, JSON.stringify(line))
    }
    t.throws(() => peers.remember('carol', eve), { code: 'ERR_WARP_USAGE' })
  }
})

t.test('names that would not come back are refused', async (t) => {
  const peers = peersIn(t)
  for (const name of ['', '#alice', 'a b', 'a\nb', 'a\tb', '\u00e4', 'a\u001b[1m', 'a'.repeat(256)]) {
    t.throws(() => peers.remember(name, alice), { code: 'ERR_WARP_USAGE' }, JSON.stringify(name))
  }
  const names = ['a', 'a'.repeat(255), 'a#', '"', '\\', '__proto__']
  for (const name of names) peers.remember(name, alice)
  t.ok(names.every((name) => peers.check(name, alice) === 'known'))
})

t.test('what is no file', async (t) => {
  const folder = makeDirectory(t)
  t.throws(() => new KnownPeers(folder).check('alice', alice), { code: 'ERR_WARP_USAGE', path: folder })
  const file = path.join(folder, 'file')
  fs.writeFileSync(file, '')
  t.throws(() => new KnownPeers(path.join(file, 'x')).check('alice', alice), { code: 'ERR_WARP_USAGE' })
  fs.writeFileSync(file, '#'.repeat(1024 * 1024 + 1))
  t.throws(() => new KnownPeers(file).check('alice', alice), { code: 'ERR_WARP_USAGE' })
  fs.symlinkSync(path.join(folder, 'missing', 'deep'), path.join(folder, 'link'))
  t.throws(() => new KnownPeers(path.join(folder, 'link')).remember('alice', alice), { code: 'ERR_WARP_OUTPUT' })
  fs.symlinkSync('/dev/full', path.join(folder, 'full'))
  t.throws(() => new KnownPeers(path.join(folder, 'full')).check('alice', alice), { code: 'ERR_WARP_USAGE' })
})

t.test('many, one after the other', async (t) => {
  const peers = peersIn(t)
  for (let i = 0; i < 100; i++) new KnownPeers(peers.file).remember(`peer-${i}`, identityFromSeed(Buffer.alloc(32, i)).signer)
  t.equal(fs.readFileSync(peers.file, 'utf8').split('\n').length, 101)
})

t.test('where the file is', async (t) => {
  t.teardown(((before) => () => {
    if (before === undefined) delete process.env['XDG_CONFIG_HOME']
    else process.env['XDG_CONFIG_HOME'] = before
  })(process.env['XDG_CONFIG_HOME']))
  process.env['XDG_CONFIG_HOME'] = '/etc/own'
  t.equal(defaultKnownPeersFile(), '/etc/own/warp/known_peers')
  t.equal(new KnownPeers().file, '/etc/own/warp/known_peers')
  for (const ignored of ['', 'relative']) {
    process.env['XDG_CONFIG_HOME'] = ignored
    t.equal(defaultKnownPeersFile(), path.join(os.homedir(), '.config/warp/known_peers'))
  }
})
