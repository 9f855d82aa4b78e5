import t from 'tap'
import { warp } from '../support/run.ts'

t.test('prints a script, whatever else is asked for', async t => {
  for (const words of [['bash'], ['bash', '--quiet'], ['zsh'], ['fish']]) {
    t.match(
      await warp(['completion', ...words]),
      { status: 0, stdout: new RegExp(`warp completion ${words[0]}`), stderr: '' },
    )
  }
  t.match(await warp(['completion']), { status: 2, stderr: /hint: usage: warp completion/ })
})
