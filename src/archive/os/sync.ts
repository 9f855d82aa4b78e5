/** Makes what was written to a file system durable. */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { libc } from './libc.ts'
import { OsError } from './os-error.ts'

const fsync = promisify(fs.fsync)

/**
 * @param fd of a file or directory on it
 * @param files descriptors that are synced one by one where a whole file system cannot be
 * @throws the system's error: the disk failed, or is full
 */
export async function syncFileSystem(fd: number, files: Iterable<number> = []): Promise<void> {
  const native = libc()
  if (native) {
    if ((await native.syncFileSystem(fd)) < 0) throw new OsError('EIO', 'syncfs')
    return
  }
  for (const file of files) await fsync(file)
  await fsync(fd)
}
