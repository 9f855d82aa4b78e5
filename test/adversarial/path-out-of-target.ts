/** Names that would lead out of the target, or mean nothing. */
import t from 'tap'
import type { ErrorCode } from '../../src/index.ts'
import { write } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const names: Record<string, string> = {
  'parent': '..',
  'parent of the target': '../new',
  'parent within': 'd/../../new',
  'parent at the end': 'd/..',
  'itself': '.',
  'itself within': 'd/./x',
  'absolute': '/tmp/warp-absolute',
  'absolute, twice': '//tmp/warp-absolute',
  'empty component': 'd//x',
  'slash at the end': 'd/',
  'NUL': 'd\0x',
  'component of 256 bytes': 'x'.repeat(256),
  'path of 4,097 bytes': 'd/'.repeat(2048) + 'x',
}

for (const [name, path] of Object.entries(names)) {
  const codes: ErrorCode[] = path.length > 4096 ? ['ERR_WARP_LIMIT'] : ['ERR_WARP_PATH_UNSAFE']
  for (const [what, more] of Object.entries({
    file: { content: 'x' }, directory: { type: 2 }, symlink: { target: 'x' }, 'hard link': { link: 0 },
  })) {
    const { bytes } = write([{ path: 'a', content: 'a' }, { path, ...more }])
    await demandRefusal(t, `${name}: ${what}`, { bytes, codes })
  }
}

// The root of the archive is the target: it can be nothing but a directory.
await demandRefusal(t, 'root that is a symlink', {
  bytes: write([{ path: '', target: '../outside' }]).bytes, codes: ['ERR_WARP_PATH_UNSAFE'],
})
