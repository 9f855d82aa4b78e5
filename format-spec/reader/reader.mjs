// Opens an archive at random (§11): header, footer, then down the tree over the pages. What it gives out
// was compared with the digest or chunk id that its parent holds.
import {ArchiveOrder} from './archive-order.mjs'
import {equalBytes} from './bytes.mjs'
import {decode} from './codecs.mjs'
import {
  blockNonce, derive, hash, keyedHash, openKeys, openSealed, parseIdentity, verifySignature
} from './crypto.mjs'
import {baseError, damaged, malformed} from './errors.mjs'
import {FILE, splitIndexPage, splitPage} from './pages.mjs'
import {openSource} from './source.mjs'
import {checkCounts, checkDigests, checkStated} from './stated.mjs'
import {
  BLOCK_HEADER_BYTES, FOOTER, FOOTER_BLOCK_BYTES, FRAME, INDEX_PAGE, PAGE, TAG_BYTES, parseBlockHeader,
  parseFooter, parseInheritance, readHeader
} from './structures.mjs'
import {verifyArchive} from './verify.mjs'

export {ReaderError} from './errors.mjs'

const FRAME_CACHE_BYTES = 64 * 1024 * 1024
const HOLE_PIECE_BYTES = 65_536
const FAN_OUT = 128

/**
 * Opens an archive and checks header, footer and signature.
 * @param input bytes, or the path of a file
 * @param passphrase bytes or a string
 * @param identity 32 bytes of seed, or a text as an identity file holds
 * @param base the archive that a thin one refers to, like input; opens with the same keys, when content is read
 * @throws ReaderError
 */
export function openArchive(input, {passphrase, identity, base} = {}) {
  const source = openSource(input)
  try {
    const header = readHeader(source)
    const secret = typeof passphrase === 'string' ? Buffer.from(passphrase) : passphrase
    const seed = typeof identity === 'string' ? parseIdentity(identity) : identity
    const openBase = base === undefined ? null : () => openArchive(base, {passphrase, identity})
    return new Archive(source, header, header.isEncrypted ? openKeys(header, secret, seed) : null, openBase)
  } catch (error) {
    source.close()
    throw error
  }
}

class Archive {
  #source
  #keys
  #openBase
  #baseReference = null
  #base = null
  #frames = new Map()
  #frameBytes = 0

  constructor(source, header, keys, openBase) {
    this.#source = source
    this.#keys = keys
    this.#openBase = openBase
    if (header.inheritance) {
      const plain = keys ? keys.inheritance : header.inheritance.subarray(0, 80)
      this.#baseReference = parseInheritance(plain, header).base
    }
    this.header = header
    this.length = source.length
    this.footer = this.#readFooter()
    this.rootBytes = rootOf(header, this.footer)
    this.root = Buffer.from(this.rootBytes).toString('hex')
    if (this.footer.isSigned && !verifySignature(header, this.footer, this.rootBytes)) {
      throw damaged('the signature is wrong')
    }
  }

  /** The entries in archive order; see the README for their fields. Throws ReaderError on the way. */
  * entries() {
    const order = new ArchiveOrder()
    for (const {page, stated} of this.#pages()) {
      const {entries, ...first} = order.page(page.records)
      checkStated(stated, {...first, entries: entries.length})
      yield* entries
    }
    order.finish()
    checkCounts(this.footer, order)
  }

  /** Everything that §11 asks of a verification in full; throws ReaderError. */
  verify() {
    if (this.#baseReference) this.#demandBase()
    verifyArchive(this)
  }

  /** The content of a file as verified pieces. @param entry one of entries(), of type 1 */
  * content(entry) {
    if (entry.type !== FILE) throw new TypeError('only a file has content')
    for (const extent of entry.extents) {
      if (extent.id) yield this.readChunk(extent)
      else yield* zeros(extent.length)
    }
  }

  close() {
    this.#base?.close()
    this.#source.close()
  }

  /** @returns the block's header with its `offset` and the offset of its `end` */
  readBlock(offset) {
    const bytes = this.#source.read(offset, BLOCK_HEADER_BYTES)
    const block = parseBlockHeader(bytes, this.header.archiveId)
    const end = offset + BLOCK_HEADER_BYTES + block.storedLength + TAG_BYTES
    if (end > this.length) throw malformed('the archive ends within a block')
    return {...block, offset, end}
  }

  /** Checks the tag of a block, then decodes it (§5.3). */
  readPlain({offset, bytes, ordinal, codec, plainLength, storedLength}) {
    const sealed = this.#source.read(offset + BLOCK_HEADER_BYTES, storedLength + TAG_BYTES)
    const encoded = this.#keys
      ? openSealed(this.#keys.sealing, blockNonce(ordinal), bytes, sealed)
      : openTagged(bytes, sealed)
    if (!encoded) throw damaged(`the tag of block ${ordinal} is wrong`)
    return decode(codec, encoded, plainLength)
  }

  /** Reads a block that must be of a kind. */
  readPlainAt(offset, kind) {
    const block = this.readBlock(offset)
    if (block.kind !== kind) throw malformed(`block ${block.ordinal} is not of kind ${kind}`)
    return this.readPlain(block)
  }

  /** @param extent {frame, offset, length, id} @returns the chunk, compared with its id (§4.5) */
  readChunk({frame, isInBase, offset, length, id}) {
    if (isInBase) return this.#demandBase().readChunk({frame, offset, length, id})
    const plain = this.#readFrame(frame)
    if (length > plain.length - offset) throw malformed('a chunk lies beyond its frame')
    const chunk = plain.subarray(offset, offset + length)
    const actual = this.#keys ? keyedHash(this.#keys.chunkId, chunk) : hash(chunk)
    if (!equalBytes(actual, id)) throw damaged('a chunk does not match its id')
    return chunk
  }

  /** The base, which must be the one that the header names (§6.5). */
  #demandBase() {
    if (this.#base) return this.#base
    const wanted = this.#baseReference
    if (!this.#openBase) throw baseError(`the archive is thin: wanted is ${Buffer.from(wanted.archiveId).toString('hex')}`)
    const base = this.#openBase()
    const isWanted = equalBytes(base.header.archiveId, wanted.archiveId) && equalBytes(base.rootBytes, wanted.root) &&
      !base.header.isThin && base.header.average === this.header.average && base.hasChunkIdKey(this.#keys?.chunkId)
    if (!isWanted) {
      base.close()
      throw baseError('this is not the base')
    }
    return this.#base = base
  }

  hasChunkIdKey(key) {
    return this.#keys && key ? equalBytes(this.#keys.chunkId, key) : !this.#keys && !key
  }

  /** A frame's plaintext; the ones used last are kept. */
  #readFrame(offset) {
    const plain = this.#frames.get(offset) ?? this.readPlainAt(offset, FRAME)
    if (this.#frames.delete(offset)) this.#frameBytes -= plain.length
    this.#frames.set(offset, plain)
    this.#frameBytes += plain.length
    for (const [oldest, {length}] of this.#frames) {
      if (this.#frameBytes <= FRAME_CACHE_BYTES) break
      this.#frames.delete(oldest)
      this.#frameBytes -= length
    }
    return plain
  }

  #readFooter() {
    const offset = this.length - FOOTER_BLOCK_BYTES
    if (offset < this.header.length) throw malformed('the archive ends before its footer')
    const footer = parseFooter(this.readPlainAt(offset, FOOTER))
    if (footer.archiveLength !== this.length) throw malformed('bytes are missing or left over')
    return footer
  }

  /** All pages by a descent from the top: {page, stated}, stated being what the parent says. */
  * #pages() {
    const {topOffset, topLevel, topDigest, topLocationDigest, entries} = this.footer
    if (topOffset === 0) return
    yield* this.#descend({
      offset: topOffset, level: topLevel, contentDigest: topDigest, locationDigest: topLocationDigest, entries
    }, this.length, true)
  }

  /** @param before the node's block lies before this offset @param isLast whether it is its level's last */
  * #descend(node, before, isLast) {
    if (node.offset >= before) throw malformed('a node does not come before its parent')
    const plain = this.readPlainAt(node.offset, node.level === 0 ? PAGE : INDEX_PAGE)
    const split = node.level === 0 ? splitPage(plain, this.header) : splitIndexPage(plain)
    checkDigests(node, split)
    const parsed = split.parse()
    if (node.level === 0) {
      if (parsed.frameOffsets.some(frame => frame >= node.offset)) throw malformed('a page before its frame')
      yield {page: parsed, stated: node}
      return
    }
    const {level, children} = parsed
    if (level !== node.level) throw malformed('wrong level')
    if (!isLast && children.length !== FAN_OUT) throw malformed('too few children')
    if (node.offset === this.footer.topOffset && children.length === 1) throw malformed('a top of one child')
    const entries = children.reduce((sum, child) => sum + child.entries, 0)
    checkStated(node, {firstPath: children[0].firstPath, firstOffset: children[0].firstOffset, entries})
    for (const [index, child] of children.entries()) {
      yield* this.#descend(child, node.offset, isLast && index === children.length - 1)
    }
  }
}

/** §5.3, not encrypted. @returns the encoded payload, or null if the tag is wrong */
function openTagged(header, tagged) {
  const encoded = tagged.subarray(0, -TAG_BYTES)
  const tag = hash(header, encoded).subarray(0, TAG_BYTES)
  return equalBytes(tag, tagged.subarray(-TAG_BYTES)) ? encoded : null
}

/** §9.3 */
function rootOf(header, footer) {
  const fixed = Buffer.alloc(34)
  fixed.writeUInt16LE(header.version, 0)
  fixed.writeUInt32LE(header.average, 2)
  fixed.writeBigUInt64LE(BigInt(footer.entries), 6)
  fixed.writeBigUInt64LE(BigInt(footer.logicalBytes), 14)
  fixed.writeBigUInt64LE(BigInt(footer.chunkRefs), 22)
  fixed.writeUInt32LE(footer.topLevel, 30)
  return derive('warp-archive 1 root', fixed, footer.topDigest)
}

function* zeros(length) {
  const piece = new Uint8Array(Math.min(length, HOLE_PIECE_BYTES))
  for (let left = length; left > 0; left -= piece.length) yield piece.subarray(0, left)
}
