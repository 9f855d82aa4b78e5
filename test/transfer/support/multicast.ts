/** Whether multicast works where the tests run. */
import dgram from 'node:dgram'
import type { AddressInfo } from 'node:net'

const GROUP = '224.0.0.251'
const LOOPBACK = '127.0.0.1'

/** A port that nobody uses, so that other runs are not heard. */
export async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK, resolve))
  const { port } = socket.address() as AddressInfo
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
}

/** Why datagrams to the group of multicast DNS do not come back on loopback; false where they do. */
export async function whyNoMulticast(): Promise<string | false> {
  const port = await freePort()
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(port, '0.0.0.0', resolve)
    })
    socket.addMembership(GROUP, LOOPBACK)
    socket.setMulticastInterface(LOOPBACK)
    const heard = new Promise<false>((resolve) => socket.once('message', () => resolve(false)))
    const patience = new Promise<string>((resolve) => setTimeout(resolve, 2000, 'multicast does not come back on loopback').unref())
    socket.send('hello', port, GROUP)
    return await Promise.race([heard, patience])
  } catch (error) {
    return `no multicast on loopback: ${(error as Error).message}`
  } finally {
    socket.close()
  }
}
