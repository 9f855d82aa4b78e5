import { execFileSync } from 'node:child_process'
import t from 'tap'
import { farCommand, quote, sshArguments } from '../../../src/transfer/meetings/ssh-command.ts'

/** What a shell makes of the words of `line`. */
function words(line: string, home = '/home/of'): string[] {
  const out = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${line}`], { env: { HOME: home } })
  return out.toString().split('\0').slice(0, -1)
}

const NASTY = ["it's", '$(touch /tmp/x)', '`id`', 'a b', ' ', '*', '~', '!x', '"', '\\', "'\\''", 'a\nb', '#', ';', '&', '-rf', 'ü', '$HOME', '']

t.test('a shell gives every word back', async (t) => {
  t.same(words(NASTY.map(quote).join(' ')), NASTY)
})

t.test('the far command', async (t) => {
  const far = (role: 'send' | 'receive', path: string) => words(farCommand({ role, path, warpCommand: 'warp' }))
  t.same(far('receive', 'dir'), ['warp', 'receive', '--ssh-peer', '-C', 'dir'])
  t.same(far('send', '/a b'), ['warp', 'send', '--ssh-peer', '--', '/a b'])
  for (const path of NASTY.filter((path) => !['', '~', '-rf'].includes(path))) t.equal(far('receive', path).at(-1), path)
  t.equal(far('receive', '').at(-1), '.')
  t.equal(far('receive', '-rf').at(-1), './-rf')
  t.equal(far('receive', '~').at(-1), '/home/of')
  t.equal(far('receive', '~/').at(-1), '/home/of/')
  t.equal(far('receive', '~/$(x) y').at(-1), '/home/of/$(x) y')
  t.equal(far('send', '~nobody-of-that-name/x').at(-1), '~nobody-of-that-name/x')
  t.equal(far('send', '~$(x)/y').at(-1), '~$(x)/y')
  t.same(words(farCommand({ role: 'send', path: 'x', warpCommand: 'node /opt/warp.js', transport: 'tls' })),
    ['node', '/opt/warp.js', 'send', '--ssh-peer', '--transport', 'tls', '--', 'x'])
  t.throws(() => far('send', 'a\0b'), { code: 'ERR_WARP_USAGE' })
})

t.test('arguments of ssh', async (t) => {
  const far = { role: 'receive', path: '.', warpCommand: 'warp' } as const
  t.same(sshArguments('u@h', ['-p', '22'], far), ['-T', '-p', '22', '--', 'u@h', "warp receive --ssh-peer -C '.'"])
  for (const destination of ['-oProxyCommand=id', '', 'a\nb', 'a\0']) {
    t.throws(() => sshArguments(destination, [], far), { code: 'ERR_WARP_USAGE' })
  }
})
