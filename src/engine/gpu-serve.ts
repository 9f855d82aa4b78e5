/** The message loop of the GPU worker. */
import { parentPort } from 'node:worker_threads'
import { asWarpError } from '../base/errors.ts'
import { listAdapters } from '../gpu/dawn.ts'
import { Device } from '../gpu/device.ts'
import { calibrate } from './calibrate.ts'
import type { GpuReply, GpuRequest, OpenRequest } from './gpu-messages.ts'
import { GpuSession } from './gpu-session.ts'

/**
 * Answers requests until it is told to close. Steps of different batches overlap.
 * @param open for tests: another session
 */
export function serveGpu(open: (request: OpenRequest) => Promise<GpuSession> = (request) => GpuSession.open(request)): void {
  const port = parentPort!
  let session: GpuSession | null = null

  async function answer(id: number, request: GpuRequest): Promise<unknown> {
    if (request.name === 'probe') return listAdapters()
    if (request.name === 'calibrate') {
      const device = await Device.open()
      try {
        return await calibrate(device)
      } finally {
        device.destroy()
      }
    }
    if (request.name === 'open') {
      session = await open(request)
      return session.facts
    }
    if (request.name === 'close') {
      await session?.close()
      port.close()
      return null
    }
    if (request.name === 'load') return session!.load(request, (isReading) => port.postMessage({ id, isReading } satisfies GpuReply))
    if (request.name === 'hash') return session!.hash(request)
    return session!.seal(request)
  }

  port.on('message', ({ id, request }: { id: number; request: GpuRequest }) => {
    answer(id, request).then(
      (value) => ({ id, value }),
      (error: unknown) => {
        const { message, code, hint } = asWarpError(error)
        return { id, failure: { message, code, hint } }
      },
    ).then((reply: GpuReply) => port.postMessage(reply), () => {})
  })
}
