/** How the two sides of a transfer are to find each other, from options, arguments and WARP_TICKET. */
import { existsSync } from 'node:fs'
import { WarpError } from '../base/errors.ts'
import { readNamedFile } from './output.ts'
import { parseDuration } from './sizes.ts'
import { refuseOptions } from './transfer-options.ts'
import type { Context } from './context.ts'
import type { Meet } from '../index.ts'

const TICKET = /^warp1\S+$/i
/** The words may be cut to what tells them apart, and said with spaces between. */
const CODE = /^[a-z]+(?:[ -]+[a-z]+){3}$/i
/** As scp and rsync have it: a colon before the first slash ends a host, which may be an IPv6 address in brackets. */
const REMOTE = /^((?:[^@/:]+@)?(?:\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[^/:[\]@]+)):(.*)$/is
const MAX_PORT = 65_535

export interface Remote {
  /** For ssh: `host` or `user@host`. */
  destination: string
  path: string
}

/** What tells a ticket or a code that this side has made. */
export interface Teller {
  onTicket: (ticket: string) => void
  onCode: (code: string) => void
}

/** What names the other side in the words of one command. */
export interface Words {
  /** Option that takes a ticket: `to`, `from`. */
  option: 'to' | 'from'
  /** Code phrase among the arguments. */
  code?: string
  /** Place on another host among the arguments. */
  remote?: Remote
}

/**
 * @throws {WarpError} ERR_WARP_USAGE: ways that exclude each other, or one that is malformed
 */
export function chooseMeet(context: Context, { option, code, remote }: Words, teller: Teller): Meet {
  const { args } = context
  const given = args.text(option)
  const listen = args.text('listen')
  const ways = [
    ...args.flag('ssh-peer') ? ['--ssh-peer'] : [],
    ...remote === undefined ? [] : [`${remote.destination}:${remote.path}`],
    ...code === undefined ? [] : [code],
    ...given === undefined ? [] : [`--${option}`],
    ...listen === undefined ? [] : ['--listen'],
  ]
  if (ways.length > 1) {
    throw new WarpError('ERR_WARP_USAGE', `${ways[0]} and ${ways[1]} exclude each other`, {
      hint: remote === undefined ? 'one way to meet the other side is enough'
        : `if ${ways[0]} is a path on this host, write ./${ways[0]}`,
    })
  }
  if (listen === undefined) refuseOptions(args, ['keep', 'expires'], 'without --listen')
  if (remote === undefined) refuseOptions(args, ['ssh-option', 'warp-command'], 'without a host to reach through ssh')
  if (args.flag('ssh-peer')) return { way: 'pipe', input: context.stdin.claim('the connection'), output: process.stdout }
  if (remote !== undefined) {
    return {
      way: 'ssh', ...remote, warpCommand: args.text('warp-command'),
      sshOptions: args.texts('ssh-option').flatMap(setting => ['-o', setting]),
    }
  }
  if (listen !== undefined) {
    const expires = args.text('expires')
    return {
      way: 'listen', ...parseListen(listen), keep: args.flag('keep'), onTicket: teller.onTicket,
      expiresMs: expires === undefined ? undefined : parseDuration(expires, '--expires'),
    }
  }
  if (code !== undefined) return { way: 'code', code }
  if (given !== undefined) return readInvitation(given, `--${option}`)
  const variable = process.env['WARP_TICKET']
  if (variable) return readInvitation(variable, 'WARP_TICKET')
  return { way: 'code', code: null, onCode: teller.onCode }
}

/** A ticket or a code phrase, given itself or as `@FILE`, whose first line it is. */
function readInvitation(given: string, source: string): Meet {
  const isFile = given.startsWith('@')
  const text = (isFile ? firstLine(given.slice(1)) : given).trim()
  if (TICKET.test(text)) return { way: 'ticket', ticket: text }
  if (isCode(text)) return { way: 'code', code: text }
  // not repeated: it may be a ticket with a slip in it
  throw new WarpError('ERR_WARP_USAGE', `${isFile ? given.slice(1) : source} holds neither a ticket nor a code phrase`, {
    hint: `a ticket begins with warp1, a code phrase is four words; from a file: ${source === 'WARP_TICKET' ? 'WARP_TICKET=@FILE' : `${source} @FILE`}`,
  })
}

function firstLine(path: string): string {
  const bytes = readNamedFile(path, 'file with the ticket')
  const end = bytes.indexOf(0x0a)
  return (end < 0 ? bytes : bytes.subarray(0, end)).toString()
}

export function isCode(word: string): boolean {
  return CODE.test(word)
}

/** `[HOST]:PORT`: the host may be missing, and an IPv6 address is in brackets. */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text)
  const port = match === null ? NaN : Number(match[3])
  if (match === null || !(port <= MAX_PORT)) {
    throw new WarpError('ERR_WARP_USAGE', `--listen takes [HOST]:PORT, not '${text}'`, {
      hint: 'for example :0, :4433, 192.0.2.7:4433 or [2001:db8::7]:4433',
    })
  }
  return { host: match[1] ?? match[2], port }
}

/**
 * A place on another host, `[USER@]HOST:PATH`; null: a path of this host.
 * @throws {WarpError} ERR_WARP_USAGE: the host looks like an option of ssh
 */
export function parseRemote(word: string): Remote | null {
  const match = REMOTE.exec(word)
  if (match === null) return null
  const [, destination, path] = match
  if (destination.startsWith('-')) throw new WarpError('ERR_WARP_USAGE', `'${destination}' is no host`)
  return { destination: destination.replace(/\[(.*)\]$/, '$1'), path: path === '' ? '.' : path }
}

/**
 * Of the arguments of `send` the last may be a place on another host. One with a colon is a path of this host if
 * such a file exists.
 * @throws {WarpError} ERR_WARP_USAGE: another than the last is one
 */
export function splitRemote(operands: readonly string[]): { paths: readonly string[]; remote?: Remote } {
  const remoteOf = (word: string) => existsSync(word) ? null : parseRemote(word)
  const remotes = operands.map(remoteOf)
  const stray = remotes.findIndex(remote => remote !== null)
  if (stray < 0) return { paths: operands }
  if (stray < operands.length - 1) {
    const word = operands[stray]
    throw new WarpError('ERR_WARP_USAGE', `${word} is a place on another host, and comes last`, {
      hint: `if it is a path on this host, write ./${word}`,
    })
  }
  return { paths: operands.slice(0, -1), remote: remotes[stray]! }
}
