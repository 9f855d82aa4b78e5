import t from 'tap'
import { linkSync } from 'node:fs'
import { resolve } from 'node:path'
import { shell, warp } from '../support/run.ts'

const cwd = t.testdir({ d: { a: 'x'.repeat(1000), b: 'x'.repeat(1000), l: t.fixture('symlink', 'a') } })
linkSync(resolve(cwd, 'd/a'), resolve(cwd, 'd/h'))
await shell(`truncate -s 100000 d/hole; warp create -q -o x.warp d
  WARP_PASSPHRASE=secret warp create -q -o y.warp d`, { cwd })

t.test('for a person', async t => {
  const { status, stdout, stderr } = await warp(['info', 'x.warp'], { cwd })
  t.equal(status, 0)
  t.equal(stderr, '')
  const lines = [
    'archive       x.warp (format 1)', 'entries       6', '              3 files',
    '              1 directory',
    '              1 symlink', '              1 hard link', 'content       102.0 kB, 100.0 kB of it holes',
    'duplicates    1.0 kB left out', 'frames        1', 'chunks        2, 1 different, average 8 KiB',
    '              to 1 KiB  2  ##############################', 'encrypted     no', 'signed        no',
  ]
  for (const line of lines) t.ok(stdout.split('\n').includes(line), line)
  t.equal((await warp(['info', '-q', 'x.warp'], { cwd })).stdout, stdout, 'it is what was asked for')
})

t.test('key slots', async t => {
  const { stdout } = await warp(['info', 'y.warp'], { cwd, env: { WARP_PASSPHRASE: 'secret' } })
  t.match(stdout, /^encrypted +yes$/m)
  t.match(stdout, /^key slot 1 +passphrase \(Argon2id, 3 passes, 64 MiB\)$/m)
})

t.test('as JSON', async t => {
  const info = JSON.parse((await warp(['info', '--json', 'x.warp'], { cwd })).stdout)
  t.match(info, {
    archive: 'x.warp', version: 1, archiveId: /^[0-9a-f]{32}$/, root: /^[0-9a-f]{64}$/, encrypted: false,
    partial: false,
    signer: null, average: 8192, slots: [], byType: { file: 3, directory: 1, symlink: 1, hardlink: 1 },
    unstable: 0,
    holeBytes: 100_000, uniqueChunks: 1, dedupSavedBytes: 1000, entries: 6, logicalBytes: 102_000,
    chunkRefs: 2,
    codecs: [{ codec: 'zstd', frames: 1, plainBytes: 1000, storedBytes: Number }],
    chunkSizes: [{ upTo: 1024, count: 2 }], metadataBytes: Number, archiveBytes: Number,
  })
})

t.test('an archive of nothing', async t => {
  await shell('mkdir empty; warp create -q -o z.warp empty', { cwd })
  t.match(await warp(['info', 'z.warp'], { cwd }), { status: 0, stdout: /^frames +0$/m })
})
