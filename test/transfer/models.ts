/** The models of the protocol, checked with spin: every run of format-spec/models ends as its model says. */
import t from 'tap'
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const MODELS = fileURLToPath(new URL('../../format-spec/models/', import.meta.url))

function execute(command: string, args: string[]): Promise<{ error: Error | null; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, (error, stdout, stderr) => resolve({ error, output: stdout + stderr }))
  })
}

/** Why the models cannot be checked here; false if they can. Fails where WARP_REQUIRE_SPIN is 1. */
async function whyNot(): Promise<string | false> {
  for (const [command, argument] of [['spin', '-V'], ['gcc', '--version'], ['bash', '--version']]) {
    if ((await execute(command, [argument])).error === null) continue
    const reason = `${command} is not installed`
    if (process.env['WARP_REQUIRE_SPIN'] === '1') throw new Error(`WARP_REQUIRE_SPIN is set, and ${reason}`)
    return reason
  }
  return false
}

const skip = await whyNot()

t.test('the models hold, and the bugs built into them are found', { skip, timeout: 280_000 }, async t => {
  const { error, output } = await execute('bash', [`${MODELS}run.sh`])
  const lines = output.trim().split('\n')
  t.equal(error, null, output)
  for (const line of lines) t.match(line, /^ok /)
  for (const model of readdirSync(MODELS).filter((name) => name.endsWith('.pml'))) {
    for (const expected of ['holds', 'fails']) t.ok(lines.some((line) => line.includes(`${model} `) && line.includes(` ${expected} `)), `${model}: ${expected}`)
  }
})
