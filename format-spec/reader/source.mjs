// Where an archive's bytes come from: memory or a file, read by offset.
import {closeSync, fstatSync, openSync, readSync} from 'node:fs'
import {malformed} from './errors.mjs'

/** @param input bytes, or the path of a file @returns {length, read(offset, length), close()} */
export function openSource(input) {
  return input instanceof Uint8Array ? memorySource(input) : fileSource(input)
}

function memorySource(bytes) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    length: buffer.length,
    read(offset, length) {
      checkRange(this, offset, length)
      return buffer.subarray(offset, offset + length)
    },
    close() {}
  }
}

function fileSource(path) {
  const descriptor = openSync(path, 'r')
  return {
    length: fstatSync(descriptor).size,
    read(offset, length) {
      checkRange(this, offset, length)
      const bytes = Buffer.alloc(length)
      for (let done = 0; done < length;) {
        const count = readSync(descriptor, bytes, done, length - done, offset + done)
        if (count === 0) throw malformed('the archive became shorter while it was read')
        done += count
      }
      return bytes
    },
    close() {
      closeSync(descriptor)
    }
  }
}

/** Before anything is allocated. */
function checkRange(source, offset, length) {
  if (offset > source.length || length > source.length - offset) {
    throw malformed('something lies beyond the end of the archive')
  }
}
