/**
 * What `warp verify` cannot do without: decrypt and decompress every frame of an archive and hash its chunks,
 * on all processors, with the archive in memory, modules loaded, and nothing else to do.
 * Called with an archive and an identity; prints seconds and bytes as JSON, in the shape of `Usage`.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { EntryAssembler } from '../../dist/archive/assemble.js'
import { CheckedChunks } from '../../dist/archive/checked-chunks.js'
import { readIdentity } from '../../dist/archive/identity.js'
import { Scan } from '../../dist/archive/scan.js'
import { FileSource } from '../../dist/archive/source.js'
import { unlock } from '../../dist/archive/unlock.js'
import { BLOCK_HEADER_BYTES, ID_BYTES, MIB } from '../../dist/base/limits.js'
import { hashChunks } from '../../dist/codec/blake3.js'
import { blockBytes, openBlock, readBlockHeaderOf } from '../../dist/engine/block.js'

/** @typedef {{offset: number, chunks: Uint32Array}} Frame chunks: [offset, length] pairs */

if (isMainThread) await lead(process.argv[2], process.argv[3])
else work(workerData)

/** @param {string} archive @param {string} identity */
async function lead(archive, identity) {
  const source = new FileSource(archive)
  const unlocked = await unlock(source, { identities: [readIdentity(readFileSync(identity, 'utf8'))] })
  const frames = await chunksByFrame(source, unlocked)
  source.close()
  const bytes = readFileSync(archive)
  const shared = new SharedArrayBuffer(bytes.length)
  new Uint8Array(shared).set(bytes)
  const next = new Int32Array(new SharedArrayBuffer(4))
  const workers = cpus().map(() => new Worker(import.meta.filename, {
    workerData: { shared, next, frames, sealing: unlocked.sealing, key: unlocked.chunkIdKey },
  }))
  const replies = () => Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })))
  await replies()
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  for (const worker of workers) worker.postMessage('go')
  await replies()
  const wallSeconds = (performance.now() - started) / 1e3
  const cpu = process.cpuUsage(cpuBefore)
  await Promise.all(workers.map((worker) => worker.terminate()))
  console.log(JSON.stringify({
    wallSeconds, cpuSeconds: (cpu.user + cpu.system) / 1e6, peakBytes: process.resourceUsage().maxRSS * 1024,
  }))
}

/** @param {FileSource} source @param {import('../../dist/archive/unlock.js').Unlocked} unlocked @returns {Promise<Frame[]>} */
async function chunksByFrame(source, unlocked) {
  /** @type {Map<number, number[]>} */
  const chunksOf = new Map()
  const checked = new CheckedChunks(128 * MIB)
  const assembler = new EntryAssembler()
  for await (const { page, firstEntry, firstOffset } of new Scan(source, unlocked).pages()) {
    for (const { extents, frames, offsets } of assembler.page(page, firstEntry, firstOffset)) {
      extents.filter(({ kind }) => kind === 'chunk').forEach(({ id, length }, i) => {
        if (!checked.isNew(id, frames[i], offsets[i], length)) return
        if (!chunksOf.has(frames[i])) chunksOf.set(frames[i], [])
        chunksOf.get(frames[i]).push(offsets[i], length)
      })
    }
  }
  return [...chunksOf].map(([offset, chunks]) => ({ offset, chunks: Uint32Array.from(chunks) }))
}

/** @param {{shared: SharedArrayBuffer, next: Int32Array, frames: Frame[], sealing: import('../../dist/engine/block.js').Sealing, key: Uint8Array | null}} data */
function work({ shared, next, frames, sealing, key }) {
  parentPort.once('message', () => {
    for (let i = Atomics.add(next, 0, 1); i < frames.length; i = Atomics.add(next, 0, 1)) {
      const { offset, chunks } = frames[i]
      const header = readBlockHeaderOf(sealing, Buffer.from(shared, offset, BLOCK_HEADER_BYTES), offset)
      const plain = openBlock(sealing, header, Buffer.from(shared, offset, blockBytes(header)), offset)
      hashChunks(plain, chunks, key, new Uint8Array(chunks.length / 2 * ID_BYTES))
    }
    parentPort.postMessage('done')
  })
  parentPort.postMessage('ready')
}
