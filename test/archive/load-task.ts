import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execFileSync } from 'node:child_process'
import { load } from '../../src/archive/load-task.ts'
import { FileReader } from '../../src/archive/os/file-reader.ts'
import { LOADED, LOADED_FIELDS, PLAN, PLAN_FIELDS, type LoadReply } from '../../src/engine/load.ts'
import { makeDirectory, noise } from './support/trees.ts'

const slab = new SharedArrayBuffer(400_000)

/** Loads one whole file, planned for `length` bytes at offset 100 of the slab. */
function loadWhole(file: string, length: number, found: { mtimeMs: number; ctimeMs: number }): { reply: LoadReply; bytes: Buffer } {
  new Uint8Array(slab).fill(0xee)
  const plan = new Float64Array(PLAN_FIELDS)
  plan[PLAN.slabOffset] = 100
  plan[PLAN.length] = length
  plan[PLAN.fd] = -1
  plan[PLAN.final] = 1
  plan[PLAN.mtimeMs] = found.mtimeMs
  plan[PLAN.ctimeMs] = found.ctimeMs
  const paths = Buffer.from(file + '\0')
  const reply = load({ slab, average: 65_536, chunkIdKey: null, paths, pathEnds: Uint32Array.of(paths.length), plan, scan: true })
  return { reply, bytes: Buffer.from(slab, 100, length) }
}

const field = (reply: LoadReply, name: keyof typeof LOADED) => reply.fields[LOADED[name]]

t.test('a file as it was found', async t => {
  const file = path.join(makeDirectory(t), 'f')
  const content = noise(1, 100_000)
  fs.writeFileSync(file, content, { mode: 0o640 })
  await setTimeout(60) // until a hint is taken (§8.2)
  const stats = fs.statSync(file)
  const { reply, bytes } = loadWhole(file, content.length, stats)
  t.ok(bytes.equals(content))
  t.equal(reply.fields.length, LOADED_FIELDS)
  t.equal(field(reply, 'bytesRead'), content.length)
  t.equal(field(reply, 'unstable'), 0)
  t.equal(field(reply, 'mode'), stats.mode & 0o7777)
  t.equal(field(reply, 'mtimeSeconds'), Math.floor(stats.mtimeMs / 1000))
  t.same(reply.inodes, BigUint64Array.of(BigInt(stats.ino), BigInt(stats.dev)))
  t.same(reply.failures, [])
  t.ok(new Uint8Array(slab, 0, 100).every(byte => byte === 0xee), 'nothing before its place')
  t.ok(new Uint8Array(slab, 100 + content.length).every(byte => byte === 0xee), 'nor behind it')
})

t.test('a file that changed before it was read is read as it is now', async t => {
  const file = path.join(makeDirectory(t), 'f')
  fs.writeFileSync(file, 'the content now')
  const { reply, bytes } = loadWhole(file, 15, { mtimeMs: 1, ctimeMs: 1 })
  t.equal(bytes.toString(), 'the content now')
  t.equal(field(reply, 'unstable'), 0)
  fs.writeFileSync(file, 'shorter')
  const shorter = loadWhole(file, 15, { mtimeMs: 1, ctimeMs: 1 })
  t.same([field(shorter.reply, 'bytesRead'), field(shorter.reply, 'unstable')], [7, 0])
  t.equal(shorter.bytes.subarray(0, 7).toString(), 'shorter')
  fs.writeFileSync(file, 'longer than there is room for')
  const longer = loadWhole(file, 15, { mtimeMs: 1, ctimeMs: 1 })
  t.same([field(longer.reply, 'bytesRead'), field(longer.reply, 'unstable')], [15, 1])
  t.ok(new Uint8Array(slab, 115).every(byte => byte === 0xee))
})

const { read } = FileReader.prototype
for (const [how, change] of [
  ['written to', (file: string) => fs.writeFileSync(file, 'CHANGED')],
  ['appended to', (file: string) => fs.appendFileSync(file, '!')],
  ['emptied', (file: string) => fs.truncateSync(file, 0)],
  ['given another mode', (file: string) => fs.chmodSync(file, 0o600)],
] as [string, (file: string) => void][]) {
  t.test(`a file that is ${how} again and again while it is read`, async t => {
    const file = path.join(makeDirectory(t), 'f')
    fs.writeFileSync(file, 'content')
    const stats = fs.statSync(file)
    let reads = 0
    t.intercept(FileReader.prototype, 'read', { value(this: FileReader, ...args: Parameters<FileReader['read']>) {
      const count = read.apply(this, args)
      // Times have the granularity of the kernel's clock.
      const soon = performance.now() + 15
      while (performance.now() < soon);
      if (++reads < 20) change(file)
      return count
    } })
    const { reply } = loadWhole(file, 7, stats)
    t.equal(field(reply, 'unstable'), 1)
    t.ok(field(reply, 'bytesRead') <= 7)
    t.ok(reads > 1)
  })
}

t.test('what is no file any more', async t => {
  const directory = makeDirectory(t)
  const at = (name: string) => path.join(directory, name)
  fs.mkdirSync(at('directory'))
  execFileSync('mkfifo', [at('fifo')])
  fs.symlinkSync('/etc/passwd', at('symlink'))
  for (const name of ['missing', 'directory', 'fifo', 'symlink']) {
    const { reply } = loadWhole(at(name), 10, { mtimeMs: 0, ctimeMs: 0 })
    t.equal(reply.failures.length, 1, name)
    t.equal(field(reply, 'bytesRead'), 0)
    t.same([...reply.candidateEnds, ...reply.zeroRunEnds], [0, 0])
  }
})
