/**
 * The command line of ssh. Whatever follows the destination is joined with spaces and given to a shell there, so the
 * far command is one argument whose every word is quoted for a POSIX shell.
 */
import { WarpError } from '../../base/errors.ts'

export interface FarCommand {
  /** Role of the far side. */
  role: 'send' | 'receive'
  /** Its directory, or what it sends; a leading `~` or `~name` stands for a home there, nothing else is expanded. */
  path: string
  /** A line of shell that starts warp there. */
  warpCommand: string
  /** What it has to listen with, where that was asked for. */
  transport?: string
}

/** @throws {WarpError} ERR_WARP_USAGE: ssh would take the destination for an option */
export function sshArguments(destination: string, sshOptions: readonly string[], far: FarCommand): string[] {
  if (destination === '' || destination.startsWith('-') || /[\0\n]/.test(destination)) {
    throw new WarpError('ERR_WARP_USAGE', `${JSON.stringify(destination)} is no destination for ssh`, { hint: 'name it as user@host or host' })
  }
  // -T: a terminal would change the bytes.
  return ['-T', ...sshOptions, '--', destination, farCommand(far)]
}

/** @throws {WarpError} ERR_WARP_USAGE: the path cannot be named on a command line */
export function farCommand({ role, path, warpCommand, transport }: FarCommand): string {
  if (path.includes('\0')) throw new WarpError('ERR_WARP_USAGE', 'the path on the far side has a NUL character')
  const place = quotePath(path)
  const options = transport === undefined ? '--ssh-peer' : `--ssh-peer --transport ${quote(transport)}`
  return role === 'receive' ? `${warpCommand} receive ${options} -C ${place}` : `${warpCommand} send ${options} -- ${place}`
}

/** One word of a POSIX shell that stands for `word`. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}

function quotePath(path: string): string {
  const home = /^(~[A-Za-z0-9._-]*)(\/|$)/.exec(path)
  if (home) {
    const rest = path.slice(home[0].length)
    // A shell expands the tilde of a word up to its first slash, where that is not quoted.
    return `${home[1]}${home[2]}${rest === '' ? '' : quote(rest)}`
  }
  // ssh starts at home; the dot keeps the path from being taken for an option.
  return quote(path === '' ? '.' : path.startsWith('-') ? `./${path}` : path)
}
