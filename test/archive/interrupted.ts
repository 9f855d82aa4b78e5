/** What is aborted, loses a thread or runs out of space leaves nothing half-written, and says so. */
import t from 'tap'
import type { Test } from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { execFileSync, spawnSync } from 'node:child_process'
import { BATCH_BYTES } from '../../src/base/limits.ts'
import { create, extract, recover, verify } from '../../src/index.ts'
import { WorkerPool } from '../../src/engine/pool.ts'
import { archiveEntries, archiveOf, collect, entriesOf, file } from './support/archives.ts'
import { hasCommand, lines, makeDirectory, MIB, namesIn, noise, NOT_ROOT, plant, repeated, type Plan } from './support/trees.ts'

const FIXTURES = path.join(import.meta.dirname, 'fixtures')
const NOT_BUILT = !fs.existsSync(path.join(import.meta.dirname, '../../dist/index.js')) && 'dist is not built'
const ROUNDS = process.env.WARP_LONG === '1' ? 40 : 2

function built(script: string, args: string[], before: string[] = []): unknown {
  const [command, ...rest] = [...before, process.execPath, path.join(FIXTURES, script), ...args]
  const { stdout, stderr, signal } = spawnSync(command, rest, { encoding: 'utf8', timeout: 600_000 })
  if (stderr !== '' || stdout === '') throw new Error(`${signal ?? ''} ${stderr}`)
  return JSON.parse(stdout)
}

for (const [how, code] of [['abort', 'ERR_WARP_INTERRUPTED'], ['lose', 'ERR_WARP_WORKER_LOST']]) {
  t.test(`at random moments: ${how}`, { skip: NOT_BUILT }, async t => {
    const directory = makeDirectory(t)
    // Enough work for the moments to differ: some frames, files whole and in pieces.
    plant(path.join(directory, 'source'), {
      ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`small ${i}`, lines(i, 50_000)])), large: lines(99, 10 * MIB), noise: noise(1, 6 * MIB),
    })
    const seed = 1 + Math.floor(Math.random() * 1e9)
    const { wrong, outcomes } = built('disturb.mjs', [how, directory, `${ROUNDS}`, `${seed}`]) as { wrong: string[]; outcomes: Record<string, number> }
    t.same(wrong, [], `seed ${seed}`)
    for (const outcome of Object.keys(outcomes)) t.match(outcome, new RegExp(`: (${code}|done)$`))
    t.ok(Object.keys(outcomes).some(outcome => outcome.endsWith(code)), JSON.stringify(outcomes))
  })
}

t.test('aborted before it begins', async t => {
  const directory = makeDirectory(t)
  const source = plant(path.join(directory, 's'), { a: 'x' })
  const archive = path.join(directory, 'x.warp')
  const signal = AbortSignal.abort()
  await archiveOf(source, archive)
  const target = path.join(directory, 't')
  const code = 'ERR_WARP_INTERRUPTED'
  await t.rejects(create({ inputs: [{ path: source }], output: `${archive}2`, signal }), { code, exitCode: 130 })
  await t.rejects(extract(archive, { target, signal }), { code })
  await t.rejects(verify(archive, { signal }), { code })
  t.same(namesIn(directory), ['s', 's/a', 't', 'x.warp'])
})

/** Aborts once the first of several pages is written; @returns the error */
async function abortedAfterAPage(t: Test, output: string): Promise<Error> {
  const controller = new AbortController()
  let batches = 0
  const entries = (async function* () {
    // Two pages' worth, of little content; then it goes on until it is stopped.
    yield file('a', repeated(noise(1, 100_000), 130 * MIB))
    for (let i = 0; ; i++) {
      if (++batches > 3) controller.abort()
      yield file(`b${String(i).padStart(3, '0')}`, repeated(noise(2, 100_000), BATCH_BYTES))
    }
  })()
  try {
    await archiveEntries(entries, output, { options: { signal: controller.signal, memory: 128 * MIB } })
  } catch (error) {
    return error as Error
  }
  return t.fail('it was not aborted') as never
}

t.test('what an aborted create leaves can be recovered', async t => {
  const directory = makeDirectory(t)
  const output = path.join(directory, 'x.warp')
  fs.writeFileSync(output, 'the archive before')
  const error = await abortedAfterAPage(t, output)
  const [partial] = fs.readdirSync(directory).filter(name => name !== 'x.warp')
  t.match(error, { code: 'ERR_WARP_INTERRUPTED', hint: new RegExp(partial) })
  t.equal(fs.readFileSync(output, 'utf8'), 'the archive before')
  const { truncated, created } = await recover({ archive: path.join(directory, partial), output: `${output}2`, threads: 1 })
  t.ok(truncated)
  t.ok(created.entries >= 1)
  t.equal((await entriesOf(`${output}2`))[0].size, 130 * MIB)
})

t.test('a lost thread ends a create with nothing left', async t => {
  const directory = makeDirectory(t)
  const pool = new WorkerPool(new URL('./fixtures/dying-worker.ts', import.meta.url), 1)
  t.teardown(() => pool.close())
  const entries = [file('a', lines(1, 40 * MIB))]
  await t.rejects(archiveEntries(entries, path.join(directory, 'x.warp'), { pool }), { code: 'ERR_WARP_WORKER_LOST', exitCode: 1 })
  t.same(fs.readdirSync(directory), [])
})

/** A file system that holds 4 MiB; null where none can be mounted. */
function smallDisk(t: Test): string | null {
  const mount = makeDirectory(t)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'warp', mount]).status !== 0) return null
  t.teardown(() => execFileSync('umount', ['-l', mount]))
  return mount
}

t.test('a full disk', { skip: NOT_ROOT }, async t => {
  const disk = smallDisk(t)
  if (!disk) return void t.pass('skipped: tmpfs cannot be mounted here')
  const directory = makeDirectory(t)
  const output = path.join(disk, 'x.warp')
  await t.rejects(archiveEntries([file('a', noise(1, 6 * MIB))], output), { code: 'ERR_WARP_NO_SPACE', exitCode: 4 })
  t.same(fs.readdirSync(disk), [])

  // Compresses to a fraction, so that the archive is small: what is restored is too large.
  const archive = path.join(directory, 'x.warp')
  const parts = Array.from({ length: 30 }, (_, i) => file(`f${String(i).padStart(2, '0')}`, lines(i, 300_000)))
  for (const [name, entries] of [['small', parts], ['large', [file('f', lines(1, 9 * MIB))]]] as const) {
    await archiveEntries(entries, archive)
    for (const overwrite of ['never', 'always'] as const) {
      const target = path.join(disk, `${name} ${overwrite}`)
      plant(target, overwrite === 'always' ? { mine: 'mine' } : {})
      await t.rejects(extract(archive, { target, overwrite, threads: 1 }), { code: 'ERR_WARP_NO_SPACE', exitCode: 4, hint: /./ })
      for (const left of namesIn(target)) {
        if (left === 'mine') continue
        t.equal(fs.statSync(path.join(target, left)).size, 300_000, `${left} is whole`)
        t.ok(fs.readFileSync(path.join(target, left)).equals(lines(Number(left.slice(1)), 300_000)))
      }
      fs.rmSync(target, { recursive: true })
    }
  }
  const spool = extract({ stream: Readable.from([]) }, { target: directory, tempDir: '/dev/null', threads: 1 })
  await t.rejects(spool, { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
})

t.test('a limit to the size of files', { skip: NOT_BUILT || (!hasCommand('prlimit') && 'prlimit is not there') }, async t => {
  const directory = makeDirectory(t)
  plant(path.join(directory, 's'), { big: noise(1, 3 * MIB), small: 'x' })
  const limit = ['prlimit', '--fsize=2000000']
  const output = path.join(directory, 'x.warp')
  t.match(built('run-verb.mjs', ['create', JSON.stringify([{ inputs: [{ path: path.join(directory, 's') }], output }])], limit), { code: 'ERR_WARP_NO_SPACE', exitCode: 4 })
  t.same(fs.readdirSync(directory), ['s'])

  // A file in pieces, one that ends in a hole, and one that is all hole: none of them fits, the rest does.
  fs.truncateSync(path.join(directory, 's', 'big'), 40 * MIB)
  fs.writeFileSync(path.join(directory, 's', 'hole'), '')
  fs.truncateSync(path.join(directory, 's', 'hole'), 40 * MIB)
  fs.writeFileSync(path.join(directory, 's', 'tail'), 'x'.repeat(1000))
  fs.truncateSync(path.join(directory, 's', 'tail'), 40 * MIB)
  await archiveOf(path.join(directory, 's'), output, { threads: 1 })
  for (const plan of [{}, { mine: 'mine' }] as Plan[]) {
    const target = plant(path.join(directory, 't'), plan)
    const { problems } = built('run-verb.mjs', ['extract', JSON.stringify([output, { target }])], limit) as { problems: string[] }
    t.same(problems.sort(), ['unrestored big', 'unrestored hole', 'unrestored tail'])
    t.same(namesIn(target), [...Object.keys(plan), 'small'])
    fs.rmSync(target, { recursive: true })
  }
})

t.test('a reader that goes away', { skip: NOT_BUILT }, async t => {
  const directory = plant(makeDirectory(t), { a: noise(1, 3 * MIB) })
  const script = path.join(FIXTURES, 'run-verb.mjs')
  const args = JSON.stringify([{ inputs: [{ path: path.join(directory, 'a') }], output: { fd: 3 } }])
  const line = `{ '${process.execPath}' '${script}' create '${args}' 3>&1 1>&4 | head -c 10 > /dev/null; } 4>&1`
  const { stdout } = spawnSync('bash', ['-c', line], { encoding: 'utf8' })
  t.match(JSON.parse(stdout), { code: 'ERR_WARP_PIPE_CLOSED', exitCode: 4 })
})

t.test('a reader of entries that goes away', async t => {
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveEntries([file('a', Buffer.from('x')), file('b', Buffer.from('y'))], archive)
  const { list } = await import('../../src/index.ts')
  for (const source of [archive, { stream: fs.createReadStream(archive) }]) {
    for await (const entry of list(source)) {
      t.equal(Buffer.from(entry.path).toString(), 'a')
      break
    }
  }
  t.equal((await collect(list(archive))).length, 2)
})
