/** What every transport must do that listens and connects. */
import type { Test } from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { makeCertificate } from '../../../../src/transfer/transports/certificate.ts'
import type { Certificate, Connection, Listener, Transport } from '../../../../src/transfer/transports/connection.ts'
import { conform } from './conformance.ts'
import { content, readExactly } from './content.ts'

// Long: other tests run beside these.
const timeoutMs = 20_000
const host = '127.0.0.1'

let made: Promise<[Certificate, Certificate]> | null = null

/** One certificate for who connects, and one for who listens. */
export async function certificates(): Promise<{ own: Certificate; theirs: Certificate }> {
  made ??= Promise.all([makeCertificate(), makeCertificate()])
  const [own, theirs] = await made
  return { own, theirs }
}

export async function listening(t: Test, transport: Transport): Promise<Listener> {
  const { theirs } = await certificates()
  const listener = await transport.listen({ host, port: 0, certificate: theirs })
  t.teardown(() => listener.close())
  return listener
}

async function dial(transport: Transport, listener: Listener): Promise<Connection> {
  const { own, theirs } = await certificates()
  return transport.connect({ ...listener.address, certificate: own, fingerprint: theirs.fingerprint, timeoutMs })
}

async function connectedPair(t: Test, transport: Transport): Promise<[Connection, Connection]> {
  const listener = await listening(t, transport)
  const [near, far] = await Promise.all([dial(transport, listener), listener.accept()])
  t.teardown(() => {
    near.close()
    far!.close()
  })
  return [near, far!]
}

export interface NetworkTraits {
  stallBytes: number
  tellsBreak: boolean
  /** Whether the port is in use until the last connection has gone. */
  sharesPort: boolean
  /** Whether the listener learns the certificate of who connects. */
  isMutual?: boolean
}

export function conformNetwork(t: Test, transport: Transport, { stallBytes, tellsBreak, sharesPort, isMutual = true }: NetworkTraits): void {
  t.test(`connections of ${transport.kind}`, async (t) => {
    conform(t, { pair: (t) => connectedPair(t, transport), stallBytes, tellsBreak })
  })

  t.test('it can be used here, and both sides know whom they talk to', async (t) => {
    t.equal(await transport.unavailable(), null)
    const { own, theirs } = await certificates()
    const [near, far] = await connectedPair(t, transport)
    if (isMutual) t.ok(Buffer.from(own.fingerprint).equals(near.localFingerprint!))
    else t.equal(near.localFingerprint, null)
    t.ok(Buffer.from(theirs.fingerprint).equals(near.remoteFingerprint!))
    t.ok(Buffer.from(theirs.fingerprint).equals(far.localFingerprint!))
    if (isMutual) t.ok(Buffer.from(own.fingerprint).equals(far.remoteFingerprint!))
    else t.equal(far.remoteFingerprint, null)
    t.equal(near.kind, transport.kind)
  })

  t.test('another certificate is refused', async (t) => {
    const listener = await listening(t, transport)
    const { own } = await certificates()
    await t.rejects(transport.connect({ ...listener.address, certificate: own, fingerprint: own.fingerprint, timeoutMs }), { code: 'ERR_WARP_PEER_AUTH' })
  })

  t.test('nobody listens, in time', async (t) => {
    const { own, theirs } = await certificates()
    const listener = await transport.listen({ host, port: 0, certificate: theirs })
    const { address } = listener
    await listener.close()
    // Long for those that are told, short for those that must wait.
    await t.rejects(transport.connect({ ...address, certificate: own, fingerprint: theirs.fingerprint, timeoutMs: 1000 }), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  })

  t.test('fifty at once', async (t) => {
    const listener = await listening(t, transport)
    const count = 50
    const serve = async (): Promise<void> => {
      const far = (await listener.accept())!
      t.teardown(() => far.close())
      await far.write([await readExactly(far, 1000)])
    }
    const use = async (i: number): Promise<void> => {
      const near = await dial(transport, listener)
      t.teardown(() => near.close())
      const bytes = content(1000, i)
      await near.write([bytes])
      t.ok((await readExactly(near, 1000)).equals(bytes))
    }
    await Promise.all(Array.from({ length: count }, (_, i) => Promise.all([serve(), use(i)])))
  })

  t.test('more than may wait in accept: all come, or are told', async (t) => {
    const listener = await listening(t, transport)
    const dials = Array.from({ length: 100 }, () => dial(transport, listener).then((near) => (t.teardown(() => near.close()), near), (error: { code: string }) => error.code))
    let taken = 0
    const taking = (async () => {
      for (let far = await listener.accept(); far; far = await listener.accept()) {
        taken++
        t.teardown(() => far.close())
      }
    })()
    const ends = await Promise.all(dials)
    t.same(ends.filter((end) => typeof end === 'string'), [])
    await listener.close()
    await taking
    t.ok(taken <= ends.length)
  })

  t.test('a listener that closes frees its port and ends who waits; what it accepted goes on', async (t) => {
    const { theirs } = await certificates()
    const first = await transport.listen({ host, port: 0, certificate: theirs })
    const [near, far] = await Promise.all([dial(transport, first), first.accept()])
    const waiting = first.accept()
    await first.close()
    await first.close()
    t.equal(await waiting, null)
    t.equal(await first.accept(), null)
    await near.write([Buffer.from('on')])
    t.equal(String(await readExactly(far!, 2)), 'on')
    const again = (): Promise<Listener> => transport.listen({ host, port: first.address.port, certificate: theirs })
    if (sharesPort) await t.rejects(again(), { code: 'ERR_WARP_USAGE' })
    near.close()
    far!.close()
    await first.close()
    const second = await again()
    t.equal(second.address.port, first.address.port)
    await t.rejects(again(), { code: 'ERR_WARP_USAGE' })
    await second.close()
  })

  t.test('an abort ends an attempt, and a listener', async (t) => {
    const { own, theirs } = await certificates()
    const reason = new Error('enough')
    const aborted = { host, port: 1, certificate: own, fingerprint: theirs.fingerprint, timeoutMs, signal: AbortSignal.abort(reason) }
    await t.rejects(transport.connect(aborted), reason)
    await t.rejects(transport.listen({ ...aborted, certificate: theirs }), reason)
    const controller = new AbortController()
    const listener = await transport.listen({ host, port: 0, certificate: theirs, signal: controller.signal })
    const waiting = listener.accept()
    controller.abort(reason)
    t.equal(await waiting, null)
    await listener.close()
  })

  t.test('nothing keeps the process alive once all is closed', async (t) => {
    const url = (path: string): string => JSON.stringify(new URL(`../../../../src/transfer/${path}`, import.meta.url))
    const code = `
      import { makeCertificate } from ${url('transports/certificate.ts')}
      import { TRANSPORTS } from ${url('transports/dial.ts')}
      const transport = await TRANSPORTS.${transport.kind}()
      const [own, theirs] = await Promise.all([makeCertificate(), makeCertificate()])
      const host = '127.0.0.1'
      const listener = await transport.listen({ host, port: 0, certificate: theirs })
      const options = { ...listener.address, certificate: own, fingerprint: theirs.fingerprint, timeoutMs: 20000 }
      const pairs = []
      for (let i = 0; i < 3; i++) pairs.push(await Promise.all([transport.connect(options), listener.accept()]))
      await transport.connect({ ...options, port: 9, timeoutMs: 300 }).catch((error) => console.log(error.code))
      const [[near, far], [lost], [broken]] = pairs
      await near.write([Buffer.from('hello')])
      await near.end()
      while (await far.read()) {}
      await far.end()
      while (await near.read()) {}
      near.close()
      far.close()
      lost.close()
      broken.read().catch(() => {})
      broken.close()
      await listener.close()
      console.log('all closed')`
    const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    let told = ''
    child.stdout.on('data', (text: Buffer) => (told += String(text)))
    // tap ends the test if it does not.
    const [status] = await once(child, 'close')
    t.equal(status, 0)
    t.equal(told, 'ERR_WARP_PEER_UNREACHABLE\nall closed\n', 'and nothing else is printed')
  })
}
