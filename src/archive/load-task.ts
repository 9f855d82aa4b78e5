/** The task behind LoadRequest: reads segments into a slab and scans them. Runs in worker threads. */
import { STAGE, enter } from '../base/stages.ts'
import { LOADED, LOADED_FIELDS, PLAN, PLAN_FIELDS, Scanner, type LoadReply, type LoadRequest } from '../engine/load.ts'
import { WholeFiles } from '../engine/whole-files.ts'
import { FileReader, readFully } from './os/file-reader.ts'
import { sameVersion, statFd } from './os/stat.ts'
import { isSettled } from './records.ts'
import { readXattrs } from './os/xattrs.ts'

export function load({ slab, average, chunkIdKey, paths, pathEnds, plan, scan }: LoadRequest): LoadReply {
  const count = pathEnds.length
  const bytes = Buffer.from(slab)
  const reader = new FileReader(Buffer.from(paths.buffer, paths.byteOffset, paths.length), bytes)
  const scanner = new Scanner(average)
  const files = new WholeFiles(bytes, average, chunkIdKey)
  const fields = new Float64Array(count * LOADED_FIELDS)
  const inodes = new BigUint64Array(count * 2)
  const failures: LoadReply['failures'] = []
  const xattrs: LoadReply['xattrs'] = []

  /** Reads the whole file of segment `i`, whose path starts at `pathStart`; @returns bytes read */
  function readWhole(i: number, pathStart: number, slabOffset: number, length: number): number {
    const fd = reader.open(pathStart, pathEnds[i]!)
    try {
      let bytesRead = reader.read(fd, slabOffset, length)
      let after = statFd(fd)
      if (after.type !== 'file') throw new Error('it became something else while it was read')
      const inPlan = i * PLAN_FIELDS
      let isStable =
        bytesRead === after.size && bytesRead === length && after.mtimeMs === plan[inPlan + PLAN.mtimeMs] && after.ctimeMs === plan[inPlan + PLAN.ctimeMs]
      if (!isStable) {
        // It changed since it was found: perhaps before it was read.
        const before = after
        bytesRead = reader.read(fd, slabOffset, length)
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
      reader.close(fd)
    }
  }

  /** Segment `i`; its path, if it has one, starts at `pathStart`. */
  function loadOne(i: number, pathStart: number): void {
    const at = i * PLAN_FIELDS
    const slabOffset = plan[at + PLAN.slabOffset]!
    const length = plan[at + PLAN.length]!
    const isFile = pathEnds[i]! > pathStart
    let bytesRead: number
    enter(STAGE.read)
    try {
      bytesRead = isFile ? readWhole(i, pathStart, slabOffset, length) : readPiece(at)
      fields[i * LOADED_FIELDS + LOADED.bytesRead] = bytesRead
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      failures.push({ index: i, code: code ?? 'EIO', message })
      files.skip()
      scanner.skip()
      return
    }
    if (!scan) {
      files.skip()
      scanner.skip()
    } else if (isFile) {
      files.add(slabOffset, bytesRead)
      scanner.skip()
    } else {
      files.skip()
      scanPiece(at, bytesRead)
    }
  }

  /** Of an open file, or of what lies in the slab already; @returns bytes read */
  function readPiece(at: number): number {
    const [slabOffset, length, fd, warmup] = pieceAt(at)
    if (fd < 0) return length
    const into = bytes.subarray(slabOffset - warmup, slabOffset + length)
    return Math.max(0, readFully(fd, into, plan[at + PLAN.fileOffset]! - warmup) - warmup)
  }

  function scanPiece(at: number, bytesRead: number): void {
    const [slabOffset, length, , warmup] = pieceAt(at)
    const isAtEnd = plan[at + PLAN.final] === 1 || bytesRead < length
    scanner.scan(bytes.subarray(slabOffset - warmup, slabOffset + bytesRead), warmup, plan[at + PLAN.fileOffset]!, isAtEnd)
  }

  function pieceAt(at: number): [slabOffset: number, length: number, fd: number, warmup: number] {
    return [plan[at + PLAN.slabOffset]!, plan[at + PLAN.length]!, plan[at + PLAN.fd]!, plan[at + PLAN.warmup]!]
  }

  for (let i = 0, pathStart = 0; i < count; pathStart = pathEnds[i++]!) loadOne(i, pathStart)
  return { fields, inodes, failures, xattrs, files: files.take(), ...scanner.take() }
}
