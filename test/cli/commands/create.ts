import t from 'tap'
import { chmodSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { STAGES as ALL_STAGES, type StageTimes } from '../../../src/base/stages.ts'
import { parseLines, shell, warp } from '../support/run.ts'

const STAGES = [...ALL_STAGES]

/** What --stats --json adds. */
interface Told { durationMs: number; stages: { caller: StageTimes; threads: StageTimes[] } }

/** Paths in the archive. */
async function listed(cwd: string, archive = 'x.warp'): Promise<string[]> {
  return (await warp(['list', archive], { cwd })).stdout.split('\n').slice(0, -1)
}

t.test('makes an archive and tells of it', async t => {
  const cwd = t.testdir({ d: { a: 'content', b: 'content' } })
  const { status, stdout, stderr } = await warp(['create', '-o', 'x.warp', 'd'], { cwd })
  t.equal(status, 0)
  t.equal(stderr, '')
  t.match(stdout, /^archive +x\.warp\n/)
  t.match(stdout, /^stored +3 entries, 14 B$/m)
  t.match(stdout, /^unique +7 B/m)
  t.match(stdout, /^root +[0-9a-f]{64}$/m)
  t.same(await listed(cwd), ['d', 'd/a', 'd/b'])
  const json = await warp(['create', '--json', '-o', 'x.warp', 'd'], { cwd })
  t.match(parseLines(json.stdout), [{
    archive: 'x.warp', encrypted: false, root: /^[0-9a-f]{64}$/, archiveId: /^[0-9a-f]{32}$/, entries: 3,
    logicalBytes: 14, chunkRefs: 2, frameBytes: 7, frames: 1, pages: 1, archiveBytes: Number, problems: 0,
    durationMs: Number,
  }])
  t.equal(lstatSync(resolve(cwd, 'x.warp')).size, parseLines(json.stdout)[0].archiveBytes)
})

t.test('--stats tells where the time went', async t => {
  const cwd = t.testdir({ small: 'content', large: Buffer.alloc(5_000_000, 'some text ').toString() })
  const text = await warp(['create', '--stats', '--threads', '2', '-o', 'x.warp', 'large'], { cwd })
  t.match(text, { status: 0, stderr: '' })
  t.match(text.stdout, /^stage +main +2 threads +seconds$/m)
  for (const stage of STAGES) t.match(text.stdout, new RegExp(`^  ${stage} +\\d+\\.\\d\\d +\\d+\\.\\d\\d$`, 'm'), stage)
  t.match(text.stdout, /^  elapsed +\d+\.\d\d$/m)
  const { stdout } = await warp(['create', '--stats', '--json', '--threads', '2', '-o', 'x.warp', 'large'], { cwd })
  const [{ durationMs, stages: { caller, threads } }] = parseLines(stdout) as unknown as [Told]
  t.same(Object.keys(caller), STAGES)
  t.equal(threads.length, 2)
  const sum = (name: keyof StageTimes) => threads.reduce((total, times) => total + times[name], 0)
  for (const stage of ['read', 'hash', 'compress'] as const) t.ok(sum(stage) > 0, `threads ${stage}`)
  t.ok(caller.walk > 0 && caller.plan > 0)
  for (const times of [caller, ...threads]) {
    const total = Object.values(times).reduce((a, b) => a + b, 0)
    t.ok(total <= durationMs + 1, `${total} of ${durationMs} ms`)
  }
  // What is done on the main thread alone is counted there.
  const [{ stages: alone }] = parseLines((await warp(['create', '--stats', '--json', '-o', 'x.warp', 'small'], { cwd })).stdout) as unknown as [Told]
  t.same(alone.threads, [])
  t.ok(alone.caller.read > 0)
  t.notOk('stages' in parseLines((await warp(['create', '--json', '-o', 'x.warp', 'small'], { cwd })).stdout)[0])
})

t.test('to standard output, results go to stderr', async t => {
  const cwd = t.testdir({ a: 'content' })
  const text = await shell('warp create -o - a | warp list -', { cwd })
  t.match(text, { status: 0, stdout: 'a\n', stderr: /^archive +standard output\n/ })
  const json = await shell('warp create --json -o - a > x.warp', { cwd })
  t.match(parseLines(json.stderr).at(-1), { event: 'result', archive: '-', entries: 1 })
  t.same(await listed(cwd), ['a'])
  t.match(await shell('warp create -q -o - a | cat > y.warp', { cwd }), { status: 0, stderr: '', stdout: '' })
  t.same(await listed(cwd, 'y.warp'), ['a'])
})

t.test('from standard input', async t => {
  const cwd = t.testdir({ a: 'A' })
  t.match(await warp(['create', '-o', 'x.warp', '-'], { cwd, input: 'piped' }), { status: 0 })
  t.match(await warp(['cat', 'x.warp', 'stdin'], { cwd }), { stdout: 'piped' })
  await warp(['create', '-o', 'x.warp', '--stdin-name', 'dump/shop.sql', '-', 'a'], { cwd, input: 'piped' })
  t.match(await warp(['cat', 'x.warp', 'dump/shop.sql'], { cwd }), { stdout: 'piped' })
  t.ok((await listed(cwd)).includes('a'))
  t.match(await warp(['create', '-o', 'x.warp', '--stdin-name', 'n', 'a'], { cwd }), { status: 2 })
  t.match(await warp(['create', '-o', 'x.warp', '-', '-'], { cwd }), { status: 2 })
})

t.test('an existing archive is replaced, and kept if that fails', async t => {
  const cwd = t.testdir({ a: 'A', b: 'B' })
  await warp(['create', '-o', 'x.warp', 'a'], { cwd })
  t.match(await warp(['create', '-o', 'x.warp', 'b'], { cwd }), { status: 0 })
  t.same(await listed(cwd), ['b'])
  t.match(await warp(['create', '-o', 'x.warp', 'missing'], { cwd }), { status: 3 })
  t.same(await listed(cwd), ['b'])
  t.match(await warp(['create', '-o', 'missing/x.warp', 'a'], { cwd }), { status: 4 })
  t.match(await warp(['create', '-o', '.', 'a'], { cwd }), { status: 4 })
})

t.test('compression', async t => {
  const cwd = t.testdir({ text: 'all work and no play makes Jack a dull boy\n'.repeat(2000) })
  const codecs: Record<string, RegExp> = { auto: /zstd/, zstd: /zstd/, lz4: /lz4/, none: /store/ }
  const sizes: Record<string, number> = {}
  for (const [compress, codec] of Object.entries(codecs)) {
    t.match(
      await warp(['create', '-q', '--compress', compress, '-o', 'x.warp', 'text'], { cwd }),
      { status: 0 },
    )
    const info = JSON.parse((await warp(['info', '--json', 'x.warp'], { cwd })).stdout)
    t.match(info.codecs, [{ codec, frames: 1, plainBytes: 86_000 }])
    sizes[compress] = info.archiveBytes
  }
  t.ok(sizes.zstd < sizes.none && sizes.lz4 < sizes.none)
  t.match(await warp(['create', '-q', '--level', '19', '-o', 'x.warp', 'text'], { cwd }), { status: 0 })
  for (const words of [['--compress', 'gzip'], ['--level', '0'], ['--level', '20'], ['--level', 'x']]) {
    t.match(await warp(['create', '-o', 'x.warp', ...words, 'text'], { cwd }), { status: 2 }, words.join(' '))
  }
})

t.test('sizes and threads', async t => {
  const cwd = t.testdir({ a: 'A' })
  const options = ['--chunk-size', '4K', '--threads', '1', '--memory', '400MiB']
  t.match(await warp(['create', '-o', 'x.warp', ...options, 'a'], { cwd }), { status: 0 })
  t.equal(JSON.parse((await warp(['info', '--json', 'x.warp'], { cwd })).stdout).average, 4096)
  const wrong = [
    ['--chunk-size', '5K'], ['--chunk-size', '2K'], ['--chunk-size', '8M'], ['--threads', '0'],
    ['--threads', '2000'],
    ['--memory', '1K'], ['--memory', 'much'],
  ]
  for (const words of wrong) {
    t.match(await warp(['create', '-o', 'x.warp', ...words, 'a'], { cwd }), { status: 2 }, words.join(' '))
  }
})

t.test('exclusion', async t => {
  const cwd = t.testdir({
    d: { 'a.o': '', 'a.c': '', 'keep.o': '', sub: { 'b.o': '', 'b.c': '' } },
    patterns: '# objects\n\n*.o\n!keep.o\n',
  })
  await warp(['create', '-o', 'x.warp', '--exclude', '*.o', '--exclude', 'sub/', 'd'], { cwd })
  t.same(await listed(cwd), ['d', 'd/a.c'])
  await warp(['create', '-o', 'x.warp', '--exclude-from', 'patterns', '--exclude', 'b.c', 'd'], { cwd })
  t.same(await listed(cwd), ['d', 'd/a.c', 'd/keep.o', 'd/sub'])
  t.match(await warp(['create', '-o', 'x.warp', '--exclude-from', 'missing', 'd'], { cwd }), { status: 2 })
})

t.test('lists of files', async t => {
  const cwd = t.testdir({ a: '', b: '', c: '', 'with\nline': '', list: 'a\nb\n\n' })
  await warp(['create', '-o', 'x.warp', '--files-from', 'list', 'c'], { cwd })
  t.same(await listed(cwd), ['a', 'b', 'c'])
  await warp(['create', '-o', 'x.warp', '--files-from', '-', '-0'], { cwd, input: 'a\0with\nline\0' })
  t.same(await listed(cwd), ['a', 'with\\nline'])
  // find lists directories and what is in them
  await shell('mkdir -p d/e && touch d/e/f && find d | warp create -q -o x.warp --files-from -', { cwd })
  t.same(await listed(cwd), ['d', 'd/e', 'd/e/f'])
  t.match(await warp(['create', '-o', 'x.warp', '--files-from', 'missing'], { cwd }), { status: 2 })
  t.match(await warp(['create', '-o', 'x.warp', '-0', 'a'], { cwd }), { status: 2 })
  t.match(await warp(['create', '-o', 'x.warp'], { cwd }), { status: 2, stderr: /hint: give a PATH/ })
  t.match(await warp(['create', '-o', 'x.warp', '--files-from', '-'], { cwd, input: '' }), { status: 2 })
})

t.test('symlinks', async t => {
  const cwd = t.testdir({ d: { a: 'content', l: t.fixture('symlink', 'a') } })
  await warp(['create', '-o', 'x.warp', '--one-file-system', 'd'], { cwd })
  t.match((await warp(['list', '--json', 'x.warp', 'd/l'], { cwd })).stdout, /"type":"symlink".*"target":"a"/)
  await warp(['create', '-o', 'x.warp', '--follow-symlinks', 'd'], { cwd })
  t.match(await warp(['cat', 'x.warp', 'd/l'], { cwd }), { stdout: 'content' })
})

t.test('reproducible archives', async t => {
  const cwd = t.testdir({ d: { a: 'content', b: { c: 'more' } } })
  for (const name of ['x.warp', 'y.warp']) await warp(['create', '--reproducible', '-o', name, 'd'], { cwd })
  t.same(readFileSync(resolve(cwd, 'x.warp')), readFileSync(resolve(cwd, 'y.warp')))
  const env = { WARP_PASSPHRASE: 'secret' }
  t.match(
    await warp(['create', '--reproducible', '-o', 'x.warp', 'd'], { cwd, env }),
    { status: 2, stderr: /WARP_PASSPHRASE/ },
  )
  writeFileSync(resolve(cwd, 'pass'), 'secret')
  const words = ['create', '--reproducible', '-o', 'x.warp', '--passphrase-file', 'pass', 'd']
  t.match(await warp(words, { cwd }), { status: 2 })
})

t.test('inputs that cannot all be stored', async t => {
  const cwd = t.testdir({ a: 'A', d: { a: 'other' }, e: { d: { a: 'third' } } })
  const missing = await warp(['create', '-o', 'x.warp', 'a', 'missing'], { cwd })
  t.match(
    missing,
    {
      status: 3, stderr: 'warp: missing: no such file or directory\n', stdout: /^problems +1, listed above$/m,
    },
  )
  t.same(await listed(cwd), ['a'])
  const beneath = await warp(['create', '-o', 'y.warp', 'd', 'd/missing'], { cwd })
  t.match(beneath, { status: 3, stderr: 'warp: d/missing: no such file or directory\n' })
  const noted = await warp(['create', '-o', 'x.warp', resolve(cwd, 'a')], { cwd })
  t.match(noted, { status: 0, stderr: /^warp: .*\/a: .*leading/ })
  t.match(await warp(['create', '-o', 'x.warp', 'd/../a'], { cwd }), { status: 2, stderr: /hint:/ })
  const colliding = await shell(`warp create -o x.warp a - --stdin-name a`, { cwd, input: '' })
  t.match(colliding, { status: 2, stderr: /^warp: .*\ba\b/ })
})

const isRoot = process.getuid?.() === 0 && 'root may read everything'

t.test('files without permission', { skip: isRoot }, async t => {
  const cwd = t.testdir({ d: { a: 'A', secret: 'S' } })
  chmodSync(resolve(cwd, 'd/secret'), 0)
  t.match(await warp(['create', '-o', 'x.warp', 'd'], { cwd }), { status: 3, stderr: /^warp: d\/secret: / })
})
