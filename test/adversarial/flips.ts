/** Single-bit flips and truncations, all of them with WARP_LONG=1, of a small archive that is not encrypted. */
import t from 'tap'
import { noise, write } from './support/archives.ts'
import { tryAll } from './support/flips.ts'

t.test('two frames, one of them compressed', t => tryAll(t, write([
  { path: 'd', mode: 0o755 },
  { path: 'd/a', content: Buffer.alloc(3000, 'again and '), mode: 0o640, mtime: [1_700_000_000, 5e8] },
  { path: 'd/b', content: noise(50) },
  { path: 'd/c', link: 'd/b' },
  { path: 'e', target: 'd/a' },
], { codec: 2, frameBytes: 1 }), {}, 3))
