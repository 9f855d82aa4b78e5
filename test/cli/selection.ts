import t from 'tap'
import { archivePath } from '../../src/cli/selection.ts'
import { shell, warp } from './support/run.ts'
import type { Context } from '../../src/cli/context.ts'

t.test('a leading / is told of', async t => {
  const notes: string[] = []
  const context = { output: { note: (message: string) => notes.push(message) } } as unknown as Context
  t.equal(archivePath('a/b', context), 'a/b')
  t.same(notes, [])
  archivePath('/a', context)
  t.equal(notes.length, 1)
})

t.test('paths as a person gives them', async t => {
  const cwd = t.testdir({ d: { a: 'A', sub: { b: 'B' } }, e: 'E' })
  await warp(['create', '-o', 'x.warp', 'd', 'e'], { cwd })
  const list = async (...paths: string[]) => {
    const { stdout } = await warp(['list', 'x.warp', ...paths], { cwd })
    return stdout.split('\n').slice(0, -1)
  }
  const all = ['d', 'd/a', 'd/sub', 'd/sub/b', 'e']
  t.same(await list(), all)
  t.same(await list('.'), all)
  for (const path of ['d/sub', './d/sub', 'd/sub/', '/d//sub']) {
    t.same(await list(path), ['d/sub', 'd/sub/b'], path)
  }
  t.same(await list('e', 'd/a'), ['d/a', 'e'])
  t.match(await warp(['list', 'x.warp', '../d'], { cwd }), { status: 2 })
  t.match(await warp(['list', 'x.warp', 'd/missing'], { cwd }), { status: 3, stderr: /d\/missing/ })
})

const elsewhere = process.platform !== 'linux' && 'file systems elsewhere refuse them'

t.test('names that are not UTF-8', { skip: elsewhere }, async t => {
  const cwd = t.testdir({})
  // two names that look alike once decoded; one of them alone on the command line is enough
  const line = "printf 1 > $'x\\xff'; printf 2 > $'x\\xfe'; warp create -q -o x.warp $'x\\xff'"
  const made = await shell(line, { cwd })
  t.match(made, { status: 0, stderr: '' })
  t.match(await shell('warp list x.warp', { cwd }), { stdout: 'x\\xff\n' })
  t.match(await shell("warp cat x.warp $'x\\xff'", { cwd }), { status: 0, stdout: '1' })
  t.match(await shell("warp cat x.warp $'x\\xfe'", { cwd }), { status: 3 })
  const raw = await shell('warp list -0 x.warp', { cwd })
  t.same(raw.bytes, Buffer.of(0x78, 0xff, 0))
  t.match(
    JSON.parse((await shell('warp list --json x.warp', { cwd })).stdout),
    { path: 'x\ufffd', pathBase64: 'eP8=' },
  )
})
