/** The messages of the handshake as bytes, and the transcript that binds them. Layout: handshake.ts. */
import { WarpError } from '../../base/errors.ts'
import { ID_BYTES, KEY_BYTES, TAG_BYTES } from '../../base/limits.ts'
import { NONCE_BYTES, openInto, sealInto } from '../../codec/aead.ts'
import { deriveKey, hash, keyedHash } from '../../codec/blake3.ts'
import type { Identity } from '../../codec/identity.ts'
import { SIGNATURE_BYTES, sign, verifySignature } from '../../codec/signature.ts'
import { isZero } from '../../format/cursor.ts'
import type { Connection } from '../transports/connection.ts'
import { CLOSED_WITHOUT_ERROR, tellPeer, toldByPeer } from '../channel/peer-codes.ts'
import { isSmallOrder } from './small-order.ts'
import { HEAD_BYTES, TRANSFER_VERSION, malformed } from './turns.ts'

export const HELLO = 1
export const ANSWER = 2
export const PROOF = 3
export const ACCEPT = 4

export const SECRET_ID_BYTES = 16
export const TRANSFER_ID_BYTES = 16
const MAC_BYTES = 32
/** What the signature of a card covers of it: refusal, flags, zero, transfer id, signer. */
const SIGNED_BYTES = 4 + TRANSFER_ID_BYTES + ID_BYTES
const CARD_BYTES = SIGNED_BYTES + SIGNATURE_BYTES
const VERDICT_BYTES = 4

/** What the MAC of HELLO covers of it. */
export const HELLO_BODY_BYTES = HEAD_BYTES + SECRET_ID_BYTES + KEY_BYTES
export const HELLO_BYTES = HELLO_BODY_BYTES + MAC_BYTES
/** What of ANSWER is not sealed. */
export const ANSWER_BODY_BYTES = HEAD_BYTES + KEY_BYTES
export const ANSWER_BYTES = ANSWER_BODY_BYTES + CARD_BYTES + TAG_BYTES
export const PROOF_BYTES = HEAD_BYTES + CARD_BYTES + TAG_BYTES
export const ACCEPT_BYTES = HEAD_BYTES + VERDICT_BYTES + TAG_BYTES

/** Every key seals one message. */
const NONCE = new Uint8Array(NONCE_BYTES)
const NONE = new Uint8Array(0)
const HAS_IDENTITY = 1
const NO_REFUSAL = CLOSED_WITHOUT_ERROR

export function roleClash(role: 'send' | 'receive'): WarpError {
  return new WarpError('ERR_WARP_PEER_REFUSED', `both sides want to ${role}`, { hint: 'one side sends, the other receives' })
}

/** A hash over all that was said, begun with the certificates: BLAKE3 of itself and what is added, time and again. */
export class Transcript {
  value: Uint8Array

  constructor(initiator: Uint8Array | null, responder: Uint8Array | null) {
    const none = new Uint8Array(ID_BYTES)
    this.value = deriveKey('warp-transfer 1 transcript', Buffer.concat([initiator ?? none, responder ?? none]))
  }

  /** As the initiator of the handshake, or as its responder, knows the two certificates. */
  static of(connection: Connection, isInitiator: boolean): Transcript {
    const { localFingerprint: local, remoteFingerprint: remote } = connection
    return isInitiator ? new Transcript(local, remote) : new Transcript(remote, local)
  }

  add(bytes: Uint8Array): this {
    this.value = hash(Buffer.concat([this.value, bytes]))
    return this
  }
}

/** A key for `purpose` that stands for all of the transcript so far. */
export function keyFor(purpose: string, secret: Uint8Array, transcript: Transcript): Uint8Array {
  const both = Buffer.concat([secret, transcript.value])
  const key = deriveKey(`warp-transfer 1 ${purpose}`, both)
  both.fill(0)
  return key
}

export function head(type: number, third = 0, fourth = 0): Uint8Array {
  return Uint8Array.of(type, TRANSFER_VERSION, third, fourth)
}

/** @throws {WarpError} ERR_WARP_PEER_PROTOCOL: the message has another head */
export function checkHead(message: Uint8Array, type: number, third = 0, fourth = 0): void {
  if (Buffer.compare(message.subarray(0, HEAD_BYTES), head(type, third, fourth)) !== 0) {
    throw malformed('the head of a message is malformed')
  }
}

export function helloMac(psk: Uint8Array, transcript: Transcript): Uint8Array {
  return keyedHash(deriveKey('warp-transfer 1 hello', psk), transcript.value)
}

/** Seals `plain`; `key` is used up. */
function seal(key: Uint8Array, plain: Uint8Array): Buffer {
  const sealed = Buffer.alloc(plain.length + TAG_BYTES)
  sealInto(key, NONCE, NONE, plain, sealed.subarray(0, plain.length), sealed.subarray(plain.length))
  key.fill(0)
  return sealed
}

/** What `seal` sealed, or null; `key` is used up. */
function open(key: Uint8Array, sealed: Uint8Array): Buffer | null {
  const plain = Buffer.alloc(sealed.length - TAG_BYTES)
  const isRight = openInto(key, NONCE, NONE, sealed.subarray(0, plain.length), sealed.subarray(plain.length), plain)
  key.fill(0)
  return isRight ? plain : null
}

export interface Peer {
  /** Ed25519 public key, 32 bytes; null: it shows none. */
  signer: Uint8Array | null
  /** 16 bytes. */
  transferId: Uint8Array
}

export type Side = 'initiator' | 'responder'

/** A card says who its sender is, or, if it refuses, only why. */
export function sealCard(key: Uint8Array, card: {
  side: Side, identity: Identity | null, transferId: Uint8Array, transcript: Transcript, refusal: WarpError | null,
}): Buffer {
  const plain = Buffer.alloc(CARD_BYTES)
  if (card.refusal) {
    plain.writeUInt16LE(tellPeer(card.refusal).number)
  } else {
    plain.set(card.transferId, 4)
    if (card.identity) {
      plain[2] = HAS_IDENTITY
      plain.set(card.identity.signer, 4 + TRANSFER_ID_BYTES)
      plain.set(sign(card.identity.signerSeed, signedBytes(card.side, card.transcript, plain)), SIGNED_BYTES)
    }
  }
  return seal(key, plain)
}

/**
 * The card that `sealCard` sealed: of whom, or why the peer refuses.
 * @throws what `proofError` gives: it was sealed with another key, or the signature is wrong
 * @throws {WarpError} ERR_WARP_PEER_PROTOCOL
 */
export function openCard(key: Uint8Array, sealed: Uint8Array, card: {
  side: Side, transcript: Transcript, proofError: () => WarpError,
}): Peer | WarpError {
  const plain = open(key, sealed)
  if (plain === null) throw card.proofError()
  const refusal = plain.readUInt16LE()
  if (refusal !== NO_REFUSAL) {
    if (!isZero(plain, 2)) throw malformed('the card of the peer is malformed')
    return toldByPeer(refusal, NONE)
  }
  const transferId = plain.subarray(4, 4 + TRANSFER_ID_BYTES)
  const signer = plain.subarray(4 + TRANSFER_ID_BYTES, SIGNED_BYTES)
  const signature = plain.subarray(SIGNED_BYTES)
  const hasIdentity = plain[2] === HAS_IDENTITY
  if (plain[2] > HAS_IDENTITY || plain[3] !== 0 || (!hasIdentity && !isZero(plain, 4 + TRANSFER_ID_BYTES))) {
    throw malformed('the card of the peer is malformed')
  }
  if (!hasIdentity) return { signer: null, transferId }
  if (isSmallOrder(signer)) throw malformed('the key that the peer shows is none')
  if (!verifySignature(signer, signedBytes(card.side, card.transcript, plain), signature)) throw card.proofError()
  return { signer, transferId }
}

function signedBytes(side: Side, transcript: Transcript, plain: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`warp-transfer 1 ${side} signature`), transcript.value, plain.subarray(0, SIGNED_BYTES)])
}

export function sealVerdict(key: Uint8Array, refusal: WarpError | null): Buffer {
  const plain = Buffer.alloc(VERDICT_BYTES)
  plain.writeUInt16LE(refusal ? tellPeer(refusal).number : NO_REFUSAL)
  return seal(key, plain)
}

/** @throws as `openCard`, and the refusal */
export function openVerdict(key: Uint8Array, sealed: Uint8Array, proofError: () => WarpError): void {
  const plain = open(key, sealed)
  if (plain === null) throw proofError()
  const refusal = plain.readUInt16LE()
  if (refusal !== NO_REFUSAL) throw toldByPeer(refusal, NONE)
  if (!isZero(plain)) throw malformed('the verdict of the peer is malformed')
}
