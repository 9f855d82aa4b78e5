/** `info`: what an archive consists of. Reads all metadata, and of frames their headers alone. */
import { MIB } from '../base/limits.ts'
import { CODEC } from '../format/block.ts'
import { VERSION } from '../format/header.ts'
import { EntryAssembler } from './assemble.ts'
import { ChunkIndex } from './chunk-index.ts'
import { Scan } from './scan.ts'
import type { ArchiveSource } from './source.ts'
import type { ArchiveInfo, EntryType, Watch } from './types.ts'
import type { Unlocked } from './unlock.ts'

/** Memory for telling unique chunks apart, bytes; of more chunks than fit, the rest counts as unique. */
const INDEX_BYTES = 256 * MIB

export async function gatherInfo(source: ArchiveSource, unlocked: Unlocked, { signal, onProgress }: Watch): Promise<ArchiveInfo> {
  const codecs = new Map<number, { frames: number; plainBytes: number; storedBytes: number }>()
  const scan = new Scan(source, unlocked, ({ header }) => {
    const of = codecs.get(header.codec) ?? { frames: 0, plainBytes: 0, storedBytes: 0 }
    of.frames++
    of.plainBytes += header.plainLength
    of.storedBytes += header.storedLength
    codecs.set(header.codec, of)
  })
  const byType: Record<EntryType, number> = { file: 0, directory: 0, symlink: 0, hardlink: 0, fifo: 0, chardev: 0, blockdev: 0 }
  const sizes = new Map<number, number>()
  const index = new ChunkIndex(INDEX_BYTES)
  const id = new Uint32Array(8)
  const idBytes = new Uint8Array(id.buffer)
  let uniqueChunks = 0
  let holeBytes = 0
  let chunkBytes = 0
  let baseBytes = 0
  let unstable = 0
  const assembler = new EntryAssembler()
  for await (const { page, firstEntry, firstOffset, offset } of scan.pages()) {
    signal?.throwIfAborted()
    for (const { entry, extents, frames } of assembler.page(page, firstEntry, firstOffset)) {
      if (entry) byType[entry.type]++
      if (entry?.unstable) unstable++
      let chunk = 0
      for (const extent of extents) {
        if (extent.kind === 'hole') {
          holeBytes += extent.length
          continue
        }
        chunkBytes += extent.length
        if (frames[chunk++]! < 0) baseBytes += extent.length
        const upTo = 2 ** Math.ceil(Math.log2(extent.length))
        sizes.set(upTo, (sizes.get(upTo) ?? 0) + 1)
        idBytes.set(extent.id)
        if (index.find(id, 0) >= 0) continue
        uniqueChunks++
        index.set(id, 0, 0, 0)
      }
    }
    onProgress?.({ bytes: offset, totalBytes: source.length, entries: firstEntry + page.entries, totalEntries: null })
  }
  const footer = scan.footer!
  const { header } = unlocked
  const names = new Map([[CODEC.store, 'store'], [CODEC.lz4, 'lz4'], [CODEC.zstd, 'zstd']] as [number, 'store' | 'lz4' | 'zstd'][])
  return {
    version: VERSION,
    archiveId: header.archiveId,
    root: footer.root,
    encrypted: header.encrypted,
    partial: header.partial,
    signer: footer.signer,
    baseId: unlocked.base?.archiveId ?? null,
    baseBytes,
    average: header.average,
    slots: header.slots.map((slot) =>
      slot.type === 1 ? { type: 'passphrase', iterations: slot.iterations, memoryKib: slot.memoryKib } : { type: 'recipient' }),
    entries: footer.entries,
    logicalBytes: footer.logicalBytes,
    chunkRefs: footer.chunkRefs,
    frameBytes: footer.frameBytes,
    frames: footer.frames,
    pages: footer.pages,
    archiveBytes: footer.archiveLength,
    byType, unstable, holeBytes, uniqueChunks,
    dedupSavedBytes: chunkBytes - baseBytes - footer.frameBytes,
    codecs: [...codecs].map(([codec, of]) => ({ codec: names.get(codec)!, ...of })).sort((a, b) => b.plainBytes - a.plainBytes),
    chunkSizes: [...sizes].map(([upTo, count]) => ({ upTo, count })).sort((a, b) => a.upTo - b.upTo),
    metadataBytes: scan.metadataBytes,
  }
}
