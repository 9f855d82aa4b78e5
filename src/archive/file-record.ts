/** The metadata of a regular file, once all of it was read. */
import type { Resident } from '../engine/engine.ts'
import { LOADED, LOADED_FIELDS } from '../engine/load.ts'
import type { Hint, Metadata } from '../format/entry.ts'
import type { Item } from './batch.ts'
import { LargeFile } from './open-file.ts'
import { hintOf, metadataOf, NO_HINT } from './records.ts'

/**
 * @param end bytes of a large file that were there
 * @param failed reading it ended with an error
 * @param note called with what could not be recorded
 */
export function fileRecordOf(
  item: Item, resident: Resident | null, end: number, failed: boolean, note: (reason: string) => void,
): { metadata: Metadata; hint: Hint } {
  const { file } = item
  if (file instanceof LargeFile) {
    const { metadata, hint } = file.finish(end, failed, note)
    return { metadata, hint: hint ?? NO_HINT }
  }
  if (file) return { metadata: { ...file.metadata, unstable: failed || file.metadata.unstable }, hint: NO_HINT }
  const { reply, index } = resident!.segments[item.segment]!
  const at = index * LOADED_FIELDS
  const field = (name: keyof typeof LOADED) => reply.fields[at + LOADED[name]]!
  const found = reply.xattrs.length > 0 ? reply.xattrs.find((xattr) => xattr.index === index) : undefined
  if (found?.problem !== undefined) note(`extended attributes not stored: ${found.problem}`)
  const stat = {
    mode: field('mode'), uid: field('uid'), gid: field('gid'),
    mtimeSeconds: field('mtimeSeconds'), mtimeNanoseconds: field('mtimeNanoseconds'),
    ctimeSeconds: field('ctimeSeconds'), ctimeNanoseconds: field('ctimeNanoseconds'),
    inode: reply.inodes[2 * index]!, device: reply.inodes[2 * index + 1]!,
  }
  return { metadata: metadataOf(stat, found?.list ?? [], field('unstable') === 1), hint: hintOf(stat) }
}
