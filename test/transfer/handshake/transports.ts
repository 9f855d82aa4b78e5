/** The handshake above every transport: what it binds is the same on both sides, whatever the binding tells of certificates. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { initiate, respond } from '../../../src/transfer/handshake/handshake.ts'
import { secretOf } from '../../../src/transfer/meetings/ticket.ts'
import { makeCertificate } from '../../../src/transfer/transports/certificate.ts'
import { TRANSPORTS } from '../../../src/transfer/transports/dial.ts'

const HOST = '127.0.0.1'

for (const [kind, load] of Object.entries(TRANSPORTS)) {
  const transport = await load()
  const skip = (await transport.unavailable()) ?? false
  t.test(kind, { skip }, async (t) => {
    const [own, theirs] = await Promise.all([makeCertificate(), makeCertificate()])
    const listener = await transport.listen({ host: HOST, port: 0, certificate: theirs })
    const [near, far] = await Promise.all([
      transport.connect({ ...listener.address, host: HOST, certificate: own, fingerprint: theirs.fingerprint, timeoutMs: 20_000 }), listener.accept(),
    ])
    const secret = secretOf({ secret: randomBytes(16) })
    const options = { identity: null, transferId: randomBytes(16) }
    const [first, second] = await Promise.all([
      initiate(near, secret, { ...options, role: 'send' }), respond(far!, () => secret, { ...options, role: 'receive' }),
    ])
    t.ok(Buffer.from(first.transcript).equals(second.transcript))
    t.ok(Buffer.from(first.sessionKeys.send).equals(second.sessionKeys.receive))
    t.equal(first.isBound, second.isBound)
    t.equal(first.isBound, kind !== 'memory' || near.remoteFingerprint !== null)
    near.close()
    far!.close()
    await listener.close()
  })
}
