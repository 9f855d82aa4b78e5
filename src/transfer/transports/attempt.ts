/** An attempt to connect: how it ends in time, and what its failures are called. */
import { isIPv6 } from 'node:net'
import { WarpError } from '../../base/errors.ts'

export function hostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

export function unreachable(place: string, error: unknown): WarpError {
  if (error instanceof WarpError) return error
  const { code, message } = error as NodeJS.ErrnoException
  const reason = typeof error === 'string' ? error : code === 'ECONNREFUSED' ? 'nobody listens there' : message || code || String(error)
  return new WarpError('ERR_WARP_PEER_UNREACHABLE', `cannot connect to ${place}: ${reason}`, { cause: error })
}

export function anotherCertificate(place: string): WarpError {
  return new WarpError('ERR_WARP_PEER_AUTH', `what listens at ${place} shows another certificate than the ticket names`, {
    hint: 'something stands in between, or the ticket is an old one: ask for a new ticket',
  })
}

export function listenError(place: string, error: unknown): WarpError {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'EADDRINUSE' ? 'the port is in use' : code === 'EACCES' ? 'not permitted' : code === 'EADDRNOTAVAIL' ? 'no such address here' : message
  return new WarpError('ERR_WARP_USAGE', `cannot listen on ${place}: ${reason}`, { cause: error, hint: 'name another port, or 0 for any' })
}

/**
 * Runs an attempt that must settle within `timeoutMs` and ends with `signal`.
 * @param start begins it, and returns what lets go of all that it holds: called once unless it resolves
 */
export function settleWithin<T>(
  timeoutMs: number,
  place: string,
  signal: AbortSignal | undefined,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    let drop: (() => unknown) | null = null
    let isSettled = false
    const settle = (): boolean => {
      if (isSettled) return false
      isSettled = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      return true
    }
    const fail = (error: unknown): void => {
      if (!settle()) return
      drop?.()
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    const onAbort = (): void => fail(signal!.reason)
    const timer = setTimeout(() => fail(unreachable(place, `no answer within ${timeoutMs} ms`)), timeoutMs)
    signal?.addEventListener('abort', onAbort)
    const begun = start((value) => {
      if (settle()) resolve(value)
    }, fail)
    if (isSettled) begun()
    else drop = begun
  })
}
