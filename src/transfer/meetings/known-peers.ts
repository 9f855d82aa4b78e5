/**
 * The file of known peers, like ssh's known_hosts: lines `NAME warp-signer1…`, empty lines, and comments after `#` at
 * the start of a line. A name may have several keys. Lines are only ever added; people remove them.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { WarpError } from '../../base/errors.ts'
import { outputError } from '../../archive/sink.ts'
import { decodeSigner, encodeSigner } from '../../codec/identity.ts'
import { equalBytes } from '../../format/cursor.ts'

/** Larger is no file of peers. */
const MAX_FILE_BYTES = 1024 * 1024
const MAX_NAME_CHARACTERS = 255

interface KnownPeer {
  name: string
  signer: Uint8Array
  /** From 1. */
  line: number
}

/** `$XDG_CONFIG_HOME/warp/known_peers`. */
export function defaultKnownPeersFile(): string {
  // A relative path is to be ignored. Source: XDG Base Directory Specification.
  const configured = process.env['XDG_CONFIG_HOME']
  const folder = configured && path.isAbsolute(configured) ? configured : path.join(os.homedir(), '.config')
  return path.join(folder, 'warp', 'known_peers')
}

export class KnownPeers {
  readonly file: string

  constructor(file = defaultKnownPeersFile()) {
    this.file = file
  }

  /**
   * Whether `signer` is the key of `name`.
   * @param signer Ed25519 public key, 32 bytes; null: the peer shows none
   * @throws {WarpError} ERR_WARP_PEER_UNKNOWN: the name is known by another key, or none is shown;
   *   ERR_WARP_USAGE: the name, or a line of the file, is malformed, or the file cannot be read
   */
  check(name: string, signer: Uint8Array | null): 'known' | 'new' {
    checkName(name)
    const peers = readPeers(this.file).filter((peer) => peer.name === name)
    if (signer === null) {
      throw new WarpError('ERR_WARP_PEER_UNKNOWN', `the peer shows no key that it could be known as ${name} by`, {
        hint: 'the other side needs --identity',
      })
    }
    if (peers.some((peer) => equalBytes(peer.signer, signer))) return 'known'
    if (peers.length === 0) return 'new'
    const lines = peers.map(({ line }) => line)
    throw new WarpError('ERR_WARP_PEER_UNKNOWN', `${name} shows another key than the one it is known by: ${encodeSigner(signer)}`, {
      path: this.file,
      hint: `it may be somebody else; if the key was changed, remove line ${lines.join(' and ')} of ${this.file}`,
    })
  }

  /**
   * Keeps `signer` as the key of `name`, durably; nothing is written if it is known.
   * @throws {WarpError} as `check`; ERR_WARP_OUTPUT or ERR_WARP_NO_SPACE: the file cannot be written
   */
  remember(name: string, signer: Uint8Array): void {
    if (this.check(name, signer) === 'known') return
    try {
      fs.mkdirSync(path.dirname(this.file), { recursive: true, mode: 0o700 })
      const fd = fs.openSync(this.file, 'a+', 0o600)
      try {
        // One write to the end of the file: of two processes at once neither line is torn.
        const line = Buffer.from(`${endsInLine(fd) ? '' : '\n'}${name} ${encodeSigner(signer)}\n`)
        if (fs.writeSync(fd, line) !== line.length) throw new WarpError('ERR_WARP_NO_SPACE', `${this.file}: a line was cut`, { path: this.file })
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
    } catch (error) {
      throw outputError(error, this.file)
    }
  }
}

function checkName(name: string): void {
  if (!isName(name)) {
    throw new WarpError('ERR_WARP_USAGE', 'the name of the peer cannot be kept', {
      hint: `a name has up to ${MAX_NAME_CHARACTERS} visible ASCII characters, no spaces, and does not start with #`,
    })
  }
}

function isName(name: string): boolean {
  return name.length <= MAX_NAME_CHARACTERS && /^[!-~]+$/.test(name) && !name.startsWith('#')
}

function endsInLine(fd: number): boolean {
  const { size } = fs.fstatSync(fd)
  if (size === 0) return true
  const last = Buffer.alloc(1)
  fs.readSync(fd, last, 0, 1, size - 1)
  return last[0] === 0x0a
}

function readPeers(file: string): KnownPeer[] {
  let text: string
  try {
    // What is no file, such as a FIFO, may never end.
    const stat = fs.statSync(file)
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw new WarpError('ERR_WARP_USAGE', `${file}: not a file of known peers`, { path: file })
    text = fs.readFileSync(file, 'latin1')
  } catch (error) {
    if (error instanceof WarpError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw new WarpError('ERR_WARP_USAGE', `${file}: ${message}`, { cause: error, path: file })
  }
  return text.split('\n').flatMap((row, index) => {
    const line = row.trim()
    return line === '' || line.startsWith('#') ? [] : [readLine(line, file, index + 1)]
  })
}

function readLine(text: string, file: string, line: number): KnownPeer {
  const [name, key, ...more] = text.split(/[ \t]+/)
  try {
    if (!isName(name) || key === undefined || more.length > 0) throw new WarpError('ERR_WARP_USAGE', 'not a name and a key')
    return { name, signer: decodeSigner(key), line }
  } catch (error) {
    if (!(error instanceof WarpError)) throw error
    throw new WarpError('ERR_WARP_USAGE', `${file}:${line}: ${error.message}`, { cause: error, path: file, hint: 'a line is NAME warp-signer1…' })
  }
}
