/** What a user can do next when the other side, or the way to it, fails; where the failure itself does not say. */
import { WarpError, type CodeOf } from '../base/errors.ts'

const AGAIN = 'run the same command again on both sides: it goes on where it stopped'
const TOLD_THERE = 'the other side says what is wrong with it'

const HINTS: Readonly<Record<CodeOf<'peer'>, string>> = {
  ERR_WARP_PEER_UNREACHABLE: 'see that the other side runs, and that no firewall is in between; with --wait it is waited for longer',
  ERR_WARP_PEER_LOST: AGAIN,
  ERR_WARP_PEER_SILENT: AGAIN,
  ERR_WARP_PEER_AUTH: 'take the ticket anew from the other side, whole and as it is printed now',
  ERR_WARP_PEER_UNKNOWN: 'do not go on before you know why: ask the person at the other side for the key',
  ERR_WARP_PEER_PROTOCOL: 'see that both sides run the same version of warp; if they do, do not trust the other side',
  ERR_WARP_PEER_VERSION: 'bring both sides to the same version of warp',
  ERR_WARP_PEER_FAILED: TOLD_THERE,
  ERR_WARP_PEER_REFUSED: TOLD_THERE,
  ERR_WARP_TICKET_USED: 'a ticket is for one transfer: take a new one from the other side, or start it with --keep',
  ERR_WARP_TICKET_EXPIRED: 'take a new ticket from the other side; --expires makes one last longer',
  ERR_WARP_TICKET_BUSY: 'wait until the other transfer is over, or start the other side with --keep',
  ERR_WARP_CODE_WRONG: 'let the other side make a new code',
  ERR_WARP_TRANSPORT_UNAVAILABLE: 'warp doctor shows which transports work here',
}

/** `error` with a hint, if it is a failure of the peer that has none of its own. */
export function withPeerHint(error: unknown): unknown {
  if (!(error instanceof WarpError) || error.class !== 'peer' || error.hint !== undefined) return error
  const { code, message, path, offset, cause } = error
  return new WarpError(code, message, { hint: HINTS[code as CodeOf<'peer'>], path, offset, cause: cause ?? error })
}
