import t from 'tap'
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto'
import { CERTIFICATE_DAYS, makeCertificate } from '../../../src/transfer/transports/certificate.ts'

const DAY_MS = 86_400_000

t.test('a certificate that browsers take by its hash', async (t) => {
  const now = Date.UTC(2026, 0, 31, 12, 34, 56, 789)
  const { certificatePem, privateKeyPem, fingerprint, notAfter } = await makeCertificate(now)
  const certificate = new X509Certificate(certificatePem)
  t.equal(certificate.subject, 'CN=warp')
  t.equal(certificate.publicKey.asymmetricKeyType, 'ec')
  t.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.ok(certificate.verify(certificate.publicKey), 'signed by itself')
  t.ok(certificate.checkPrivateKey(createPrivateKey(privateKeyPem)))
  t.ok(createHash('sha256').update(certificate.raw).digest().equals(fingerprint))
  t.equal(Date.parse(certificate.validTo), notAfter)
  t.ok(notAfter <= now + CERTIFICATE_DAYS * DAY_MS && notAfter > now + (CERTIFICATE_DAYS - 1) * DAY_MS)
  t.ok(Date.parse(certificate.validFrom) < now)
  t.ok(notAfter - Date.parse(certificate.validFrom) <= 14 * DAY_MS)
})

t.test('each has a key and a number of its own', async (t) => {
  const made = await Promise.all([1, 2, 3].map(() => makeCertificate()))
  const numbers = made.map(({ certificatePem }) => new X509Certificate(certificatePem).serialNumber)
  t.equal(new Set(numbers).size, 3)
  t.ok(numbers.every((number) => number.length === 32), 'of 16 bytes')
  t.equal(new Set(made.map(({ privateKeyPem }) => privateKeyPem)).size, 3)
})
