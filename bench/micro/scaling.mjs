/** One stage on several threads at once, each with a thread's own buffers over one shared sample. */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { stageOf } from './stages.mjs'

const SECONDS = 1

if (!isMainThread) work(workerData)

/** @param {{name: string, shared: SharedArrayBuffer}} data */
function work({ name, shared }) {
  const sample = Buffer.from(shared)
  const run = stageOf(name).open(sample, 'native')
  run()
  parentPort.once('message', () => {
    const started = performance.now()
    let bytes = 0
    while (performance.now() - started < SECONDS * 1e3) {
      run()
      bytes += sample.length
    }
    parentPort.postMessage({ rate: bytes / (performance.now() - started) * 1e3 })
  })
  parentPort.postMessage('ready')
}

/**
 * @param {string} name of a stage
 * @param {SharedArrayBuffer} shared the sample
 * @param {number} threads
 * @returns {Promise<number>} bytes a second of all threads together
 */
export async function measureThreads(name, shared, threads) {
  const workers = Array.from({ length: threads }, () => new Worker(import.meta.filename, { workerData: { name, shared } }))
  const replies = () => Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })))
  await replies()
  for (const worker of workers) worker.postMessage('go')
  const rates = await replies()
  await Promise.all(workers.map((worker) => worker.terminate()))
  return rates.reduce((sum, { rate }) => sum + rate, 0)
}

/**
 * The share of the work that does not run in parallel, by Amdahl's law, which fits the measured rates best:
 * rate(n) = n · rate(1) / (1 + share · (n − 1)). Never less than 0.
 * @param {Map<number, number>} rates of each number of threads, 1 among them
 */
export function fitSerialShare(rates) {
  const one = rates.get(1)
  let top = 0
  let bottom = 0
  for (const [threads, rate] of rates) {
    const slowdown = threads * one / rate - 1
    top += slowdown * (threads - 1)
    bottom += (threads - 1) ** 2
  }
  return bottom === 0 ? 0 : Math.max(0, top / bottom)
}

/** @param {number} one rate of one thread @param {number} share @param {number} threads */
export function extrapolate(one, share, threads) {
  return threads * one / (1 + share * (threads - 1))
}
