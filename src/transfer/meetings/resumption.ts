/**
 * The secret by which two sides that met by a code meet again. A code is good for one guess, so that it is not
 * used again where that can be avoided; what both have instead comes from the keys of their first session:
 *
 * - psk = D("resumption", K_i ‖ K_r ‖ H5), 32 bytes, with D as in handshake.ts, K_i and K_r the session keys of what
 *   initiator and responder write, H5 the transcript
 * - id = D("resumption id", psk), its first 16 bytes
 *
 * It is a secret of kind 'ticket': of full strength, so that any number of proofs may fail. It authenticates
 * handshakes, which have keys of their own: who learns it later can read nothing of what was sent, neither before,
 * since D cannot be undone, nor afterwards, unless it stands in between.
 */
import { deriveKey } from '../../codec/blake3.ts'
import type { Authenticated, HandshakeSecret } from '../handshake/handshake.ts'

const ID_BYTES = 16

/** @param isInitiator of the handshake, the side that asks */
export function resumptionSecret({ sessionKeys: { send, receive }, transcript }: Authenticated, isInitiator: boolean): HandshakeSecret {
  const keys = Buffer.concat([...(isInitiator ? [send, receive] : [receive, send]), transcript])
  const psk = deriveKey('warp-transfer 1 resumption', keys)
  keys.fill(0)
  return { kind: 'ticket', psk, id: deriveKey('warp-transfer 1 resumption id', psk).subarray(0, ID_BYTES) }
}
