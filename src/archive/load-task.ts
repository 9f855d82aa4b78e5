/** The task behind LoadRequest: reads segments into a slab and scans them. Runs in worker threads. */
import fs from 'node:fs'
import { STAGE, enter } from '../base/stages.ts'
import { LOADED, LOADED_FIELDS, PLAN, PLAN_FIELDS, Scanner, type LoadReply, type LoadRequest } from '../engine/load.ts'
import { WholeFiles } from '../engine/whole-files.ts'
import { sameVersion, statFd } from './os/stat.ts'
import { isSettled } from './records.ts'
import { readXattrs } from './os/xattrs.ts'

// What has become a symlink meanwhile is not followed, what has become a FIFO not waited for.
const OPEN_FLAGS = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOFOLLOW

/** @returns bytes read: less than `length` only at the end of the file */
export function readFully(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = fs.readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

export function load({ slab, average, chunkIdKey, paths, pathEnds, plan, scan }: LoadRequest): LoadReply {
  const count = pathEnds.length
  const bytes = Buffer.from(slab)
  const allPaths = Buffer.from(paths.buffer, paths.byteOffset, paths.length)
  const scanner = new Scanner(average)
  const files = new WholeFiles(bytes, average, chunkIdKey)
  const fields = new Float64Array(count * LOADED_FIELDS)
  const inodes = new BigUint64Array(count * 2)
  const failures: LoadReply['failures'] = []
  const xattrs: LoadReply['xattrs'] = []

  /** Reads the whole file at `path`; @returns bytes read */
  function readWhole(i: number, path: Buffer, into: Buffer, mtimeMs: number, ctimeMs: number): number {
    const fd = fs.openSync(path, OPEN_FLAGS)
    try {
      let bytesRead = readFully(fd, into, 0)
      let after = statFd(fd)
      if (after.type !== 'file') throw new Error('it became something else while it was read')
      let isStable = bytesRead === after.size && bytesRead === into.length && after.mtimeMs === mtimeMs && after.ctimeMs === ctimeMs
      if (!isStable) {
        // It changed since it was found: perhaps before it was read.
        const before = after
        bytesRead = readFully(fd, into, 0)
        after = statFd(fd)
        isStable = sameVersion(before, after) && bytesRead === after.size
      }
      try {
        const list = readXattrs({ fd })
        if (list && list.length > 0) xattrs.push({ index: i, list })
      } catch (error) {
        xattrs.push({ index: i, list: [], problem: (error as Error).message })
      }
      let at = i * LOADED_FIELDS
      fields[at++] = bytesRead
      fields[at++] = isStable ? 0 : 1
      fields[at++] = after.mode
      fields[at++] = after.uid
      fields[at++] = after.gid
      fields[at++] = after.mtimeSeconds
      fields[at++] = after.mtimeNanoseconds
      // Else all of it stays 0: no hint.
      if (isSettled(after.ctimeMs)) {
        fields[at++] = after.ctimeSeconds
        fields[at] = after.ctimeNanoseconds
        inodes[2 * i] = after.inode
        inodes[2 * i + 1] = after.device
      }
      return bytesRead
    } finally {
      fs.closeSync(fd)
    }
  }

  for (let i = 0, pathStart = 0; i < count; pathStart = pathEnds[i++]!) {
    const at = i * PLAN_FIELDS
    const slabOffset = plan[at + PLAN.slabOffset]!
    const length = plan[at + PLAN.length]!
    const fd = plan[at + PLAN.fd]!
    const warmup = plan[at + PLAN.warmup]!
    const fileOffset = plan[at + PLAN.fileOffset]!
    const into = bytes.subarray(slabOffset - warmup, slabOffset + length)
    const isFile = pathEnds[i]! > pathStart
    let bytesRead = length
    enter(STAGE.read)
    try {
      if (isFile) bytesRead = readWhole(i, allPaths.subarray(pathStart, pathEnds[i]), into, plan[at + PLAN.mtimeMs]!, plan[at + PLAN.ctimeMs]!)
      else if (fd >= 0) bytesRead = Math.max(0, readFully(fd, into, fileOffset - warmup) - warmup)
      fields[i * LOADED_FIELDS + LOADED.bytesRead] = bytesRead
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      failures.push({ index: i, code: code ?? 'EIO', message })
      files.skip()
      scanner.skip()
      continue
    }
    if (!scan) {
      files.skip()
      scanner.skip()
    } else if (isFile) {
      files.add(slabOffset, bytesRead)
      scanner.skip()
    } else {
      files.skip()
      const atEnd = plan[at + PLAN.final] === 1 || bytesRead < length
      scanner.scan(into.subarray(0, warmup + bytesRead), warmup, fileOffset, atEnd)
    }
  }
  return { fields, inodes, failures, xattrs, files: files.take(), ...scanner.take() }
}
