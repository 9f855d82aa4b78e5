/** The handshake as meetings run it: under an abort signal, and with a look at whose key the peer has shown. */
import { WarpError, asWarpError } from '../../base/errors.ts'
import type { Connection } from '../transports/connection.ts'
import { initiate, respond, type Authenticated, type HandshakeOptions, type HandshakeSecret, type Refusal } from '../handshake/handshake.ts'
import { KnownPeers } from './known-peers.ts'
import type { OwnTicket } from './listener-record.ts'
import type { Admission } from './admission.ts'
import type { MeetingOptions } from './met.ts'
import type { Greeting } from './reception.ts'
import { causeOf } from './retry.ts'

function handshakeOptions({ role, identity, transferId }: MeetingOptions): HandshakeOptions {
  return { role, identity: identity ?? null, transferId }
}

/**
 * Says early what would be wrong with the known peers whoever came.
 * @throws {WarpError} ERR_WARP_USAGE: the name, or the file
 */
export function checkKnownPeers({ peer, knownPeersFile }: MeetingOptions): void {
  if (peer === undefined) return
  try {
    new KnownPeers(knownPeersFile).check(peer, null)
  } catch (error) {
    if (asWarpError(error).code !== 'ERR_WARP_PEER_UNKNOWN') throw error
  }
}

/** Whether `signer` is the key that the peer has to show; null: it is. */
function judgeKey({ peer, knownPeersFile }: MeetingOptions, signer: Uint8Array | null): WarpError | null {
  if (peer === undefined) return null
  try {
    new KnownPeers(knownPeersFile).check(peer, signer)
    return null
  } catch (error) {
    return asWarpError(error)
  }
}

/** Keeps the key of a peer that was judged, the first time. */
function rememberKey({ peer, knownPeersFile }: MeetingOptions, { peerSigner, connection }: Authenticated): void {
  if (peer === undefined) return
  try {
    new KnownPeers(knownPeersFile).remember(peer, peerSigner!)
  } catch (error) {
    connection.close()
    throw error
  }
}

/**
 * Proves `secret` to who listens. The connection is closed if that fails.
 * @throws {WarpError} as `initiate`; ERR_WARP_PEER_UNKNOWN; ERR_WARP_OUTPUT: its key cannot be kept; ERR_WARP_INTERRUPTED
 */
export async function introduce(connection: Connection, secret: HandshakeSecret, options: MeetingOptions, signal: AbortSignal | undefined): Promise<Greeting> {
  const authenticated = await closingOn(connection, signal, initiate(connection, secret, handshakeOptions(options)))
  const unknown = judgeKey(options, authenticated.peerSigner)
  if (unknown) {
    connection.close()
    throw unknown
  }
  rememberKey(options, authenticated)
  return { authenticated, peerName: options.peer ?? null }
}

export interface WelcomeOptions {
  meeting: MeetingOptions
  /** Called with the id that the peer names, before it has proved anything. */
  find: (id: Uint8Array) => HandshakeSecret | Refusal | null
  /** Looks at the transfer of a peer that has proved itself. */
  judge: (transferId: Uint8Array) => WarpError | null
  /** The peer knows the secret, and is not who it should be, or its key cannot be kept. */
  onUnknown: (error: WarpError) => void
}

/** Lets who has connected prove itself. The connection is closed if that fails. */
export async function welcome(connection: Connection, { meeting, find, judge, onUnknown }: WelcomeOptions): Promise<Greeting> {
  const authenticated = await respond(connection, find, {
    ...handshakeOptions(meeting),
    judge: (peer) => {
      const unknown = judgeKey(meeting, peer.signer)
      if (unknown) onUnknown(unknown)
      // Who is unknown may not bind the ticket.
      return unknown ?? judge(peer.transferId)
    },
  })
  try {
    rememberKey(meeting, authenticated)
  } catch (error) {
    onUnknown(asWarpError(error))
    throw error
  }
  return { authenticated, peerName: meeting.peer ?? null }
}

/** `welcome` to the holders of tickets. */
export function welcomeByTicket(
  connection: Connection, admission: Admission, meeting: MeetingOptions, onUnknown: (error: WarpError) => void, isFull: () => boolean,
): Promise<Greeting> {
  let ticket: OwnTicket | undefined
  return welcome(connection, {
    meeting,
    onUnknown,
    find: (id) => {
      const found = admission.find(id)
      ticket = found?.ticket
      return found?.secret ?? null
    },
    judge: (transferId) => {
      if (isFull()) return new WarpError('ERR_WARP_TICKET_BUSY', 'there are too many transfers at once')
      return admission.judge(ticket!, transferId)
    },
  })
}

/** `work` on `connection`, which an abort ends by closing it. */
async function closingOn(connection: Connection, signal: AbortSignal | undefined, work: Promise<Authenticated>): Promise<Authenticated> {
  const onAbort = (): void => connection.close()
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    return await work
  } catch (error) {
    throw causeOf(error, signal)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
