/** A connection over two pipes: standard input and output of a process, or of a child such as ssh. */
import fs from 'node:fs'
import net from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { Connection } from './connection.ts'
import { StreamConnection } from './stream-connection.ts'

export interface PipeOptions {
  readable: Readable
  writable: Writable
  isInitiator: boolean
  /** What is at the other end, for display. */
  remoteAddress: string
  /** Called once when the connection is closed or has broken, for instance to end the child. */
  onClose?(): void
}

/** The streams belong to the connection from now on. */
export function pipeConnection({ readable, writable, isInitiator, remoteAddress, onClose }: PipeOptions): Connection {
  const facts = { kind: 'pipe', isInitiator, localFingerprint: null, remoteFingerprint: null, remoteAddress } as const
  return new StreamConnection(facts, { readable, writable, onGone: onClose })
}

/**
 * Standard input and output of this process as the streams of a connection. Unlike `process.stdout` the second
 * can be ended, so that the peer sees the end before the process exits, and never writes synchronously.
 */
export function standardStreams(): { readable: Readable; writable: Writable } {
  const isStream = (fd: number): boolean => {
    const stat = fs.fstatSync(fd)
    return stat.isFIFO() || stat.isSocket()
  }
  const readable = isStream(0) ? new net.Socket({ fd: 0, readable: true, writable: false }) : fs.createReadStream('', { fd: 0 })
  const writable = isStream(1) ? new net.Socket({ fd: 1, readable: false, writable: true }) : fs.createWriteStream('', { fd: 1 })
  return { readable, writable }
}
