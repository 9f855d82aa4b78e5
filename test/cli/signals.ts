import t from 'tap'
import { existsSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, shell, start, warp, PROGRAM, type Ended } from './support/run.ts'

/** Sends `signals` once `create` has begun to write; its input never ends. */
async function interrupt(cwd: string, signals: NodeJS.Signals[]): Promise<Ended> {
  return await start(process.execPath, [PROGRAM, 'create', '--json', '-o', 'x.warp', '-'], {
    cwd,
    onStart: child => {
      child.stdin!.write('beginning')
      const timer = setInterval(() => {
        if (child.exitCode === null && !readdirSync(cwd).some(name => name.startsWith('x.warp.'))) return
        clearInterval(timer)
        for (const signal of signals) child.kill(signal)
      }, 50)
    },
  })
}

t.test('a signal ends the work and leaves no archive', async t => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const cwd = t.testdir({})
    const { status, stdout, stderr } = await interrupt(cwd, [signal])
    t.equal(status, 130, signal)
    t.equal(stdout, '')
    t.match(parseLines(stderr).at(-1), { event: 'error', code: 'ERR_WARP_INTERRUPTED', exitCode: 130 })
    t.notOk(existsSync(resolve(cwd, 'x.warp')))
    t.same(readdirSync(cwd), [], 'nothing half-written is left')
  }
})

t.test('a second signal does not wait', async t => {
  const { status } = await interrupt(t.testdir({}), ['SIGINT', 'SIGINT'])
  t.equal(status, 130)
})

t.test('an archive that was there stays', async t => {
  const cwd = t.testdir({ a: 'content' })
  await warp(['create', '-o', 'x.warp', 'a'], { cwd })
  await interrupt(cwd, ['SIGINT'])
  t.match(await warp(['list', 'x.warp'], { cwd }), { status: 0, stdout: 'a\n' })
})

t.test('a file size limit is an output error', { skip: process.platform === 'win32' }, async t => {
  const cwd = t.testdir({ big: Buffer.alloc(3_000_000, 'x').map((_, i) => (i * 2654435761) >>> 13) })
  // 1,024 blocks of 1 KiB: less than the archive needs, for this content does not shrink that much.
  const { status, stderr } = await shell('ulimit -f 1024; warp create -q --compress none -o x.warp big', { cwd })
  t.equal(status, 4, stderr)
  t.same(readdirSync(cwd), ['big'])
})
