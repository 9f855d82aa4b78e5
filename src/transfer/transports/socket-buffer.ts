/**
 * The buffers of UDP sockets that a native binding has opened and does not let be set. Linux with koffi only: its
 * sockets start with some 200 KiB, which holds a few milliseconds of what comes, and drop the rest.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { loadKoffi } from '../../base/koffi.ts'

// asm-generic/socket.h, which these architectures use.
const ARCHITECTURES = ['x64', 'arm64']
const SOL_SOCKET = 1
/** Each with its twin, for who may administer the network, that no limit of the system holds back. */
const OPTIONS = {
  receive: { plain: 8 /* SO_RCVBUF */, force: 33 /* SO_RCVBUFFORCE */ },
  send: { plain: 7 /* SO_SNDBUF */, force: 32 /* SO_SNDBUFFORCE */ },
}

type SetOption = (fd: number, level: number, name: number, value: Int32Array, length: number) => number

/**
 * Asks for buffers of `bytes` each way, for the UDP sockets of this process that are bound to `port`. The system may
 * give less; nothing happens, and nothing is said, where it cannot be asked.
 */
export function widenUdpBuffers(port: number, bytes: number): void {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) return
  try {
    const koffi = loadKoffi()
    if (koffi === null) return
    const prototype = 'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'
    const setOption = koffi.load(null).func(prototype) as unknown as SetOption
    const value = Int32Array.of(bytes)
    for (const fd of socketsAt(port)) {
      for (const { plain, force } of Object.values(OPTIONS)) {
        if (setOption(fd, SOL_SOCKET, force, value, value.byteLength) !== 0) setOption(fd, SOL_SOCKET, plain, value, value.byteLength)
      }
    }
  } catch {
    // No /proc, or a libc without it: slower, and no worse.
  }
}

/** Descriptors of this process that are UDP sockets bound to `port`. */
export function socketsAt(port: number): number[] {
  const links = new Set(inodesAt(port).map((inode) => `socket:[${inode}]`))
  return readdirSync('/proc/self/fd').map(Number).filter((fd) => links.has(linkOf(fd)))
}

/** A line is `sl ADDRESS:PORT REMOTE:PORT st queues timer retransmits uid timeout INODE …`, ports in hexadecimal. Source: proc(5). */
function inodesAt(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = ['udp', 'udp6'].flatMap((name) => tableOf(name).split('\n'))
  return lines.map((line) => line.trim().split(/ +/)).filter((fields) => fields[1]?.endsWith(suffix)).map((fields) => fields[9] ?? '')
}

function tableOf(name: string): string {
  try {
    return readFileSync(`/proc/self/net/${name}`, 'latin1')
  } catch {
    // A system without IPv6.
    return ''
  }
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // That of the listing itself.
    return ''
  }
}
