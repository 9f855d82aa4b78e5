/**
 * The task that restores what lies in one frame: opens it, checks its chunks, makes the files that lie
 * in it whole and writes the pieces of others. Runs in worker threads.
 */
import fs from 'node:fs'
import { plaintextOf, wrongChunks, type CheckRequest } from './frame-reader.ts'
import { applyMetadata, type MetadataProblem } from './os/metadata.ts'
import { codeOf } from './os/os-error.ts'
import { createExclusivePath } from './os/target-tree.ts'

export interface RestoreRequest extends CheckRequest {
  /** For each chunk: number of the file among `files`, or −1 − descriptor; and the offset in that file. */
  targets: Float64Array
  /** Files that lie in this frame whole. */
  files: NewFiles
  owner: OwnerOptions
}

export interface OwnerOptions {
  sameOwner: boolean
  numericOwner: boolean
}

/** Files to be made, in flat arrays: there can be thousands. */
export interface NewFiles {
  paths: Uint8Array
  pathEnds: Uint32Array
  /** FILE_FIELDS numbers for each. */
  fields: Float64Array
  /** For files that have any: names of owner and group, attributes. */
  more: { file: number; user: Uint8Array; group: Uint8Array; xattrs: { name: Uint8Array; value: Uint8Array }[] }[]
}

export const FILE_FIELDS = 6
export const FIELD = { size: 0, mode: 1, uid: 2, gid: 3, mtimeSeconds: 4, mtimeNanoseconds: 5 } as const

export interface RestoreReply {
  /** Numbers of chunks that are not what their ids say; nothing of them was written. */
  wrong: Uint32Array
  /** Files that were not made: why. */
  failed: { file: number; code: string; message: string }[]
  /** Pieces of open files that could not be written: the first chunk of each. */
  unwritten: { chunk: number; code: string; message: string }[]
  /** Metadata that could not be restored. */
  problems: { file: number; problem: MetadataProblem }[]
}

/** Errors after which nothing else can be written either. */
export function isFatal(code: string): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS' || code === 'EIO'
}

export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
}

const NONE = new Uint8Array(0)

export function restore(request: RestoreRequest): RestoreReply {
  const { chunks, ids, targets, files, owner } = request
  const frame = plaintextOf(request.place)
  const wrong = wrongChunks(frame, chunks, ids, request.chunkIdKey)
  const isWrong = new Set(wrong)
  const failed: RestoreReply['failed'] = []
  const unwritten: RestoreReply['unwritten'] = []
  const problems: RestoreReply['problems'] = []
  const moreOf = new Map(files.more.map((more) => [more.file, more]))
  const chunkCount = chunks.length / 2

  /** Writes chunks [first, end): those that lie side by side in the frame and in the file at once. */
  function write(fd: number, first: number, end: number): void {
    for (let chunk = first; chunk < end; ) {
      const start = chunks[2 * chunk]!
      const position = targets[2 * chunk + 1]!
      let length = 0
      do length += chunks[2 * chunk++ + 1]!
      while (chunk < end && chunks[2 * chunk] === start + length && targets[2 * chunk + 1] === position + length)
      writeFully(fd, frame.subarray(start, start + length), position)
    }
  }

  // The chunks of a file that lies here whole follow each other.
  for (let chunk = 0; chunk < chunkCount; ) {
    const file = targets[2 * chunk]!
    if (file < 0) {
      const first = chunk++
      if (isWrong.has(first)) continue
      while (chunk < chunkCount && targets[2 * chunk] === file && !isWrong.has(chunk)) chunk++
      try {
        write(-1 - file, first, chunk)
      } catch (error) {
        unwritten.push({ chunk: first, code: codeOf(error), message: (error as Error).message })
      }
      continue
    }
    const first = chunk
    let intact = true
    for (; chunk < chunkCount && targets[2 * chunk] === file; chunk++) intact &&= !isWrong.has(chunk)
    if (intact) makeFile(file, first, chunk)
  }

  function makeFile(file: number, first: number, end: number): void {
    const path = Buffer.from(files.paths.buffer, files.paths.byteOffset, files.paths.length)
      .subarray(file > 0 ? files.pathEnds[file - 1] : 0, files.pathEnds[file])
    const field = (name: keyof typeof FIELD) => files.fields[file * FILE_FIELDS + FIELD[name]]!
    let fd = -1
    try {
      fd = createExclusivePath(path, 0o600)
      write(fd, first, end)
      const written = targets[2 * end - 1]! + chunks[2 * end - 1]!
      if (written < field('size')) fs.ftruncateSync(fd, field('size'))
      const more = moreOf.get(file)
      const metadata = {
        mode: field('mode'), uid: field('uid'), gid: field('gid'), user: more?.user ?? NONE, group: more?.group ?? NONE,
        mtimeSeconds: field('mtimeSeconds'), mtimeNanoseconds: field('mtimeNanoseconds'), xattrs: more?.xattrs ?? [],
      }
      for (const problem of applyMetadata({ fd }, metadata, { ...owner, xattrs: true, isSymlink: false })) problems.push({ file, problem })
    } catch (error) {
      failed.push({ file, code: codeOf(error), message: (error as Error).message })
      if (fd >= 0) fs.rmSync(path, { force: true })
    } finally {
      if (fd >= 0) fs.closeSync(fd)
    }
  }
  return { wrong: Uint32Array.from(wrong), failed, unwritten, problems }
}
