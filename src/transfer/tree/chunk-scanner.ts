/** Cuts and hashes files that stand on this side, as a sender would: what they hold need not be sent. */
import { ID_BYTES } from '../../base/limits.ts'
import { Batcher, slabBytesFor } from '../../archive/batcher.ts'
import { BatchCutter } from '../../archive/batch-cutter.ts'
import type { Found } from '../../archive/walk.ts'
import { CpuEngine } from '../../engine/cpu.ts'
import type { Pool } from '../../engine/pool.ts'

/** Batches in flight: one is read while another is looked at. */
const SLABS = 2

/** A file that is to be scanned. */
export interface ScanFile {
  /** Where to open it, as bytes in a latin1 string. */
  source: string
  size: number
  mtimeMs: number
  ctimeMs: number
}

/** What a file holds, holes left out. */
export interface Scanned {
  /** Index among the files that were given. */
  file: number
  /** 32 bytes for each chunk. */
  ids: Uint8Array[]
  lengths: number[]
  offsets: number[]
}

export class ChunkScanner {
  readonly #engine: CpuEngine
  readonly #average: number

  constructor(pool: Pool, average: number, chunkIdKey: Uint8Array | null) {
    this.#average = average
    this.#engine = new CpuEngine(pool, slabBytesFor(average), SLABS, {
      average, chunkIdKey, sealing: { archiveId: new Uint8Array(16), sealingKey: null }, compression: 'none', level: () => 1,
    })
  }

  /** Files that cannot be read are passed over. */
  async *scan(files: ScanFile[]): AsyncGenerator<Scanned> {
    const batcher = new Batcher({ average: this.#average, acquire: () => this.#engine.acquire(), note: () => {} })
    const cuts = new BatchCutter(this.#average)
    const found = files.map((file, i): Found => ({
      ...file, path: String(i), kind: 'file', ino: 0, dev: 0, inode: null, names: 1, stream: null,
    }))
    let open: Scanned | null = null
    let position = 0
    try {
      for await (const batch of batcher.of(once(found))) {
        const resident = batch.slab ? await this.#engine.load(batch.slab, batch.segments) : null
        const cut = cuts.cut(batch, resident)
        if (cut.unhashed.length > 0) cut.setIds(await resident!.hashes(cut.unhashedChunks()))
        for (const [i, item] of batch.items.entries()) {
          if (item.isFirst) {
            open = { file: Number(Buffer.from(item.path).toString()), ids: [], lengths: [], offsets: [] }
            position = 0
          }
          for (const extent of cut.extentsOf(i)) {
            const length = extent < 0 ? -extent : cut.chunks[2 * extent + 1]!
            if (extent >= 0) {
              open!.ids.push(cut.ids.slice(extent * ID_BYTES, (extent + 1) * ID_BYTES))
              open!.lengths.push(length)
              open!.offsets.push(position)
            }
            position += length
          }
          if (!item.isLast) continue
          item.file?.close()
          if ((item.failure ?? cut.failureOf(i)) === null) yield open!
        }
        resident?.release()
      }
    } finally {
      batcher.close()
    }
  }
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value
}
