/** warp as a library: archives of file trees. Nothing here prints or ends the process. */
import type { ReceiveOptions, SendOptions, TransferResult } from './transfer/types.ts'

export { WarpError, EXIT, type ErrorCode, type ErrorClass } from './base/errors.ts'
export { create } from './archive/create.ts'
export { open, Archive } from './archive/open.ts'
export { list } from './archive/list.ts'
export { extract } from './archive/extract.ts'
export { verify } from './archive/verify.ts'
export { diff } from './archive/diff.ts'
export { recover } from './archive/recover.ts'
export { doctor, type Diagnosis, type DoctorOptions } from './archive/doctor.ts'
export { generateIdentity, readIdentity, formatIdentity, parseRecipient, parseSigner, formatRecipient, formatSigner } from './archive/identity.ts'
export { displayPath } from './format/path.ts'
export type * from './archive/types.ts'
export type * from './transfer/types.ts'
export type { TransportKind } from './transfer/transports/connection.ts'

// What transfers is as much code as all else: who makes archives does not wait for it to load.

/**
 * Sends to one peer, over as many connections as it takes; with `keep`, to many.
 * @throws {WarpError} class peer: the connection, or what the other side says; class usage, incomplete, …: this side
 */
export async function send(options: SendOptions): Promise<TransferResult> {
  return await (await import('./transfer/send.ts')).send(options)
}

/**
 * Receives from one peer; with `keep`, from many at once.
 * @throws {WarpError} class peer: the connection, or what the other side says or does; class output, …: this side
 */
export async function receive(options: ReceiveOptions): Promise<TransferResult> {
  return await (await import('./transfer/receive.ts')).receive(options)
}
