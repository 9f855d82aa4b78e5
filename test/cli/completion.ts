import t from 'tap'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { optionsOf } from '../../src/cli/arguments.ts'
import { SPECS as specs } from '../../src/cli/commands.ts'
import { SHELLS, completionScript } from '../../src/cli/completion.ts'
import { warp } from './support/run.ts'

t.test('every shell is told of every command and option', async t => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, specs)
    for (const spec of specs) {
      t.ok(script.includes(spec.name), `${shell}: ${spec.name}`)
      for (const { name } of optionsOf(spec)) {
        t.ok(
          script.includes(shell === 'fish' ? `-l ${name}` : `--${name}`),
          `${shell}: ${spec.name} --${name}`,
        )
      }
    }
  }
})

t.test('the scripts are valid', async t => {
  for (const shell of SHELLS) {
    const skip = spawnSync(shell, ['-c', 'true']).status === 0 ? false : `${shell} is not installed`
    t.test(shell, { skip }, async t => {
      const file = resolve(t.testdir({}), 'script')
      writeFileSync(file, completionScript(shell, specs))
      const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
      t.equal(status, 0, stderr)
    })
  }
})

/** What bash offers for the last of `words`. */
function complete(cwd: string, words: string[]): string[] {
  const script = `${completionScript('bash', specs)}
    COMP_WORDS=(${words.map(word => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _warp
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = spawnSync('bash', ['-c', script], { cwd, encoding: 'utf8' })
  return stdout.split('\n').filter(line => line !== '').sort()
}

t.test('bash offers what fits', async t => {
  const cwd = t.testdir({ 'with space.warp': '', dir: {} })
  t.same(complete(cwd, ['warp', 'c']), ['cat', 'completion', 'create'])
  t.same(complete(cwd, ['warp', '--ve']), ['--verbose', '--version'])
  t.same(complete(cwd, ['warp', 'help', 'ex']), ['extract'])
  t.same(complete(cwd, ['warp', 'create', '--pass']), ['--passphrase', '--passphrase-file'])
  t.same(complete(cwd, ['warp', 'create', '--compress', '']), ['auto', 'lz4', 'none', 'zstd'])
  t.same(complete(cwd, ['warp', 'create', '--level', '']), [])
  t.same(complete(cwd, ['warp', '-q', 'list', 'w']), ['with space.warp'])
  t.same(complete(cwd, ['warp', 'extract', 'a.warp', '-C', '']), ['dir'])
  t.same(complete(cwd, ['warp', 'completion', '']), ['bash', 'fish', 'zsh'])
})

t.test('the command prints them', async t => {
  for (const shell of SHELLS) {
    const { status, stdout } = await warp(['completion', shell])
    t.equal(status, 0)
    t.equal(stdout, completionScript(shell, specs))
  }
  t.match(await warp(['completion', 'tcsh']), { status: 2, stdout: '' })
})
