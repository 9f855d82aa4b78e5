import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { libc, type Libc } from '../../src/archive/os/libc.ts'
import { Writeback } from '../../src/archive/writeback.ts'
import { makeDirectory, MIB } from './support/trees.ts'

const os = libc()

t.test('the disk is told of each byte once, in steps', { skip: !os && 'libc is out of reach' }, async t => {
  const fd = fs.openSync(path.join(makeDirectory(t), 'file'), 'w')
  t.teardown(() => fs.closeSync(fd))
  fs.writeSync(fd, Buffer.alloc(40 * MIB, 1))
  const told: number[][] = []
  const start = os!.startWriteback
  t.intercept(os as Libc, 'startWriteback', { value: (...range: [number, number, number]) => {
    told.push(range)
    return start(...range)
  } })
  const writeback = new Writeback(fd, 1 * MIB)
  for (const position of [2, 8, 9, 10, 30, 31, 40]) writeback.reach(position * MIB)
  await writeback.close()
  writeback.reach(100 * MIB)
  t.same(told, [[fd, MIB, 8 * MIB], [fd, 9 * MIB, 21 * MIB], [fd, 30 * MIB, 10 * MIB]])
})
