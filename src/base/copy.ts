/**
 * Copies within shared memory. What V8 does for that goes word by word, since another thread might look on;
 * memcpy of libc, where koffi reaches it, is faster (npm run bench:micro).
 */
import { loadKoffi } from './koffi.ts'

type Memcpy = (target: Uint8Array, source: Uint8Array, length: number) => unknown

let memcpy: Memcpy | null | undefined

/** Below this many bytes the call itself costs more than it spares. */
const WORTH_A_CALL_BYTES = 4096

/** Copies `source` to the start of `target`, which has room for it; they must not overlap. */
export function copyShared(target: Uint8Array, source: Uint8Array): void {
  if (source.length > target.length) throw new RangeError('no room for the copy')
  if (memcpy === undefined) memcpy = find()
  if (memcpy === null || source.length < WORTH_A_CALL_BYTES) target.set(source)
  else memcpy(target, source, source.length)
}

function find(): Memcpy | null {
  try {
    return loadKoffi()?.load(null).func('void *memcpy(void *target, const void *source, size_t length)') as unknown as Memcpy ?? null
  } catch {
    return null
  }
}
