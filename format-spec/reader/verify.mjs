// Verification in full (§11): all blocks from first to last, rebuilding the tree as a writer does and
// comparing it with the index pages and the footer.
import {ArchiveOrder} from './archive-order.mjs'
import {equalBytes} from './bytes.mjs'
import {damaged, malformed} from './errors.mjs'
import {splitIndexPage, splitPage} from './pages.mjs'
import {checkCounts, checkDigests, checkStated} from './stated.mjs'
import {FOOTER, FRAME, INDEX_PAGE, PAGE} from './structures.mjs'

const MAX_FRAMES_BETWEEN_PAGES_BYTES = 128 * 1024 * 1024
const FAN_OUT = 128

/** @param archive what openArchive gave @throws ReaderError */
export function verifyArchive(archive) {
  const walk = new Walk(archive)
  let offset = archive.header.length
  for (let ordinal = 0; !walk.isDone; ordinal++) {
    const block = archive.readBlock(offset)
    if (block.ordinal !== ordinal) throw malformed(`block ${ordinal} has ordinal ${block.ordinal}`)
    walk.block(block)
    offset = block.end
  }
  if (offset !== archive.length) throw malformed('bytes follow the footer')
}

class Walk {
  isDone = false
  #archive
  #order = new ArchiveOrder()
  #tree = new Tree()
  /** By file offset: {plainLength, isReferenced, checked}; checked holds the chunks found right. */
  #frames = new Map()
  #baseFrames = new Map()
  #frameBytes = 0
  #frameBytesSincePage = 0

  constructor(archive) {
    this.#archive = archive
  }

  block(block) {
    const isTreeBlock = block.kind === INDEX_PAGE
    if (!isTreeBlock && this.#tree.dueLevel > 0) throw malformed('an index page is missing')
    if (this.#tree.isEnding && (block.kind === FRAME || block.kind === PAGE)) {
      throw malformed('data after an index page of the end')
    }
    if (block.kind === FRAME) this.#frame(block)
    else if (block.kind === PAGE) this.#page(block)
    else if (isTreeBlock) this.#indexPage(block)
    else if (block.kind === FOOTER) this.#footer()
  }

  #frame({offset, plainLength}) {
    this.#frames.set(offset, {plainLength, isReferenced: false, checked: new Map()})
    this.#frameBytes += plainLength
    this.#frameBytesSincePage += plainLength
    if (this.#frameBytesSincePage > MAX_FRAMES_BETWEEN_PAGES_BYTES) throw malformed('too long without a page')
  }

  #page(block) {
    this.#frameBytesSincePage = 0
    const {parse, ...digests} = splitPage(this.#archive.readPlain(block), this.#archive.header)
    const {records, frameOffsets} = parse()
    for (const offset of frameOffsets) {
      const frame = this.#frames.get(offset)
      if (!frame) throw malformed('a page refers to no frame before it')
      frame.isReferenced = true
    }
    const {entries, ...first} = this.#order.page(records)
    for (const extent of records.flatMap(record => record.extents ?? [])) {
      if (extent.id) this.#chunk(extent)
    }
    this.#tree.add({...digests, ...first, level: 0, offset: block.offset, entries: entries.length})
  }

  #chunk(extent) {
    const {checked} = extent.isInBase ? this.#baseFrame(extent.frame) : this.#frames.get(extent.frame)
    const known = checked.get(extent.offset)
    if (known?.length === extent.length && equalBytes(known.id, extent.id)) return
    this.#archive.readChunk(extent)
    checked.set(extent.offset, {length: extent.length, id: Buffer.from(extent.id)})
  }

  /** A frame of the base; what of it was checked. */
  #baseFrame(offset) {
    const frame = this.#baseFrames.get(offset) ?? {checked: new Map()}
    this.#baseFrames.set(offset, frame)
    return frame
  }

  #indexPage(block) {
    const {parse, ...digests} = splitIndexPage(this.#archive.readPlain(block))
    const {level, children} = parse()
    const nodes = this.#tree.take(level)
    if (children.length !== nodes.length) throw malformed('wrong number of children')
    children.forEach((child, index) => {
      if (child.offset !== nodes[index].offset) throw malformed('wrong offset of a child')
      checkDigests(child, nodes[index])
      checkStated(child, nodes[index])
    })
    const {firstPath, firstOffset} = nodes[0]
    const entries = nodes.reduce((sum, node) => sum + node.entries, 0)
    this.#tree.add({...digests, firstPath, firstOffset, level, offset: block.offset, entries})
  }

  #footer() {
    this.#order.finish()
    const {footer} = this.#archive
    const top = this.#tree.top()
    if (footer.topOffset !== (top?.offset ?? 0) || footer.topLevel !== (top?.level ?? 0)) {
      throw malformed('the footer names another top')
    }
    if (top) {
      checkDigests({contentDigest: footer.topDigest, locationDigest: footer.topLocationDigest}, top)
    }
    for (const {isReferenced} of this.#frames.values()) {
      if (!isReferenced) throw malformed('a frame without a page')
    }
    checkCounts(footer, this.#order)
    if (footer.frames !== this.#frames.size) throw damaged("the footer's number of frames is wrong")
    if (footer.frameBytes !== this.#frameBytes) throw damaged("the footer's size of frames is wrong")
    this.isDone = true
  }
}

/** The tree over the pages as §9.1 builds it. */
class Tree {
  /** Whether an index page of fewer than 128 children came: only such and the footer may follow. */
  isEnding = false
  /** Per level: how many nodes there are, and which of them have no parent yet. */
  #levels = []

  add(node) {
    const level = this.#levels[node.level] ??= {count: 0, orphans: []}
    level.count++
    level.orphans.push(node)
  }

  /** Level of the index page that must come next because its children are complete, or 0. */
  get dueLevel() {
    return this.#levels.findIndex(({orphans}) => orphans.length === FAN_OUT) + 1
  }

  /** Level of the index page that comes next if the input is at its end, or 0. */
  get #endLevel() {
    return this.#levels.findIndex(({count, orphans}) => count > 1 && orphans.length > 0) + 1
  }

  /** The children of an index page of this level, if it may come now. */
  take(level) {
    if (this.dueLevel === 0) this.isEnding = true
    if (level !== (this.dueLevel || this.#endLevel)) throw malformed('an index page out of order')
    return this.#levels[level - 1].orphans.splice(0)
  }

  top() {
    if (this.dueLevel > 0 || this.#endLevel > 0) throw malformed('an index page is missing')
    return this.#levels.at(-1)?.orphans[0]
  }
}
