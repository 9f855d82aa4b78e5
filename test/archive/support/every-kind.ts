/**
 * A tree with an entry of every kind and of every trait that an archive keeps. It is small enough for the
 * library to work without threads, which take seconds to start where tests run from their sources.
 */
import fs from 'node:fs'
import path from 'node:path'
import { execFileSync } from 'node:child_process'
import { IS_ROOT, KIB, NO_LIBC, noise, plant } from './trees.ts'

/** @returns the directory */
export function plantEveryKind(directory: string): string {
  plant(directory, {
    empty: '', small: 'small', 'copy of small': 'small', text: 'words and words '.repeat(20_000), noise: noise(1, 200 * KIB),
    'empty directory': null, deep: { a: { b: { c: { d: { e: 'deep' } } } } },
    modes: { setuid: 'x', setgid: 'x', 'read only': 'x', 'no one': 'x', sticky: { in: 'x' }, 'read only directory': { in: 'x' } },
    links: { file: 'linked', other: null }, times: { old: 'x', early: 'x', late: 'x' }, sparse: null, names: null,
  })
  const at = (...names: string[]) => path.join(directory, ...names)
  for (const [name, mode] of [['setuid', 0o4755], ['setgid', 0o2711], ['read only', 0o444], ['sticky', 0o1777], ['no one', IS_ROOT ? 0 : 0o400]] as const) {
    fs.chmodSync(at('modes', name), mode)
  }

  // Bytes that are not UTF-8, control characters, what shells and tools take for something else.
  const names = [Buffer.from([0xff, 0xfe, 0x80]), 'new\nline', 'x'.repeat(255), ' ', '-rf', 'back\\slash', '\x1b[31m', 'caf\u00e9', 'cafe\u0301', '...', '*']
  for (const name of names) fs.writeFileSync(Buffer.concat([Buffer.from(at('names') + '/'), Buffer.from(name as Buffer)]), 'x')

  fs.symlinkSync('file', at('links', 'to file'))
  fs.symlinkSync('nowhere', at('links', 'to nothing'))
  fs.symlinkSync('/etc', at('links', 'absolute'))
  fs.symlinkSync(Buffer.from([0xff, 0x0a]), at('links', 'odd'))
  fs.symlinkSync('x'.repeat(4000), at('links', 'long'))
  fs.linkSync(at('links', 'file'), at('links', 'other', 'hard'))
  fs.linkSync(at('links', 'file'), at('deep', 'a', 'hard'))
  fs.linkSync(at('links', 'to file'), at('links', 'hard to a symlink'))

  // A hole within, one at the end, one that is all, and zeros that were written.
  const sparse = (name: string, size: number, ...data: [offset: number, bytes: Uint8Array][]) => {
    const fd = fs.openSync(at('sparse', name), 'w')
    fs.ftruncateSync(fd, size)
    for (const [offset, bytes] of data) fs.writeSync(fd, bytes, 0, bytes.length, offset)
    fs.closeSync(fd)
  }
  sparse('within', 300 * KIB, [0, noise(2, 1000)], [300 * KIB - 10, noise(3, 10)])
  sparse('at the end', 300 * KIB, [5000, noise(4, 70_000)])
  sparse('all', 512 * KIB)
  sparse('odd', 65_537)
  sparse('written', 256 * KIB, [0, Buffer.alloc(256 * KIB)])

  execFileSync('mkfifo', ['-m', '620', at('fifo')])
  if (IS_ROOT) {
    execFileSync('mknod', [at('null'), 'c', '1', '3'])
    execFileSync('mknod', [at('block'), 'b', '259', '70000']) // a minor above 8 bits
    for (const name of ['small', 'fifo', 'empty directory']) fs.chownSync(at(name), 12_345, 54_321)
    fs.lchownSync(at('links', 'to nothing'), 1, 2)
    fs.chownSync(at('modes', 'setuid'), 1, 1)
    fs.chmodSync(at('modes', 'setuid'), 0o4755)
  }
  if (!NO_LIBC && hasXattrs(at('small'))) {
    setXattr(at('small'), 'user.empty', '')
    setXattr(at('text'), 'user.binary', '0x00ff0a')
    setXattr(at('empty directory'), 'user.on-a-directory', 'x'.repeat(2000))
    setXattr(at('empty'), 'user.on-an-empty-file', 'x')
    setXattr(at('sparse', 'all'), 'user.on-a-large-file', 'x')
    if (IS_ROOT) setXattr(at('links', 'to nothing'), 'trusted.on-a-symlink', 'x')
    try {
      execFileSync('setfacl', ['-m', 'u:12:rwx,g:13:r', at('noise')], { stdio: 'ignore' })
      execFileSync('setfacl', ['-d', '-m', 'u:12:rwx', at('empty directory')], { stdio: 'ignore' })
    } catch {
      // No setfacl, or a file system without ACLs.
    }
  }
  touch(at('times', 'old'), '1901-12-13 20:45:52.000000001 UTC')
  touch(at('times', 'early'), '1969-12-31 23:59:59.999999999 UTC')
  touch(at('times', 'late'), '2106-02-07 06:28:15.123456789 UTC')
  touch(at('links', 'to file'), '2001-01-01 00:00:00.987654321 UTC')
  touch(at('fifo'), '2002-01-01 00:00:00.000000007 UTC')
  touch(at('empty directory'), '2003-01-01 00:00:00.1 UTC')
  touch(at('deep', 'a'), '2004-01-01 00:00:00.2 UTC')
  touch(at('names'), '2005-01-01 00:00:00.3 UTC')
  fs.chmodSync(at('modes', 'read only directory'), 0o555)
  touch(directory, '2006-01-01 00:00:00.000000004 UTC')
  return directory
}

export function touch(file: string, time: string): void {
  execFileSync('touch', ['-h', '-d', time, file])
}

function hasXattrs(file: string): boolean {
  try {
    setXattr(file, 'user.probe', 'x')
    return true
  } catch {
    return false
  }
}

function setXattr(file: string, name: string, value: string): void {
  execFileSync('setfattr', ['-h', '-n', name, '-v', value, file], { stdio: 'ignore' })
}
