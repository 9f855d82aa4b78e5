/** A man in the middle of TLS: it shows both sides a certificate of its own, and passes on what they say. */
import tls from 'node:tls'
import type net from 'node:net'
import { makeCertificate } from '../../../../src/transfer/transports/certificate.ts'
import { ALPN } from '../../../../src/transfer/transports/tls.ts'

export interface Impostor {
  port: number
  /** SHA-256 of its certificate. */
  fingerprint: Uint8Array
  /** Bytes that it could read, of both sides. */
  readonly overheard: number
  close(): void
}

export async function startImpostor(target: { host: string; port: number }): Promise<Impostor> {
  const certificate = await makeCertificate()
  const keys = { cert: certificate.certificatePem, key: certificate.privateKeyPem, minVersion: 'TLSv1.3', ALPNProtocols: [ALPN], rejectUnauthorized: false } as const
  const sockets = new Set<tls.TLSSocket>()
  let overheard = 0
  const server = tls.createServer({ ...keys, requestCert: true }, (client) => {
    const peer = tls.connect({ ...keys, ...target })
    for (const [from, to] of [[client, peer], [peer, client]] as const) {
      sockets.add(from)
      from.on('data', (chunk: Buffer) => (overheard += chunk.length))
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as net.AddressInfo).port,
    fingerprint: certificate.fingerprint,
    get overheard() {
      return overheard
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
