import t from 'tap'
import { describeProblem } from '../../src/archive/problems.ts'

t.test('codes in words, others as the system has them', async t => {
  t.not(describeProblem('EEXIST', 'EEXIST: raw'), 'EEXIST: raw')
  t.not(describeProblem('ENOSYS', 'raw'), 'raw')
  t.equal(describeProblem('EWHATEVER', 'raw'), 'raw')
})
