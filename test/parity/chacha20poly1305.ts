import { createCipheriv } from 'node:crypto'
import t, { type Test } from 'tap'
import { native, openInto, portable, sealInto } from '../../src/codec/aead.ts'
import { ChaCha20Poly1305, type AeadFrame } from '../../src/gpu/chacha20poly1305.ts'
import { Device, USAGE } from '../../src/gpu/device.ts'
import { xorshift } from '../codec/fixtures/xorshift.ts'
import { compute, download, storage, whyNoGpu } from '../support/gpu.ts'

const skip = (await whyNoGpu()) ?? false

const KIB = 1024
const MIB = 1024 * KIB
const HEADER = 64
const TAG = 16
const P = (1n << 130n) - 5n
const KEY = xorshift(1, 32)
// RFC 8439 §2.4.2.
const SUNSCREEN = Buffer.from("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")

interface Block {
  aad: Uint8Array
  text: Uint8Array
  nonce: Uint8Array
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const block = (text: Uint8Array, seed = 1): Block => ({ aad: xorshift(seed + 100, HEADER), text, nonce: xorshift(seed + 200, 12) })

/** Blocks in a buffer, in this order and with something else before, between and behind them. */
function lay(blocks: Block[], gap = 64): { bytes: Buffer; frames: AeadFrame[] } {
  let end = gap
  const frames = blocks.map(({ text, nonce }) => {
    const offset = end
    end = Math.ceil((offset + HEADER + text.length) / 64) * 64 + gap
    return { offset, length: text.length, nonce }
  })
  const bytes = Buffer.from(xorshift(3, end))
  blocks.forEach(({ aad, text }, i) => {
    // An AAD that is shorter than a header comes right before the text, padded with zeros.
    const from = frames[i]!.offset + HEADER - Math.ceil(aad.length / 16) * 16
    bytes.fill(0, from, frames[i]!.offset + HEADER)
    bytes.set(aad, from)
    bytes.set(text, frames[i]!.offset + HEADER)
  })
  return { bytes, frames }
}

const textOf = (bytes: Uint8Array, { offset, length }: AeadFrame) => bytes.subarray(offset + HEADER, offset + HEADER + length)

/** What the twin makes of the same bytes. */
function sealWithTwin(bytes: Buffer, frames: AeadFrame[], key: Uint8Array, aead = native() ?? portable()): { bytes: Buffer; tags: Buffer } {
  const sealed = Buffer.from(bytes)
  const tags = Buffer.alloc(frames.length * TAG)
  frames.forEach((frame, i) => {
    const text = textOf(sealed, frame)
    const tag = tags.subarray(i * TAG, (i + 1) * TAG)
    sealInto(key, frame.nonce, sealed.subarray(frame.offset, frame.offset + HEADER), text, text, tag, aead)
  })
  return { bytes: sealed, tags }
}

/** h + s mod 2^128 for whole blocks. RFC 8439 §2.5.1. */
function poly1305(oneTimeKey: Uint8Array, message: Uint8Array): Buffer {
  const r = number(oneTimeKey.subarray(0, 16)) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffffn
  let h = 0n
  for (let i = 0; i < message.length; i += 16) h = ((h + number(message.subarray(i, i + 16)) + (1n << 128n)) * r) % P
  return Buffer.from(littleEndian(h + number(oneTimeKey.subarray(16))))
}

function number(bytes: Uint8Array): bigint {
  return BigInt('0x' + hex(Uint8Array.from(bytes).reverse()))
}

/** The lower 16 bytes. */
function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

t.test('on a GPU', { skip }, async (t) => {
  const gpu = await Device.open()
  t.teardown(() => gpu.destroy())
  // The buffers that a pass makes for itself.
  let made: GPUBuffer[] = []
  const watched = Object.create(gpu, {
    device: { value: gpu.device },
    pipeline: { value: gpu.pipeline.bind(gpu) },
    buffer: {
      value: async (label: string, bytes: number, usage: number) => {
        const buffer = await gpu.buffer(label, bytes, usage | USAGE.copySrc)
        made.push(buffer)
        return buffer
      },
    },
  }) as Device
  const [aead, fine, mac] = await Promise.all([
    ChaCha20Poly1305.create(watched),
    // 4 KiB a segment, so that 1 MiB has as many as 16 MiB have otherwise; and the AAD of the RFC's vectors.
    ChaCha20Poly1305.create(gpu, { STEPS_LOG2: 0, AAD_BYTES: 12 }),
    ChaCha20Poly1305.create(gpu, { STEPS_LOG2: 0, AAD_BYTES: 0, MAC_ALONE: 1 }),
  ])

  const sealOnce = async (kernel: ChaCha20Poly1305, content: Uint8Array, frames: AeadFrame[], key: Uint8Array) => {
    const blocks = await storage(gpu, content)
    const tags = await storage(gpu, frames.length * TAG)
    const pass = await kernel.bind({ blocks, tags, maxFrames: frames.length, maxFrameBytes: Math.max(...frames.map(({ length }) => length)) })
    compute(gpu, (encoder) => pass.encodeSeal(encoder, frames, key))
    const result = { bytes: await download(gpu, blocks, content.length), tags: await download(gpu, tags) }
    for (const own of [pass, blocks, tags]) own.destroy()
    return result
  }

  const openOnce = async (content: Uint8Array, frames: AeadFrame[], expected: Uint8Array, key: Uint8Array) => {
    const blocks = await storage(gpu, content)
    const tags = await storage(gpu, expected)
    const verdicts = await storage(gpu, xorshift(9, frames.length * 4))
    const pass = await aead.bind({ blocks, tags, verdicts, maxFrames: frames.length, maxFrameBytes: Math.max(...frames.map(({ length }) => length)) })
    compute(gpu, (encoder) => pass.encodeOpen(encoder, frames, key))
    const words = await download(gpu, verdicts)
    const result = { bytes: await download(gpu, blocks, content.length), verdicts: frames.map((_, i) => words.readUInt32LE(4 * i)) }
    for (const own of [pass, blocks, tags, verdicts]) own.destroy()
    return result
  }

  const sealsLikeTwin = async (t: Test, blocks: Block[], name: string, gap?: number) => {
    const { bytes, frames } = lay(blocks, gap)
    const expected = sealWithTwin(bytes, frames, KEY)
    const sealed = await sealOnce(aead, bytes, frames, KEY)
    t.equal(Buffer.compare(sealed.bytes, expected.bytes), 0, `${name}: bytes`)
    t.equal(hex(sealed.tags), hex(expected.tags), `${name}: tags`)
    const opened = await openOnce(sealed.bytes, frames, sealed.tags, KEY)
    t.same(opened.verdicts, frames.map(() => 1), `${name}: verdicts`)
    t.equal(Buffer.compare(opened.bytes, bytes), 0, `${name}: opened`)
  }

  t.test('ChaCha20: RFC 8439 §2.4.2, A.2', async (t) => {
    const brillig = Buffer.from("'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\n"
      + 'And the mome raths outgrabe.')
    const VECTORS = [{
      key: Uint8Array.from({ length: 32 }, (_, i) => i), nonce: bytes('000000000000004a00000000'), counter: 1, text: SUNSCREEN,
      cipher: `6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b3571639d624e65152ab
        8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42874d`,
    }, {
      key: bytes('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'), nonce: bytes('000000000000000000000002'),
      counter: 42, text: brillig,
      cipher: `62e6347f95ed87a45ffae7426f27a1df5fb69110044c0d73118effa95b01e5cf166d3df2d721caf9b21e5fb14c616871fd84c54f9d65b283
        196c7fe4f60553ebf39c6402c42234e32a356b3e764312a61a5532055716ead6962568f87d3f3f7704c6a8d1bcd1bf4d50d6154b6da731b187
        b58dfd728afa36757a797ac188d1`,
    }]
    for (const { key, nonce, counter, text, cipher } of VECTORS) {
      // Texts start at counter 1.
      const before = (counter - 1) * 64
      const { bytes: content, frames } = lay([{ aad: xorshift(5, HEADER), text: Buffer.concat([Buffer.alloc(before), text]), nonce }])
      const { bytes: sealed } = await sealOnce(aead, content, frames, key)
      t.equal(hex(textOf(sealed, frames[0]!).subarray(before)), hex(bytes(cipher)))
    }
  })

  t.test('AEAD: RFC 8439 §2.8.2, A.5', async (t) => {
    const draft = Buffer.from('Internet-Drafts are draft documents valid for a maximum of six months and may be updated, '
      + 'replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as '
      + 'reference material or to cite them other than as /\u201cwork in progress./\u201d')
    const VECTORS = [{
      key: bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'), nonce: bytes('070000004041424344454647'),
      aad: bytes('50515253c0c1c2c3c4c5c6c7'), tag: '1ae10b594f09e26a7e902ecbd0600691',
      text: SUNSCREEN,
    }, {
      key: bytes('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'), nonce: bytes('000000000102030405060708'),
      aad: bytes('f33388860000000000004e91'), tag: 'eead9d67890cbb22392336fea1851f38', text: draft,
    }]
    for (const { key, tag, ...block } of VECTORS) {
      const { bytes, frames } = lay([block])
      t.equal(hex((await sealOnce(fine, bytes, frames, key)).tags), tag)
    }
  })

  t.test('Poly1305: RFC 8439 A.3, the vectors of whole blocks', async (t) => {
    const zeros = (count: number) => '00'.repeat(count)
    const [one, two] = ['01' + zeros(15), '02' + zeros(15)]
    const [ones, r4] = ['ff'.repeat(16), '0100000000000000' + '0400000000000000']
    const wide = 'e33594d7505e43b9' + zeros(8) + '3394d7505e4379cd' + '01' + zeros(7) + zeros(16)
    const VECTORS: Record<string, [r: string, s: string, message: string, tag: string]> = {
      '#1 all zeros': [zeros(16), zeros(16), zeros(64), zeros(16)],
      '#5 partly reduced': [two, zeros(16), ones, '03' + zeros(15)],
      '#6 adding s overflows': [two, ones, two, '03' + zeros(15)],
      '#7 carry into limbs of ones': [one, zeros(16), ones + 'f0' + 'ff'.repeat(15) + '11' + zeros(15), '05' + zeros(15)],
      '#8 exactly p': [one, zeros(16), ones + 'fb' + 'fe'.repeat(15) + '01'.repeat(16), zeros(16)],
      '#9 exactly p − 1': [two, zeros(16), 'fd' + 'ff'.repeat(15), 'fa' + 'ff'.repeat(15)],
      '#10 131 bits in between': [r4, zeros(16), wide + one, '14' + zeros(7) + '55' + zeros(7)],
      '#11 131 bits at the end': [r4, zeros(16), wide, '13' + zeros(15)],
    }
    for (const [name, [r, s, message, tag]] of Object.entries(VECTORS)) {
      const { bytes: content, frames } = lay([{ aad: new Uint8Array(0), text: bytes(message), nonce: new Uint8Array(12) }])
      const key = bytes(r + s)
      t.equal(hex(poly1305(key, bytes(message))), tag, `${name}: the reference here`)
      // Encryption changes the text before it is absorbed: what comes out of it must be the message.
      t.equal(hex((await sealOnce(mac, encipher(key, content, frames), frames, key)).tags), tag, name)
    }
  })

  t.test('Poly1305: sums around p, extreme r and texts', async (t) => {
    const nonce = new Uint8Array(12)
    const cases: { key: Uint8Array; texts: Uint8Array[] }[] = []
    // With r = 1 the polynomial of three blocks is their sum and 3·2^128: each total from there to below 6·2^128 can be had.
    const totals = [P - 6n, P - 5n, P - 2n, P - 1n, P, P + 1n, P + 2n, P + 3n, P + 4n, P + 5n, P + 6n, (1n << 130n) + (1n << 128n)]
    const most = (1n << 128n) - 1n
    const threeBlocks = totals.map((total) => {
      const rest = total - 3n * (1n << 128n)
      const first = rest < most ? rest : most
      const second = rest - first < most ? rest - first : most
      return Buffer.concat([first, second, rest - first - second].map(littleEndian))
    })
    for (const s of [0n, most]) cases.push({ key: Buffer.concat([littleEndian(1n), littleEndian(s)]), texts: threeBlocks })
    // 16 bytes; a segment of 4 KiB and a block less or more; the first round of more than 256 segments.
    const lengths = [16, 4 * KIB - 16, 4 * KIB, 4 * KIB + 16, MIB + 16]
    // r of ones where it is not clamped, of a single low or high bit, none.
    for (const r of ['ff'.repeat(16), '00'.repeat(15) + '08', '04' + '00'.repeat(15), '00'.repeat(16)]) {
      for (const byte of [0xff, 0]) {
        const texts = (r.startsWith('ff') ? lengths : lengths.slice(0, 4)).map((length) => new Uint8Array(length).fill(byte))
        cases.push({ key: bytes(r + 'ff'.repeat(16)), texts })
      }
    }
    for (const { key, texts } of cases) {
      const { bytes: content, frames } = lay(texts.map((text) => ({ aad: new Uint8Array(0), text, nonce })))
      const { tags } = await sealOnce(mac, encipher(key, content, frames), frames, key)
      t.equal(hex(tags), hex(Buffer.concat(texts.map((text) => poly1305(key, text)))))
    }
  })

  t.test('lengths, all in one batch', async (t) => {
    const lengths = [
      0, 1, 15, 16, 17, // around a block of Poly1305
      63, 64, 65, 127, 128, 129, // of ChaCha20
      255, 256, 257, 1023, 1024, 1025,
      4 * KIB - 65, 4 * KIB - 64, 4 * KIB - 63, // 256 lanes of Poly1305 with the header
      16 * KIB - 1, 16 * KIB, 16 * KIB + 1, // a workgroup of ChaCha20
      64 * KIB - 65, 64 * KIB - 64, 64 * KIB - 63, // a segment with the header
      128 * KIB - 80, 128 * KIB - 64, 128 * KIB - 48,
      0, // nothing to encrypt, last
    ]
    await sealsLikeTwin(t, lengths.map((length, i) => block(xorshift(i + 1, length), i)), 'ascending, random')
    await sealsLikeTwin(t, lengths.toReversed().map((length, i) => block(new Uint8Array(length).fill(i % 2 ? 0xff : 0), i)), 'descending, uniform', 0)
    await sealsLikeTwin(t, [block(Uint8Array.from({ length: 70 * KIB }, (_, i) => i % 48))], 'periodic')
    await sealsLikeTwin(t, [block(new Uint8Array(0))], 'only an empty one')
  })

  t.test('64 frames, and one more than derive takes in a workgroup', async (t) => {
    for (const count of [64, 65]) {
      await sealsLikeTwin(t, Array.from({ length: count }, (_, i) => block(xorshift(i + 1, (i * 977) % 3000), i)), `${count}`)
    }
  })

  t.test('many segments', async (t) => {
    // The largest frame of the format: its 257th segment is the second round of the last step.
    await sealsLikeTwin(t, [block(xorshift(1, MIB + 7)), block(xorshift(2, 16 * MIB), 2), block(xorshift(3, 3), 3)], '16 MiB')
    const short = { ...block(xorshift(4, MIB + 1)), aad: xorshift(5, 12) }
    for (const length of [MIB - 17, MIB - 16, MIB - 15, MIB + 1]) { // with the AAD 256 segments, and one more
      const { bytes, frames } = lay([{ ...short, text: short.text.subarray(0, length) }])
      const [cipher, tag] = [new Uint8Array(length), new Uint8Array(TAG)]
      sealInto(KEY, short.nonce, short.aad, short.text.subarray(0, length), cipher, tag)
      const sealed = await sealOnce(fine, bytes, frames, KEY)
      t.equal(hex(sealed.tags), hex(tag))
      t.equal(Buffer.compare(textOf(sealed.bytes, frames[0]!), cipher), 0)
    }
  })

  t.test('both twins agree with it', { skip: native() === null && 'no native package here' }, async (t) => {
    const { bytes, frames } = lay([0, 100, 5000].map((length, i) => block(xorshift(i + 1, length), i)))
    const sealed = await sealOnce(aead, bytes, frames, KEY)
    for (const twin of [native()!, portable()]) {
      const expected = sealWithTwin(bytes, frames, KEY, twin)
      t.equal(Buffer.compare(sealed.bytes, expected.bytes), 0)
      t.equal(hex(sealed.tags), hex(expected.tags))
    }
  })

  t.test('every single-bit change of header and tag is seen, and samples of the text; nothing comes out', async (t) => {
    const FRAMES = 64
    const text = xorshift(4, 100)
    const original = block(text)
    const one = lay([original], 0)
    const sealed = sealWithTwin(one.bytes, one.frames, KEY)
    const whole = Buffer.concat([sealed.bytes.subarray(0, HEADER + text.length), sealed.tags])
    const inText = (bit: number) => bit >= HEADER * 8 && bit < (HEADER + text.length) * 8
    // Every 17th bit of the text, which comes to all places in a byte; -1: no change.
    const changes = Array.from({ length: whole.length * 8 }, (_, bit) => bit)
      .filter((bit) => !inText(bit) || bit % 17 === 0).flatMap((bit) => (bit % 9 === 0 ? [-1, bit] : [bit]))
    for (let from = 0; from < changes.length; from += FRAMES) {
      const batch = changes.slice(from, from + FRAMES)
      const changed = batch.map((bit) => {
        const copy = Buffer.from(whole)
        if (bit >= 0) copy[bit >> 3]! ^= 1 << (bit & 7)
        return copy
      })
      const { bytes, frames } = lay(changed.map((copy) => (
        { aad: copy.subarray(0, HEADER), text: copy.subarray(HEADER, -TAG), nonce: original.nonce })))
      const opened = await openOnce(bytes, frames, Buffer.concat(changed.map((copy) => copy.subarray(-TAG))), KEY)
      const expected = Buffer.from(bytes)
      frames.forEach((frame, i) => textOf(expected, frame).set(batch[i]! < 0 ? text : new Uint8Array(text.length)))
      if (!opened.bytes.equals(expected)) t.fail(`bytes, changes ${batch}`)
      if (opened.verdicts.some((verdict, i) => verdict !== (batch[i]! < 0 ? 1 : 0))) t.fail(`verdicts, changes ${batch}`)
    }
    t.ok(changes.length > (HEADER + TAG) * 8)
  })

  t.test('changes of long texts, of nonce, key and length', async (t) => {
    const lengths = [0, 1, 64, 200 * KIB]
    const { bytes, frames } = lay(lengths.map((length, i) => block(xorshift(i + 1, length), i)))
    const sealed = sealWithTwin(bytes, frames, KEY)
    const refused = async (name: string, content: Buffer, which: boolean[], changed = frames, tags = sealed.tags, key = KEY) => {
      const opened = await openOnce(content, changed, tags, key)
      t.same(opened.verdicts, which.map((wrong) => (wrong ? 0 : 1)), name)
      const expected = Buffer.from(content)
      changed.forEach((frame, i) => textOf(expected, frame).set(which[i] ? new Uint8Array(frame.length) : textOf(bytes, frame)))
      t.equal(Buffer.compare(opened.bytes, expected), 0, name)
    }
    // First and last byte, and those on both sides of where a segment ends.
    for (const at of [0, 64 * KIB - 65, 64 * KIB - 64, 200 * KIB - 64 * KIB - 1, 200 * KIB - 1]) {
      const content = Buffer.from(sealed.bytes)
      content[frames[3]!.offset + HEADER + at]! ^= 0x10
      await refused(`byte ${at}`, content, [false, false, false, true])
    }
    const otherNonces = frames.map((frame, i) => ({ ...frame, nonce: i === 2 ? frame.nonce : xorshift(77, 12) }))
    await refused('nonces', sealed.bytes, [true, true, false, true], otherNonces)
    await refused('key', sealed.bytes, [true, true, true, true], frames, sealed.tags, xorshift(78, 32))
    const otherTags = Buffer.concat([sealed.tags.subarray(TAG), sealed.tags.subarray(0, TAG)])
    await refused('tags of each other', sealed.bytes, [true, true, true, true], frames, otherTags)
    const shorter = frames.map((frame) => ({ ...frame, length: Math.max(0, frame.length - 1) }))
    await refused('shorter', sealed.bytes, [false, true, true, true], shorter)
    const longer = frames.map((frame, i) => (i < 2 ? { ...frame, length: frame.length + 1 } : frame))
    await refused('longer', sealed.bytes, [true, true, false, false], longer)
    const withheld = new Uint8Array(200 * KIB)
    const last = frames[3]!
    const aad = bytes.subarray(last.offset, last.offset + HEADER)
    t.equal(openInto(xorshift(78, 32), last.nonce, aad, textOf(sealed.bytes, last), sealed.tags.subarray(-TAG), withheld), false)
    t.ok(withheld.every((byte) => byte === 0), 'as the twin does')
  })

  t.test('a pass is used again, and wiped', async (t) => {
    made = []
    const blocks = await storage(gpu, 512 * KIB)
    const tags = await storage(gpu, 8 * TAG)
    const pass = await aead.bind({ blocks, tags, maxFrames: 8, maxFrameBytes: 300 * KIB })
    t.ok(made.length > 0, 'its buffers are seen')
    // Fewer and shorter ones after many: nothing of the first batch must count.
    for (const [lengths, seed] of [[[300 * KIB, 1, 100 * KIB, 5], 1], [[65 * KIB], 2], [[0, 2], 3]] as const) {
      const { bytes, frames } = lay(lengths.map((length, i) => block(xorshift(i + seed, length), i + seed)))
      // Memory that writeBuffer does not bear.
      const shared = new Uint8Array(new SharedArrayBuffer(64))
      shared.set(xorshift(seed, 32), 5)
      const key = shared.subarray(5, 37)
      const expected = sealWithTwin(bytes, frames, key.slice())
      gpu.device.queue.writeBuffer(blocks, 0, bytes)
      compute(gpu, (encoder) => pass.encodeSeal(encoder, frames, key))
      t.equal(Buffer.compare(await download(gpu, blocks, bytes.length), expected.bytes), 0)
      t.equal(hex(await download(gpu, tags, expected.tags.length)), hex(expected.tags))
    }
    for (const buffer of made) t.ok((await download(gpu, buffer)).some((byte) => byte !== 0), `${buffer.label} holds something`)
    pass.wipe()
    for (const buffer of made) t.ok((await download(gpu, buffer)).every((byte) => byte === 0), `${buffer.label} is wiped`)
    compute(gpu, (encoder) => pass.encodeSeal(encoder, [], KEY))
    for (const own of [pass, blocks, tags]) own.destroy()
  })

  t.test('misuse', async (t) => {
    const blocks = await storage(gpu, 4 * KIB)
    const tags = await storage(gpu, 2 * TAG)
    const verdicts = await storage(gpu, 4)
    const sizes = { blocks, tags, maxFrames: 2, maxFrameBytes: 4000 }
    await t.rejects(aead.bind({ ...sizes, maxFrames: 3 }), RangeError, 'no room for tags')
    await t.rejects(aead.bind({ ...sizes, verdicts }), RangeError, 'no room for verdicts')
    for (const maxFrames of [0, -1, 1.5, NaN]) await t.rejects(aead.bind({ ...sizes, maxFrames }), RangeError)
    for (const maxFrameBytes of [-1, 1.5, NaN, 2 ** 32]) await t.rejects(aead.bind({ ...sizes, maxFrameBytes }), RangeError)
    await t.rejects(ChaCha20Poly1305.create(gpu, { STEPS_LOG2: 5 }), RangeError)
    await t.rejects(ChaCha20Poly1305.create(gpu, { AAD_BYTES: 65 }), RangeError)
    const pass = await aead.bind(sizes)
    const nonce = new Uint8Array(12)
    compute(gpu, (encoder) => {
      const wrong: [string, AeadFrame[]][] = [
        ['too many', [0, 256, 512].map((offset) => ({ offset, length: 1, nonce }))],
        ['too long', [{ offset: 0, length: 4001, nonce }]],
        ['length', [{ offset: 0, length: -1, nonce }]],
        ['length', [{ offset: 0, length: 1.5, nonce }]],
        ['not aligned', [{ offset: 32, length: 1, nonce }]],
        ['before the buffer', [{ offset: -64, length: 1, nonce }]],
        ['behind the buffer', [{ offset: 4 * KIB - 64, length: 1, nonce }]],
        ['nonce', [{ offset: 0, length: 1, nonce: new Uint8Array(11) }]],
        ['overlap', [{ offset: 64, length: 1, nonce }, { offset: 0, length: 1, nonce }]],
      ]
      for (const [name, frames] of wrong) t.throws(() => pass.encodeSeal(encoder, frames, KEY), RangeError, name)
      for (const length of [31, 33]) t.throws(() => pass.encodeSeal(encoder, [], new Uint8Array(length)), RangeError, 'key')
      t.throws(() => pass.encodeOpen(encoder, [], KEY), TypeError, 'no verdicts')
    })
    for (const own of [pass, blocks, tags, verdicts]) own.destroy()
  })
})

/** Texts such that encrypting them gives what they were: ChaCha20 is its own inverse. */
function encipher(key: Uint8Array, bytes: Buffer, frames: AeadFrame[]): Buffer {
  const enciphered = Buffer.from(bytes)
  for (const frame of frames) {
    const cipher = createCipheriv('chacha20', key, Buffer.concat([Uint8Array.of(1, 0, 0, 0), frame.nonce]))
    textOf(enciphered, frame).set(cipher.update(textOf(bytes, frame)))
  }
  return enciphered
}
