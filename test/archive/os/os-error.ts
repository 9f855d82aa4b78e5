import { constants } from 'node:os'
import t from 'tap'
import { codeOf, errnoName, OsError } from '../../../src/archive/os/os-error.ts'

t.test('errno numbers get the names that Node uses', async (t) => {
  const { ENOENT, ENOTSUP, EPERM, EXDEV } = constants.errno
  t.equal(errnoName(ENOENT), 'ENOENT')
  t.equal(errnoName(EPERM), 'EPERM')
  t.equal(errnoName(EXDEV), 'EXDEV')
  t.equal(errnoName(ENOTSUP), 'ENOTSUP', 'not EOPNOTSUPP, which is the same number on Linux')
  t.equal(errnoName(99_999), 'UNKNOWN')
})

t.test('the code of whatever was thrown', async (t) => {
  t.equal(codeOf(new OsError('EPERM', 'chown')), 'EPERM')
  t.equal(codeOf(new Error('x')), 'UNKNOWN')
  t.equal(codeOf(Object.assign(new Error('x'), { code: 5 })), 'UNKNOWN')
  t.equal(codeOf(undefined), 'UNKNOWN')
  t.equal(codeOf(null), 'UNKNOWN')
})
