import t from 'tap'
import { checkName } from '../../../src/archive/os/names.ts'

const UNSAFE = { code: 'ERR_WARP_PATH_UNSAFE' }

t.test('names that stay in their directory', async (t) => {
  for (const name of ['a', '...', '..a', '.a', 'a\nb', 'a:b', 'C:', 'a\\b', 'nul', 'x'.repeat(255)]) {
    t.doesNotThrow(() => checkName(Buffer.from(name), 'linux'), name)
  }
  t.doesNotThrow(() => checkName(new Uint8Array([0xff, 0x01]), 'linux'))
})

t.test('names that do not', async (t) => {
  for (const name of ['', '.', '..', '/', 'a/b', '../a', '/etc', 'a\0', '\0', 'x'.repeat(256)]) {
    t.throws(() => checkName(Buffer.from(name), 'linux'), UNSAFE, JSON.stringify(name))
  }
})

t.test('names with a meaning on Windows', async (t) => {
  const characters = ['a\\b', '..\\a', 'C:', 'a:stream', 'a*', 'a\nb', 'a.', 'a ']
  const devices = ['nul', 'NUL.txt', 'Com1', 'lpt9.x', 'con .a']
  for (const name of [...characters, ...devices]) {
    t.throws(() => checkName(Buffer.from(name), 'win32'), UNSAFE, JSON.stringify(name))
  }
  for (const name of ['a', 'null', 'com', 'com10', 'a.b', 'ä', 'console']) {
    t.doesNotThrow(() => checkName(Buffer.from(name), 'win32'), name)
  }
})
