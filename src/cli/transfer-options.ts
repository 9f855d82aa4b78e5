/** Options that `send` and `receive` share. */
import { WarpError } from '../base/errors.ts'
import { parseMemory, parseThreads } from './commands/create.ts'
import { readIdentities } from './keys.ts'
import { parseDuration } from './sizes.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import type { OptionGroup, OptionSpec } from './spec.ts'
import type { SendOptions } from '../index.ts'

const TRANSPORTS = ['auto', 'quic', 'tls', 'webtransport', 'pipe'] as const

/** How the two sides find each other, besides the option that takes a ticket. */
export const MEETING: readonly OptionSpec[] = [
  {
    name: 'listen', value: '[HOST]:PORT',
    help: 'wait here for the other side, and print the ticket that lets it in; without HOST on all addresses, with '
      + 'PORT 0 on any free port',
  },
  {
    name: 'expires', value: 'TIME',
    help: 'with --listen: how long the ticket is good, as 90s, 10m, 24h or 7d, at most 12d; default: 24h',
  },
  {
    name: 'keep',
    help: 'with --listen: serve further transfers with the same ticket until it expires or warp is interrupted',
  },
  {
    name: 'wait', value: 'TIME',
    help: 'how long to wait for the other side to come, and to come back after an interruption; default: 10m, and '
      + 'with --listen for it to come as long as the ticket is good',
  },
]

export const CONNECTION: OptionGroup = {
  title: 'Connection',
  options: [
    {
      name: 'transport', value: 'NAME', completes: TRANSPORTS,
      help: 'quic, tls (over TCP), webtransport, pipe (the connection of ssh), or auto: QUIC, and TLS where UDP does '
        + 'not pass within two seconds, and through ssh its own connection where neither does; default: auto',
    },
    {
      name: 'identity', value: 'FILE', completes: 'file',
      help: 'show the other side the signer key of this identity, made by `warp keygen`',
    },
    {
      name: 'peer', value: 'NAME',
      help: 'demand that the other side shows the key that is known by this NAME; the first time, its key is kept',
    },
    {
      name: 'known-peers', value: 'FILE', completes: 'file',
      help: 'where the keys of --peer are kept; default: known_peers in XDG_CONFIG_HOME/warp or ~/.config/warp',
    },
    {
      name: 'ssh-option', value: 'NAME=VALUE', repeatable: true,
      help: 'an option for ssh, as its -o takes it; may be given more than once',
    },
    { name: 'warp-command', value: 'COMMAND', help: 'how to start warp on the other side of ssh; default: warp' },
  ],
}

/** Given by the side that starts warp through ssh to the far side. */
export const SSH_PEER: OptionSpec = {
  name: 'ssh-peer', help: 'meet the other side over standard input and output',
}

export const TRANSFER_VARIABLES = [
  { name: 'WARP_TICKET', help: 'a ticket or a code phrase, where neither an option nor an argument tells how to meet' },
  {
    name: 'XDG_STATE_HOME',
    help: 'warp/ in it, or in ~/.local/state, keeps what a listening side needs when it is started again',
  },
] as const

/** Options of both sides, as the library takes them. `wipeIdentity` is for the caller. */
export async function readCommon({ args }: Context): Promise<
  Pick<SendOptions, 'transport' | 'identity' | 'peer' | 'knownPeersFile' | 'waitMs' | 'threads' | 'memory'>
> {
  const wait = args.text('wait')
  const knownPeersFile = args.text('known-peers')
  if (knownPeersFile !== undefined && !args.flag('peer')) {
    throw new WarpError('ERR_WARP_USAGE', '--known-peers needs --peer', { hint: 'name the other side: --peer NAME' })
  }
  const rest = {
    transport: parseTransport(args.text('transport')),
    peer: args.text('peer'),
    knownPeersFile,
    waitMs: wait === undefined ? undefined : parseDuration(wait, '--wait'),
    threads: parseThreads(args.text('threads')),
    memory: parseMemory(args.text('memory')),
  }
  const [identity] = await readIdentities(args.texts('identity').slice(-1))
  return { ...rest, identity }
}

function parseTransport(text: string | undefined): SendOptions['transport'] {
  if (text === undefined) return undefined
  const transport = TRANSPORTS.find(name => name === text)
  if (transport === undefined) {
    throw new WarpError('ERR_WARP_USAGE', `--transport takes ${TRANSPORTS.join(', ')}, not '${text}'`)
  }
  return transport
}

/**
 * Refuses options that mean nothing here.
 * @param why where they do not apply: `with --archive`
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function refuseOptions(args: Arguments, names: readonly string[], why: string, hint?: string): void {
  const given = names.find(name => args.flag(name))
  if (given !== undefined) throw new WarpError('ERR_WARP_USAGE', `--${given} does nothing ${why}`, { hint: hint ?? `leave out --${given}` })
}
