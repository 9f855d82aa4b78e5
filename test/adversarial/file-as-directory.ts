/** A file, or anything else, where a directory must be: in the archive and in the target. */
import fs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { large, pagesOf, write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'
import { makeSandbox, pathsBeneath, surroundings, tryExtract, type From } from './support/sandbox.ts'

for (const [what, more] of Object.entries({
  file: { content: 'x' }, 'empty file': { content: '' }, FIFO: { type: 5 }, 'hard link': { link: '0' },
  device: { device: [1, 3] as [number, number] },
})) {
  await demandRefusal(t, what, {
    bytes: write([{ path: '0', content: '0' }, { path: 'a', ...more }, { path: 'a/b/c', content: 'x' }]).bytes,
    codes: ['ERR_WARP_NOT_A_DIRECTORY'],
  })
}

// Each about fills a quarter of a page, so that the file is the last of the first page.
const { xattrs } = large('4')
const apart = write([
  ...['1', '2', '3'].map(large), { path: '4', content: 'x', xattrs }, { path: '4/b', content: 'x' },
])
t.equal(pagesOf(apart), 2)
await demandRefusal(t, 'file at the end of a page, what lies beneath on the next', {
  bytes: apart.bytes,
  codes: ['ERR_WARP_NOT_A_DIRECTORY'], restored: ['1', '2', '3', '4'],
})

const { bytes } = write([
  { path: 'a', mode: 0o777 }, { path: 'a/b', content: 'x' }, { path: 'c', content: 'file' },
  { path: 'd', content: 'well' },
])

for (const from of ['file', 'stream'] as From[]) {
  for (const overwrite of ['never', 'always', 'newer'] as const) {
    t.test(`in the target, from a ${from}, overwrite ${overwrite}`, async t => {
      const sandbox = makeSandbox(t)
      fs.mkdirSync(join(sandbox.target, 'c/inner'), { recursive: true })
      fs.writeFileSync(join(sandbox.target, 'a'), 'stays')
      fs.writeFileSync(sandbox.archive, bytes)
      const around = surroundings(sandbox)
      const { class: end, problems } = await tryExtract(sandbox, from, { overwrite })
      t.equal(end, 'incomplete')
      t.strictSame(surroundings(sandbox), around)
      t.strictSame(pathsBeneath(sandbox.target), ['a', 'c', 'c/inner', 'd'])
      t.equal(fs.readFileSync(join(sandbox.target, 'a'), 'utf8'), 'stays')
      for (const path of ['a', 'a/b']) t.ok(problems.some(problem => problem.path === path), `${path} is told`)
    })
  }

  t.test(`FIFOs in the target, from a ${from}`, { skip: process.platform === 'win32' && 'no FIFOs' }, async t => {
    // Who opens one waits for the other end for ever.
    const { execFileSync } = await import('node:child_process')
    const sandbox = makeSandbox(t)
    fs.mkdirSync(sandbox.target)
    for (const name of ['a', 'd']) execFileSync('mkfifo', [join(sandbox.target, name)])
    fs.writeFileSync(sandbox.archive, bytes)
    t.match(await tryExtract(sandbox, from), { class: 'incomplete' })
    t.ok(fs.lstatSync(join(sandbox.target, 'd')).isFIFO())
    t.match(await tryExtract(sandbox, from, { overwrite: 'always' }), { class: 'incomplete' })
    t.equal(fs.readFileSync(join(sandbox.target, 'd'), 'utf8'), 'well')
    t.ok(fs.lstatSync(join(sandbox.target, 'a')).isFIFO())
  })
}
