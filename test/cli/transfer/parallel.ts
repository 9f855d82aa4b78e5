/**
 * One receiver and many senders at the same time: each holds its last input open until all are connected.
 * WARP_LONG=1 takes a hundred of them.
 */
import t from 'tap'
import fs from 'node:fs'
import path from 'node:path'
import { lookAtAll, noise, plant } from '../../archive/support/trees.ts'
import { parseLines, warp } from '../support/run.ts'
import { side, type Side } from '../support/sides.ts'
import { LISTEN, Place, shown } from './support/place.ts'

const SENDERS = process.env['WARP_LONG'] === '1' ? 100 : 12
const LIMIT_MS = 15 * 60_000

const place = new Place(t)
const LAST = 'the last word'

for (let i = 0; i < SENDERS; i++) {
  // Of one kind among all, so that files of the same name and content come from several at once.
  plant(place.at(`from/tree-${i}`), { common: noise(1, 200_000), own: noise(100 + i, 1000 + i * 3001), deep: { down: { text: `${i}\n`, empty: null } }, none: '' })
}

const receive = (): Side => side(['receive', '--json', '-C', 'out', '--keep', '--memory', '384M', ...LISTEN], { ...place.here, limitMs: LIMIT_MS })
const ticketOf = async (receiver: Side): Promise<string> => JSON.parse(await receiver.firstLine).ticket

t.test(`${SENDERS} senders at once, one of which is killed`, async t => {
  const receiver = receive()
  const connected = shown(receiver, 'stderr', /"event":"connected"/, SENDERS)
  const env = { ...place.env, WARP_TICKET: await ticketOf(receiver) }
  const senders = Array.from({ length: SENDERS }, (_, i) =>
    side(['send', `from/tree-${i}`, '-', '--stdin-name', `word-${i}`, '--threads', '1'], { cwd: place.cwd, env, input: undefined, limitMs: LIMIT_MS }))
  await connected
  const [victim, ...others] = senders
  victim!.child.kill('SIGKILL')
  await victim!.ended
  for (const { child } of others) child.stdin!.end(LAST)
  const ends = await Promise.all(others.map(({ ended }) => ended))
  for (const [i, { status, stderr }] of ends.entries()) t.equal(status, 0, `sender ${i + 1}: ${stderr}`)
  for (let i = 1; i < SENDERS; i++) {
    t.same(lookAtAll(place.at(`out/tree-${i}`)), lookAtAll(place.at(`from/tree-${i}`)))
    t.equal(fs.readFileSync(place.at(`out/word-${i}`), 'utf8'), LAST)
  }
  t.notOk(fs.existsSync(place.at('out/tree-0')), 'nothing unfinished under its name')

  const again = await warp(['send', 'from/tree-0', '-', '--stdin-name', 'word-0'], { cwd: place.cwd, env, input: LAST })
  t.equal(again.status, 0, again.stderr)
  t.same(lookAtAll(place.at('out/tree-0')), lookAtAll(place.at('from/tree-0')), 'the same command completes what was begun')

  receiver.child.kill('SIGINT')
  const { status, stdout, stderr } = await receiver.ended
  t.equal(status, 130, stderr.slice(-300))
  t.notMatch(stderr, /Warning/)
  t.equal(parseLines(stdout).filter(({ event }) => event === 'completed').length, SENDERS)
  t.same(place.leftovers(), [])
})

t.test('the same receiver, run again', async t => {
  const receiver = receive()
  const env = { ...place.env, WARP_TICKET: await ticketOf(receiver) }
  plant(place.at('from/later'), { a: 'b' })
  const { status, stderr } = await warp(['send', 'from/later'], { cwd: place.cwd, env })
  t.equal(status, 0, stderr)
  receiver.child.kill('SIGINT')
  t.equal((await receiver.ended).status, 130)
  t.same(lookAtAll(path.join(place.cwd, 'out/later')), lookAtAll(place.at('from/later')))
  t.same(place.leftovers(), [])
})
