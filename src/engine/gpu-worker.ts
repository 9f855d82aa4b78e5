/** What the GPU worker runs: it owns the device, so that compiling and waiting never hold up the caller's thread. */
import { isMainThread } from 'node:worker_threads'
import { serveGpu } from './gpu-serve.ts'

if (!isMainThread) serveGpu()
