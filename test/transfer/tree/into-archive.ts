/** Trees received into an archive of the receiver's own. */
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { generateIdentity } from '../../../src/archive/identity.ts'
import { create } from '../../../src/archive/create.ts'
import { extract } from '../../../src/archive/extract.ts'
import { verify } from '../../../src/archive/verify.ts'
import { plantEveryKind } from '../../archive/support/every-kind.ts'
import { lines, lookAtAll, makeDirectory, noise, plant } from '../../archive/support/trees.ts'
import { MIB, cutTransfer, transfer } from '../support/transfers.ts'

t.test('an archive of every kind of entry, plain and encrypted', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  fs.mkdirSync(from)
  plantEveryKind(from)
  const directory = makeDirectory(t)
  const identity = generateIdentity()
  for (const recipients of [undefined, [identity.recipient]]) {
    const archive = path.join(directory, `a${recipients ? 'k' : ''}.warp`)
    const { root, received } = await transfer([from], directory, {}, { into: { kind: 'archive', path: archive, recipients } })
    t.ok(Buffer.from(root).equals(received.root))
    const seen = await verify(archive, { identities: [identity] })
    t.same(seen.damage, [])
    t.ok(Buffer.from(seen.root).equals(root), 'its root is that of both ends')
    const to = makeDirectory(t)
    await extract(archive, { target: to, identities: [identity] })
    t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
  }
  t.same(fs.readdirSync(directory).sort(), ['a.warp', 'ak.warp'], 'no part and no key is left')
  await t.rejects(transfer([from], directory, {}, { into: { kind: 'archive', path: path.join(directory, 'a.warp') } }), 'what is there is kept')
})

t.test('a broken connection: what came is not sent again', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { a: noise(1, 80 * MIB), b: { c: noise(2, 30 * MIB), d: lines(3, 2 * MIB), e: lines(3, 2 * MIB) } })
  const directory = makeDirectory(t)
  const identity = generateIdentity()
  const into = { kind: 'archive' as const, path: path.join(directory, 'a.warp'), recipients: [identity.recipient] }
  for (const limit of [90 * MIB, 20 * MIB]) {
    await cutTransfer([from], directory, limit, { into })
  }
  t.ok(fs.readdirSync(directory).some((name) => name.endsWith('.1')), 'the first part is left')
  const { root, wireBytes } = await transfer([from], directory, {}, { into })
  t.ok(wireBytes < 60 * MIB, `${wireBytes}`)
  const seen = await verify(into.path, { identities: [identity] })
  t.same(seen.damage, [])
  t.ok(Buffer.from(seen.root).equals(root))
  t.same(fs.readdirSync(directory), ['a.warp'])
})

t.test('what archives and directories on this side hold is not sent', async (t) => {
  const from = path.join(makeDirectory(t), 'tree')
  plant(from, { big: noise(1, 12 * MIB), text: lines(2, 5 * MIB), more: noise(3, 1 * MIB) })
  const elsewhere = makeDirectory(t)
  plant(elsewhere, { other: { name: noise(1, 12 * MIB) } })
  const archive = path.join(makeDirectory(t), 'old.warp')
  const identity = generateIdentity()
  const textOnly = path.join(makeDirectory(t), 'x')
  plant(textOnly, { y: lines(2, 5 * MIB) })
  await create({ inputs: [{ path: textOnly }], output: archive, recipients: [identity.recipient], chunkSize: 8192 })
  const reuse = [elsewhere, archive]
  for (const kind of ['directory', 'archive'] as const) {
    const to = makeDirectory(t)
    const into = kind === 'archive' ? { kind, path: path.join(to, 'a.warp') } : { kind, path: to }
    const { wireBytes, received, root } = await transfer([from], to, {}, { into, reuse, reuseKeys: { identities: [identity] } })
    t.ok(wireBytes < 1.3 * MIB, `${wireBytes}`)
    t.ok(received.reusedBytes >= 17 * MIB)
    if (kind === 'directory') t.same(lookAtAll(path.join(to, 'tree')), lookAtAll(from))
    else t.ok(Buffer.from((await verify(path.join(to, 'a.warp'), {})).root).equals(root))
  }
})
