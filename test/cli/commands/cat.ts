import t from 'tap'
import { linkSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { warp } from '../support/run.ts'

const cwd = t.testdir({ d: { empty: '', l: t.fixture('symlink', 'large') } })
// several frames, with a hole between
const large = Buffer.concat([randomBytes(5_000_000), Buffer.alloc(200_000), randomBytes(5_000_000)])
writeFileSync(resolve(cwd, 'd/large'), large)
linkSync(resolve(cwd, 'd/large'), resolve(cwd, 'd/other-name'))
await warp(['create', '-q', '-o', 'x.warp', 'd'], { cwd })

const cat = (...words: string[]) => warp(['cat', 'x.warp', ...words], { cwd })

t.test('whole files', async t => {
  t.ok((await cat('d/large')).bytes.equals(large))
  t.ok((await cat('d/other-name')).bytes.equals(large))
  t.match(await cat('d/empty'), { status: 0, stdout: '', stderr: '' })
})

t.test('ranges', async t => {
  const ranges: [string[], Buffer][] = [
    [['--offset', '4999990', '--length', '20'], large.subarray(4_999_990, 5_000_010)], // into the hole
    [['--offset', '5M'], large.subarray(5 * 1024 * 1024)],
    [['--length', '1K'], large.subarray(0, 1024)],
    [['--length', '0'], Buffer.of()],
    [['--offset', '10199999'], large.subarray(10_199_999)],
    [['--offset', '10200000'], Buffer.of()], // at the end
    [['--offset', '1G', '--length', '1'], Buffer.of()],
  ]
  for (const [words, bytes] of ranges) {
    const ended = await cat('d/large', ...words)
    t.equal(ended.status, 0)
    t.ok(ended.bytes.equals(bytes), words.join(' '))
  }
  t.match(await cat('d/large', '--offset', '-1'), { status: 2 })
  t.match(await cat('d/large', '--length', 'all'), { status: 2 })
})

t.test('what has no content', async t => {
  t.match(await cat('d'), { status: 2, stderr: /directory/ })
  t.match(await cat('d/l'), { status: 2, stderr: /symlink/ })
  t.match(await cat('d/missing'), { status: 3, stderr: /^warp: d\/missing: not in the archive\nhint: / })
})
