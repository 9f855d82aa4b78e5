/**
 * Gives what was received its place in the target: what is new there is renamed, directories that are there already
 * take in what the new ones hold. Can be done again after an interruption: what has moved is gone from staging.
 */
import fs from 'node:fs'
import { describeProblem } from '../../archive/problems.ts'
import { applyMetadata } from '../../archive/os/metadata.ts'
import { codeOf } from '../../archive/os/os-error.ts'
import type { DirectoryHandle, TargetTree } from '../../archive/os/target-tree.ts'
import { metadataOf } from '../../archive/records.ts'
import { readXattrs } from '../../archive/os/xattrs.ts'
import type { FileStat } from '../../archive/os/stat.ts'
import type { OwnerOptions } from '../../archive/restore-task.ts'

export interface PublishOptions {
  tree: TargetTree
  /** Where the received tree stands, as components. */
  from: Buffer[]
  overwrite: 'never' | 'always' | 'newer'
  owner: OwnerOptions
  report: (path: Uint8Array, message: string) => void
}

/** @returns false if something that should have moved could not */
export function publish(options: PublishOptions): boolean {
  return mergeInto(options, options.from, [])
}

function mergeInto(options: PublishOptions, from: Buffer[], to: Buffer[]): boolean {
  const { tree } = options
  const source = tree.openDirectory(from)
  const target = tree.openDirectory(to)
  let hasAll = true
  try {
    for (const name of tree.namesIn(source)) {
      try {
        hasAll = move(options, source, target, name, [...from, name], [...to, name]) && hasAll
      } catch (error) {
        hasAll = false
        options.report(pathOf([...to, name]), describeProblem(codeOf(error), (error as Error).message))
      }
    }
  } finally {
    source.release()
    target.release()
  }
  return hasAll
}

function move(options: PublishOptions, source: DirectoryHandle, target: DirectoryHandle, name: Buffer, from: Buffer[], to: Buffer[]): boolean {
  const { tree, overwrite } = options
  const ours = tree.lstatAt(source, name)!
  const theirs = tree.lstatAt(target, name)
  if (ours.type === 'directory' && theirs?.type === 'directory') {
    if (!mergeInto(options, from, to)) return false
    if (overwrite !== 'never') takeMetadata(options, source, target, name, ours)
    tree.removeTreeAt(source, name)
    return true
  }
  const isOther = (ours.type === 'directory') !== (theirs?.type === 'directory')
  if (theirs && (overwrite === 'never' || isOther)) {
    options.report(pathOf(to), overwrite === 'never' ? 'it exists and was kept (see --overwrite)' : 'what is there is of another kind: kept')
    return true
  }
  if (ours.type === 'directory') moveDirectory(tree, source, target, name, ours)
  else tree.renameAt(source, name, target, name, { replace: theirs !== null })
  return true
}

/** A directory that must not be written to cannot be given another parent either. */
function moveDirectory(tree: TargetTree, source: DirectoryHandle, target: DirectoryHandle, name: Buffer, { mode }: FileStat): void {
  const isWritable = (mode & 0o200) !== 0
  if (!isWritable) fs.chmodSync(source.nameAt(name), mode | 0o200)
  tree.renameAt(source, name, target, name, { replace: false })
  if (!isWritable) fs.chmodSync(target.nameAt(name), mode)
}

function takeMetadata({ owner, report }: PublishOptions, source: DirectoryHandle, target: DirectoryHandle, name: Buffer, stat: FileStat): void {
  const metadata = metadataOf(stat, readXattrs({ path: source.nameAt(name) }) ?? [], false)
  for (const { what, code } of applyMetadata({ path: target.nameAt(name) }, metadata, { ...owner, xattrs: true, isSymlink: false })) {
    report(pathOf([...target.components, name]), `${what} not restored: ${code}`)
  }
}


function pathOf(components: Buffer[]): Uint8Array {
  return Buffer.from(components.map((component) => component.toString('latin1')).join('/'), 'latin1')
}
