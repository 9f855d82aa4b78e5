/** What a meeting leads to: an authenticated peer. */
import type { Authenticated } from '../handshake/handshake.ts'
import type { TransferCommon } from '../types.ts'

/** An authenticated peer, over one connection. */
export interface Met {
  authenticated: Authenticated
  /** The known peer that it was checked to be, else where it is; null where neither is known. */
  peerName: string | null
  /** The session over this connection has ended, well or not: its place may be taken. May be called again. */
  release(): void
}

/** One way to meet the peer, time and again until the transfer is done. */
export interface Meeting {
  /**
   * The next authenticated peer: of a transfer whose connection broke the same one again. Waits up to `waitMs`,
   * listening, or trying again with growing pauses. That it fails does not end the meeting.
   * @throws {WarpError} ERR_WARP_PEER_UNREACHABLE: nobody came; ERR_WARP_PEER_AUTH: wrong secret, which is not tried
   *   again; ERR_WARP_PEER_UNKNOWN: it is not who it should be; ERR_WARP_TICKET_USED, _EXPIRED, _BUSY;
   *   ERR_WARP_CODE_WRONG; ERR_WARP_INTERRUPTED
   */
  next(): Promise<Met>
  /** Its transfer is complete: a ticket for one transfer is used up by it. Durable before it resolves. */
  completed(met: Met): Promise<void>
  /** Lets go of everything; connections that were handed out are their owner's. */
  close(): Promise<void>
}

export interface MeetingOptions extends TransferCommon {
  role: 'send' | 'receive'
  /** 16 bytes; of this side's transfer, kept in its journal. */
  transferId: Uint8Array
  /** What tells this command from others: its absolute target, or its inputs. */
  subject: string
}

export const DEFAULT_WAIT_MS = 600_000

/** Where the peer of `authenticated` is, for display. */
export function placeOf({ connection }: Authenticated): string | null {
  return connection.kind === 'pipe' || connection.kind === 'memory' ? null : connection.remoteAddress
}
