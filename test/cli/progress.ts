import t from 'tap'
import fc from 'fast-check'
import { formatProgress, Rate } from '../../src/cli/progress.ts'
import { noTerminal, onTerminal, parseLines, shell, warp } from './support/run.ts'

const PROGRESS = { bytes: 1_100_000_000, totalBytes: 2_600_000_000, entries: 12_345, totalEntries: 30_000 }

t.test('the line of a known amount', async t => {
  t.equal(
    formatProgress('create', PROGRESS, 310_000_000, 140),
    'create  [#################-----------------------]   42 %  1.1 GB of 2.6 GB  310.0 MB/s  '
    + '12,345 of 30,000 files  0:05 left',
  )
  // no room for a bar
  t.match(formatProgress('create', PROGRESS, 310_000_000, 60), /^create {3}42 % {2}1\.1 GB/)
  t.match(formatProgress('create', PROGRESS, 100_000, 100), / 4:10:00 left$/)
  t.match(formatProgress('create', { ...PROGRESS, bytes: 0 }, 0, 100), /^create {2}\[-+\] {4}0 %(?!.*left)/)
})

t.test('the line of an unknown amount', async t => {
  const unknown = { bytes: 1000, totalBytes: null, entries: 1, totalEntries: null }
  t.equal(formatProgress('create', unknown, 500, 80), 'create  1.0 kB  500 B/s  1 file')
})

t.test('no line is as wide as the terminal', async t => {
  const amount = fc.maxSafeNat()
  fc.assert(fc.property(amount, fc.option(amount), amount, amount, fc.integer({ min: 1, max: 300 }),
    (bytes, totalBytes, entries, rate, columns) => {
      const progress = { bytes, totalBytes, entries, totalEntries: totalBytes }
      const line = formatProgress('extract', progress, rate, columns)
      t.ok(line.length < columns, `${line.length} of ${columns}`)
    }), { numRuns: 200 })
})

t.test('the rate is that of the last seconds', async t => {
  const rate = new Rate()
  t.equal(rate.at(0, 0), 0)
  t.equal(rate.at(1000, 1000), 1000)
  t.equal(rate.at(3000, 2000), 1500)
  // the slow start has left the window of 5 s
  rate.at(100_000, 8_000)
  t.equal(rate.at(200_000, 9_000), 100_000)
})

t.test('in a pipe there is none', async t => {
  const cwd = t.testdir({ a: 'content' })
  const { status, stderr } = await warp(['create', '-o', 'x.warp', 'a'], { cwd })
  t.equal(status, 0)
  t.equal(stderr, '')
})

t.test('with --json it is NDJSON on stderr', async t => {
  const cwd = t.testdir({})
  // a pause, since progress is told a few times a second
  const line = '(echo a; sleep 1; echo b) | warp create --json -o x.warp -'
  const { status, stdout, stderr } = await shell(line, { cwd })
  t.equal(status, 0)
  const events = parseLines(stderr)
  t.ok(events.length > 0)
  for (const event of events) {
    t.match(event, { event: 'progress', bytes: Number, entries: Number })
  }
  t.equal(parseLines(stdout).length, 1)
  const silent = await shell(line.replace('--json', '--json --no-progress'), { cwd })
  t.equal(silent.stderr, '')
})

t.test('on a terminal it is a line that goes away', { skip: noTerminal() }, async t => {
  const cwd = t.testdir({})
  const line = '(echo a; sleep 1; echo b) | warp create -o x.warp -'
  const { status, stdout } = await onTerminal(line, [], { cwd })
  t.equal(status, 0)
  t.match(stdout, /create {2}.* files?/)
  t.match(stdout.split('\x1b').at(-1), /archive/, 'the summary comes after the line was cleared')
  for (const option of ['--no-progress', '--quiet']) {
    const { stdout } = await onTerminal(`${line} ${option}`, [], { cwd })
    t.notMatch(stdout, / files?\b/, option)
  }
})

t.test('messages stay while the line moves on', { skip: noTerminal() }, async t => {
  const cwd = t.testdir({})
  const line = '(echo a; sleep 1; echo b) | warp create -o x.warp - missing; echo'
  const { stdout } = await onTerminal(line, [], { cwd })
  // the line is cleared before the message, and after it the cursor is saved for the end
  t.match(stdout, /\r\x1b\[Kwarp: missing: no such file or directory\r\n\x1b7/)
})
