import t from 'tap'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { shell, warp } from './support/run.ts'

const cwd = t.testdir({
  a: 'content', right: 'secret\nsecond line\n', crlf: 'secret\r\n', bare: 'secret', wrong: 'guess\n',
  empty: '\n',
})
await shell('warp keygen -q -o alice; warp keygen -q -o bob', { cwd })

/** The public key of an identity file. */
function publicKey(file: string, kind = 'recipient'): string {
  return new RegExp(`# ${kind}: (.+)`).exec(readFileSync(resolve(cwd, file), 'utf8'))![1]
}

t.test('a passphrase is the first line of a file', async t => {
  t.match(await warp(['create', '-o', 'x.warp', '--passphrase-file', 'right', 'a'], { cwd }), { status: 0 })
  for (const file of ['right', 'crlf', 'bare']) {
    t.match(
      await warp(['cat', '--passphrase-file', file, 'x.warp', 'a'], { cwd }),
      { status: 0, stdout: 'content' },
    )
  }
  const options: [string[], number][] = [
    [['--passphrase-file', 'wrong'], 12],
    [['--passphrase-file', 'empty'], 2],
    [['--passphrase-file', 'missing'], 2],
    [['--identity', 'alice'], 12],
    [['--identity', 'right'], 2],
    [[], 12],
  ]
  for (const [words, status] of options) {
    t.match(await warp(['list', 'x.warp', ...words], { cwd }), { status, stdout: '' }, words.join(' '))
  }
})

t.test('or of standard input, where that is free', async t => {
  t.match(await warp(['list', 'x.warp', '--passphrase-file', '-'], { cwd, input: 'secret\n' }), { status: 0 })
  const twice = [
    ['list', '-', '--passphrase-file', '-'],
    ['create', '-o', 'y.warp', '-', '--passphrase-file', '-'],
    ['create', '-o', 'y.warp', '--files-from', '-', '--passphrase-file', '-'],
    ['recover', 'x.warp', '-o', 'y.warp', '--passphrase-file', '-', '--new-passphrase-file', '-'],
  ]
  for (const words of twice) {
    t.match(
      await warp(words, { cwd, input: 'secret\n' }),
      { status: 2, stderr: /standard input cannot be both/ },
    )
  }
})

t.test('or in the environment', async t => {
  const env = { WARP_PASSPHRASE: 'secret' }
  t.match(await warp(['list', 'x.warp'], { cwd, env }), { status: 0 })
  // an option comes first
  t.match(await warp(['list', 'x.warp', '--passphrase-file', 'wrong'], { cwd, env }), { status: 12 })
  t.match(await warp(['create', '--json', '-o', 'y.warp', 'a'], { cwd, env }), { stdout: /"encrypted":true/ })
  t.match(await warp(['list', 'y.warp'], { cwd }), { status: 12 })
  t.match(await warp(['create', '--passphrase', '-o', 'y.warp', 'a'], { cwd, env }), { status: 0 })
  t.match(await warp(['list', 'y.warp'], { cwd, env }), { status: 0 })
  // one that is set and not used does no harm
  t.match(await warp(['create', '-o', 'z.warp', 'a'], { cwd, env: { WARP_PASSPHRASE: '' } }), { status: 0 })
  t.match(await warp(['list', 'z.warp'], { cwd, env }), { status: 0 })
})

t.test('recipients', async t => {
  const words = ['--recipient', publicKey('alice'), '--recipient', publicKey('bob')]
  // a passphrase that is set must not open it
  const env = { WARP_PASSPHRASE: 'secret' }
  t.match(await warp(['create', '-o', 'r.warp', ...words, 'a'], { cwd, env }), { status: 0 })
  t.match(await warp(['list', 'r.warp', '--identity', 'alice'], { cwd }), { status: 0 })
  t.match(await warp(['list', 'r.warp', '--identity', 'bob'], { cwd }), { status: 0 })
  t.match(await warp(['list', 'r.warp'], { cwd, env }), { status: 12 })
  t.match(await warp(['list', 'r.warp'], { cwd }), { status: 12, stderr: /--identity/ })
  // one of several keys is enough
  await warp(
    ['create', '-o', 'r.warp', '--recipient', publicKey('bob'), '--passphrase-file', 'right', 'a'],
    { cwd },
  )
  t.match(await warp(['list', 'r.warp', '--identity', 'alice', '--identity', 'bob'], { cwd }), { status: 0 })
  t.match(await warp(['list', 'r.warp', '--passphrase-file', 'right'], { cwd }), { status: 0 })
})

t.test('signatures', async t => {
  t.match(await warp(['create', '-o', 's.warp', '--sign', 'alice', 'a'], { cwd }), { status: 0 })
  const verify = (...words: string[]) => warp(['verify', 's.warp', ...words], { cwd })
  t.match(await verify(), { status: 0, stdout: new RegExp(publicKey('alice', 'signer')) })
  t.match(await verify('--signed-by', publicKey('alice', 'signer')), { status: 0 })
  t.match(await verify('--signed-by', publicKey('bob', 'signer')), { status: 13 })
  t.match(await verify('--quick', '--signed-by', publicKey('bob', 'signer')), { status: 13 })
  t.match(await verify('--signed-by', publicKey('alice')), { status: 2 })
  t.match(
    await warp(['create', '-o', 't.warp', '--sign', 'right', 'a'], { cwd }),
    { status: 2, stderr: /right/ },
  )
  t.match(await warp(['create', '-o', 't.warp', '--recipient', 'nonsense', 'a'], { cwd }), { status: 2 })
})
