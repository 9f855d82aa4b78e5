import { join } from 'node:path'
import { userInfo } from 'node:os'
import t from 'tap'
import { gidOf, groupName, OwnerTable, uidOf, userName } from '../../../src/archive/os/owners.ts'

t.test('a table', async (t) => {
  const passwd = [
    '# comment',
    'root:x:0:0:root:/root:/bin/sh',
    '',
    'also-root:x:0:0::/:/bin/sh',
    'root:x:7:7:second of the name:/:/bin/sh',
    '+nis::5:::',
    ':x:8:8::/:',
    'no-number:x',
    'bad:x:12a:0',
    'minus:x:-1:0',
    'huge:x:4294967296:0',
    'last:x:4294967295:0',
    `${'n'.repeat(256)}:x:9:0`,
    `${'m'.repeat(255)}:x:10:0`,
  ]
  const dir = t.testdir({
    passwd: Buffer.from(`${passwd.join('\n')}\n\xff\xfe:x:12:0`, 'latin1'),
  })
  const table = new OwnerTable(join(dir, 'passwd'))
  t.equal(table.nameOf(0).toString(), 'root', 'the first of two names')
  t.equal(table.idOf(Buffer.from('also-root')), 0)
  t.equal(table.idOf(Buffer.from('root')), 0, 'the first of two numbers')
  t.equal(table.nameOf(7).toString(), 'root')
  t.equal(table.nameOf(1).length, 0)
  t.equal(table.idOf(Buffer.from('nobody-here')), undefined)
  t.equal(table.idOf(Buffer.from('')), undefined)
  t.equal(table.nameOf(5).length, 0, 'NIS references are no names')
  for (const name of ['no-number', 'bad', 'minus', 'huge']) {
    t.equal(table.idOf(Buffer.from(name)), undefined, name)
  }
  t.equal(table.nameOf(0xffff_ffff).toString(), 'last')
  t.equal(table.nameOf(9).length, 0, 'longer than the format takes')
  t.equal(table.nameOf(10).length, 255)
  t.same(table.nameOf(12), Buffer.from([0xff, 0xfe]), 'names are bytes')
  t.equal(table.idOf(new Uint8Array([0xff, 0xfe])), 12)
})

t.test('no file, no names', async (t) => {
  const table = new OwnerTable(join(t.testdir({}), 'missing'))
  t.equal(table.nameOf(0).length, 0)
  t.equal(table.idOf(Buffer.from('root')), undefined)
})

t.test('the tables of this system', { skip: process.platform !== 'linux' && 'not Linux' }, async (t) => {
  const { uid, username } = userInfo()
  const name = userName(uid)
  if (name.length > 0) {
    t.equal(name.toString(), username)
    t.equal(uidOf(name), uid)
  }
  const group = groupName(0)
  if (group.length > 0) t.equal(gidOf(group), 0)
  t.equal(uidOf(Buffer.from('no such user, ever')), undefined)
})
