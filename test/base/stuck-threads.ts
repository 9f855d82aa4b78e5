import t from 'tap'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { loadKoffi } from '../../src/base/koffi.ts'
import { exitAtOnce, stuckThreads } from '../../src/base/stuck-threads.ts'

t.equal(stuckThreads.count, 0)
t.type(exitAtOnce, 'function')

t.test('the process ends while a thread is in native code', { skip: loadKoffi() === null && 'koffi is not there' }, async t => {
  const mark = path.join(t.testdir(), 'mark')
  const module = new URL('../../dist/base/stuck-threads.js', import.meta.url).href
  const thread = `require('node:worker_threads').parentPort.postMessage(0)
    require('node:child_process').execSync('sleep 8; touch ${mark}')`
  const script = `import { Worker } from 'node:worker_threads'
    import { exitAtOnce } from '${module}'
    new Worker(${JSON.stringify(thread)}, { eval: true, execArgv: [] }).on('message', () => setTimeout(() => exitAtOnce(7), 500))`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
  t.equal(status, 7)
  t.notOk(fs.existsSync(mark), 'the thread was not waited for')
})
