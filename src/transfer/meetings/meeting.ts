/** How the two sides of a transfer find each other, again and again until it is done: one way each in `meetings/`. */
import { WarpError } from '../../base/errors.ts'
import { openCodeGuest } from './code-guest.ts'
import { openCodeHost } from './code-host.ts'
import { openDialMeeting } from './dial.ts'
import { checkKnownPeers } from './greeting.ts'
import { openListenMeeting } from './listen.ts'
import type { Meeting, MeetingOptions } from './met.ts'
import { openPipeMeeting } from './pipe.ts'
import { interruption } from './retry.ts'
import { openSshMeeting } from './ssh.ts'

export type { Meeting, MeetingOptions, Met } from './met.ts'

/**
 * Begins to meet: what listens does so, and has told its ticket or its code, when this resolves; what connects does
 * so in `next`.
 * @throws {WarpError} ERR_WARP_USAGE: the ticket, the code, the destination, the name of the peer or the address to
 *   listen on will not do; ERR_WARP_OUTPUT: the listener's record cannot be kept; ERR_WARP_TRANSPORT_UNAVAILABLE
 */
export async function openMeeting(options: MeetingOptions): Promise<Meeting> {
  const { meet, signal, waitMs } = options
  if (signal?.aborted) throw interruption(signal)
  if (waitMs !== undefined && !(waitMs >= 0)) throw new WarpError('ERR_WARP_USAGE', 'the time to wait is not a number of milliseconds')
  checkKnownPeers(options)
  switch (meet.way) {
    case 'listen': return await openListenMeeting(options, meet)
    case 'ticket': return await openDialMeeting(options, meet.ticket)
    case 'code': return await (meet.code === null ? openCodeHost(options, meet.onCode) : openCodeGuest(options, meet.code))
    case 'ssh': return await openSshMeeting(options, meet)
    case 'pipe': return await openPipeMeeting(options, meet)
  }
}
