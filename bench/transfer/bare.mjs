/**
 * A transport of warp alone, without anything above it: what `warp send` over the same is held against.
 *
 *   node bench/transfer/bare.mjs receive KIND                       prints its port and fingerprint
 *   node bench/transfer/bare.mjs send KIND PORT FINGERPRINT BYTES   ends when all has come
 */
import { makeCertificate } from '../../dist/transfer/transports/certificate.js'
import { noise } from '../support/synthetic.mjs'

const PIECE_BYTES = 256 * 1024
const HOST = '127.0.0.1'

const [mode, kind, port, fingerprint, length] = process.argv.slice(2)
const transport = Object.values(await import(`../../dist/transfer/transports/${kind}.js`)).find((value) => value?.kind === kind)
const certificate = await makeCertificate()

if (mode === 'receive') {
  const listener = await transport.listen({ host: HOST, port: 0, certificate })
  console.log(`${listener.address.port} ${Buffer.from(certificate.fingerprint).toString('hex')}`)
  const connection = await listener.accept()
  let got = 0
  for (let bytes; (bytes = await connection.read()) !== null; ) got += bytes.length
  const answer = Buffer.alloc(8)
  answer.writeBigUInt64LE(BigInt(got))
  await connection.write([answer])
  await connection.end()
  await connection.read().catch(() => {})
  connection.close()
  await listener.close()
} else {
  const connection = await transport.connect({
    host: HOST, port: Number(port), certificate, fingerprint: Buffer.from(fingerprint, 'hex'), timeoutMs: 10_000,
  })
  const piece = noise(PIECE_BYTES, 9)
  for (let left = Number(length); left > 0; left -= PIECE_BYTES) await connection.write([piece.subarray(0, Math.min(left, PIECE_BYTES))])
  await connection.end()
  const answer = []
  for (let bytes; Buffer.concat(answer).length < 8 && (bytes = await connection.read()) !== null; ) answer.push(bytes)
  connection.close()
  if (Buffer.concat(answer).readBigUInt64LE() !== BigInt(length)) throw new Error('not all of it came')
}
process.exit()
