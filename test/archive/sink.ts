import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { WarpError } from '../../src/base/errors.ts'
import { openSink, outputError } from '../../src/archive/sink.ts'
import { makeDirectory, MIB, NOT_ROOT, openDescriptors } from './support/trees.ts'

t.test('a file has its final name only when it is complete', async t => {
  const directory = makeDirectory(t)
  const output = path.join(directory, 'out')
  const before = openDescriptors()
  const sink = openSink(output)
  const [partial, ...more] = fs.readdirSync(directory)
  t.match(partial, /^out\.partial-[0-9a-f]{8}$/)
  t.same(more, [])
  const { dev, ino } = fs.statSync(path.join(directory, partial), { bigint: true })
  t.same(sink.identities, [`${dev}:${ino}`])
  await sink.write([Buffer.from('one '), Buffer.alloc(0), Buffer.from('two')])
  t.equal(sink.length, 7)
  // More buffers than one system call takes.
  await sink.write(Array.from({ length: 200 }, (_, i) => Buffer.from(`${i} `)))
  t.notOk(fs.existsSync(output))
  await sink.commit()
  t.same(fs.readdirSync(directory), ['out'])
  t.equal(fs.readFileSync(output, 'utf8'), 'one two' + Array.from({ length: 200 }, (_, i) => `${i} `).join(''))
  t.equal(sink.length, fs.statSync(output).size)
  t.same(openDescriptors(), before)
})

t.test('a file can be begun anew', async t => {
  const directory = makeDirectory(t)
  const output = path.join(directory, 'out')
  const first = openSink(output)
  t.ok(first.canRestart)
  // Enough for the disk to be told to begin.
  const writing = first.write([Buffer.alloc(20 * MIB, 1), Buffer.from('x')])
  await writing
  const again = first.write([Buffer.alloc(MIB)])
  const sink = await first.restart()
  await Promise.allSettled([again])
  await t.rejects(first.write([Buffer.from('late')]), { code: 'ERR_WARP_INTERNAL' })
  t.same(sink.identities, first.identities, 'a walk passes over it as before')
  t.equal(sink.length, 0)
  await sink.write([Buffer.from('anew')])
  await sink.commit()
  t.equal(fs.readFileSync(output, 'utf8'), 'anew')
  t.same(fs.readdirSync(directory), ['out'])

  const borrowed = openSink({ fd: 1 })
  t.notOk(borrowed.canRestart)
  await t.rejects(borrowed.restart(), { code: 'ERR_WARP_INTERNAL' })
})

t.test('giving up leaves nothing, or what can be recovered', async t => {
  const directory = makeDirectory(t)
  const output = path.join(directory, 'out')
  fs.writeFileSync(output, 'old')
  const { dev, ino } = fs.statSync(output, { bigint: true })
  for (const keep of [false, true]) {
    const sink = openSink(output)
    t.equal(sink.identities[1], `${dev}:${ino}`, 'what will be replaced')
    await sink.write([Buffer.from('new')])
    const left = await sink.abandon(keep)
    t.equal(fs.readFileSync(output, 'utf8'), 'old')
    if (keep) t.equal(fs.readFileSync(left!, 'utf8'), 'new')
    else t.same([left, fs.readdirSync(directory)], [null, ['out']])
    t.same(await sink.abandon(keep), left, 'may be said twice')
  }
})

t.test('what was given up is not written to, whoever has its descriptor by then', async t => {
  const directory = makeDirectory(t)
  const sink = openSink(path.join(directory, 'out'))
  // Under way when it is given up, and after.
  const writing = sink.write(Array.from({ length: 500 }, () => Buffer.alloc(4096)))
  const closing = sink.abandon(false)
  const ends = Promise.allSettled([writing, sink.write([Buffer.from('late')])])
  await closing
  const other = fs.openSync(path.join(directory, 'other'), 'w')
  t.teardown(() => fs.closeSync(other))
  t.match((await ends)[1], { status: 'rejected', reason: { code: 'ERR_WARP_INTERNAL' } })
  t.equal(fs.fstatSync(other).size, 0)
})

t.test('a symlink is followed, and stays', async t => {
  const directory = makeDirectory(t)
  fs.writeFileSync(path.join(directory, 'real'), '')
  fs.symlinkSync('real', path.join(directory, 'link'))
  const sink = openSink(path.join(directory, 'link'))
  await sink.write([Buffer.from('x')])
  await sink.commit()
  t.ok(fs.lstatSync(path.join(directory, 'link')).isSymbolicLink())
  t.equal(fs.readFileSync(path.join(directory, 'real'), 'utf8'), 'x')
})

t.test('what cannot be written to', async t => {
  const directory = makeDirectory(t)
  t.throws(() => openSink(directory), { code: 'ERR_WARP_OUTPUT', class: 'output', exitCode: 4 })
  t.throws(() => openSink(path.join(directory, 'missing', 'out')), { code: 'ERR_WARP_OUTPUT' })
  t.throws(() => openSink({ fd: 999_999 }), { code: 'EBADF' })
})

t.test('a commit that fails', { skip: NOT_ROOT }, async t => {
  const directory = makeDirectory(t)
  const output = path.join(directory, 'out')
  const sink = openSink(output)
  // Something that a file cannot replace has taken its name.
  fs.mkdirSync(output)
  await t.rejects(sink.commit(), { code: 'ERR_WARP_OUTPUT' })
  t.equal(await sink.abandon(false), null)
  t.same(fs.readdirSync(directory), ['out'])
})

t.test('a descriptor is written to and left open', async t => {
  const file = path.join(makeDirectory(t), 'out')
  const fd = fs.openSync(file, 'w')
  for (const end of ['commit', 'abandon'] as const) {
    const sink = openSink({ fd })
    await sink.write([Buffer.from(end)])
    await sink[end](false)
  }
  fs.closeSync(fd)
  t.equal(fs.readFileSync(file, 'utf8'), 'commitabandon')
})

t.test('a pipe that is slow, non-blocking, or closed', async t => {
  const fifo = path.join(makeDirectory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const reader = spawn('sh', ['-c', `sleep 0.1; head -c 300000 < '${fifo}' | wc -c`])
  const fd = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
  const readerClosed = once(reader, 'close')
  const lines: Buffer[] = []
  reader.stdout.on('data', (line: Buffer) => lines.push(line))
  const sink = openSink({ fd })
  // More than a pipe holds: it is full before the reader begins.
  await sink.write([Buffer.alloc(300_000)])
  t.equal(sink.length, 300_000)
  await readerClosed
  t.equal(Buffer.concat(lines).toString().trim(), '300000')
  fs.closeSync(fd)

  const short = spawn('head', ['-c', '10', fifo], { stdio: 'ignore' })
  const shortClosed = once(short, 'close')
  const device = openSink(fifo)
  t.notOk(fs.readdirSync(path.dirname(fifo)).some(name => name.includes('partial')))
  await t.rejects(device.write([Buffer.alloc(1_000_000)]), { code: 'ERR_WARP_PIPE_CLOSED', class: 'output' })
  t.equal(await device.abandon(true), null)
  await shortClosed

  const cat = spawn('cat', [fifo])
  const read = once(cat.stdout, 'data')
  const whole = openSink(fifo)
  await whole.write([Buffer.from('all')])
  await whole.commit()
  t.equal(String((await read)[0]), 'all')
})

t.test('system errors by their meaning', async t => {
  const error = (code: string) => Object.assign(new Error('text'), { code })
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) t.match(outputError(error(code), 'f'), { code: 'ERR_WARP_NO_SPACE', path: 'f', exitCode: 4 })
  t.match(outputError(error('EPIPE'), 'f'), { code: 'ERR_WARP_PIPE_CLOSED', exitCode: 4 })
  t.match(outputError(error('EACCES'), 'f'), { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
  t.match(outputError(new Error('bug'), 'f'), { code: 'ERR_WARP_INTERNAL' })
  const own = new WarpError('ERR_WARP_KEY_WRONG', '')
  t.equal(outputError(own, 'f'), own)
})

t.test('a name as long as names can be', async t => {
  const directory = makeDirectory(t)
  for (const name of ['x'.repeat(255), '\u{1f5dc}'.repeat(63)]) {
    const sink = openSink(path.join(directory, name))
    const [partial] = fs.readdirSync(directory)
    t.match(partial, /^[^\ufffd]+\.partial-[0-9a-f]{8}$/)
    await sink.commit()
    t.same(fs.readdirSync(directory), [name])
    fs.rmSync(path.join(directory, name))
  }
})
