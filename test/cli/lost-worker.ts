/** A thread that ends by itself fails the command, and leaves nothing that looks whole. */
import fs from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { MIB, noise } from '../archive/support/trees.ts'
import { warp } from './support/run.ts'

const cwd = t.testdir({ d: {}, work: {} })
// Enough for threads to be started, and for several tasks of each kind.
for (let i = 0; i < 6; i++) fs.writeFileSync(resolve(cwd, `d/f${i}`), noise(i, 12 * MIB))
await warp(['create', '-q', '-o', 'good.warp', 'd'], { cwd })

const preload = `--import=${pathToFileURL(resolve(import.meta.dirname, 'fixtures/lose-worker.mjs')).href}`

for (const how of ['terminate', 'exit', 'throw', 'heap']) {
  t.test(how, async t => {
    const env = { NODE_OPTIONS: preload, WARP_TEST_LOSE: how }
    const lost = { status: 1, stderr: /worker thread/ }

    t.match(await warp(['create', '-o', 'work/new.warp', '--threads', '2', 'd'], { cwd, env }), lost, 'create')
    t.same(fs.readdirSync(resolve(cwd, 'work')), [], 'neither an archive nor a part of one')
    fs.copyFileSync(resolve(cwd, 'good.warp'), resolve(cwd, 'work/old.warp'))
    t.match(await warp(['create', '-o', 'work/old.warp', '--threads', '2', 'd'], { cwd, env }), lost, 'create over an archive')
    t.same(fs.readdirSync(resolve(cwd, 'work')), ['old.warp'])
    t.ok(fs.readFileSync(resolve(cwd, 'work/old.warp')).equals(fs.readFileSync(resolve(cwd, 'good.warp'))), 'which is still there')
    fs.rmSync(resolve(cwd, 'work/old.warp'))

    t.match(await warp(['verify', '--threads', '2', 'good.warp'], { cwd, env }), { ...lost, stdout: '' }, 'verify')
    t.match(await warp(['extract', '--threads', '2', 'good.warp', '-C', 'work'], { cwd, env }), lost, 'extract')
    for (const name of fs.readdirSync(resolve(cwd, 'work'))) {
      t.equal(name, 'd')
      for (const file of fs.readdirSync(resolve(cwd, 'work/d'))) {
        const content = fs.readFileSync(resolve(cwd, 'work/d', file))
        t.ok(content.equals(fs.readFileSync(resolve(cwd, 'd', file))), 'what has its name is whole')
      }
    }
    fs.rmSync(resolve(cwd, 'work'), { recursive: true })
    fs.mkdirSync(resolve(cwd, 'work'))
  })
}
