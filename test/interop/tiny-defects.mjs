// One defect an archive, and what must come of it: [name, class of §13, make, keys | undefined, clause].
// Where two classes fit, both are given with | between, first that of format-spec/reader. Checksums, digests
// and tags are right but where they are the defect. They test readers and make the hostile vectors.
import {compressLz4Block, u, varint} from './tiny-encoding.mjs'
import {
  average, before, block, child, chunkOf, content, extraFrame, file, flip, footer, footerBytes,
  framesBetweenPages, goodZstd, header, index, large, letter, location, locked, lowOrderPoint, minHole,
  inheriting, lockedOnBase, of, onBase, onLockedBase, partExtents, partsOf, payload, pieces, record, sealHeader,
  seed, set, slot, slots, small, theBase, theThin, thin, thinId, twoPages, zerosOf, zstdOf
} from './tiny-hostile.mjs'
import {recipientOf, signerOf} from './tiny-writer.mjs'

/** @returns the same, each with the clause of the specification that it breaks at its end */
const clause = (number, cases) =>
  cases.map(([name, classes, make, keys]) => [name, classes, make, keys, number])

export const defects = [
  clause('5.1', [ // Header
  ['no bytes at all', 'malformed', () => Buffer.alloc(0)],
  ['header cut short', 'malformed', () => small({}).subarray(0, 255)],
  ['wrong magic', 'malformed', () => header(0, [0x88])],
  ['version 2', 'unsupported', () => header(8, u(2, 2))],
  ['version 2, wrong checksum', 'malformed', () => flip(header(8, u(2, 2)), 240)],
  ['version 2, 65 slots', 'malformed', () => header(8, [2, 0, 65, 0])],
  ['unknown incompat bit', 'unsupported', () => header(12, [8])],
  ['65 slots', 'malformed', () => slots(65), locked],
  ['slots cut short', 'malformed', () => header(10, [64, 0])],
  ['average not a power of two', 'malformed', () => header(20, u(4, 4097))],
  ['average too small', 'malformed', () => header(20, u(4, 2048))],
  ['average too large', 'malformed', () => header(20, u(4, 2 ** 23))],
  ['average of 0', 'malformed', () => header(20, u(4, 0))],
  ['segment salt, not encrypted', 'malformed', () => header(40, [1])],
  ['commitment, not encrypted', 'malformed', () => header(103, [1])],
  ['MAC, not encrypted', 'malformed', () => header(239, [1])],
  ['reserved bytes of the header', 'malformed', () => header(200, [1])],
  ['encrypted without slots', 'malformed', () => header(12, [1])],
  ['slots without encryption', 'malformed', () => header(12, [0], locked), locked],
  ['commitment of another key', 'damaged', () => header(72, [1], locked), locked],
  ['wrong MAC', 'damaged', () => small({'header sealed': bytes => {
    bytes[208] ^= 1
    sealHeader(bytes)
  }}, locked), locked],
  ['segment salt changed', 'damaged', () => small({'header sealed': bytes => {
    bytes[40] ^= 1
    sealHeader(bytes)
  }}, locked), locked],
  ]),
  clause('5.2', [ // Key slots
  ['slot type 3', 'malformed', () => slot(0, [3]), locked],
  ['slot reserved 1', 'malformed', () => slot(1, [1]), locked],
  ['slot reserved 12', 'malformed', () => slot(12, [1]), locked],
  ['slot reserved 32', 'malformed', () => slot(47, [1]), locked],
  ['iterations 0', 'malformed', () => slot(4, u(4, 0)), locked],
  ['iterations 17', 'malformed', () => slot(4, u(4, 17)), locked],
  ['memory 7', 'malformed', () => slot(8, u(4, 7)), locked],
  ['memory above 1 GiB', 'malformed', () => slot(8, u(4, 2 ** 20 + 1)), locked],
  ['nine passphrases', 'malformed', () => slots(9), locked],
  ['passphrases too dear together', 'malformed', () => slots(2, value => {
    value.set(u(4, 16), 4)
    value.set(u(4, 2 ** 20), 8)
  }), locked],
  ['iterations of a recipient', 'malformed', () =>
    slot(4, [1], {recipients: [recipientOf(seed)]}), {identity: seed}],
  ['share of low order', 'key', () =>
    slot(16, lowOrderPoint, {recipients: [recipientOf(seed)]}), {identity: seed}],
  ['wrapped key changed', 'key', () => slot(48, [0, 0]), locked],
  ['encrypted, no key given', 'key', () => small({}, locked)],
  ['encrypted, another passphrase given', 'key', () => small({}, locked), {passphrase: 'q'}],
  ]),
  clause('6.5', [ // Bases
  ['key of a base, not encrypted', 'malformed', () => header(12, [2])],
  ['thin, encrypted, with a key of its own', 'malformed', () => header(12, [5], locked), locked],
  ['inheritance without a base', 'malformed', () => header(104, [1])],
  ['seal of an inheritance, not encrypted', 'malformed', () => thin({header: set(184, [1])}), onBase],
  ['chunk-id key, not encrypted', 'malformed', () => thin({inheritance: set(0, [1])}), onBase],
  ['base of its own', 'malformed', () => thin({inheritance: set(32, thinId)}), onBase],
  ['inheritance changed', 'damaged', () => thin({header: value => flip(value, 104)}, lockedOnBase), onLockedBase],
  ['base of a complete archive', 'malformed', () => inheriting({inheritance: set(32, [1])}), locked],
  ['no base given', 'base', () => thin({inheritance: set(32, Buffer.alloc(16, 0xbb))})],
  ['base of another id', 'base', () => thin({}), {base: 'good-files.warp'}],
  ['base of another root', 'base', () => thin({inheritance: set(48, [1])}), onBase],
  ['base with another chunk-id key', 'base', () => thin({inheritance: value => flip(value, 0)}, lockedOnBase), onLockedBase],
  ['base that is thin', 'base', () => thin({}, {base: theThin, archiveId: Buffer.alloc(16, 0x7b)}), {base: 'good-thin.warp'}],
  ]),
  clause('5.3', [ // Blocks
  ['wrong block magic', 'malformed', () => small({'block header': set(0, [0])})],
  ['wrong block checksum', 'malformed', () =>
    small({'block bytes': (value, {kind}) => kind === 1 ? flip(value, 48) : value})],
  ['archive id of another archive', 'malformed', () => block(1, {archiveId: Buffer.alloc(16)})],
  ['ordinal that skips one', 'malformed', () => block(1, {ordinal: 1})],
  ['ordinal above 2^53-1', 'malformed', () => block(1, {ordinal: 2n ** 53n})],
  ['block of kind 0', 'malformed', () => block(1, {kind: 0})],
  ['block of kind 5', 'malformed', () => block(1, {kind: 5})],
  ['codec 3', 'malformed', () => block(1, {codec: 3})],
  ['reserved bytes of a block header', 'malformed', () => block(1, {reserved1: 1})],
  ['reserved bytes at the end of a block header', 'malformed', () => block(2, {reserved2: 1})],
  ['plain length 0', 'malformed', () => block(1, {codec: 2, plainLength: 0})],
  ['frame above 16 MiB', 'malformed', () => block(1, {codec: 2, plainLength: 2 ** 24 + 1})],
  ['page above 4 MiB', 'malformed', () => block(2, {codec: 2, plainLength: 2 ** 22 + 1})],
  ['footer of another length', 'malformed', () => block(4, {plainLength: 231})],
  ['stored length, stored', 'malformed', () => block(1, {plainLength: 6001})],
  ['stored length, compressed', 'malformed', () => block(1, {codec: 2})],
  ['stored length beyond the archive', 'malformed', () =>
    block(1, {storedLength: 2 ** 24, plainLength: 2 ** 24})],
  ['page in LZ4', 'malformed', () => block(2, {codec: 1, plainLength: 10_000})],
  ['wrong tag of a frame', 'damaged', () =>
    small({'block bytes': (value, {kind}) => kind === 1 ? flip(value, value.length - 1) : value})],
  ['payload of a page changed', 'damaged', () =>
    small({'block bytes': (value, {kind}) => kind === 2 ? flip(value, 70) : value})],
  ['wrong tags, encrypted', 'damaged', () =>
    small({'block bytes': value => flip(value, value.length - 1)}, locked), locked],
  ]),
  clause('7', [ // Codecs
  ['LZ4 without its words', 'malformed', () => payload(1, 6000, Buffer.alloc(3))],
  ['LZ4 word beyond the payload', 'malformed', () => payload(1, 6000, Buffer.concat([u(4, 100), letter]))],
  ['LZ4 stored part of another length', 'malformed', () =>
    payload(1, 6000, Buffer.concat([u(4, 2 ** 31 + 1), letter]))],
  ['LZ4 body as long as its part', 'malformed', () => {
    const whole = compressLz4Block(Buffer.alloc(65_536))
    const body = Buffer.concat([Buffer.from([0x50]), Buffer.alloc(5, 1)]) // five literals for a part of six bytes
    return payload(1, 65_542, Buffer.concat([u(4, whole.length), u(4, body.length), whole, body]))
  }],
  ['LZ4 part without a body', 'malformed', () => {
    const whole = compressLz4Block(Buffer.alloc(65_536))
    return payload(1, 65_542, Buffer.concat([u(4, whole.length), u(4, 0), whole]))
  }],
  ['LZ4 match before the part', 'malformed', () =>
    payload(1, 6000, Buffer.concat([u(4, 4), Buffer.from([0x10, 65, 2, 0])]))],
  ['LZ4 distance 0', 'malformed', () =>
    payload(1, 6000, Buffer.concat([u(4, 4), Buffer.from([0x10, 65, 0, 0])]))],
  ['LZ4 too little', 'malformed', () => payload(1, 6000, Buffer.concat([u(4, 2), Buffer.from([0x10, 65])]))],
  ['LZ4 too much', 'malformed', () => {
    const body = compressLz4Block(Buffer.alloc(6001))
    return payload(1, 6000, Buffer.concat([u(4, body.length), body]))
  }],
  ['LZ4 bytes left over', 'malformed', () => {
    const body = compressLz4Block(Buffer.alloc(6000))
    return payload(1, 6000, Buffer.concat([u(4, body.length), body, letter]))
  }],
  ['zstd of something else', 'damaged|malformed', () => payload(2, 6000, goodZstd)],
  ['zstd magic', 'malformed', () => payload(2, 6000, flip(goodZstd, 0))],
  ['zstd of another size', 'malformed', () => payload(2, 6000, zstdOf(letter, 6001))],
  ['zstd that gives too little', 'malformed|damaged', () => payload(2, 6000, flip(goodZstd, goodZstd.length - 3))],
  ['zstd without its size', 'malformed', () => payload(2, 6000, zstdOf(letter, 6000, 0x00, [0x58]))],
  ['zstd window too large', 'malformed', () => payload(2, 6000, zstdOf(letter, 6000, 0x80, [0x71]))],
  ['zstd dictionary id', 'malformed', () => payload(2, 6000, zstdOf(letter, 6000, 0xa1))],
  ['zstd reserved bit', 'malformed', () => payload(2, 6000, zstdOf(letter, 6000, 0xa8))],
  ['zstd cut short', 'malformed', () => payload(2, 6000, goodZstd.subarray(0, -1))],
  ['zstd and a byte', 'malformed', () => payload(2, 6000, Buffer.concat([goodZstd, letter]))],
  ['two zstd frames', 'malformed', () => payload(2, 6000, Buffer.concat([goodZstd, goodZstd]))],
  ['skippable frame', 'malformed', () =>
    payload(2, 6000, Buffer.concat([Buffer.from('502a4d1800000000', 'hex'), goodZstd]))],
  ]),
  clause('5.4', [ // Order of blocks
  ['frame of no page', 'malformed|damaged', () => before(2, extraFrame)],
  ['frame after the last page', 'malformed', () => before(4, extraFrame)],
  ['more than 128 MiB without a page', 'malformed', () => framesBetweenPages(9)],
  ['frame before an index page', 'malformed', () => of(twoPages(), {
    before: (value, {kind}) => void (kind === 3 && value.push(extraFrame)),
    footer: value => void (value.frames = 1, value.frameBytes = 100)
  })],
  ['bytes before the footer', 'malformed', () => small({
    'block bytes': (value, {kind}) => kind === 2 ? Buffer.concat([value, letter]) : value
  })],
  ['no footer', 'malformed', () => small({}).subarray(0, -312)],
  ['two footers', 'malformed|damaged', () => Buffer.concat([small({}), small({}).subarray(-312)])],
  ]),
  clause('8.1', [ // Records
  ['no records', 'malformed', () => content(bytes => Buffer.from([0, ...bytes.subarray(1)]))],
  ['too many records', 'malformed', () => content(bytes => Buffer.concat([varint(8194), bytes.subarray(1)]))],
  ['varint not shortest', 'malformed', () => content(bytes => Buffer.from([0x82, 0, ...bytes.subarray(1)]))],
  ['varint of 9 bytes', 'malformed', () =>
    content(bytes => Buffer.from([...Array(8).fill(0x82), 0, ...bytes.subarray(1)]))],
  ['content left over', 'malformed', () => content(bytes => Buffer.concat([bytes, letter]))],
  ['content cut short', 'malformed', () => content(bytes => bytes.subarray(0, -1))],
  ['content longer than its page', 'malformed', () =>
    small({plain: (value, {kind}) => void (kind === 2 && value.set(u(4, 2 ** 31)))})],
  ['record of type 8', 'malformed', () => record({type: 8})],
  ['reserved flag of a record', 'malformed', () => record({flags: 2})],
  ['unstable directory', 'malformed', () => record({flags: 1}, [{path: 'a'}])],
  ['mode above 0o7777', 'malformed', () => record({mode: 0o10000})],
  ['uid 2^32', 'malformed', () => record({uid: 2 ** 32})],
  ['gid 2^32', 'malformed', () => record({gid: 2 ** 32})],
  ['user too long', 'malformed', () => record({user: 'u'.repeat(256)})],
  ['NUL in group', 'malformed', () => record({group: 'g\0'})],
  ['a second of nanoseconds', 'malformed', () => record({mtime: [0, 1e9]})],
  ['seconds below -(2^52-1)', 'malformed', () => record({mtime: [-(2n ** 52n), 0]})],
  ['attributes out of order', 'malformed', () => record({xattrs: [['b', ''], ['a', '']]})],
  ['attribute twice', 'malformed', () => record({xattrs: [['a', ''], ['a', '']]})],
  ['attribute without a name', 'malformed', () => record({xattrs: [['', '']]})],
  ['attribute with NUL', 'malformed', () => record({xattrs: [['a\0', '']]})],
  ['attribute too long', 'malformed', () => record({xattrs: [['a', Buffer.alloc(65_537)]]})],
  ['attributes too large', 'malformed', () =>
    record({xattrs: ['a', 'b', 'c', 'd'].map(n => [n, Buffer.alloc(65_536)])})],
  ['too many attributes', 'malformed', () =>
    record({xattrs: Array.from({length: 1025}, (_, i) => [`${i + 1e4}`, ''])})],
  ['symlink without a target', 'malformed', () => record({target: ''}, [{path: 'a', target: 'b'}])],
  ['symlink with NUL', 'malformed', () => record({target: 'b\0'}, [{path: 'a', target: 'b'}])],
  ['symlink target too long', 'malformed', () =>
    record({target: 'b'.repeat(4096)}, [{path: 'a', target: 'b'}])],
  ['device number 2^32', 'malformed', () => record({device: [2 ** 32, 0]}, [{path: 'a', device: [0, 0]}])],
  ...[['that is a dot', '.'], ['that is two dots', '..'], ['that starts with two dots', '../a'],
    ['that is absolute', '/a'], ['with a slash at its end', 'a/'], ['with an empty component', 'a//b'],
    ['with a dot within', 'a/./b'], ['with two dots within', 'a/../b'], ['with NUL', 'a\0'],
    ['with a component of 256 bytes', 'c'.repeat(256)], ['of 4,097 bytes', `${'d/'.repeat(2048)}d`]]
    .map(([name, path]) => [`path ${name}`, 'malformed', () => of([file(path)])]),
  ['root that is a file', 'malformed', () => of([file('')])],
  ]),
  clause('8.1', [ // Order, parts, links, closing
  ['paths out of order', 'malformed', () => of([file('b'), file('a')], {}, {sort: false})],
  ['paths in order of bytes', 'malformed', () =>
    of([{path: 'a'}, file('a!'), file('a/b')], {}, {sort: false})],
  ['path twice', 'malformed', () => of([file('a'), file('a')])],
  ['path beneath a file', 'malformed', () => of([file('a'), file('a/b')])],
  ['path beneath a symlink', 'malformed', () => of([{path: 'a', target: '/tmp'}, file('a/b/c')])],
  ['path beneath a hard link', 'malformed', () => of([file('a'), {path: 'b', link: 0}, file('b/c')])],
  ['hard link to itself', 'malformed', () => of([file('a'), {path: 'b', link: 1}])],
  ['hard link to a later entry', 'malformed', () => of([file('a'), {path: 'b', link: 2}, file('c')])],
  ['hard link to a directory', 'malformed', () => of([{path: 'a'}, {path: 'b', link: 0}])],
  ['hard link to a hard link', 'malformed', () =>
    of([file('a'), {path: 'b', link: 0}, {path: 'c', link: 1}])],
  ['page closed too early', 'malformed', () => of([file('a'), file('b')], {close: (value, {R}) => R === 1})],
  ['page closed too late', 'malformed', () => of(twoPages(), {close: () => false})],
  ['page closed within a file too early', 'malformed', () =>
    of(partsOf(10), {close: (value, {S}) => S === 33 * 5})],
  ['file not made a part', 'malformed', () =>
    of(partsOf(partExtents), {close: (value, {isComplete}) => value && isComplete})],
  ['part without an end', 'malformed', () =>
    of(partsOf(partExtents), {record: value => void (value.type = 0)})],
  ['part continued by another path', 'malformed', () => of(partsOf(partExtents + 1),
    {record: value => void (value.type === 1 && (value.path = Buffer.from('g')))})],
  ['part without extents', 'malformed', () => record({type: 0, extents: []})],
  ]),
  clause('8.1', [ // Extents
  ['chunk too long', 'malformed', () =>
    of([{path: 'a', content: [zerosOf(4 * average + 1)]}], {}, {codec: 2})],
  ['hole not aligned', 'malformed', () => pieces(chunkOf(1), {hole: minHole})],
  ['hole too short', 'malformed', () => pieces({hole: minHole - 4096}, chunkOf(1))],
  ['hole of 0', 'malformed', () => pieces({hole: 0})],
  ['hole after a hole', 'malformed', () => pieces({hole: minHole}, {hole: minHole})],
  ['hole of odd length within a file', 'malformed', () => pieces({hole: minHole + 1}, chunkOf(1))],
  ['file above 2^53-1', 'malformed', () => pieces({hole: 2 ** 53 - 4096}, chunkOf(4096))],
  ['wrong chunk id', 'damaged', () => small({extent: value => ({...value, id: Buffer.alloc(32)})})],
  ]),
  clause('8.2', [ // Location
  ['reserved flags of a location', 'malformed', () => location(value => void (value.flags = 2))],
  ['hints missing', 'malformed', () => location(value => void (value.flags = 1))],
  ['location left over', 'malformed', () =>
    small({'location bytes': value => Buffer.concat([value, letter])})],
  ['location empty', 'malformed', () => small({'location bytes': () => Buffer.alloc(0)})],
  ['frame listed twice', 'malformed', () =>
    location(value => void (value.frames[1] = value.frames[0]), undefined, {frameBytes: 1})],
  ['frame listed and not used', 'malformed', () => location(value => void value.frames.push(300))],
  ['frames in another order', 'malformed', () => location(value => {
    value.frames.reverse()
    const last = value.frames.length - 1
    for (const reference of value.references) if (!reference.next) reference.index = last - reference.index
  }, undefined, {frameBytes: 1})],
  ['frame number beyond the list', 'malformed', () =>
    location(value => void (value.references[0].index = 1))],
  ['first reference follows nothing', 'malformed', () =>
    location(value => void (value.references[0] = {next: true}))],
  ['reference could be shorter', 'malformed', () => location(value => {
    value.references = value.references.map((_, i) => ({index: 0, offset: i}))
  }, [{path: 'a', content: [{data: letter}, {data: Buffer.from('y')}]}])],
  ['reference beyond its frame', 'malformed', () =>
    location(value => void (value.references[0].offset = 1), [file('a')])],
  ['reference far beyond its frame', 'malformed', () =>
    location(value => void (value.references[0].offset = 2 ** 40), [file('a')])],
  ['frame that is no block', 'malformed', () => location(value => void (value.frames[0]++))],
  ['frame beyond the archive', 'malformed', () => location(value => void (value.frames[0] = 2 ** 53 - 1))],
  ['frame that is a page', 'malformed', () => of([...twoPages(), file('6')], {
    location: (value, {page}) => void (page === 1 && (value.frames[0] = 256))
  })],
  ['frame of unknown origin', 'malformed', () => thin({location: value => void (value.origins[0] = 2)}), onBase],
  ['frame in the header of the base', 'malformed', () => thin({location: value => void (value.frames[0] = 0)}), onBase],
  ['frame of the base listed twice', 'malformed', () => thin({location: value => {
    value.frames.push(value.frames[0])
    value.origins.push(1)
    value.references.push({index: value.frames.length - 1, offset: 0})
  }}), onBase],
  ['frame of the base that is no block', 'malformed', () => thin({location: value => void value.frames[0]++}), onBase],
  ['frame of the base that is a page', 'malformed', () => thin({
    location: value => void (value.frames[0] = theBase.blocks.find(({kind}) => kind === 2).offset)
  }), onBase],
  ['frame beyond the base', 'malformed', () => thin({location: value => void (value.frames[0] = 2 ** 40)}), onBase],
  ['reference beyond a frame of the base', 'malformed|damaged', () =>
    thin({location: value => void (value.references[0].offset = 2 ** 20)}), onBase],
  ['reference to another chunk of the base', 'damaged', () =>
    thin({location: value => void (value.references[0].offset = 1)}), onBase],
  ['frame of the archive instead of the base', 'malformed', () =>
    thin({location: value => void (value.origins[0] = 0)}), onBase],
  ['reference to another chunk', 'damaged', () => location(
    value => void (value.references[1] = {index: 0, offset: 0}),
    [{path: 'a', content: [{data: letter}, {data: Buffer.from('y')}]}])],
  ]),
  clause('9.2', [ // Index pages
  ['wrong content digest of a child', 'damaged', () =>
    child(value => void (value.contentDigest = Buffer.alloc(32)))],
  ['wrong location digest of a child', 'damaged', () =>
    child(value => void (value.locationDigest = Buffer.alloc(32)))],
  ['wrong first path of a child', 'malformed|damaged', () => child(value => void (value.firstPath = letter))],
  ['wrong first offset of a child', 'malformed|damaged', () =>
    child(value => void value.firstOffset++, partsOf(partExtents))],
  ['wrong number of entries of a child', 'damaged', () => child(value => void value.entries++)],
  ['wrong offset of a child', 'malformed|damaged', () => child(value => void value.offset++)],
  ['children exchanged', 'malformed|damaged', () => index(value => void value.children.reverse())],
  ['child missing', 'malformed|damaged', () => index(value => void value.children.pop())],
  ['index page of level 0', 'malformed|damaged', () => index(value => void (value.level = 0))],
  ['index page of level 2 over pages', 'malformed|damaged', () => index(value => void (value.level = 2))],
  ['index page of level 9', 'malformed|damaged', () => index(value => void (value.level = 9))],
  ['129 children', 'malformed|damaged', () =>
    index(value => void (value.children = Array(129).fill(value.children[0])))],
  ['index location left over', 'malformed|damaged', () => of(twoPages(), {
    'location bytes': (value, {kind}) => kind === 3 ? Buffer.concat([value, letter]) : value
  })],
  ['index page missing', 'malformed', () => of(twoPages(), {
    'block bytes': (value, {kind}) => kind === 3 ? Buffer.alloc(0) : value
  })],
  ['index page after too few pages', 'malformed', () =>
    of([...twoPages(), ...['6', '7', '8', '9'].map(large)], {}, {
    fanOut: 2
  })],
  ]),
  clause('10', [ // Footer
  ['reserved bytes of the footer', 'malformed', () => footerBytes(12, [1])],
  ['wrong top offset', 'malformed|damaged', () => footer(value => void value.topOffset++)],
  ['top offset 0', 'malformed', () => footer(value => void (value.topOffset = 0))],
  ['wrong top level', 'malformed', () => footer(value => void value.topLevel++)],
  ['wrong top digest', 'damaged', () => footer(value => void (value.topDigest = Buffer.alloc(32)))],
  ['wrong top location digest', 'damaged', () =>
    footer(value => void (value.topLocationDigest = Buffer.alloc(32)))],
  ...['entries', 'logicalBytes', 'chunkRefs', 'frameBytes', 'frames', 'pages'].map(name =>
    [`${name} of the footer`, name === 'pages' ? 'damaged|malformed' : 'damaged',
      () => footer(value => void value[name]++)]),
  ['wrong archive length', 'malformed|damaged', () => footer(value => void value.archiveLength--)],
  ['count above 2^53-1', 'malformed', () => footer(value => void (value.entries = 2n ** 53n))],
  ['signature without a signer', 'malformed', () => footerBytes(168, [1])],
  ['signer without a signature', 'damaged|malformed', () => footerBytes(136, signerOf(seed))],
  ['wrong signature', 'damaged', () =>
    small({'footer bytes': value => flip(value, 168)}, {signerSeed: seed})],
  ['signature of another root', 'damaged', () =>
    small({root: value => void value.entries++}, {signerSeed: seed})]
  ])
].flat()

// Verification goes over all blocks; these are what a descent from the top has no occasion to meet.
export const onlyInVerification = new Set([
  'ordinal that skips one', 'frame of no page', 'frame after the last page',
  'more than 128 MiB without a page', 'frame before an index page',
  'bytes before the footer', 'frameBytes of the footer', 'frames of the footer', 'frame that is a page'])
