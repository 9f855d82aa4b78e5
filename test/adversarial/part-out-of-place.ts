/** A file in parts whose index states a wrong place for one: its bytes would be restored in the wrong places. */
import t from 'tap'
import { broken, pagesOf, write, type Hook } from './support/archives.ts'
import { demandRefusal } from './support/refusal.ts'

// A chunk of one byte takes 33 bytes of a page: 31,776 of them pass 1 MiB, so that there are two pages.
const byte = Buffer.from('x')
const content = Array.from({ length: 31_776 + 5 }, () => ({ data: byte }))
const entries = [{ path: 'a', content }, { path: 'b', content: 'b' }]
t.equal(pagesOf(write(entries)), 2)

const codes = ['ERR_WARP_MALFORMED', 'ERR_WARP_DIGEST_MISMATCH', 'ERR_WARP_ENTRY_ORDER', 'ERR_WARP_LIMIT'] as const
const child = (name: string, change: Hook) => demandRefusal(t, name, {
  bytes: broken(entries, { child: (value, where) => void (where.index === 1 && change(value, where)) }),
  // Nothing of it is wrong in a stream, which is read without the index: until that comes.
  codes: [...codes], restored: ['a', 'b'], brief: true,
  restoredRight: { a: Buffer.alloc(content.length, byte) },
})

await child('one byte late', value => void value.firstOffset++)
await child('one byte early', value => void value.firstOffset--)
await child('far away', value => void (value.firstOffset = 2 ** 40))
await child('at the start', value => void (value.firstOffset = 0))

const refuse = (name: string, hooks: Record<string, Hook>, restored: string[] = []) =>
  demandRefusal(t, name, { bytes: broken(entries, hooks), codes: [...codes], restored, brief: true })
await refuse('continued under another name', {
  record: (record, { number }) => void (number === 0 && record.type === 1 && (record.path = Buffer.from('aa'))),
})
await refuse('never continued', { record: (record, { number }) => void (number === 0 && (record.type = 0)) })
await refuse('continued by a symlink', {
  record: (record, { number }) =>
    number === 0 && record.type === 1 ? { ...record, type: 3, target: Buffer.from('../outside') } : record,
})
