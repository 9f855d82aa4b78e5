/** Takes records in archive order and gives closed pages; and the root over them, for whoever writes none (§8, §9). */
import { indexDigest, pageDigest, rootDigest } from '../codec/merkle.ts'
import type { Hint, Metadata, SimpleRecord } from '../format/entry.ts'
import { writeIndexPage } from '../format/index-page.ts'
import { PageBuilder, type ClosedPage } from '../format/page.ts'
import { TreeBuilder, type CompleteNode } from './tree-builder.ts'

/** What takes the records of a tree, in archive order; each method throws as that of `PageBuilder`. */
export interface RecordSink {
  beginFile(path: Uint8Array): void
  /** @param frame, offset where it lies, in the caller's terms */
  chunk(length: number, id: Uint8Array, frame: number, offset: number): void
  hole(length: number): void
  endFile(metadata: Metadata, hint: Hint | null): void
  add(record: SimpleRecord): void
}

export class PageStream implements RecordSink {
  readonly #builder = new PageBuilder()
  readonly #onPage: (page: ClosedPage) => void

  /** @param onPage called with each page as it closes */
  constructor(onPage: (page: ClosedPage) => void) {
    this.#onPage = onPage
  }

  beginFile(path: Uint8Array): void {
    this.#builder.beginFile(path)
  }

  chunk(length: number, id: Uint8Array, frame: number, offset: number): void {
    this.#closeIf(this.#builder.chunk(length, id, frame, offset))
  }

  hole(length: number): void {
    this.#closeIf(this.#builder.hole(length))
  }

  endFile(metadata: Metadata, hint: Hint | null): void {
    this.#closeIf(this.#builder.endFile(metadata, hint))
  }

  add(record: SimpleRecord): void {
    this.#closeIf(this.#builder.add(record))
  }

  /** Closes what is left: at the end of input, or, with `midway`, also in the midst of a file. */
  close({ midway = false } = {}): void {
    if (midway ? this.#builder.hasContent : !this.#builder.isEmpty) this.#onPage(this.#builder.close({ midway }))
  }

  #closeIf(full: boolean): void {
    if (full) this.#onPage(this.#builder.close())
  }
}

const NOWHERE = new Uint8Array(32)

/** The root of a tree whose records are told to it; where anything lies plays no part. */
export class RootBuilder implements RecordSink {
  readonly #average: number
  readonly #pages = new PageStream((page) => this.#addPage(page))
  readonly #tree = new TreeBuilder()
  #isInFile = false
  entries = 0
  logicalBytes = 0
  chunkRefs = 0

  constructor(average: number) {
    this.#average = average
  }

  beginFile(path: Uint8Array): void {
    this.#isInFile = true
    this.#pages.beginFile(path)
  }

  /** Begins a file, unless it was begun: a part of it comes. */
  goOn(path: Uint8Array): void {
    if (!this.#isInFile) this.beginFile(path)
  }

  chunk(length: number, id: Uint8Array): void {
    this.chunkRefs++
    this.logicalBytes += length
    this.#pages.chunk(length, id, 0, 0)
  }

  hole(length: number): void {
    this.logicalBytes += length
    this.#pages.hole(length)
  }

  endFile(metadata: Metadata): void {
    this.entries++
    this.#isInFile = false
    this.#pages.endFile(metadata, null)
  }

  add(record: SimpleRecord): void {
    this.entries++
    this.#pages.add(record)
  }

  /** To be called once, at the end of input. @returns 32 bytes */
  root(): Uint8Array {
    this.#pages.close()
    for (let node = this.#tree.nextUnfinished(); node; node = this.#tree.nextUnfinished()) this.#addNode(node)
    const top = this.#tree.top()
    const { entries, logicalBytes, chunkRefs } = this
    return rootDigest({ average: this.#average, entries, logicalBytes, chunkRefs, topLevel: top?.level ?? 0, topDigest: top?.child.digest ?? null })
  }

  #addPage({ content, firstPath, firstOffset, entries }: ClosedPage): void {
    let node = this.#tree.add(0, { digest: pageDigest(content), firstPath, firstOffset, entries, offset: 0, locationDigest: NOWHERE })
    while (node) node = this.#addNode(node)
  }

  #addNode({ level, children }: CompleteNode): CompleteNode | null {
    const [first] = children
    return this.#tree.add(level, {
      digest: indexDigest(writeIndexPage({ level, children }).content), firstPath: first!.firstPath, firstOffset: first!.firstOffset,
      entries: children.reduce((sum, child) => sum + child.entries, 0), offset: 0, locationDigest: NOWHERE,
    })
  }
}
