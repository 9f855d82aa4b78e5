// A small writer of whole archives in memory, from the specification alone. It makes good archives for the
// independent reader, and hostile ones: every structure can be changed on its way out.
//
//   writeArchive(entries, options) →
//     {bytes, root, rootHex, blocks: [{kind, ordinal, offset, length}], archiveKey, archiveId, chunkIdKey, known}
//
// entries: array or iterable of
//   {path, type?, mode?, uid?, gid?, user?, group?, mtime?: [s, ns], unstable?, flags?,
//    xattrs?: [[name, value]], content?, target?, link?, device?: [major, minor],
//    hint?: {ctime: [s, ns], inode, device}}
//   path, target, user, group, names and values: bytes or strings. type: the number of §8.1, or told from
//   what is given (content 1, target 3, link 4, device 6, else 2). link: path or number of its target.
//   content: bytes, or an array of pieces {data} and {hole: length} that are taken as extents as they are.
// options:
//   average (65,536), codec (0, 1 or 2, for frames), metaCodec (0 or 2), frameBytes (4 MiB), fanOut (128),
//   sort (true; false keeps the order given), archiveId, compat (0),
//   passphrase, recipients ([public key]), iterations (1), memory (8), archiveKey, segmentSalt: encryption,
//   base (what writeArchive returned), thin (false): §6.5, with average and keys that fit it,
//   signerSeed (32 bytes): signature, hint on entries: change hints,
//   hook(name, value, where): called with each structure below; what it changes in `value` counts, and what
//   it returns (unless undefined) takes the place of `value`.
//
// name             value                                                            when
// 'inheritance'    Buffer of 80: §6.5                                               before it is sealed
// 'header'         Buffer of 256                                                    before MAC and checksum
// 'slot'           Buffer of 96                                                     likewise
// 'header sealed'  Buffer: header and slots                                         last of all
// 'extent'         {length, id | null}                                              before it is encoded
// 'record'         {path, type, metadata fields, target, link, device, extents}     likewise
// 'record bytes'   {head, extents: [Buffer], tail}                                  before it is counted
// 'close'          boolean; where: {S, L, R, isComplete}                            whether the page closes
// 'location'       {flags, frames: [offset], origins: [0 | 1], references: [{next} | {index, offset}], hints}  likewise
// 'content bytes', 'location bytes'   Buffer; where: {kind, page | level}           before their digest
// 'plain'          Buffer; where: {kind}: plaintext of any block                    after the digests
// 'child'          {contentDigest, firstPath, firstOffset, entries, offset, locationDigest}; where: {level}
// 'index'          {level, children}                                                before encoding
// 'before'         [] ; where: {kind, ordinal}: push {kind, codec, plain}: blocks to put in before this one
// 'block'          {archiveId, ordinal, kind, codec, plainLength, storedLength, encoded,
//                   reserved1, reserved2}
// 'block header'   Buffer of 64, before its checksum is put in
// 'block bytes'    Buffer, the whole block
// 'root'           {version, average, entries, logicalBytes, chunkRefs, topLevel, topDigest}
// 'footer'         {topOffset, …, archiveLength, signer} of §10, before the signature
// 'footer bytes'   Buffer of 232, before it is sealed
import {argon2id} from '@noble/hashes/argon2.js'
import {blake3} from '@noble/hashes/blake3.js'
import {chacha20poly1305} from '@noble/ciphers/chacha.js'
import nacl from 'tweetnacl'
import {bytesOf, cut, encode, string, u, varint, zigzag} from './tiny-encoding.mjs'

const MIB = 1024 * 1024
const FRAME = 1, PAGE = 2, INDEX_PAGE = 3, FOOTER = 4

export const derive = (context, ...parts) => blake3(Buffer.concat(parts), {context: Buffer.from(context)})
const checksum = bytes => blake3(bytes).subarray(0, 16)

/** X25519 public key of an identity's seed (§6.4). */
export const recipientOf = seed => nacl.scalarMult.base(derive('warp-identity 1 x25519', seed))
/** Ed25519 public key of an identity's seed (§6.4). */
export const signerOf = seed => nacl.sign.keyPair.fromSeed(derive('warp-identity 1 ed25519', seed)).publicKey

/** §8.1: as bytes, `/` below every other byte. */
function comparePaths(a, b) {
  const order = byte => byte === 0x2f ? -1 : byte
  const differ = a.findIndex((byte, i) => byte !== b[i])
  if (differ < 0) return a.length - b.length
  return differ >= b.length ? 1 : order(a[differ]) - order(b[differ])
}

function normalise(entry) {
  const {content, target, link, device} = entry
  const type = entry.type ?? (content !== undefined ? 1 : target !== undefined ? 3 : link !== undefined ? 4
    : device ? 6 : 2)
  if (type === 4) return {path: bytesOf(entry.path), type, link}
  return {
    mode: type === 2 ? 0o755 : 0o644, uid: 1000, gid: 1000, user: '', group: '', mtime: [0, 0], xattrs: [],
    ...entry, type, path: bytesOf(entry.path)
  }
}

/** Entries in the order of §8.1, with everything that was left out. */
export const inOrder = entries =>
  Array.from(entries).sort((a, b) => comparePaths(bytesOf(a.path), bytesOf(b.path))).map(normalise)

/** Makes one archive; see the top of this file. */
export function writeArchive(entries, options = {}) {
  const writer = new Writer(options)
  if (options.sort === false) for (const entry of entries) writer.entry(normalise(entry))
  else for (const entry of inOrder(entries)) writer.entry(entry)
  return writer.finish()
}

class Writer {
  constructor(options) {
    this.options = {average: 65_536, codec: 0, metaCodec: 0, frameBytes: 4 * MIB, fanOut: 128, ...options}
    this.out = []
    this.offset = 0
    this.blocks = []
    this.ordinal = 0
    this.counts = {entries: 0, logicalBytes: 0, chunkRefs: 0, frameBytes: 0, frames: 0, pages: 0}
    this.levels = []
    this.known = new Map()
    this.baseFrames = new Map()
    this.ids = new WeakMap()
    this.numbers = new Map()
    this.frame = null
    this.file = null
    this.header()
    this.openPage()
  }

  hook(name, value, where = {}) {
    return this.options.hook?.(name, value, where) ?? value
  }

  put(bytes) {
    this.out.push(bytes)
    this.offset += bytes.length
  }

  // §5.1, §5.2, §6

  header() {
    const {passphrase, recipients = [], compat = 0, average, base, thin} = this.options
    const isEncrypted = passphrase !== undefined || recipients.length > 0
    this.archiveId = bytesOf(this.options.archiveId ?? Buffer.alloc(16, 0xa1))
    this.archiveKey = bytesOf(this.options.archiveKey ?? Buffer.alloc(32, 0xb2))
    const salt = isEncrypted ? bytesOf(this.options.segmentSalt ?? Buffer.alloc(32, 0xc3)) : Buffer.alloc(32)
    const key = context => derive(`warp-archive 1 ${context}`, this.archiveKey)
    this.commitment = isEncrypted ? key('key commitment') : Buffer.alloc(32)
    if (isEncrypted) {
      this.chunkIdKey = base?.chunkIdKey ?? key('chunk id')
      this.sealingKey = derive('warp-archive 1 sealing', this.archiveKey, salt)
    }
    let inheritance = Buffer.alloc(96)
    if (thin || base?.chunkIdKey) {
      const plain = this.hook('inheritance', Buffer.concat([
        this.chunkIdKey ?? Buffer.alloc(32), thin ? base.archiveId : Buffer.alloc(16), thin ? base.root : Buffer.alloc(32)
      ]))
      const inheritanceKey = derive('warp-archive 1 inheritance', this.archiveKey, salt)
      inheritance = isEncrypted
        ? Buffer.from(chacha20poly1305(inheritanceKey, Buffer.alloc(12), this.archiveId).encrypt(plain))
        : Buffer.concat([plain, Buffer.alloc(16)])
    }
    const incompat = (isEncrypted ? 1 : 0) + (isEncrypted && base ? 2 : 0) + (thin ? 4 : 0)
    const slots = recipients.map((recipient, i) => this.recipientSlot(recipient, i))
    if (passphrase !== undefined) slots.push(this.passphraseSlot(bytesOf(passphrase)))
    let header = Buffer.concat([
      Buffer.from('89574152500d0a1a', 'hex'), u(2, 1), u(2, slots.length), u(4, incompat),
      u(4, compat), u(4, average), this.archiveId, salt, this.commitment, inheritance, Buffer.alloc(56)
    ])
    header = this.hook('header', header)
    const slotBytes = Buffer.concat(slots.map((slot, i) => this.hook('slot', slot, {index: i})))
    if (isEncrypted) {
      header.set(blake3(Buffer.concat([header.subarray(0, 208), slotBytes]), {key: key('header mac')}), 208)
    }
    header.set(checksum(Buffer.concat([header.subarray(0, 240), slotBytes])), 240)
    this.put(this.hook('header sealed', Buffer.concat([header, slotBytes])))
  }

  wrap(wrappingKey) {
    return chacha20poly1305(wrappingKey, Buffer.alloc(12), this.archiveId).encrypt(this.archiveKey)
  }

  passphraseSlot(passphrase) {
    const {iterations = 1, memory = 8} = this.options
    const salt = Buffer.alloc(16, 0xd4)
    const stretched = argon2id(passphrase, salt, {t: iterations, m: memory, p: 1, version: 0x13, dkLen: 32})
    return Buffer.concat([Buffer.from([1, 0, 0, 0]), u(4, iterations), u(4, memory), u(4, 0), salt,
      Buffer.alloc(16), this.wrap(derive('warp-archive 1 passphrase slot', stretched))])
  }

  recipientSlot(recipient, index) {
    const ephemeral = Buffer.alloc(32, 0xe5 + index)
    const share = nacl.scalarMult.base(ephemeral)
    const shared = nacl.scalarMult(ephemeral, Uint8Array.from(recipient))
    return Buffer.concat([Buffer.from([2]), Buffer.alloc(15), share,
      this.wrap(derive('warp-archive 1 recipient slot', shared, share, recipient))])
  }

  // §5.3

  /** Writes one block. @returns its offset */
  block(kind, codec, plain) {
    for (const extra of this.hook('before', [], {kind, ordinal: this.ordinal})) {
      this.write(extra.kind, extra.codec ?? 0, extra.plain)
    }
    return this.write(kind, codec, plain)
  }

  write(kind, wantedCodec, plainBytes) {
    const plain = this.hook('plain', plainBytes, {kind, ordinal: this.ordinal})
    const ordinal = this.ordinal++
    const encoding = encode(wantedCodec, plain)
    const fields = this.hook('block', {
      archiveId: this.archiveId, ordinal, kind, codec: encoding.codec, plainLength: plain.length,
      storedLength: encoding.encoded.length, encoded: encoding.encoded, reserved1: 0, reserved2: 0
    }, {kind, ordinal})
    let header = Buffer.concat([
      Buffer.from('c7777270626c6b0a', 'hex'), fields.archiveId, u(8, fields.ordinal), u(1, fields.kind),
      u(1, fields.codec), u(2, fields.reserved1), u(4, fields.plainLength), u(4, fields.storedLength),
      u(4, fields.reserved2), Buffer.alloc(16)
    ])
    header = this.hook('block header', header, {kind, ordinal})
    header.set(checksum(header.subarray(0, 48)), 48)
    const nonce = Buffer.concat([Buffer.alloc(4), u(8, fields.ordinal)])
    const payload = this.sealingKey
      ? chacha20poly1305(this.sealingKey, nonce, header).encrypt(fields.encoded)
      : Buffer.concat([fields.encoded, checksum(Buffer.concat([header, fields.encoded]))])
    const bytes = this.hook('block bytes', Buffer.concat([header, payload]), {kind, ordinal})
    const {offset} = this
    this.blocks.push({kind, ordinal, offset, length: bytes.length})
    this.put(bytes)
    return offset
  }

  flushFrame() {
    const {frame} = this
    if (!frame) return
    this.frame = null
    const plain = Buffer.concat(frame.chunks)
    frame.offset = this.block(FRAME, this.options.codec, plain)
    this.counts.frames++
    this.counts.frameBytes += plain.length
  }

  // §8

  openPage() {
    this.page = {
      records: [], chunks: [], hints: [], hasHints: false, S: 0, L: 0, R: 0,
      first: null, firstOffset: this.file?.size ?? 0
    }
  }

  entry(entry) {
    if (entry.type === 1 || entry.type === 0) this.fileEntry(entry)
    else this.completeRecord(entry, [])
  }

  fileEntry(entry) {
    this.file = {entry, size: 0, extents: []}
    const {content} = entry
    const pieces = Array.isArray(content) ? content : cut(bytesOf(content), this.options.average)
    for (const piece of pieces) {
      const extent = this.extent(piece)
      this.file.extents.push(extent.encoded)
      this.file.size += extent.length
      this.page.S += extent.encoded.length
      if (piece.data) this.page.L += extent.length
      if (this.closes(false)) {
        this.record({path: entry.path, type: 0}, this.file.extents)
        this.file.extents = []
        this.closePage()
      }
    }
    this.counts.logicalBytes += this.file.size
    const {extents} = this.file
    this.file = null
    this.completeRecord(entry, extents)
  }

  extent({data, hole}) {
    if (hole !== undefined) {
      const {length} = this.hook('extent', {length: hole, id: null})
      return {length, encoded: Buffer.concat([varint(0), varint(length)])}
    }
    const id = this.idOf(data)
    const extent = this.hook('extent', {length: data.length, id})
    this.counts.chunkRefs++
    this.page.chunks.push({...this.store(Buffer.from(data), id), length: extent.length})
    return {length: extent.length, encoded: Buffer.concat([varint(extent.length), extent.id])}
  }

  /** The same array given again, as the content of a large file may be, is hashed once. */
  idOf(data) {
    const id = this.ids.get(data) ?? blake3(data, this.chunkIdKey ? {key: this.chunkIdKey} : {})
    this.ids.set(data, id)
    return id
  }

  store(data, id) {
    const name = Buffer.from(id).toString('hex')
    const known = this.known.get(name) ?? (this.options.thin ? this.inBase(name) : undefined)
    if (known) return known
    this.frame ??= {chunks: [], length: 0}
    const place = {frame: this.frame, offset: this.frame.length}
    this.frame.chunks.push(data)
    this.frame.length += data.length
    this.known.set(name, place)
    if (this.frame.length >= this.options.frameBytes) this.flushFrame()
    return place
  }

  /** Where the base holds a chunk. */
  inBase(name) {
    const known = this.options.base.known.get(name)
    if (!known) return undefined
    const {offset} = known.frame
    const frame = this.baseFrames.get(offset) ?? {offset, origin: 1}
    this.baseFrames.set(offset, frame)
    return {frame, offset: known.offset}
  }

  closes(isComplete) {
    const {S, L, R} = this.page
    return this.hook('close', S >= MIB || L >= 64 * MIB || R >= 8192, {S, L, R, isComplete})
  }

  completeRecord(entry, extents) {
    const length = this.record(entry, extents)
    this.page.S += length
    this.page.R++
    if (entry.type === 1) {
      this.page.hasHints ||= entry.hint !== undefined
      this.page.hints.push(entry.hint ?? {ctime: [0, 0], inode: 0, device: 0})
    }
    const number = this.counts.entries++
    // Nothing may link to a hard link, and an archive may hold a million of them.
    if (entry.type !== 4) this.numbers.set(entry.path.toString('latin1'), number)
    if (this.closes(true)) this.closePage()
  }

  /** @returns the encoded length without the extents */
  record(entry, extents) {
    const record = this.hook('record', {...entry, extents}, {number: this.counts.entries})
    const link = typeof record.link === 'number' || record.link === undefined
      ? record.link : this.numbers.get(bytesOf(record.link).toString('latin1'))
    const hasMetadata = record.type !== 0 && record.type !== 4
    const head = Buffer.concat([
      string(record.path), Buffer.from([record.type]), hasMetadata ? metadata(record) : Buffer.alloc(0),
      record.type <= 1 ? varint(record.extents.length) : Buffer.alloc(0)
    ])
    const tail = Buffer.concat([
      record.type === 3 ? string(record.target) : Buffer.alloc(0),
      record.type === 4 ? varint(link) : Buffer.alloc(0),
      record.type === 6 || record.type === 7 ? Buffer.concat(record.device.map(varint)) : Buffer.alloc(0)
    ])
    const bytes = this.hook('record bytes', {head, extents: record.extents, tail}, {record})
    this.page.first ??= record.path
    this.page.records.push(Buffer.concat([bytes.head, ...bytes.extents, bytes.tail]))
    return bytes.head.length + bytes.tail.length
  }

  closePage() {
    this.flushFrame()
    const {page} = this
    const where = {kind: PAGE, page: this.counts.pages}
    const content = this.hook('content bytes',
      Buffer.concat([varint(page.records.length), ...page.records]), where)
    const location = this.hook('location bytes', this.location(page), where)
    const plain = Buffer.concat([u(4, content.length), content, location])
    const offset = this.block(PAGE, this.options.metaCodec, plain)
    this.counts.pages++
    this.node(0, {
      contentDigest: derive('warp-archive 1 page content', content), firstPath: page.first,
      firstOffset: page.firstOffset, entries: page.R, offset,
      locationDigest: derive('warp-archive 1 location', location)
    })
    this.openPage()
  }

  location(page) {
    const frames = []
    let previous = null
    const references = page.chunks.map(({frame, offset, length}) => {
      if (!frames.includes(frame)) frames.push(frame)
      const next = previous?.frame === frame && previous.end === offset
      previous = {frame, end: offset + length}
      return next ? {next} : {index: frames.indexOf(frame), offset}
    })
    const fields = this.hook('location', {
      flags: page.hasHints ? 1 : 0, frames: frames.map(frame => frame.offset),
      origins: frames.map(frame => frame.origin ?? 0), references,
      hints: page.hasHints ? page.hints : []
    }, {page: this.counts.pages})
    return Buffer.concat([
      u(1, fields.flags), varint(fields.frames.length),
      ...fields.frames.map((frame, i) => this.options.thin ? Buffer.concat([u(1, fields.origins[i]), varint(frame)]) : varint(frame)),
      ...fields.references.map(({next, index, offset}) =>
        next ? varint(0) : Buffer.concat([varint(index + 1), varint(offset)])),
      ...fields.hints.map(({ctime, inode, device}) =>
        Buffer.concat([zigzag(ctime[0]), varint(ctime[1]), u(8, inode), u(8, device)]))
    ])
  }

  // §9

  node(level, node) {
    const nodes = this.levels[level] ??= {count: 0, orphans: []}
    nodes.count++
    nodes.orphans.push(node)
    if (nodes.orphans.length === this.options.fanOut) this.indexPage(level + 1)
  }

  indexPage(level) {
    const nodes = this.levels[level - 1].orphans.splice(0)
    const where = {kind: INDEX_PAGE, level}
    const children = nodes.map((node, i) => this.hook('child', {...node}, {level, index: i}))
    const index = this.hook('index', {level, children}, where)
    const content = this.hook('content bytes', Buffer.concat([
      u(1, index.level), varint(index.children.length), ...index.children.map(child => Buffer.concat([
        child.contentDigest, string(child.firstPath), varint(child.firstOffset), varint(child.entries)]))
    ]), where)
    const location = this.hook('location bytes', Buffer.concat(
      index.children.map(child => Buffer.concat([varint(child.offset), child.locationDigest]))), where)
    const plain = Buffer.concat([u(4, content.length), content, location])
    const offset = this.block(INDEX_PAGE, this.options.metaCodec, plain)
    this.node(level, {
      contentDigest: derive('warp-archive 1 index content', content), firstPath: nodes[0].firstPath,
      firstOffset: nodes[0].firstOffset, entries: nodes.reduce((sum, node) => sum + node.entries, 0), offset,
      locationDigest: derive('warp-archive 1 location', location)
    })
  }

  finish() {
    if (this.page.records.length > 0) this.closePage()
    // The list grows while it is walked: each index page may begin a level.
    for (let level = 0; level < this.levels.length; level++) {
      const {count, orphans} = this.levels[level]
      if (count > 1 && orphans.length > 0) this.indexPage(level + 1)
    }
    const top = this.levels.at(-1)?.orphans[0]
    const {bytes, root} = this.footerPlain(top)
    this.block(FOOTER, 0, bytes)
    return {
      bytes: Buffer.concat(this.out), root, rootHex: Buffer.from(root).toString('hex'),
      blocks: this.blocks, archiveKey: this.archiveKey, archiveId: this.archiveId, chunkIdKey: this.chunkIdKey,
      known: this.known
    }
  }

  footerPlain(top) {
    const footer = {
      topOffset: top?.offset ?? 0, topLevel: Math.max(0, this.levels.length - 1),
      topDigest: top?.contentDigest ?? Buffer.alloc(32),
      topLocationDigest: top?.locationDigest ?? Buffer.alloc(32), ...this.counts,
      archiveLength: this.offset + 312, signer: Buffer.alloc(32)
    }
    if (this.options.signerSeed) footer.signer = signerOf(this.options.signerSeed)
    const {signer, ...fields} = this.hook('footer', footer)
    const root = this.rootOf(fields)
    const signature = this.options.signerSeed ? this.sign(root, fields.topLocationDigest) : Buffer.alloc(64)
    const bytes = this.hook('footer bytes', Buffer.concat([
      u(8, fields.topOffset), u(4, fields.topLevel), u(4, 0), fields.topDigest, fields.topLocationDigest,
      u(8, fields.entries), u(8, fields.logicalBytes), u(8, fields.chunkRefs), u(8, fields.frameBytes),
      u(8, fields.frames), u(8, fields.pages), u(8, fields.archiveLength), signer, signature
    ]))
    return {bytes, root}
  }

  sign(root, topLocationDigest) {
    const {secretKey} = nacl.sign.keyPair.fromSeed(derive('warp-identity 1 ed25519', this.options.signerSeed))
    return nacl.sign.detached(Buffer.concat([Buffer.from('warp-archive 1 signature'), this.archiveId,
      this.commitment, root, topLocationDigest]), secretKey)
  }

  rootOf({entries, logicalBytes, chunkRefs, topLevel, topDigest}) {
    const fields = this.hook('root',
      {version: 1, average: this.options.average, entries, logicalBytes, chunkRefs, topLevel, topDigest})
    return derive('warp-archive 1 root', u(2, fields.version), u(4, fields.average), u(8, fields.entries),
      u(8, fields.logicalBytes), u(8, fields.chunkRefs), u(4, fields.topLevel), fields.topDigest)
  }
}

function metadata(record) {
  return Buffer.concat([
    u(1, record.flags ?? (record.unstable ? 1 : 0)), varint(record.mode), varint(record.uid),
    varint(record.gid), string(record.user), string(record.group), zigzag(record.mtime[0]),
    varint(record.mtime[1]), varint(record.xattrs.length),
    ...record.xattrs.flatMap(([name, value]) => [string(name), string(value)])
  ])
}
