/**
 * What each side of QUIC says first. The binding knows a peer by an Ed25519 key of its own, while tickets name a
 * certificate: so each side sends its certificate, with a signature of the certificate's key over both Ed25519 keys
 * of the connection, who listened first. Nobody else can use that signature: it names a key that only its owner can connect with.
 *
 *     u16 length of the certificate ‖ certificate (DER) ‖ u16 length of the signature ‖ signature (DER)
 *
 * with little-endian lengths. Signed (ECDSA P-256, SHA-256): "warp-transfer/1 quic certificate" ‖ u8 1 for who
 * connected, 0 for who listened ‖ the sender's Ed25519 key ‖ the recipient's.
 */
import { X509Certificate, createHash, sign, verify } from 'node:crypto'
import { WarpError } from '../../base/errors.ts'
import type { Certificate } from './connection.ts'

const MAX_CERTIFICATE_BYTES = 1024
const MAX_SIGNATURE_BYTES = 80
const CONTEXT = Buffer.from('warp-transfer/1 quic certificate')

/** Whose proof it is, and for whom. */
export interface ProofParties {
  isInitiator: boolean
  senderKey: Uint8Array
  recipientKey: Uint8Array
}

function signed({ isInitiator, senderKey, recipientKey }: ProofParties): Buffer {
  return Buffer.concat([CONTEXT, Buffer.of(isInitiator ? 1 : 0), senderKey, recipientKey])
}

function withLength(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16LE(bytes.length)
  return Buffer.concat([length, bytes])
}

export function encodeProof(certificate: Certificate, parties: ProofParties): Buffer {
  const { raw } = new X509Certificate(certificate.certificatePem)
  return Buffer.concat([withLength(raw), withLength(sign('sha256', signed(parties), certificate.privateKeyPem))])
}

/**
 * Reads and checks a proof.
 * @param read gives at most so many bytes, null at the end
 * @returns SHA-256 of the certificate
 * @throws {WarpError} ERR_WARP_PEER_PROTOCOL: malformed, or not signed by the key of the certificate
 */
export async function readProof(read: (bytes: number) => Promise<Uint8Array | null>, parties: ProofParties): Promise<Uint8Array> {
  const raw = await readWithLength(read, MAX_CERTIFICATE_BYTES)
  const signature = await readWithLength(read, MAX_SIGNATURE_BYTES)
  if (!isSignedBy(raw, signature, parties)) throw new WarpError('ERR_WARP_PEER_PROTOCOL', 'the peer does not hold the key of its certificate')
  return createHash('sha256').update(raw).digest()
}

function isSignedBy(raw: Uint8Array, signature: Uint8Array, parties: ProofParties): boolean {
  try {
    const { publicKey } = new X509Certificate(raw)
    return publicKey.asymmetricKeyType === 'ec' && verify('sha256', signed(parties), publicKey, signature)
  } catch {
    return false
  }
}

async function readWithLength(read: (bytes: number) => Promise<Uint8Array | null>, maxBytes: number): Promise<Uint8Array> {
  const length = Buffer.from(await readExactly(read, 2)).readUInt16LE()
  if (length > maxBytes) throw new WarpError('ERR_WARP_PEER_PROTOCOL', 'the peer does not speak warp: its certificate is too long')
  return readExactly(read, length)
}

async function readExactly(read: (bytes: number) => Promise<Uint8Array | null>, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const piece = await read(length - filled)
    if (!piece) throw new WarpError('ERR_WARP_PEER_PROTOCOL', 'the peer ended before it showed its certificate')
    bytes.set(piece, filled)
    filled += piece.length
  }
  return bytes
}
