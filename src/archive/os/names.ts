/** Which names may be created in a target directory at all. */

import { WarpError } from '../../base/errors.ts'
import { MAX_NAME_BYTES } from '../../base/limits.ts'
import { displayPath } from '../../format/path.ts'

const SLASH = 0x2f

// Separators, drive letters and streams (`:`), wildcards, control characters; a dot or blank at the
// end is dropped by Windows; the names of devices are devices in every directory, with any suffix.
const WINDOWS_CHARACTERS = /[\x00-\x1f\\:*?"<>|]|[. ]$/
const WINDOWS_DEVICES = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\xb9\xb2\xb3]) *(\.|$)/i

/**
 * Checks that `name` is a single component which stays in its directory.
 * Source: spec §8.1 for all systems, and what Windows gives a meaning.
 * @throws {WarpError} ERR_WARP_PATH_UNSAFE
 */
export function checkName(name: Uint8Array, platform: string = process.platform): void {
  const reason = unsafeBecause(name, platform)
  if (reason === null) return
  throw new WarpError('ERR_WARP_PATH_UNSAFE', `name ${reason}`, { path: displayPath(name) })
}

function unsafeBecause(name: Uint8Array, platform: string): string | null {
  if (name.length === 0) return 'is empty'
  if (name.length > MAX_NAME_BYTES) return 'is too long'
  if (name.includes(0)) return 'holds NUL'
  if (name.includes(SLASH)) return 'holds a slash'
  if (name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))) {
    return 'leaves its directory'
  }
  if (platform !== 'win32') return null
  const text = Buffer.from(name).toString()
  const isSpecial = WINDOWS_CHARACTERS.test(text) || WINDOWS_DEVICES.test(text)
  return isSpecial ? 'has a special meaning on Windows' : null
}
