/**
 * Certificates for TLS: made anew for every ticket, known by their fingerprint, short-lived as browsers demand.
 * Source: https://www.w3.org/TR/webtransport/#certificate-hashes (ECDSA P-256, at most two weeks).
 */
import { createHash, randomBytes, webcrypto } from 'node:crypto'
import type { Certificate } from './connection.ts'

const DAY_MS = 86_400_000
export const CERTIFICATE_DAYS = 13
/** Clocks of two hosts may differ; the whole must stay within two weeks. */
const CLOCK_SKEW_MS = DAY_MS / 2

/** A self-signed certificate for `warp`, valid from now on for CERTIFICATE_DAYS days. */
export async function makeCertificate(now = Date.now()): Promise<Certificate> {
  // The library injects its parts by decorators, which need this first.
  await import('reflect-metadata')
  const { X509CertificateGenerator } = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  // RFC 5280 §4.1.2.2: a positive integer of at most 20 octets.
  const serial = randomBytes(16)
  serial[0] = (serial[0] & 0x7f) | 0x40
  const notAfter = Math.floor((now + CERTIFICATE_DAYS * DAY_MS) / 1000) * 1000
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { serialNumber: serial.toString('hex'), name: 'CN=warp', notBefore: new Date(now - CLOCK_SKEW_MS), notAfter: new Date(notAfter), signingAlgorithm: algorithm, keys },
    webcrypto as Parameters<typeof X509CertificateGenerator.createSelfSigned>[1],
  )
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${key.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`,
    fingerprint: createHash('sha256').update(Buffer.from(certificate.rawData)).digest(),
    notAfter,
  }
}
