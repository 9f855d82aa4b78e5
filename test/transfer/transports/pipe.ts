import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Transform } from 'node:stream'
import { pipeConnection } from '../../../src/transfer/transports/pipe.ts'
import { conform } from './support/conformance.ts'
import { content, readAll } from './support/content.ts'

/** A pipe within the process; like one of the system it keeps nothing of the writer's memory. */
function copying(): Transform {
  return new Transform({ transform: (bytes: Buffer, _, done) => done(null, Buffer.from(bytes)) })
}

t.test('a pair of streams', async (t) => {
  conform(t, {
    async pair(t) {
      const [there, back] = [copying(), copying()]
      const near = pipeConnection({ readable: back, writable: there, isInitiator: true, remoteAddress: 'there' })
      const far = pipeConnection({ readable: there, writable: back, isInitiator: false, remoteAddress: 'back' })
      t.teardown(() => [near, far].forEach((end) => end.close()))
      return [near, far]
    },
    stallBytes: 2 << 20,
    tellsBreak: true, // of a stream that is destroyed
  })
})

t.test('the pipes of a child', async (t) => {
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  let closed = 0
  const connection = pipeConnection({ readable: child.stdout, writable: child.stdin, isInitiator: true, remoteAddress: 'cat', onClose: () => closed++ })
  const bytes = content(5 << 20, 1)
  const echo = readAll(connection)
  await connection.write([bytes])
  await connection.end()
  t.ok((await echo).equals(bytes))
  connection.close()
  connection.close()
  t.equal(closed, 1)
})

t.test('a child that goes away', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const connection = pipeConnection({ readable: child.stdout, writable: child.stdin, isInitiator: true, remoteAddress: 'sleep' })
  const writing = t.rejects(connection.write([content(10 << 20, 2)]), { code: 'ERR_WARP_PEER_LOST' })
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await Promise.all([writing, gone])
  await readAll(connection).catch((error: unknown) => t.match(error, { code: 'ERR_WARP_PEER_LOST' }))
  connection.close()
})

t.test('standard input and output of a process', async (t) => {
  const url = (name: string): string => JSON.stringify(new URL(`../../../src/transfer/transports/${name}`, import.meta.url))
  // Ends its output while it lives, which process.stdout cannot.
  const code = `
    import { pipeConnection, standardStreams } from ${url('pipe.ts')}
    const connection = pipeConnection({ ...standardStreams(), isInitiator: false, remoteAddress: 'parent' })
    for (let bytes = await connection.read(); bytes; bytes = await connection.read()) await connection.write([bytes])
    await connection.end()
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref() && process.once('SIGTERM', resolve))`
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const connection = pipeConnection({ readable: child.stdout, writable: child.stdin, isInitiator: true, remoteAddress: 'child' })
  const bytes = content(3 << 20, 3)
  const echo = readAll(connection)
  await connection.write([bytes])
  await connection.end()
  t.ok((await echo).equals(bytes))
  connection.close()
})
