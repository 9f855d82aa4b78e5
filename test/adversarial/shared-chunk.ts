/** A chunk that was checked once, stated again with another length or id: it must not pass as checked. */
import t from 'tap'
import { broken, noise } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

const data = noise(1000)
const entries = ['a', 'b', 'c'].map(path => ({ path, content: [{ data }] }))

/** The extent of the second file is changed. */
function second(change: (extent: { length: number; id: Buffer }) => void): Buffer {
  let count = 0
  return broken(entries, { extent: value => void (++count === 2 && change(value)) })
}

for (const length of [999, 1]) {
  await demandRefusal(t, `${length} bytes instead of 1,000`, {
    bytes: second(extent => void (extent.length = length)),
    codes: ['ERR_WARP_CHUNK_DAMAGED', 'ERR_WARP_COUNT_MISMATCH'],
    listCodes: null,
    restored: ['a', 'c'],
    restoredRight: { a: data, c: data },
  })
}
await demandRefusal(t, 'another id', {
  bytes: second(extent => void (extent.id = Buffer.alloc(32, 1))),
  codes: ['ERR_WARP_CHUNK_DAMAGED'],
  listCodes: null,
  restored: ['a', 'c'],
  restoredRight: { a: data, c: data },
})
