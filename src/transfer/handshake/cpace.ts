/**
 * CPace, a PAKE: two sides with the same code come to a secret of full strength, and who has another code learns
 * nothing but that. Source: draft-irtf-cfrg-cpace-21, suite CPACE-RISTR255-SHA512, initiator and responder; names are
 * the draft's.
 *
 * The initiator sends `u8 type 6 ‖ u8 version = 1 ‖ u16 zero ‖ Ya` (36 bytes), the responder answers with
 * `u8 type 7 ‖ u8 version = 1 ‖ u16 zero ‖ Yb`, or an alert comes (turns.ts). The handshake with the secret of kind
 * 'code' follows on the same connection, begun by the same side: it is the key confirmation.
 *
 * - PRS: the secret words, `word-word-word`
 * - CI: lv_cat("warp-transfer 1 code", first word, F_I, F_R), the fingerprints as in the handshake
 * - ADa, ADb: the four bytes before Ya and Yb
 * - sid: empty; sid_output (§10.6) takes its place: its first 16 bytes are the id of the secret
 * - psk = BLAKE3 derive-key("warp-transfer 1 code", ISK)
 *
 * **Guesses.** A stranger who connects has guessed when its HELLO comes and the proof in it fails: the responder's
 * `respond` throws ERR_WARP_CODE_WRONG, and the code is burnt. Nothing before shows it whether it is right, so that
 * one who only connects and goes has learned nothing. The initiator proves first: whatever comes of its `initiate`,
 * save success and an authenticated refusal, who answered has had one guess. At most one exchange with a code may be
 * under way at a time.
 */
import { createHash, randomBytes } from 'node:crypto'
import { ID_BYTES } from '../../base/limits.ts'
import { deriveKey } from '../../codec/blake3.ts'
import { loadPortable } from '../../codec/native.ts'
import { ByteWriter, isZero } from '../../format/cursor.ts'
import type { CodePhrase } from '../meetings/code-phrase.ts'
import type { Connection } from '../transports/connection.ts'
import type { HandshakeSecret } from './handshake.ts'
import { SECRET_ID_BYTES, checkHead, head } from './handshake-messages.ts'
import { HANDSHAKE_DEADLINE_MS, HEAD_BYTES, inTurns, malformed } from './turns.ts'

type Curves = typeof import('@noble/curves/ed25519.js')
/** A point of ristretto255. */
type Point = InstanceType<Curves['ristretto255']['Point']>

const SHARE_A = 6
const SHARE_B = 7
const SHARE_BYTES = 32
const MESSAGE_BYTES = HEAD_BYTES + SHARE_BYTES

const DSI = Buffer.from('CPaceRistretto255')
const DSI_ISK = Buffer.from('CPaceRistretto255_ISK')
const SID_OUTPUT = Buffer.from('CPaceSidOutput')
/** Input block of SHA-512. */
const S_IN_BYTES = 128

function curves(): Curves {
  return loadPortable('@noble/curves/ed25519.js') as Curves
}

function sha512(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** §6.3: each with its length before it, in LEB128. */
export function lvCat(...parts: Uint8Array[]): Uint8Array {
  const writer = new ByteWriter()
  for (const part of parts) writer.string(part)
  return writer.take()
}

/** §8.1 */
export function generatorString(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Uint8Array {
  const padding = Math.max(0, S_IN_BYTES - lvCat(prs).length - lvCat(DSI).length - 1)
  return lvCat(DSI, prs, new Uint8Array(padding), ci, sid)
}

/** §8.3 */
export function calculateGenerator(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Point {
  return curves().ristretto255_hasher.deriveToCurve!(sha512(generatorString(prs, ci, sid)))
}

/** §8.3: 252 random bits, little-endian. */
export function sampleScalar(): Uint8Array {
  const scalar = randomBytes(SHARE_BYTES)
  scalar[SHARE_BYTES - 1] &= 0x0f
  return scalar
}

function toInteger(scalar: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(scalar).reverse().toString('hex')}`)
}

/** @returns the encoded point, 32 bytes */
export function scalarMult(scalar: Uint8Array, point: Point): Uint8Array {
  return point.multiply(toInteger(scalar)).toBytes()
}

/**
 * §8.3
 * @param share as it came from the peer, 32 bytes
 * @returns K; null (G.I of the draft): it is no encoding of a point, or comes to the neutral element
 */
export function scalarMultVfy(scalar: Uint8Array, share: Uint8Array): Uint8Array | null {
  let point: Point
  try {
    point = curves().ristretto255.Point.fromBytes(share)
  } catch {
    return null
  }
  // Of a group of prime order only the neutral element itself leads to the neutral element.
  if (point.is0()) return null
  const k = scalarMult(scalar, point)
  return isZero(k) ? null : k
}

/** §7.2, ISK of 64 bytes, and §10.6; `transcript` is transcript_ir. */
export function sessionKey(sid: Uint8Array, k: Uint8Array, transcript: Uint8Array): { isk: Uint8Array, sidOutput: Uint8Array } {
  return { isk: sha512(lvCat(DSI_ISK, sid, k), transcript), sidOutput: sha512(SID_OUTPUT, transcript) }
}

const NO_SID = new Uint8Array(0)

function begin(code: CodePhrase, initiator: Uint8Array | null, responder: Uint8Array | null): { scalar: Uint8Array, share: Uint8Array } {
  const none = new Uint8Array(ID_BYTES)
  const ci = lvCat(Buffer.from('warp-transfer 1 code'), Buffer.from(code.channel), initiator ?? none, responder ?? none)
  const scalar = sampleScalar()
  return { scalar, share: scalarMult(scalar, calculateGenerator(Buffer.from(code.secret), ci, NO_SID)) }
}

/** `scalar` is used up. */
function finish(scalar: Uint8Array, theirShare: Uint8Array, messages: { a: Uint8Array, b: Uint8Array }): HandshakeSecret {
  const k = scalarMultVfy(scalar, theirShare)
  scalar.fill(0)
  if (k === null) throw malformed('the share of the peer is none')
  const parts = [messages.a, messages.b].flatMap((message) => [message.subarray(HEAD_BYTES), message.subarray(0, HEAD_BYTES)])
  const { isk, sidOutput } = sessionKey(NO_SID, k, lvCat(...parts))
  const psk = deriveKey('warp-transfer 1 code', isk)
  k.fill(0)
  isk.fill(0)
  return { kind: 'code', psk, id: sidOutput.subarray(0, SECRET_ID_BYTES) }
}

/**
 * Comes to a secret with whoever answers, as the side that then calls `initiate`. The connection is closed if it fails,
 * which spends nothing; that it succeeds does not say that the codes are the same.
 * @param deadlineMs milliseconds
 * @throws {WarpError} ERR_WARP_PEER_PROTOCOL, _VERSION, _LOST, _SILENT
 */
export async function agreeAsInitiator(connection: Connection, code: CodePhrase, deadlineMs = HANDSHAKE_DEADLINE_MS): Promise<HandshakeSecret> {
  return await inTurns(connection, deadlineMs, async (turns) => {
    const { scalar, share } = begin(code, connection.localFingerprint, connection.remoteFingerprint)
    const a = Buffer.concat([head(SHARE_A), share])
    await turns.write(a)
    const b = await turns.read(SHARE_B, MESSAGE_BYTES)
    checkHead(b, SHARE_B)
    return finish(scalar, b.subarray(HEAD_BYTES), { a, b })
  })
}

/** As `agreeAsInitiator`, for the side that then calls `respond`: only what that throws can spend the code. */
export async function agreeAsResponder(connection: Connection, code: CodePhrase, deadlineMs = HANDSHAKE_DEADLINE_MS): Promise<HandshakeSecret> {
  return await inTurns(connection, deadlineMs, async (turns) => {
    const a = await turns.read(SHARE_A, MESSAGE_BYTES)
    checkHead(a, SHARE_A)
    const { scalar, share } = begin(code, connection.remoteFingerprint, connection.localFingerprint)
    const b = Buffer.concat([head(SHARE_B), share])
    const secret = finish(scalar, a.subarray(HEAD_BYTES), { a, b })
    await turns.write(b)
    return secret
  })
}
