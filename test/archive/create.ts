import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { execFileSync, spawnSync } from 'node:child_process'
import { WarpError } from '../../src/base/errors.ts'
import { BATCH_BYTES } from '../../src/base/limits.ts'
import { lookaheadBytes } from '../../src/codec/chunker.ts'
import type { SourceEntry } from '../../src/archive/batch.ts'
import { openSink } from '../../src/archive/sink.ts'
import { Walk, type Found } from '../../src/archive/walk.ts'
import { create, generateIdentity, open, verify } from '../../src/index.ts'
import type { CreateOptions, Entry, Problem, Progress } from '../../src/index.ts'
import { archiveEntries, archiveOf, collect, directory as directoryEntry, entriesOf, file, hex, pathsOf, text } from './support/archives.ts'
import { IS_ROOT, KIB, lookAt, makeDirectory, MIB, noise, NOT_ROOT, plant, repeated } from './support/trees.ts'

/** A stream that gives nothing, and does not end. */
const silent = () => new Readable({ read() {} })

/** `create` from within `directory`, into a file beside it. */
async function createIn(directory: string, options: Partial<CreateOptions>) {
  const problems: Problem[] = []
  const output = `${directory}.warp`
  const before = process.cwd()
  process.chdir(directory)
  try {
    const result = await create({ inputs: [{ path: '.' }], output, onProblem: problem => problems.push(problem), ...options })
    return { result, problems, output, paths: await pathsOf(output) }
  } finally {
    process.chdir(before)
  }
}

t.test('what it tells', async t => {
  const directory = plant(makeDirectory(t), { a: noise(1, 200 * KIB), b: { c: noise(1, 200 * KIB) }, d: '' })
  const seen: Progress[] = []
  const { result, output } = await createIn(directory, { onProgress: progress => seen.push(progress) })
  t.match(result, { entries: 5, logicalBytes: 400 * KIB, frameBytes: 200 * KIB, frames: 1, pages: 1, problems: 0, durationMs: Number })
  t.equal(result.archiveBytes, fs.statSync(output).size)
  t.ok(result.chunkRefs >= 4)
  t.match(seen.at(-1), { bytes: 400 * KIB, totalBytes: 400 * KIB, entries: 5, totalEntries: 5, path: 'd' })
  const archive = await open(output)
  t.same([hex(archive.root), hex(archive.archiveId)], [hex(result.root), hex(result.archiveId)])
  t.same([archive.encrypted, archive.partial, archive.signer], [false, false, null])
  await archive.close()
  t.same((await verify(output)).damage, [])
})

t.test('inputs by their names', async t => {
  const directory = plant(makeDirectory(t), { a: { x: '1' }, b: '2', c: null })
  t.same((await createIn(directory, { inputs: [{ path: 'b' }, { path: './a/' }, { path: 'c' }] })).paths, ['a', 'a/x', 'b', 'c'])
  t.same((await createIn(directory, { inputs: [{ path: 'a/x' }] })).paths, ['a/x'])
  t.same((await createIn(directory, {})).paths, ['', 'a', 'a/x', 'b', 'c'])
})

t.test('patterns leave out', async t => {
  const directory = plant(makeDirectory(t), { keep: 'x', 'x.log': 'x', build: { in: 'x' }, sub: { 'y.log': 'x', build: 'a file', z: 'x' } })
  t.same((await createIn(directory, { exclude: ['*.log', 'build/'] })).paths, ['', 'keep', 'sub', 'sub/build', 'sub/z'])
})

t.test('symlinks are followed if asked for', async t => {
  const directory = plant(makeDirectory(t), { real: { f: 'content' } })
  fs.symlinkSync('real', path.join(directory, 'to directory'))
  fs.symlinkSync('real/f', path.join(directory, 'to file'))
  fs.symlinkSync('nowhere', path.join(directory, 'to nothing'))
  fs.symlinkSync('..', path.join(directory, 'real', 'up'))
  const { paths, problems, output, result } = await createIn(directory, { followSymlinks: true })
  t.same(paths, ['', 'real', 'real/f', 'to directory', 'to directory/f', 'to file', 'to nothing'])
  t.match(problems.map(({ kind, path }) => `${kind} ${path}`), ['unreadable real/up', 'unreadable to directory/up'])
  t.equal(result.problems, 2)
  const types = new Map((await entriesOf(output)).map(({ path, type, size }) => [text(path), `${type} ${size}`]))
  t.equal(types.get('to file'), 'file 7')
  t.equal(types.get('to nothing'), 'symlink 0')
  t.equal((await createIn(directory, {})).result.entries, 7)
})

t.test('other file systems are left out if asked for', { skip: NOT_ROOT }, async t => {
  const directory = plant(makeDirectory(t), { here: 'x', mount: null })
  const mount = path.join(directory, 'mount')
  if (spawnSync('mount', ['-t', 'tmpfs', 'warp', mount]).status !== 0) return void t.pass('skipped: tmpfs cannot be mounted here')
  t.teardown(() => execFileSync('umount', [mount]))
  fs.writeFileSync(path.join(mount, 'there'), 'x')
  t.same((await createIn(directory, { oneFileSystem: true })).paths, ['', 'here', 'mount'])
  t.same((await createIn(directory, {})).paths, ['', 'here', 'mount', 'mount/there'])
  t.same((await createIn(directory, { oneFileSystem: true, inputs: [{ path: 'mount' }] })).paths, ['mount', 'mount/there'], 'each input by itself')
})

t.test('the archive is never in itself', async t => {
  const directory = plant(makeDirectory(t), { a: 'x', 'x.warp': 'the one before' })
  fs.linkSync(path.join(directory, 'x.warp'), path.join(directory, 'another name'))
  const { problems, result } = await archiveOf(directory, path.join(directory, 'x.warp'))
  t.equal(result.entries, 2)
  t.same(await pathsOf(path.join(directory, 'x.warp')), ['', 'a'])
  t.match(problems.map(({ kind, path }) => `${kind} ${path}`), ['note another name', /^note x\.warp/, /^note x\.warp/])
  const fd = fs.openSync(path.join(directory, 'y.warp'), 'w')
  await archiveOf(directory, '', { output: { fd } })
  fs.closeSync(fd)
  t.notOk((await pathsOf(path.join(directory, 'y.warp'))).includes('y.warp'))
})

t.test('a stream becomes a file', async t => {
  const directory = plant(makeDirectory(t), { b: 'file' })
  const inputs = [{ path: 'b' }, { stream: Readable.from([Buffer.from('one '), Buffer.from('two')]), name: 'a/stdin' }, { stream: Readable.from([]), name: 'c' }]
  const { paths, output, result } = await createIn(directory, { inputs, threads: 1 })
  t.same(paths, ['a/stdin', 'b', 'c'])
  t.equal(result.logicalBytes, 11)
  const archive = await open(output)
  const entry = await archive.find('a/stdin')
  t.match(entry, { type: 'file', size: 7, mode: 0o644, uid: process.getuid!() })
  t.ok(Math.abs(entry!.mtimeSeconds - Date.now() / 1000) < 600)
  t.equal(Buffer.concat(await collect(archive.content(entry!))).toString(), 'one two')
  t.equal((await archive.find('c'))!.size, 0)
  await archive.close()
})

t.test('a stream, whose end nobody knows, gets the chunks of large inputs', async t => {
  const directory = plant(makeDirectory(t), { b: noise(1, 300 * KIB) })
  const stream = () => ({ stream: Readable.from([noise(2, 3_000_000)]), name: 's' })
  for (const [inputs, average] of [
    [[{ path: 'b' }], 8 * KIB],
    [[stream()], 64 * KIB],
    [[{ path: 'b' }, stream()], 64 * KIB],
  ] as [CreateOptions['inputs'], number][]) {
    const { output, result } = await createIn(directory, { inputs, threads: 1 })
    const archive = await open(output)
    t.equal(archive.unlocked.header.average, average)
    await archive.close()
    t.ok(result.chunkRefs > result.logicalBytes / average / 2 && result.chunkRefs < result.logicalBytes / average * 2, `${result.chunkRefs} chunks`)
  }
})

t.test('a stream that fails', async t => {
  const output = path.join(makeDirectory(t), 'x.warp')
  const failing = (after: number) => (async function* () {
    for (let sent = 0; sent < after; sent += MIB) yield Buffer.alloc(MIB, 'x')
    throw new Error('the disk of the sender is full')
  })()
  // While nothing of it stands in the archive the rest goes on.
  for (const after of [0, MIB]) {
    const { problems } = await archiveEntries([file('a', [], { content: failing(after) }), file('b', Buffer.from('b'))], output)
    t.match(problems, [{ kind: 'unreadable', path: 'a' }])
    t.same(await pathsOf(output), ['b'])
  }
  fs.rmSync(output)
  const late = archiveEntries([file('a', [], { content: failing(BATCH_BYTES + MIB) })], output, { average: 4096 })
  await t.rejects(late, { code: 'ERR_WARP_INPUT_UNREADABLE', path: 'a', exitCode: 3 })
  t.same(fs.readdirSync(path.dirname(output)), [])
})

t.test('nobody waits for a stream once all is lost', async t => {
  const directory = makeDirectory(t)
  const controller = new AbortController()
  const inputs = [{ stream: silent(), name: 'a' }]
  const aborted = create({ inputs, output: path.join(directory, 'x.warp'), signal: controller.signal })
  setImmediate(() => controller.abort())
  await t.rejects(aborted, { code: 'ERR_WARP_INTERRUPTED' })
  // What came before the stream cannot be written.
  const files = Array.from({ length: 2 }, (_, i) => file(`${i}`, noise(i, BATCH_BYTES)))
  const full = archiveEntries([...files, file('z', [], { content: silent() })], '/dev/full')
  await t.rejects(full, { code: 'ERR_WARP_NO_SPACE' })
  t.same(fs.readdirSync(directory), [])
})

t.test('keys that cannot be wrapped leave no file', async t => {
  const directory = plant(makeDirectory(t), { a: 'x' })
  const job = { inputs: [{ path: path.join(directory, 'a') }], output: path.join(directory, 'x.warp') }
  // A point of small order: whoever shares a secret with it shares zeros.
  await t.rejects(create({ ...job, recipients: [new Uint8Array(32)] }), { code: 'ERR_WARP_USAGE' })
  await t.rejects(create({ ...job, passphrase: 'x', passphraseCost: { iterations: 17, memoryKib: 8 } }), { code: 'ERR_WARP_LIMIT' })
  t.same(fs.readdirSync(directory), ['a'])
})

t.test('entries without content wait for the sink, too', async t => {
  const output = path.join(makeDirectory(t), 'x.warp')
  // What is given as a descriptor cannot be begun anew.
  const fd = fs.openSync(output, 'w')
  t.teardown(() => fs.closeSync(fd))
  let taken = 0
  let mayBegin = () => {}
  const ready = new Promise<void>(resolve => (mayBegin = resolve))
  const entries = (async function* () {
    for (; taken < 40 * 8192; taken += 1024) yield Array.from({ length: 1024 }, (_, i) => directoryEntry(`${String(taken + i).padStart(8, '0')}`))
  })()
  const written = archiveEntries([], output, { entries, ready, sink: openSink({ fd }) })
  for (let last = -1; last !== taken;) {
    last = taken
    for (let turn = 0; turn < 100; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  t.ok(taken < 12 * 8192, `${taken} taken while nothing can be written`)
  mayBegin()
  t.equal((await written).result.entries, 40 * 8192)
})

t.test('a file is begun before the walk is over, and goes if it was in vain', async t => {
  const directory = makeDirectory(t)
  let fail = (_: Error) => {}
  const ready = new Promise<void>((_, reject) => (fail = reject))
  ready.catch(() => {})
  const entries = [file('a', noise(1, 3 * BATCH_BYTES)), file('b', [], { content: silent() })]
  const written = archiveEntries(entries, path.join(directory, 'x.warp'), { ready })
  written.catch(() => {})
  const sizes = () => fs.readdirSync(directory).map(name => fs.statSync(path.join(directory, name)).size)
  while (!(sizes()[0]! > BATCH_BYTES)) await new Promise(resolve => setTimeout(resolve, 5))
  fail(new WarpError('ERR_WARP_INPUT_UNREADABLE', 'nothing could be read'))
  await t.rejects(written, { code: 'ERR_WARP_INPUT_UNREADABLE' })
  t.same(fs.readdirSync(directory), [])
})

/** Names and lengths of what a file is cut into. */
async function cutsOf(archive: string, name: string): Promise<string[]> {
  const opened = await open(archive)
  try {
    const extents = await collect(opened.extentsOf((await opened.find(name))!))
    return extents.map(extent => extent.kind === 'hole' ? `hole ${extent.length}` : `${hex(extent.id)} ${extent.length}`)
  } finally {
    await opened.close()
  }
}

t.test('a stream is cut as a file of the same bytes', async t => {
  const directory = makeDirectory(t)
  const average = 4096
  const unit = noise(1, 300_000)
  // Around the end of the first segment, and of what is looked at beyond it; one of each is enough at this size.
  const segment = BATCH_BYTES + lookaheadBytes(average)
  for (const size of [0, 1, 65_536, BATCH_BYTES, segment, segment + 1]) {
    const content = repeated(unit, size)
    if (size > MIB) content.fill(0, BATCH_BYTES - 200_000, Math.min(size, BATCH_BYTES + 7000)) // a hole over the boundary
    fs.writeFileSync(path.join(directory, 'f'), content)
    const pieces: Buffer[] = []
    for (let at = 0; at < size; at += 999_999) pieces.push(content.subarray(at, at + 999_999))
    const outputs = ['file', 'stream'].map(name => path.join(directory, `${name}.warp`))
    await archiveEntries(foundIn(directory, 'f'), outputs[0], { average })
    const { result } = await archiveEntries([file('f', pieces)], outputs[1], { average })
    t.equal(result.logicalBytes, size)
    t.same(await cutsOf(outputs[1], 'f'), await cutsOf(outputs[0], 'f'), `${size} bytes`)
  }
})

/** What a walk finds of some names in a directory. */
function foundIn(directory: string, ...names: string[]): Found[] {
  const walk = new Walk({ exclude: [], oneFileSystem: false, followSymlinks: false, skip: new Set(), report: problem => t.fail(problem.message) })
  return [...walk.of(names.map(name => ({ path: name, source: path.join(directory, name), stream: null })))]
}

async function entryIn(archive: string, name: string): Promise<Entry & { content: Buffer }> {
  const opened = await open(archive)
  const entry = (await opened.find(name))!
  const content = Buffer.concat(await collect(opened.content(entry)))
  await opened.close()
  return { ...entry, content }
}

t.test('what changes between being found and being read', async t => {
  const directory = plant(makeDirectory(t), {
    a: 'stays', gone: 'x', 'gone directory': null, grown: 'short', linked: 'x', shrunk: 'long content', 'to directory': 'x', 'to fifo': 'x', 'to symlink': 'x', z: 'stays',
  })
  const at = (name: string) => path.join(directory, name)
  fs.writeFileSync(at('large gone'), repeated(noise(1, 1000), 9 * MIB))
  fs.writeFileSync(at('large to fifo'), repeated(noise(1, 1000), 9 * MIB))
  fs.symlinkSync('a', at('link'))
  fs.linkSync(at('linked'), at('linked too'))
  const found = foundIn(directory, ...fs.readdirSync(directory).sort())
  for (const name of ['gone', 'to directory', 'to fifo', 'to symlink', 'large gone', 'large to fifo', 'link', 'linked']) fs.rmSync(at(name))
  fs.rmdirSync(at('gone directory'))
  fs.mkdirSync(at('to directory'))
  execFileSync('mkfifo', [at('to fifo'), at('large to fifo')])
  fs.symlinkSync('/etc/passwd', at('to symlink'))
  fs.writeFileSync(at('link'), 'now a file')
  fs.appendFileSync(at('grown'), ' and more')
  fs.writeFileSync(at('shrunk'), 'less')
  const output = `${directory}.warp`
  const { problems } = await archiveEntries(found, output)
  t.same(problems.filter(({ kind }) => kind === 'unreadable').map(({ path }) => path).sort(), [
    'gone', 'gone directory', 'large gone', 'large to fifo', 'link', 'linked', 'linked too', 'to directory', 'to fifo', 'to symlink',
  ])
  t.same(await pathsOf(output), ['a', 'grown', 'shrunk', 'z'])
  // Whatever is stored is whole, or marked.
  const unstable = problems.filter(({ kind }) => kind === 'unstable').map(({ path }) => path)
  for (const name of ['grown', 'shrunk']) {
    const { content, unstable: isMarked } = await entryIn(output, name)
    t.equal(isMarked, unstable.includes(name))
    if (!isMarked) t.same(content, fs.readFileSync(at(name)))
    else t.ok(['short', 'less'].includes(content.toString()))
  }
  t.same((await verify(output)).damage, [])
})

for (const [how, change] of [
  ['grows', (at: string) => fs.appendFileSync(at, 'more')],
  ['shrinks', (at: string) => fs.truncateSync(at, BATCH_BYTES + 50_000)],
  ['is emptied', (at: string) => fs.truncateSync(at, 0)],
  ['is written to', (at: string) => {
    const fd = fs.openSync(at, 'r+')
    fs.writeSync(fd, 'changed', BATCH_BYTES + MIB)
    fs.closeSync(fd)
  }],
  ['gets another mode', (at: string) => fs.chmodSync(at, 0o600)],
] as [string, (at: string) => void][]) {
  t.test(`a large file that ${how} while it is read`, async t => {
    const directory = makeDirectory(t)
    const at = path.join(directory, 'f')
    const content = repeated(noise(1, 100_000), BATCH_BYTES + 3 * MIB)
    fs.writeFileSync(at, content)
    const output = `${directory}.warp`
    let changed = false
    const { problems } = await archiveEntries(foundIn(directory, 'f'), output, {
      options: {
        memory: 128 * MIB, // one batch at a time: the second is read after the first is done
        onProgress: () => {
          if (!changed) change(at)
          changed = true
        },
      },
    })
    t.match(problems, [{ kind: 'unstable', path: 'f' }])
    const entry = await entryIn(output, 'f')
    t.ok(entry.unstable)
    t.ok(entry.size <= content.length)
    // Up to where it was changed it is what it was.
    t.ok(entry.content.subarray(0, BATCH_BYTES).equals(content.subarray(0, Math.min(entry.size, BATCH_BYTES))))
    t.match(await verify(output, { threads: 1 }), { unstable: 1, damage: [] })
  })
}

/** Runs `action` as a user who may not read everything. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  process.seteuid!(65_534)
  try {
    return await action()
  } finally {
    process.seteuid!(0)
  }
}

t.test('what may not be read is reported, the rest goes on', { skip: NOT_ROOT }, async t => {
  const directory = plant(makeDirectory(t), { a: 'x', secret: 'x', closed: { in: 'x' }, 'no entry': { in: 'x' }, z: 'x' })
  for (const name of ['secret', 'closed', 'no entry']) fs.chmodSync(path.join(directory, name), name === 'no entry' ? 0o744 : 0o700)
  fs.writeFileSync(path.join(directory, 'large'), repeated(noise(1, 1000), 9 * MIB))
  fs.chmodSync(path.join(directory, 'large'), 0o600)
  fs.chmodSync(directory, 0o755)
  const out = makeDirectory(t)
  fs.chmodSync(out, 0o777)
  const { result, problems } = await asNobody(() => archiveOf(directory, path.join(out, 'x.warp'), { threads: 1 }))
  t.same(problems.map(({ kind, path }) => `${kind} ${path}`).sort(), ['closed', 'large', 'no entry/in', 'secret'].map(name => `unreadable ${name}`))
  t.equal(result.problems, 4)
  t.same(await pathsOf(path.join(out, 'x.warp')), ['', 'a', 'closed', 'no entry', 'z'])
  // Nor is an archive written where nothing could be read, or that cannot be written.
  const nothing = { inputs: [{ path: path.join(directory, 'missing') }], output: path.join(out, 'y.warp') }
  await t.rejects(create(nothing), { code: 'ERR_WARP_INPUT_UNREADABLE', exitCode: 3 })
  await t.rejects(asNobody(() => archiveOf(directory, path.join(directory, 'x.warp'))), { code: 'ERR_WARP_OUTPUT', exitCode: 4 })
  t.same(fs.readdirSync(out), ['x.warp'])
})

t.test('names of owners', { skip: !IS_ROOT && 'needs root' }, async t => {
  const directory = plant(makeDirectory(t), { a: 'x', b: 'x' })
  fs.chownSync(path.join(directory, 'b'), 0xffff_fffe, 0xffff_fffe)
  const { output } = await createIn(directory, {})
  const [, a, b] = await entriesOf(output)
  t.same([a.uid, text(a.user), text(a.group)], [0, 'root', 'root'])
  t.match(b, { uid: 0xffff_fffe, gid: 0xffff_fffe })
  t.equal(b.user.length + b.group.length, 0)
})

t.test('signed, and for many readers', async t => {
  const directory = plant(makeDirectory(t), { a: 'x' })
  const identities = [generateIdentity(), generateIdentity()]
  const { output, result } = await createIn(directory, { inputs: [{ path: 'a' }], signWith: identities[0] })
  t.equal(hex((await verify(output, { signedBy: identities[0].signer })).signer!), hex(identities[0].signer))
  await t.rejects(verify(output, { signedBy: identities[1].signer }), { code: 'ERR_WARP_SIGNATURE' })
  t.equal(result.entries, 1)
  const recipients = identities.map(({ recipient }) => recipient)
  const encrypted = { inputs: [{ path: path.join(directory, 'a') }], output, recipients, signWith: identities[1] }
  await create(encrypted)
  for (const identity of identities) t.match(await verify(output, { identities: [identity] }), { encrypted: true, damage: [] })
  await t.rejects(verify(output, { identities: [generateIdentity()] }), { code: 'ERR_WARP_KEY_WRONG', exitCode: 12 })
  await t.rejects(create({ ...encrypted, recipients: Array.from({ length: 64 }, () => recipients[0]) }), { code: 'ERR_WARP_USAGE' })
})

t.test('options that make no sense', async t => {
  const directory = plant(makeDirectory(t), { a: 'x' })
  const output = path.join(directory, 'x.warp')
  const refused: Partial<CreateOptions>[] = [
    { inputs: [] }, { level: 0 }, { level: 20 }, { level: 1.5 }, { threads: 0 }, { threads: 2000 }, { memory: 383 * MIB }, { memory: NaN },
    { chunkSize: 1024 }, { chunkSize: 8 * MIB }, { chunkSize: 5000 }, { reproducible: true, passphrase: 'x' },
    { reproducible: true, recipients: [new Uint8Array(32)] },
  ]
  for (const options of refused) {
    await t.rejects(create({ inputs: [{ path: path.join(directory, 'a') }], output, ...options }), { code: 'ERR_WARP_USAGE', exitCode: 2 })
  }
  t.same(fs.readdirSync(directory), ['a'])
})

t.test('a tree that is only looked at stays as it was', async t => {
  const directory = plant(makeDirectory(t), { a: 'x', b: { c: 'y' } })
  const before = lookAt(directory)
  await createIn(directory, {})
  t.same(lookAt(directory), before)
})

t.test('entries that another archive held', async t => {
  const output = path.join(makeDirectory(t), 'x.warp')
  const entries: SourceEntry[] = [
    file('a', Buffer.from('content'), { inode: '7' }),
    { kind: 'link', path: 'b', inode: '7' },
    { kind: 'link', path: 'c', inode: 'unknown' },
  ]
  const { problems } = await archiveEntries(entries, output)
  t.match(problems, [{ kind: 'unreadable', path: 'c' }])
  t.match((await entriesOf(output)).map(({ type, link }) => [type, link]), [['file', undefined], ['hardlink', 0]])
})
