import t from 'tap'
import { lstatSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseLines, warp } from '../support/run.ts'

const cwd = t.testdir({ d: { a: 'A', sub: { b: 'B', 'c.o': 'C' } }, e: 'E' })
await warp(['create', '-q', '-o', 'x.warp', 'd', 'e'], { cwd })

let next = 0
/** Extracts into a new directory; a function reads there. */
async function extract(...words: string[]) {
  const target = `out${next++}`
  const ended = await warp(['extract', 'x.warp', '-C', target, ...words], { cwd })
  const read = (path: string) => readFileSync(resolve(cwd, target, path), 'utf8')
  const names = () => (readdirSync(resolve(cwd, target), { recursive: true }) as string[]).sort()
  return { ...ended, target, read, names }
}

t.test('restores everything', async t => {
  const { status, stdout, stderr, read, names, target } = await extract()
  t.equal(status, 0)
  t.equal(stderr, '')
  t.match(stdout, /^restored +6 entries, 4 B$/m)
  t.match(stdout, new RegExp(`^into +${target}$`, 'm'))
  t.same(names(), ['d', 'd/a', 'd/sub', 'd/sub/b', 'd/sub/c.o', 'e'])
  t.equal(read('d/sub/b'), 'B')
  t.equal(lstatSync(resolve(cwd, target, 'e')).mtimeMs, lstatSync(resolve(cwd, 'e')).mtimeMs)
})

t.test('into the current directory', async t => {
  const here = t.testdir({})
  t.match(await warp(['extract', '-q', resolve(cwd, 'x.warp')], { cwd: here }), { status: 0, stdout: '' })
  t.equal(readFileSync(resolve(here, 'e'), 'utf8'), 'E')
})

t.test('as JSON', async t => {
  const { stdout, target } = await extract('--json')
  t.match(parseLines(stdout), [{
    archive: 'x.warp', target, root: /^[0-9a-f]{64}$/, entries: 6, bytes: 4, problems: 0, durationMs: Number,
  }])
})

t.test('selection', async t => {
  t.same((await extract('d/sub')).names(), ['d', 'd/sub', 'd/sub/b', 'd/sub/c.o'])
  t.same((await extract('e', 'd/a')).names(), ['d', 'd/a', 'e'])
  const excluded = (await extract('--exclude', '*.o', '--exclude', 'e')).names()
  t.same(excluded, ['d', 'd/a', 'd/sub', 'd/sub/b'])
  const included = (await extract('--include', '*.o')).names()
  t.ok(included.includes('d/sub/c.o'))
  t.notOk(included.includes('e'))
  t.match(await extract('missing'), { status: 3, stderr: /missing/ })
  t.match(await extract('../e'), { status: 2 })
})

t.test('fewer components', async t => {
  const { status, names } = await extract('--strip-components', '1', 'd')
  t.equal(status, 0)
  t.same(names(), ['a', 'sub', 'sub/b', 'sub/c.o'])
  t.match(await extract('--strip-components', '-1'), { status: 2 })
  t.match(await extract('--strip-components', 'x'), { status: 2 })
})

t.test('existing files', async t => {
  const { target, read } = await extract()
  const again = (...words: string[]) => warp(['extract', 'x.warp', '-C', target, ...words, 'e'], { cwd })
  const change = (date: Date) => {
    writeFileSync(resolve(cwd, target, 'e'), 'changed')
    utimesSync(resolve(cwd, target, 'e'), date, date)
  }
  change(new Date())
  const kept = await again()
  t.match(kept, { status: 3, stderr: /^warp: e: / }, 'kept and told of')
  t.equal(read('e'), 'changed')
  t.match(await again('--overwrite', 'newer'), {})
  t.equal(read('e'), 'changed', 'the archived one is older')
  change(new Date(0))
  t.match(await again('--overwrite', 'newer'), { status: 0 })
  t.equal(read('e'), 'E')
  change(new Date())
  t.match(await again('--overwrite', 'always'), { status: 0 })
  t.equal(read('e'), 'E')
  t.match(await again('--overwrite', 'sometimes'), { status: 2 })
})

t.test('owners and resources', async t => {
  const options = [
    ['--same-owner'], ['--no-same-owner'], ['--numeric-owner'], ['--threads', '1', '--memory', '256M'],
  ]
  for (const words of options) {
    t.match(await extract(...words), { status: 0 }, words.join(' '))
  }
  t.match(await extract('--same-owner', '--no-same-owner'), { status: 2 })
})

t.test('a target that cannot be made', async t => {
  t.match(await warp(['extract', 'x.warp', '-C', 'e/sub'], { cwd }), { status: 4 })
})

t.test('a damaged archive', async t => {
  const bytes = readFileSync(resolve(cwd, 'x.warp'))
  bytes[256 + 64] ^= 1 // the first byte of the first frame
  writeFileSync(resolve(cwd, 'bad.warp'), bytes)
  const { status, stderr } = await warp(['extract', 'bad.warp', '-C', 'bad'], { cwd })
  t.equal(status, 13)
  t.match(stderr, /^warp: /)
  t.notOk(
    (readdirSync(cwd) as string[]).includes('bad') && readdirSync(resolve(cwd, 'bad')).includes('e'),
    'nothing damaged stands',
  )
})
