/** The sessions of a transfer: one for each connection, until it is complete; with `keep`, of many transfers at once. */
import { setMaxListeners } from 'node:events'
import { WarpError, asWarpError } from '../base/errors.ts'
import { Channel } from './channel/channel.ts'
import { MAX_MESSAGE_BYTES } from './messages.ts'
import { withPeerHint } from './peer-hints.ts'
import { openMeeting } from './meetings/meeting.ts'
import type { Meeting, Met } from './meetings/met.ts'
import type { SendOptions, ReceiveOptions, TransferResult } from './types.ts'

/** What the peer may have under way: of a receiver, all that can be lost and must be sent again. */
export const RECEIVE_WINDOW_BYTES = 40 * 2 ** 20
/** A sender is told little: one message. */
export const SEND_WINDOW_BYTES = MAX_MESSAGE_BYTES + 4096

/** How long one that has all waits for the peer to hear of it, over the same connection and over another. */
const LINGER_MS = 10_000
const SAY_AGAIN_MS = 30_000
/** Transfers at once, with `keep`. */
const MAX_SESSIONS = 256

export interface SessionJob {
  role: 'send' | 'receive'
  options: SendOptions | ReceiveOptions
  transferId: Uint8Array
  subject: string
  /** One session. `complete` is to be called when this side has all, before the peer is told. */
  run: (channel: Channel, met: Met, complete: () => Promise<void>) => Promise<TransferResult>
}

/** @throws {WarpError} why the transfer did not come to its end */
export async function runSessions(job: SessionJob): Promise<TransferResult> {
  const { options, role, transferId, subject } = job
  const keep = options.meet.way === 'listen' && options.meet.keep === true
  // Every session listens to it.
  if (options.signal) setMaxListeners(0, options.signal)
  try {
    const meeting = await openMeeting({ ...options, role, transferId, subject })
    try {
      return keep ? await serveMany(meeting, job) : await serveOne(meeting, job)
    } finally {
      await meeting.close()
    }
  } catch (error) {
    throw withPeerHint(error)
  }
}

async function serveOne(meeting: Meeting, job: SessionJob): Promise<TransferResult> {
  const { onEvent } = job.options
  for (;;) {
    const met = await meeting.next()
    try {
      const { result, isHeard } = await session(meeting, met, job)
      return isHeard ? result : await sayAgain(meeting, job, result)
    } catch (error) {
      const failure = asWarpError(error)
      if (!canGoOn(failure, job)) throw failure
      onEvent?.({ type: 'disconnected', code: failure.code, message: failure.message, retryMs: null })
    }
  }
}

/** The peer may not have heard that all is there: it is waited for, for a while, to be told again. */
async function sayAgain(meeting: Meeting, job: SessionJob, result: TransferResult): Promise<TransferResult> {
  const until = performance.now() + SAY_AGAIN_MS
  for (let isHeard = false; !isHeard && performance.now() < until; ) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, until - performance.now(), null)))
    const coming = meeting.next()
    coming.catch(() => {})
    const met = await Promise.race([coming, late]).catch(() => null).finally(() => clearTimeout(timer))
    if (!met) break
    isHeard = (await session(meeting, met, job).catch(() => null))?.isHeard ?? false
  }
  return result
}

/** Until the signal aborts or the ticket expires. */
async function serveMany(meeting: Meeting, job: SessionJob): Promise<TransferResult> {
  const { onEvent } = job.options
  const running = new Set<Promise<void>>()
  try {
    for (;;) {
      while (running.size >= MAX_SESSIONS) await Promise.race(running)
      const met = await meeting.next().catch((error: unknown) => {
        // That nobody came for a while does not end it.
        if (error instanceof WarpError && error.code === 'ERR_WARP_PEER_UNREACHABLE') return null
        throw error
      })
      if (!met) continue
      const one = session(meeting, met, job)
        .then(({ result }) => onEvent?.({ type: 'completed', result }))
        .catch((error: unknown) => {
          const { code, message } = asWarpError(error)
          onEvent?.({ type: 'failed', code, message })
        })
        .finally(() => running.delete(one))
      running.add(one)
    }
  } finally {
    await Promise.allSettled(running)
  }
}

/** @returns also whether the peer is known to have all that was said */
async function session(meeting: Meeting, met: Met, job: SessionJob): Promise<{ result: TransferResult; isHeard: boolean }> {
  const { authenticated } = met
  const { sessionKeys, isBound, connection } = authenticated
  const { options, role } = job
  const channel = new Channel(authenticated, {
    windowBytes: role === 'receive' ? RECEIVE_WINDOW_BYTES : SEND_WINDOW_BYTES, maxMessageBytes: MAX_MESSAGE_BYTES, seal: isBound ? null : sessionKeys,
  })
  const onAbort = () => void channel.close(new WarpError('ERR_WARP_INTERRUPTED', 'interrupted'))
  options.signal?.addEventListener('abort', onAbort)
  try {
    options.signal?.throwIfAborted()
    options.onEvent?.({ type: 'connected', transport: connection.kind, address: connection.remoteAddress, signer: authenticated.peerSigner })
    const result = await job.run(channel, met, () => meeting.completed(met))
    const isHeard = await ended(channel)
    return { result, isHeard: isHeard || role === 'send' }
  } catch (error) {
    const failure = options.signal?.aborted ? new WarpError('ERR_WARP_INTERRUPTED', 'interrupted', { cause: error }) : asWarpError(error)
    await channel.close(failure)
    throw failure
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    met.release()
  }
}

/** Ends a channel on which all is said. @returns whether the peer has heard all of it */
async function ended(channel: Channel): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, LINGER_MS, false)))
  const isHeard = await Promise.race([Promise.all([channel.end(), untilEnd(channel)]).then(() => true, () => false), late])
  clearTimeout(timer)
  await channel.close()
  return isHeard
}

/** Whoever closed before the other's end is there would take back what it has not read yet. */
async function untilEnd(channel: Channel): Promise<void> {
  for (let message = await channel.receive(); message; message = await channel.receive()) message.release()
}

/** Whether the next connection may go on where this one broke. */
function canGoOn({ code }: WarpError, { options }: SessionJob): boolean {
  if (options.signal?.aborted) return false
  return code === 'ERR_WARP_PEER_LOST' || code === 'ERR_WARP_PEER_SILENT'
}
