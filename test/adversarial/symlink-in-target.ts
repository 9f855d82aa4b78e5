/** Symlinks that stood in the target before, where the archive has files, directories and links. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { write } from './support/archives.ts'
import { makeSandbox, surroundings, tryExtract, type From, type Sandbox } from './support/sandbox.ts'

const { bytes } = write([
  { path: '', mode: 0o700 },
  { path: 'directory', mode: 0o777 },
  { path: 'directory/file', content: 'new' },
  { path: 'file', content: 'new', mode: 0o666, mtime: [2 ** 33, 0] },
  { path: 'hard', link: 'file' },
  { path: 'link', target: 'new' },
])

function plant({ target, outside }: Sandbox): void {
  fs.mkdirSync(target)
  fs.symlinkSync(join(outside, 'directory'), join(target, 'directory'))
  fs.symlinkSync(join(outside, 'file'), join(target, 'file'))
  fs.symlinkSync(join(outside, 'new'), join(target, 'hard'))
  fs.symlinkSync('../outside', join(target, 'link'))
}

for (const from of ['file', 'stream'] as From[]) {
  t.test(`kept, from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    plant(sandbox)
    fs.writeFileSync(sandbox.archive, bytes)
    const around = surroundings(sandbox)
    const { class: end, problems } = await tryExtract(sandbox, from)
    t.equal(end, 'incomplete')
    t.strictSame(problems.map(({ path }) => path).sort(), ['directory', 'directory/file', 'file', 'hard', 'link'])
    t.strictSame(surroundings(sandbox), around)
    const outside = ['directory', 'file', 'new'].map(name => join(sandbox.outside, name))
    t.strictSame(fs.readdirSync(sandbox.target).map(name => fs.readlinkSync(join(sandbox.target, name))),
      [...outside, '../outside'])
  })

  for (const overwrite of ['always', 'newer'] as const) {
    t.test(`overwritten if ${overwrite}, from a ${from}`, async t => {
      const sandbox = makeSandbox(t)
      plant(sandbox)
      fs.writeFileSync(sandbox.archive, bytes)
      const around = surroundings(sandbox)
      const { class: end, problems } = await tryExtract(sandbox, from, { overwrite })
      t.equal(end, 'incomplete')
      const refused = problems.filter(({ kind }) => kind !== 'note').map(({ path }) => path)
      t.ok(refused.includes('directory') && refused.includes('directory/file'), 'a symlink is no directory')
      t.strictSame(surroundings(sandbox), around, 'a symlink is replaced, never written through')
      const stats = fs.lstatSync(join(sandbox.target, 'file'))
      t.ok(stats.isFile())
      t.equal(fs.readFileSync(join(sandbox.target, 'file'), 'utf8'), 'new')
      t.equal(fs.readlinkSync(join(sandbox.target, 'directory')), join(sandbox.outside, 'directory'))
    })
  }

  t.test(`a target that is itself a symlink is the user's, from a ${from}`, async t => {
    const sandbox = makeSandbox(t)
    fs.mkdirSync(join(sandbox.base, 'real'))
    fs.symlinkSync('real', sandbox.target)
    fs.writeFileSync(sandbox.archive, bytes)
    t.match(await tryExtract(sandbox, from), { class: 'ok' })
    t.equal(fs.readFileSync(join(sandbox.base, 'real/directory/file'), 'utf8'), 'new')
  })
}
