/** Counts and lengths far above what is there, and above any limit: refused before memory is taken for them. */
import t from 'tap'
import { broken, u, varint, type Hook, type TinyEntry } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const entries: TinyEntry[] = [
  { path: 'a', content: 'a' },
  { path: 'b', target: 'a', user: 'of-user', group: 'of-group', xattrs: [['user.name', 'of-attribute']] },
]
const refuse = (name: string, hooks: Record<string, Hook>, restored: string[] = []) => demandRefusal(t, name, {
  restored,
  bytes: broken(entries, hooks, { metaCodec: 0 }),
  // A file of which the last block is no footer may have been cut short.
  codes: ['ERR_WARP_LIMIT', 'ERR_WARP_MALFORMED', 'ERR_WARP_TRUNCATED'],
})

/** Puts `value` in the place of the byte at `at`. */
const splice = (bytes: Buffer, at: number, value: Uint8Array) =>
  Buffer.concat([bytes.subarray(0, at), value, bytes.subarray(at + 1)])

// The most that a varint holds; 2^32, which is 0 in 32 bits; 2^31, which is negative there; what is just too much.
for (const huge of [2 ** 53 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 31, 2 ** 30, 4097]) {
  const value = varint(huge)
  // Content: number of records, then of the first record the length of the path, path and type.
  await refuse(`records: ${huge}`, { 'content bytes': bytes => splice(bytes, 0, varint(Math.max(huge, 8194))) })
  await refuse(`length of a path: ${huge}`, { 'content bytes': bytes => splice(bytes, 1, value) })
  for (const text of ['of-user', 'of-group', 'user.name', 'of-attribute']) {
    // What stands before each is its length.
    await refuse(`length of "${text}": ${huge}`, {
      'record bytes': ({ head, ...rest }: { head: Buffer }) => {
        const at = head.indexOf(text)
        return { ...rest, head: at > 0 ? splice(head, at - 1, value) : head }
      },
    })
  }
  await refuse(`extents: ${huge}`, {
    'record bytes': ({ head, ...rest }: { head: Buffer }, { record }) =>
      ({ ...rest, head: record.type === 1 ? splice(head, head.length - 1, value) : head }),
  })
  await refuse(`length of a target: ${huge}`, {
    'record bytes': ({ tail, ...rest }: { tail: Buffer }) =>
      ({ ...rest, tail: tail.length > 0 ? splice(tail, 0, value) : tail }),
  })
  // Location: flags, then the number of frames.
  await refuse(`frames of a page: ${huge}`, { 'location bytes': bytes => splice(bytes, 1, value) })
}

for (const huge of [2 ** 32 - 1, 2 ** 31, 2 ** 24 + 1]) {
  await refuse(`content of a page: ${huge}`, { plain: (value, { kind }) => void (kind === 2 && value.set(u(4, huge))) })
}

for (const [kind, name] of [[2, 'page'], [4, 'footer']] as const) {
  for (const field of ['plainLength', 'storedLength']) {
    const hooks: Record<string, Hook> = {
      block: value => void (value.kind === kind && (value[field] = 2 ** 32 - 1)),
    }
    // A stream is restored as it comes, and its footer comes last.
    await refuse(`${field} of a ${name}`, hooks, kind === 4 ? ['a', 'b'] : [])
  }
}

await demandRefusal(t, 'lengths of a frame', {
  bytes: broken(entries, {
    block: value => void (value.kind === 1 && Object.assign(value, { plainLength: 2 ** 24, storedLength: 2 ** 24 })),
  }),
  codes: ['ERR_WARP_CHUNK_DAMAGED', 'ERR_WARP_MALFORMED', 'ERR_WARP_TRUNCATED'],
  // A descent from the top does not come by the frame.
  listCodes: null,
  restored: ['b'],
})

await demandRefusal(t, 'key slots: 65,535', {
  bytes: broken(entries, { header: value => void value.set(u(2, 65_535), 10) }),
  codes: ['ERR_WARP_LIMIT'],
})

for (const field of ['entries', 'logicalBytes', 'chunkRefs', 'pages']) {
  for (const huge of [2 ** 53 - 1, 2 ** 32]) {
    await demandRefusal(t, `footer's ${field}: ${huge}`, {
      bytes: broken(entries, { footer: value => void (value[field] = huge) }),
      codes: ['ERR_WARP_COUNT_MISMATCH', 'ERR_WARP_MALFORMED', 'ERR_WARP_DIGEST_MISMATCH'],
      restored: ['a', 'b'],
    })
  }
}
