import t from 'tap'
import { chmodSync, linkSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { parseLines, shell, warp } from '../support/run.ts'

const cwd = t.testdir({ d: { a: 'content', l: t.fixture('symlink', 'a'), sub: {} } })
linkSync(resolve(cwd, 'd/a'), resolve(cwd, 'd/h'))
chmodSync(resolve(cwd, 'd/a'), 0o640)
utimesSync(resolve(cwd, 'd/a'), 0, 1_700_000_000.5)
await shell('mkfifo d/p; warp create -q -o x.warp d', { cwd })

t.test('paths', async t => {
  t.match(
    await warp(['list', 'x.warp'], { cwd }),
    { status: 0, stdout: 'd\nd/a\nd/h\nd/l\nd/p\nd/sub\n', stderr: '' },
  )
  t.match(await warp(['list', 'x.warp', 'd/sub', 'd/a'], { cwd }), { stdout: 'd/a\nd/sub\n' })
  t.same((await warp(['list', '-0', 'x.warp', 'd/sub', 'd/a'], { cwd })).bytes, Buffer.from('d/a\0d/sub\0'))
})

t.test('long lines', async t => {
  const { stdout } = await warp(['list', '--long', 'x.warp'], { cwd })
  t.equal((await warp(['list', '-l', 'x.warp'], { cwd })).stdout, stdout)
  const lines = stdout.split('\n')
  const { username } = userInfo()
  t.match(lines[1], new RegExp(`^-rw-r----- ${username}/\\S+ +7 2023-11-14T22:13:20Z d/a$`))
  t.match(lines[0], /^d/)
  t.match(lines[2], /^hrw-r----- .* 2023-11-14T22:13:20Z d\/h link to d\/a$/)
  t.match(lines[3], /^l.* d\/l -> a$/)
  t.match(lines[4], /^p.* d\/p$/)
})

t.test('JSON lines', async t => {
  const entries = parseLines((await warp(['list', '--json', 'x.warp'], { cwd })).stdout)
  t.match(entries[1], {
    number: 1, path: 'd/a', type: 'file', size: 7, mode: '0640', uid: Number, gid: Number, user: String,
    group: String,
    mtime: '2023-11-14T22:13:20.500000000Z', unstable: false, xattrs: Array,
  })
  t.same(entries.map(entry => entry.type), ['directory', 'file', 'hardlink', 'symlink', 'fifo', 'directory'])
  t.match(entries[2], { link: 'd/a', linkNumber: 1, mode: '0640' })
  t.match(entries[3], { target: 'a' })
})

t.test('hard links of a stream', async t => {
  const { stdout } = await shell('warp list -l - < x.warp', { cwd })
  t.match(stdout, /^h\?+ \?\/\? .* d\/h link to entry 1$/m)
  const entries = parseLines((await shell('warp list --json - < x.warp', { cwd })).stdout)
  t.same(entries[2], { number: 2, path: 'd/h', type: 'hardlink', size: 0, unstable: false, linkNumber: 1 })
})

t.test('an archive that is cut short is listed as far as it goes', async t => {
  const bytes = readFileSync(resolve(cwd, 'x.warp'))
  writeFileSync(resolve(cwd, 'cut.warp'), bytes.subarray(0, bytes.length - 1))
  const streamed = await shell('warp list - < cut.warp', { cwd })
  t.equal(streamed.status, 10)
  t.match(await warp(['list', 'cut.warp'], { cwd }), { status: 10, stderr: /hint: .*recover/ })
})

t.test('layouts exclude each other', async t => {
  for (const words of [['-l', '-0'], ['-l', '--json'], ['-0', '--json']]) {
    t.match(await warp(['list', 'x.warp', ...words], { cwd }), { status: 2 })
  }
})
