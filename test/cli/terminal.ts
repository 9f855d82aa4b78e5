import t from 'tap'
import { noTerminal, onTerminal, warp } from './support/run.ts'

t.test('passphrases from the terminal', { skip: noTerminal() }, async t => {
  const cwd = t.testdir({ a: 'content' })
  const create = 'warp create -q --passphrase -o x.warp a'

  await t.test('are asked for twice and not shown', async t => {
    const { status, stdout } = await onTerminal(create, [
      { prompt: 'New passphrase: ', type: 'correct horse\r' },
      { prompt: 'The same again: ', type: 'correct horse\r' },
    ], { cwd })
    t.equal(status, 0, stdout)
    t.notMatch(stdout, 'horse')
  })

  await t.test('open what they closed', async t => {
    // the variable would be taken without asking
    const fromVariable = await warp(['list', 'x.warp'], { cwd, env: { WARP_PASSPHRASE: 'correct horse' } })
    t.match(fromVariable, { status: 0, stdout: 'a\n' })
    for (const line of ['warp cat x.warp a', 'warp verify x.warp', 'warp list - < x.warp']) {
      const answers = [{ prompt: 'Passphrase: ', type: 'correct horse\r' }]
      const { status, stdout } = await onTerminal(line, answers, { cwd })
      t.equal(status, 0, line)
      t.notMatch(stdout, 'horse')
    }
  })

  await t.test('are asked for once for two archives', async t => {
    const answers = [{ prompt: 'Passphrase: ', type: 'correct horse\r' }]
    t.equal((await onTerminal('warp diff x.warp x.warp', answers, { cwd })).status, 0)
  })

  await t.test('can be corrected while they are typed', async t => {
    // Ctrl-U takes all away; ä has two bytes and is taken away by one backspace
    const type = 'wrong\x15correct horsä\x7fe\n'
    t.equal((await onTerminal('warp list x.warp', [{ prompt: 'Passphrase: ', type }], { cwd })).status, 0)
  })

  await t.test('wrong ones', async t => {
    const answers = [{ prompt: 'Passphrase: ', type: 'battery\r' }]
    const wrong = await onTerminal('warp list x.warp', answers, { cwd })
    t.equal(wrong.status, 12)
    const differing = await onTerminal(create, [
      { prompt: 'New passphrase: ', type: 'one\r' }, { prompt: 'The same again: ', type: 'two\r' },
    ], { cwd })
    t.equal(differing.status, 2)
    const empty = await onTerminal(create, [
      { prompt: 'New passphrase: ', type: '\r' }, { prompt: 'The same again: ', type: '\r' },
    ], { cwd })
    t.equal(empty.status, 2)
  })

  await t.test('Ctrl-C', async t => {
    t.equal(
      (await onTerminal('warp list x.warp', [{ prompt: 'Passphrase: ', type: '\x03' }], { cwd })).status,
      130,
    )
  })
})

t.test('without a terminal nobody is asked', async t => {
  const cwd = t.testdir({ a: 'content' })
  const create = await warp(['create', '--passphrase', '-o', 'x.warp', 'a'], { cwd })
  t.match(create, { status: 2, stderr: /hint: give --passphrase-file/ })
  await warp(['create', '-o', 'x.warp', 'a'], { cwd, env: { WARP_PASSPHRASE: 'p' } })
  t.match(await warp(['list', 'x.warp'], { cwd }), { status: 12, stderr: /hint: .*--passphrase-file/ })
})
