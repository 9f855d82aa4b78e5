import t, { type Test } from 'tap'
import { createSocket, type Socket, type SocketType } from 'node:dgram'
import { once } from 'node:events'
import { loadKoffi } from '../../../src/base/koffi.ts'
import { socketsAt, widenUdpBuffers } from '../../../src/transfer/transports/socket-buffer.ts'

const skip = process.platform === 'linux' && loadKoffi() !== null ? false : 'for Linux with koffi'

async function bound(t: Test, type: SocketType, address: string): Promise<Socket> {
  const socket = createSocket(type)
  t.teardown(() => void socket.close())
  socket.bind(0, address)
  await once(socket, 'listening')
  return socket
}

t.test('the sockets of a port grow, and no others', { skip }, async (t) => {
  const [wide, other] = [await bound(t, 'udp4', '127.0.0.1'), await bound(t, 'udp4', '127.0.0.1')]
  const before = [other.getRecvBufferSize(), other.getSendBufferSize()]
  t.equal(socketsAt(wide.address().port).length, 1)
  // What any user may ask for is little on some systems: half of what it is now can always be had.
  const bytes = Math.floor(wide.getRecvBufferSize() / 4)
  wide.setRecvBufferSize(4096)
  wide.setSendBufferSize(4608)
  widenUdpBuffers(wide.address().port, bytes)
  t.ok(wide.getRecvBufferSize() >= bytes)
  t.ok(wide.getSendBufferSize() >= bytes)
  t.same([other.getRecvBufferSize(), other.getSendBufferSize()], before)
})

t.test('IPv6', { skip }, async (t) => {
  const socket = await bound(t, 'udp6', '::1').catch(() => null)
  if (socket) t.equal(socketsAt(socket.address().port).length, 1)
  else t.comment('not here')
})

t.test('a port without a socket, and no koffi: nothing happens', async (t) => {
  const socket = await bound(t, 'udp4', '127.0.0.1')
  const { port } = socket.address()
  const before = socket.getRecvBufferSize()
  const old = process.env['WARP_NO_KOFFI']
  process.env['WARP_NO_KOFFI'] = '1'
  t.teardown(() => (old === undefined ? delete process.env['WARP_NO_KOFFI'] : (process.env['WARP_NO_KOFFI'] = old)))
  widenUdpBuffers(port, 1 << 20)
  t.equal(socket.getRecvBufferSize(), before)
  delete process.env['WARP_NO_KOFFI']
  widenUdpBuffers(0, 1 << 20)
})
