/** Ports of this host, for servers that cannot tell which one they got. */
import net from 'node:net'

const HOST = '127.0.0.1'
const WAIT_MS = 15_000
const PAUSE_MS = 20

/** @returns {Promise<number>} a port that nobody has */
export async function freePort() {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, HOST, () => resolve(undefined)))
  const { port } = /** @type {net.AddressInfo} */ (server.address())
  await new Promise((resolve) => server.close(resolve))
  return port
}

/**
 * Until somebody listens there.
 * @param {number} port
 * @param {Promise<void>} ended of the process that is to listen
 */
export async function waitForPort(port, ended) {
  for (const startedMs = performance.now(); performance.now() - startedMs < WAIT_MS; ) {
    if (await isOpen(port)) return
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, PAUSE_MS))])
  }
  throw new Error(`nothing listens on port ${port}`)
}

/** @param {number} port @returns {Promise<boolean>} */
function isOpen(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, HOST)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
