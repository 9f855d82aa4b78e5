/**
 * The handshake: two sides that share a secret of 32 bytes prove to each other that they do, over any connection,
 * and come to session keys that the secret alone does not give. Noise's NNpsk pattern with signatures inside.
 *
 * Integers are little-endian, lengths fixed. A message begins with `u8 type ‖ u8 version = 1 ‖ u8 a ‖ u8 b`.
 * Instead of any message an alert may come, which ends the handshake (turns.ts). Nobody speaks out of turn; only
 * after ACCEPT the responder goes on at once.
 *
 * | HELLO: initiator → responder | offset | bytes | |
 * |---|---|---|---|
 * | head | 0 | 4 | type 1; a = kind of secret, 1 ticket, 2 code; b = own role, 1 sends, 2 receives |
 * | id | 4 | 16 | which secret is meant |
 * | share | 20 | 32 | X25519 public key, made for this handshake |
 * | mac | 52 | 32 | keyed BLAKE3 under K_hello of H1 |
 *
 * | ANSWER: responder → initiator | offset | bytes | |
 * |---|---|---|---|
 * | head | 0 | 4 | type 2; a = 0; b = own role |
 * | share | 4 | 32 | X25519 public key, made for this handshake |
 * | card | 36 | 132 | sealed under K_answer |
 *
 * | PROOF: initiator → responder | offset | bytes | |
 * |---|---|---|---|
 * | head | 0 | 4 | type 3; a = b = 0 |
 * | card | 4 | 132 | sealed under K_proof |
 *
 * | ACCEPT: responder → initiator | offset | bytes | |
 * |---|---|---|---|
 * | head | 0 | 4 | type 4; a = b = 0 |
 * | verdict | 4 | 20 | sealed under K_accept: u16 refusal ‖ u16 zero |
 *
 * | card, before it is sealed | offset | bytes | |
 * |---|---|---|---|
 * | refusal | 0 | 2 | 0, or why not: a close code (peer-codes.ts); only in ANSWER |
 * | identity | 2 | 1 | 1: the next but one and the last field are there, 0: they are zero |
 * | zero | 3 | 1 | 0 |
 * | transfer | 4 | 16 | of the transfer to begin or to resume |
 * | signer | 20 | 32 | Ed25519 public key, not of small order |
 * | signature | 52 | 64 | Ed25519 of `"warp-transfer 1 " ‖ "initiator" or "responder" ‖ " signature" ‖ H ‖ the 52 bytes before` |
 *
 * A card that refuses is zero but for the refusal. Sealing: ChaCha20-Poly1305, nonce zero (each key seals one
 * message), no associated data (the keys stand for all that was said), 16 bytes of tag at the end.
 *
 * Transcript, H(x) = BLAKE3, D(context, x) = BLAKE3 in derive-key mode with "warp-transfer 1 " before the context:
 *
 * - H0 = D("transcript", F_I ‖ F_R): SHA-256 of the certificates of initiator and responder, as each side has its
 *   own and sees the other's; zeros where there is none. A man in the middle has another certificate.
 * - H1 = H(H0 ‖ HELLO before its mac); H2 = H(H(H1 ‖ mac) ‖ ANSWER before its card); the responder signs H2
 * - H3 = H(H(H2 ‖ card) ‖ head of PROOF), which the initiator signs
 * - H4 = H(H(H3 ‖ card) ‖ head of ACCEPT); H5 = H(H4 ‖ verdict)
 *
 * Keys: K_hello = D("hello", psk). S = D("handshake secret", psk ‖ X25519 ‖ H2); all-zero X25519 is refused.
 * K_answer = D("answer", S ‖ H2), K_proof = D("proof", S ‖ H3), K_accept = D("accept", S ‖ H4); of the session
 * D("session initiator", S ‖ H5) for what the initiator writes, D("session responder", S ‖ H5) for the rest.
 *
 * Forward secrecy: both X25519 secrets are made anew and wiped; who learns psk later has recorded nothing to use.
 * Without psk nobody gets an answer: the mac is checked first, at the cost of a few short hashes and of memory for
 * one message. A replayed HELLO gets an ANSWER that its sender cannot open. Who sees the identities knows psk.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { WarpError } from '../../base/errors.ts'
import { KEY_BYTES } from '../../base/limits.ts'
import type { Identity } from '../../codec/identity.ts'
import { x25519Public, x25519Shared } from '../../codec/x25519.ts'
import type { Connection } from '../transports/connection.ts'
import {
  ACCEPT, ACCEPT_BYTES, ANSWER, ANSWER_BODY_BYTES, ANSWER_BYTES, HELLO, HELLO_BODY_BYTES, HELLO_BYTES, PROOF, PROOF_BYTES,
  SECRET_ID_BYTES, TRANSFER_ID_BYTES, Transcript, checkHead, head, helloMac, keyFor, openCard, openVerdict, roleClash, sealCard,
  sealVerdict, type Peer,
} from './handshake-messages.ts'
import { HANDSHAKE_DEADLINE_MS, HEAD_BYTES, inTurns, malformed, type Turns } from './turns.ts'

export interface HandshakeSecret {
  kind: 'ticket' | 'code'
  /** 32 bytes, of the secret of a ticket or of the PAKE. */
  psk: Uint8Array
  /** 16 bytes that tell a listener which secret is meant; derived, and not secret. */
  id: Uint8Array
}

/** A secret that is known but does not do, such as that of a used ticket. Only who proves to know it is told why. */
export interface Refusal {
  secret: HandshakeSecret
  error: WarpError
}

export interface HandshakeOptions {
  role: 'send' | 'receive'
  /** Its Ed25519 key signs the transcript; null: shows none. */
  identity: Identity | null
  /** 16 bytes; of the transfer to begin or to resume. */
  transferId: Uint8Array
  /** For all of the handshake, milliseconds. */
  deadlineMs?: number
}

export interface RespondOptions extends HandshakeOptions {
  /** Looks at who came, before it is accepted; what this gives is thrown, and told to the peer. */
  judge?: (peer: Peer) => WarpError | null
}

export interface Authenticated {
  connection: Connection
  /** 32 bytes each. */
  sessionKeys: { send: Uint8Array; receive: Uint8Array }
  /** The TLS of the connection ends at the peer itself. */
  isBound: boolean
  /** Ed25519 public key, 32 bytes; null: it shows none. */
  peerSigner: Uint8Array | null
  /** 16 bytes. */
  peerTransferId: Uint8Array
  /** H5, 32 bytes; the same on both sides, and of no other handshake. */
  transcript: Uint8Array
  /** Bytes that came beyond the handshake. */
  leftover: Uint8Array
}

const KINDS = { ticket: 1, code: 2 }
const ROLES = { send: 1, receive: 2 }

/** The error of a proof that failed, on both sides. */
function proofError(kind: 'ticket' | 'code'): WarpError {
  if (kind === 'code') {
    return new WarpError('ERR_WARP_CODE_WRONG', 'the code is wrong, or somebody is in between', { hint: 'let the other side make a new code' })
  }
  return new WarpError('ERR_WARP_PEER_AUTH', 'the peer does not know the secret of the ticket, or somebody is in between')
}

function checkOptions({ transferId }: HandshakeOptions): void {
  if (transferId.length !== TRANSFER_ID_BYTES) throw new RangeError('a transfer id has 16 bytes')
}

function checkSecret({ psk, id }: HandshakeSecret): void {
  if (psk.length !== KEY_BYTES || id.length !== SECRET_ID_BYTES) throw new RangeError('a secret has 32 bytes, its id 16')
}

/** S, of the secret known before and the one that only this handshake has. */
function handshakeSecret(psk: Uint8Array, ephemeral: Uint8Array, share: Uint8Array, transcript: Transcript): Uint8Array {
  const shared = x25519Shared(ephemeral, share)
  ephemeral.fill(0)
  if (shared === null) throw malformed('the share of the peer is none')
  const both = Buffer.concat([psk, shared])
  const secret = keyFor('handshake secret', both, transcript)
  shared.fill(0)
  both.fill(0)
  return secret
}

/** `root` is used up. */
function finished(turns: Turns, connection: Connection, isInitiator: boolean, root: Uint8Array, transcript: Transcript, peer: Peer): Authenticated {
  const ofInitiator = keyFor('session initiator', root, transcript)
  const ofResponder = keyFor('session responder', root, transcript)
  root.fill(0)
  return {
    connection,
    sessionKeys: isInitiator ? { send: ofInitiator, receive: ofResponder } : { send: ofResponder, receive: ofInitiator },
    // Both have the same: whoever has TLS with the initiator holds the key of the responder's certificate.
    isBound: (isInitiator ? connection.remoteFingerprint : connection.localFingerprint) !== null,
    peerSigner: peer.signer,
    peerTransferId: peer.transferId,
    transcript: transcript.value,
    leftover: turns.leftover,
  }
}

/**
 * Begins the handshake. The connection is closed if it fails.
 * With a code, all but success and a refusal spend it: whoever answers has had one guess, and may just have gone.
 * @throws {WarpError} ERR_WARP_PEER_AUTH, or ERR_WARP_CODE_WRONG with a code: either side's proof failed;
 *   ERR_WARP_TICKET_USED, _EXPIRED, _BUSY, ERR_WARP_PEER_REFUSED: the peer, authenticated, refuses;
 *   ERR_WARP_PEER_PROTOCOL, _VERSION, _LOST, _SILENT
 */
export async function initiate(connection: Connection, secret: HandshakeSecret, options: HandshakeOptions): Promise<Authenticated> {
  checkOptions(options)
  checkSecret(secret)
  const { role } = options
  return await inTurns(connection, options.deadlineMs ?? HANDSHAKE_DEADLINE_MS, async (turns) => {
    turns.proofError = () => proofError(secret.kind)
    const transcript = Transcript.of(connection, true)
    const ephemeral = randomBytes(KEY_BYTES)
    const hello = Buffer.concat([head(HELLO, KINDS[secret.kind], ROLES[role]), secret.id, x25519Public(ephemeral)])
    const mac = helloMac(secret.psk, transcript.add(hello))
    await turns.write(Buffer.concat([hello, mac]))

    const answer = await turns.read(ANSWER, ANSWER_BYTES)
    transcript.add(mac).add(answer.subarray(0, ANSWER_BODY_BYTES))
    const root = handshakeSecret(secret.psk, ephemeral, answer.subarray(HEAD_BYTES, ANSWER_BODY_BYTES), transcript)
    const card = answer.subarray(ANSWER_BODY_BYTES)
    const opened = openCard(keyFor('answer', root, transcript), card, { side: 'responder', transcript, proofError: turns.proofError })
    if (answer[3] === ROLES[role]) throw roleClash(role)
    checkHead(answer, ANSWER, 0, ROLES[role === 'send' ? 'receive' : 'send'])
    if (opened instanceof WarpError) throw opened

    const proofHead = head(PROOF)
    transcript.add(card).add(proofHead)
    const { identity, transferId } = options
    const proof = sealCard(keyFor('proof', root, transcript), { side: 'initiator', identity, transferId, transcript, refusal: null })
    await turns.write(Buffer.concat([proofHead, proof]))

    const accept = await turns.read(ACCEPT, ACCEPT_BYTES, true)
    checkHead(accept, ACCEPT)
    transcript.add(proof).add(head(ACCEPT))
    const verdict = accept.subarray(HEAD_BYTES)
    openVerdict(keyFor('accept', root, transcript), verdict, turns.proofError)
    transcript.add(verdict)
    return finished(turns, connection, true, root, transcript, opened)
  })
}

/**
 * Answers a handshake. The connection is closed if it fails.
 * @param find the secret of an id; null: there is none. Called once, before anything is proved.
 * @throws {WarpError} ERR_WARP_PEER_AUTH, or ERR_WARP_CODE_WRONG with a code, which is then spent: the peer's proof failed;
 *   the error of a refusal, of `find` or of `judge`; ERR_WARP_PEER_REFUSED: both sides have the same role;
 *   ERR_WARP_PEER_PROTOCOL, _VERSION, _LOST, _SILENT
 */
export async function respond(
  connection: Connection, find: (id: Uint8Array) => HandshakeSecret | Refusal | null, options: RespondOptions,
): Promise<Authenticated> {
  checkOptions(options)
  const { role, identity, transferId } = options
  return await inTurns(connection, options.deadlineMs ?? HANDSHAKE_DEADLINE_MS, async (turns) => {
    const hello = await turns.read(HELLO, HELLO_BYTES)
    const [, , theirKind, theirRole] = hello
    if (theirRole !== ROLES.send && theirRole !== ROLES.receive) throw malformed('the peer has no role')
    const found = find(hello.subarray(HEAD_BYTES, HEAD_BYTES + SECRET_ID_BYTES))
    // An id that is not known, and a proof that is wrong, look the same from outside.
    if (found === null) throw proofError('ticket')
    const secret = 'secret' in found ? found.secret : found
    checkSecret(secret)
    turns.proofError = () => proofError(secret.kind)
    const transcript = Transcript.of(connection, false).add(hello.subarray(0, HELLO_BODY_BYTES))
    const mac = hello.subarray(HELLO_BODY_BYTES)
    if (theirKind !== KINDS[secret.kind] || !timingSafeEqual(mac, helloMac(secret.psk, transcript))) throw turns.proofError()

    const ephemeral = randomBytes(KEY_BYTES)
    const body = Buffer.concat([head(ANSWER, 0, ROLES[role]), x25519Public(ephemeral)])
    transcript.add(mac).add(body)
    const share = hello.subarray(HEAD_BYTES + SECRET_ID_BYTES, HELLO_BODY_BYTES)
    const root = handshakeSecret(secret.psk, ephemeral, share, transcript)
    const refusal = theirRole === ROLES[role] ? roleClash(role) : 'secret' in found ? found.error : null
    const card = sealCard(keyFor('answer', root, transcript), { side: 'responder', identity, transferId, transcript, refusal })
    await turns.write(Buffer.concat([body, card]))
    turns.isRefusing = refusal !== null
    if (refusal) throw refusal

    const proof = await turns.read(PROOF, PROOF_BYTES)
    checkHead(proof, PROOF)
    transcript.add(card).add(head(PROOF))
    const theirCard = proof.subarray(HEAD_BYTES)
    const peer = openCard(
      keyFor('proof', root, transcript), theirCard, { side: 'initiator', transcript, proofError: turns.proofError })
    if (peer instanceof WarpError) throw malformed('the peer refuses what it began')

    const verdict = options.judge?.(peer) ?? null
    const acceptHead = head(ACCEPT)
    transcript.add(theirCard).add(acceptHead)
    const accept = sealVerdict(keyFor('accept', root, transcript), verdict)
    await turns.write(Buffer.concat([acceptHead, accept]))
    turns.isRefusing = verdict !== null
    if (verdict) throw verdict
    transcript.add(accept)
    return finished(turns, connection, false, root, transcript, peer)
  })
}
