import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync } from 'node:child_process'
import { diff } from '../../src/index.ts'
import type { Problem } from '../../src/index.ts'
import { archiveOf, CHEAP, collect, text } from './support/archives.ts'
import { plantEveryKind, touch } from './support/every-kind.ts'
import { IS_ROOT, KIB, makeDirectory, NO_LIBC, noise, NOT_ROOT, plant } from './support/trees.ts'

/** Differences as lines: `+ path`, `- path`, `path: what, …`. */
async function differences(a: string, b: string, options: Parameters<typeof diff>[2] = {}): Promise<string[]> {
  return (await collect(diff(a, b, options))).map(({ kind, path, what }) =>
    kind === 'added' ? `+ ${text(path)}` : kind === 'removed' ? `- ${text(path)}` : `${text(path)}: ${what.join(', ')}`)
}

const CONTENT = Buffer.concat([noise(1, 100 * KIB), Buffer.alloc(80 * KIB), noise(2, 100 * KIB)])

function tree(where: string): string {
  plant(where, { a: { same: 'x', byte: CONTENT, size: 'x' }, empty: '', gone: 'x', mode: 'x', owner: 'x', time: 'x', type: 'x', xattr: 'x' })
  fs.symlinkSync('one', path.join(where, 'link'))
  for (const name of ['h1', 'h2']) fs.writeFileSync(path.join(where, name), name)
  fs.linkSync(path.join(where, 'h1'), path.join(where, 'hard'))
  fs.linkSync(path.join(where, 'h1'), path.join(where, 'to a copy'))
  if (IS_ROOT) execFileSync('mknod', [path.join(where, 'device'), 'c', '1', '3'])
  for (const name of [...fs.readdirSync(where, { recursive: true }) as string[], '']) touch(path.join(where, name), '2020-01-01 00:00:00.5 UTC')
  return where
}

/** Changes everything there is to change, once. */
function change(where: string): void {
  const at = (name: string) => path.join(where, name)
  const changed = Buffer.from(CONTENT)
  changed[250 * KIB] ^= 1
  fs.writeFileSync(at('a/byte'), changed)
  fs.writeFileSync(at('a/size'), 'xy')
  fs.rmSync(at('gone'))
  fs.writeFileSync(at('new'), 'x')
  fs.chmodSync(at('mode'), 0o600)
  fs.rmSync(at('type'))
  fs.mkdirSync(at('type'))
  fs.rmSync(at('link'))
  fs.symlinkSync('two', at('link'))
  fs.rmSync(at('to a copy'))
  fs.writeFileSync(at('to a copy'), 'h1')
  fs.rmSync(at('hard'))
  fs.linkSync(at('h2'), at('hard'))
  if (IS_ROOT) {
    fs.chownSync(at('owner'), 1, 1)
    fs.rmSync(at('device'))
    execFileSync('mknod', [at('device'), 'c', '1', '5'])
  }
  if (!NO_LIBC) execFileSync('setfattr', ['-n', 'user.x', '-v', '1', at('xattr')])
  for (const name of fs.readdirSync(where, { recursive: true }) as string[]) touch(at(name), '2020-01-01 00:00:00.5 UTC')
  touch(at('time'), '2020-01-01 00:00:00.500000001 UTC')
  touch(where, '2020-01-01 00:00:00.5 UTC')
}

const EXPECTED = [
  'a/byte: content', 'a/size: size, content', 'device: device', '- gone', 'link: target', 'mode: mode', '+ new', 'owner: owner', 'time: mtime', 'type: type', 'xattr: xattrs',
]

t.test('every kind of difference', { skip: NOT_ROOT || NO_LIBC }, async t => {
  const directory = makeDirectory(t)
  const source = tree(path.join(directory, 's'))
  const before = path.join(directory, 'before.warp')
  await archiveOf(source, before)
  t.same(await differences(before, source), [])
  change(source)
  const after = path.join(directory, 'after.warp')
  await archiveOf(source, after)
  const found = await differences(before, after)
  // Which of several names comes first decides which is the file.
  const links = (line: string) => /^(h1|h2|hard|to a copy)/.test(line)
  t.same(found.filter(line => !links(line)), EXPECTED)
  t.ok(found.some(links))
  t.same(await differences(before, source), found, 'a directory as its archive')
  t.same(await differences(after, source), [])
  t.same(await differences(after, after), [])
})

t.test('archives that cannot be compared by chunk ids', async t => {
  const directory = makeDirectory(t)
  const source = plant(path.join(directory, 's'), { a: CONTENT, b: 'x', c: '' })
  const other = plant(path.join(directory, 'o'), { a: CONTENT, b: 'x', c: '' })
  const altered = Buffer.from(CONTENT)
  altered[150 * KIB] = 1 // in what was a hole
  fs.writeFileSync(path.join(other, 'a'), altered)
  for (const where of [source, other]) for (const name of ['a', 'b', 'c', '']) touch(path.join(where, name), '2020-01-01 00:00:00 UTC')
  const archives: string[] = []
  const ways = [{}, { chunkSize: 4096 }, { passphrase: 'p', passphraseCost: CHEAP }, { passphrase: 'p', passphraseCost: CHEAP }]
  for (const [i, where] of [source, other].entries()) {
    for (const [n, options] of ways.entries()) {
      const archive = path.join(directory, `${i} ${n}.warp`)
      await archiveOf(where, archive, options)
      archives.push(archive)
    }
  }
  const keys = { passphrase: 'p' }
  for (const a of archives) {
    for (const b of archives) {
      const isSame = path.basename(a)[0] === path.basename(b)[0]
      t.same(await differences(a, b, keys), isSame ? [] : ['a: content'], `${path.basename(a)} and ${path.basename(b)}`)
    }
    t.same(await differences(a, source, keys), path.basename(a)[0] === '0' ? [] : ['a: content'])
  }
  await t.rejects(differences(archives[2], archives[0]), { code: 'ERR_WARP_KEY_NEEDED' })
})

t.test('an archive and the directory it was made of', async t => {
  const directory = makeDirectory(t)
  const source = plantEveryKind(path.join(directory, 'source'))
  const archive = path.join(directory, 'x.warp')
  await archiveOf(source, archive)
  t.same(await differences(archive, source), [])
  fs.writeFileSync(path.join(source, 'deep', 'new'), '')
  touch(path.join(source, 'deep'), '2020-01-01 UTC')
  t.same(await differences(archive, source), ['deep: mtime', '+ deep/new'])
})

t.test('only what bears the names at the top of the archive is compared', async t => {
  const directory = plant(makeDirectory(t), { a: { x: '1' }, b: '2', c: '3' })
  const archive = path.join(makeDirectory(t), 'x.warp')
  await archiveOf(directory, archive, { inputs: [{ path: 'a' }, { path: 'c' }] })
  t.same(await differences(archive, directory), [])
  fs.rmSync(path.join(directory, 'c'))
  fs.writeFileSync(path.join(directory, 'a', 'y'), '')
  t.same((await differences(archive, directory)).filter(line => !line.includes('mtime')), ['+ a/y', '- c'])
})

t.test('what cannot be read', { skip: NOT_ROOT }, async t => {
  const directory = plant(makeDirectory(t), { s: { a: 'x', b: 'x' } })
  fs.chmodSync(directory, 0o755)
  const archive = path.join(directory, 'x.warp')
  await archiveOf(path.join(directory, 's'), archive)
  fs.chmodSync(path.join(directory, 's', 'a'), 0)
  const problems: Problem[] = []
  process.seteuid!(65_534)
  const found = await differences(archive, path.join(directory, 's'), { onProblem: problem => problems.push(problem) }).finally(() => process.seteuid!(0))
  t.match(problems, [{ kind: 'unreadable', path: 'a' }])
  t.same(found, ['- a'])
  await t.rejects(differences(archive, path.join(directory, 'missing')), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  await t.rejects(differences(path.join(directory, 's'), archive), { code: 'ERR_WARP_ARCHIVE_UNREADABLE' })
  const aborted = differences(archive, path.join(directory, 's'), { signal: AbortSignal.abort() })
  await t.rejects(aborted, { code: 'ERR_WARP_INTERRUPTED' })
})
