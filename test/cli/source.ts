import t from 'tap'
import { shell, warp } from './support/run.ts'

t.test('archives from standard input', async t => {
  const cwd = t.testdir({ d: { a: 'content' }, pass: 'secret\n', out: {} })
  const env = { WARP_PASSPHRASE: 'secret' }
  await warp(['create', '-o', 'open.warp', 'd'], { cwd })
  await warp(['create', '-o', 'closed.warp', 'd'], { cwd, env })
  for (const archive of ['open.warp', 'closed.warp']) {
    t.match(await shell(`cat ${archive} | warp list -`, { cwd, env }), { status: 0, stdout: 'd\nd/a\n' })
    t.match(
      await shell(`cat ${archive} | warp verify - --temp-dir .`, { cwd, env }),
      { status: 0, stdout: /good/ },
    )
    const target = `out/${archive}`
    const line = `cat ${archive} | warp extract -q - -C ${target} --temp-dir . && cat ${target}/d/a`
    const extracted = await shell(line, { cwd, env })
    t.match(extracted, { status: 0, stdout: 'content' })
  }
  t.match(await shell('warp list - < closed.warp', { cwd }), { status: 12 })
  t.match(await shell('head -c 600 open.warp | warp list -', { cwd }), { status: 10 })
  t.match(await shell('warp list - < /dev/null', { cwd }), { status: 10 })
  t.match(await shell('warp list - --temp-dir . < open.warp', { cwd }), { status: 2 }, 'listing keeps no data')
  t.match(await shell('warp verify - --temp-dir missing < open.warp', { cwd }), { status: 4 })
  t.match(await warp(['create', '-o', 'x.warp', '--temp-dir', 'missing', 'd'], { cwd }), { status: 4, stderr: /missing/ })
  t.match(await warp(['create', '-q', '-o', 'x.warp', '--temp-dir', '.', 'd'], { cwd }), { status: 0, stderr: '' })
})

t.test('archives that are not there or none', async t => {
  const cwd = t.testdir({ text: 'not an archive at all', empty: '', dir: {} })
  for (const command of ['list', 'verify', 'info', 'extract']) {
    t.match(await warp([command, 'missing'], { cwd }), { status: 10, stderr: /missing/ }, command)
    t.match(await warp([command, 'text'], { cwd }), { status: 10 }, command)
    t.match(await warp([command, 'empty'], { cwd }), { status: 10 }, command)
    t.match(await warp([command, 'dir'], { cwd }), { status: 10 }, command)
  }
})
