/** Lines of text at the beginning of a stream that then goes on with something else. */
import type { Readable } from 'node:stream'

/** A line may not be longer, bytes. */
export const MAX_LINE_BYTES = 8192

/**
 * The next line, without its end; what comes after it stays in the stream. Null at the end of the stream, where it
 * breaks, and for a line that is too long. The stream must not be flowing.
 */
export function readLine(stream: Readable, signal?: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    let bytes = 0
    const settle = (line: string | null): void => {
      stream.off('readable', onReadable)
      for (const event of ['end', 'close', 'error']) stream.off(event, onEnd)
      signal?.removeEventListener('abort', onEnd)
      resolve(line)
    }
    const onEnd = (): void => settle(null)
    const onReadable = (): void => {
      for (let piece = stream.read() as Buffer | null; piece !== null; piece = stream.read() as Buffer | null) {
        const at = piece.indexOf(10)
        pieces.push(at < 0 ? piece : piece.subarray(0, at))
        bytes += pieces.at(-1)!.length
        if (at >= 0 && at + 1 < piece.length) stream.unshift(piece.subarray(at + 1))
        if (bytes > MAX_LINE_BYTES) return settle(null)
        if (at >= 0) return settle(Buffer.concat(pieces).toString('utf8').replace(/\r$/, ''))
      }
    }
    if (stream.readableEnded || stream.destroyed || signal?.aborted) return onEnd()
    stream.on('readable', onReadable)
    for (const event of ['end', 'close', 'error']) stream.on(event, onEnd)
    signal?.addEventListener('abort', onEnd)
    onReadable()
  })
}
