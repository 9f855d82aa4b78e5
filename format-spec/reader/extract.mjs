// Restores an archive into an empty directory: content, permissions and times of modification. Owners and
// extended attributes are not restored, and so neither are set-uid and set-gid bits.
import {
  chmodSync, closeSync, fchmodSync, futimesSync, linkSync, lutimesSync, mkdirSync, openSync,
  readdirSync, symlinkSync, unlinkSync, utimesSync, writeSync
} from 'node:fs'
import {DIRECTORY, FILE, HARD_LINK, SYMLINK} from './pages.mjs'

const PERMISSIONS = 0o1777

/**
 * @param archive what openArchive gave
 * @param directory is made if it is missing, else it must be empty
 * @returns the entries that were left out: devices, FIFOs and hard links to them
 */
export function extractArchive(archive, directory) {
  mkdirSync(directory, {recursive: true})
  if (readdirSync(directory).length > 0) throw new Error('the directory is not empty')
  return new Extraction(archive, Buffer.from(directory)).run()
}

class Extraction {
  #archive
  #base
  #directories = new Set([''])
  /** By entry number, what was restored itself: hard links are made to nothing else (§11). */
  #restored = new Map()

  constructor(archive, base) {
    this.#archive = archive
    this.#base = base
  }

  run() {
    const directories = []
    const leftOut = []
    for (const entry of this.#archive.entries()) {
      if (entry.type === DIRECTORY) {
        this.#makeDirectory(entry.path)
        directories.push(entry)
      } else if (!this.#restore(entry)) {
        leftOut.push(entry)
      }
    }
    // Children first, since a mode may forbid to enter and each restored child changed its parent's time.
    for (const {path, mode, mtime} of directories.reverse()) {
      const target = this.#target(path)
      chmodSync(target, mode & PERMISSIONS)
      utimesSync(target, seconds(mtime), seconds(mtime))
    }
    return leftOut
  }

  #target(path) {
    return path.length === 0 ? this.#base : Buffer.concat([this.#base, Buffer.from('/'), path])
  }

  /** Makes a directory and those above it, and takes none that this run did not make. */
  #makeDirectory(path) {
    const key = Buffer.from(path).toString('latin1')
    if (this.#directories.has(key)) return
    this.#makeDirectory(parentOf(path))
    mkdirSync(this.#target(path))
    this.#directories.add(key)
  }

  #restore(entry) {
    if (![FILE, SYMLINK, HARD_LINK].includes(entry.type)) return false
    const target = this.#target(entry.path)
    this.#makeDirectory(parentOf(entry.path))
    if (entry.type === HARD_LINK) {
      const source = this.#restored.get(entry.link)
      if (!source) return false
      linkSync(source, target)
      return true
    }
    if (entry.type === FILE) {
      this.#restoreFile(entry, target)
    } else {
      symlinkSync(entry.target, target)
      lutimesSync(target, seconds(entry.mtime), seconds(entry.mtime))
    }
    this.#restored.set(entry.number, target)
    return true
  }

  #restoreFile(entry, target) {
    const descriptor = openSync(target, 'wx', 0o600)
    try {
      for (const piece of this.#archive.content(entry)) writeWhole(descriptor, piece)
      fchmodSync(descriptor, entry.mode & PERMISSIONS)
      futimesSync(descriptor, seconds(entry.mtime), seconds(entry.mtime))
    } catch (error) {
      unlinkSync(target)
      throw error
    } finally {
      closeSync(descriptor)
    }
  }
}

const parentOf = path => path.subarray(0, Math.max(0, path.lastIndexOf(0x2f)))

const seconds = ([whole, nanoseconds]) => whole + nanoseconds / 1e9

function writeWhole(descriptor, bytes) {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done)
}
