/** The metadata of a file that came as a stream: that of a new file of the caller's. */
import type { Metadata } from '../format/entry.ts'
import { groupName, userName } from './os/owners.ts'

/** @param reproducible its time is 1970, not now */
export function streamMetadata(reproducible: boolean): Metadata {
  const uid = process.getuid?.() ?? 0
  const gid = process.getgid?.() ?? 0
  const now = Date.now()
  return {
    unstable: false, mode: 0o644, uid, gid, user: userName(uid), group: groupName(gid),
    mtimeSeconds: reproducible ? 0 : Math.floor(now / 1000),
    mtimeNanoseconds: reproducible ? 0 : (now % 1000) * 1_000_000, xattrs: [],
  }
}
