/** The number of threads changes nothing but the time; no number of them waits for itself. */
import fs from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { lines, MIB, noise } from '../archive/support/trees.ts'
import { parseLines, warp } from './support/run.ts'

const IS_LONG = process.env.WARP_LONG === '1'
const NUMBERS = IS_LONG ? Array.from({ length: 64 }, (_, i) => i + 1) : [1, 3, 64]

t.test('threads', { timeout: IS_LONG ? 1_800_000 : 240_000 }, async t => {
  const cwd = t.testdir({ d: { small: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, `content ${i % 200}`])) } })
  fs.writeFileSync(resolve(cwd, 'd/noise'), noise(1, 40 * MIB)) // more than a batch
  fs.writeFileSync(resolve(cwd, 'd/lines'), lines(1, 20 * MIB))
  fs.writeFileSync(resolve(cwd, 'd/noise again'), noise(1, 40 * MIB))
  let root = ''
  for (const threads of NUMBERS) {
    const created = await warp(['create', '--json', '-q', '-o', 'x.warp', '--threads', `${threads}`, 'd'], { cwd })
    t.equal(created.status, 0, `${threads} threads: ${created.stderr}`)
    const [result] = parseLines(created.stdout)
    root ||= result!.root as string
    t.equal(result!.root, root)
    const some = IS_LONG ? threads % 9 === 1 : true
    if (!some) continue
    t.match(await warp(['verify', '-q', '--threads', `${threads}`, 'x.warp'], { cwd }), { status: 0 })
    t.match(await warp(['extract', '-q', '--threads', `${threads}`, 'x.warp', '-C', 'out'], { cwd }), { status: 0 })
    for (const name of ['noise', 'lines', 'noise again', 'small/f7']) {
      t.ok(fs.readFileSync(resolve(cwd, 'out/d', name)).equals(fs.readFileSync(resolve(cwd, 'd', name))), name)
    }
    fs.rmSync(resolve(cwd, 'out'), { recursive: true })
  }
})
