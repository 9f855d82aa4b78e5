/**
 * The receiver's memory while much more is offered than it can put away: its consumer reads nothing, its disk is full
 * of other work, its share of the processor is small. WARP_LONG=1 offers 10 GiB.
 */
import t from 'tap'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { PROGRAM } from '../support/run.ts'
import { side } from '../support/sides.ts'
import { LISTEN, Place } from './support/place.ts'

const MIB = 1024 * 1024
const IS_LONG = process.env['WARP_LONG'] === '1'
const OFFERED_BYTES = (IS_LONG ? 10 : 1) * 1024 * MIB
const LIMIT_MS = IS_LONG ? 60 * 60_000 : 240_000

const MEMORY = ['--memory', '384M']
/** As in the tests of what `create` takes. */
const BUDGET_BYTES = 384 * MIB * 1.25

const skip = process.platform === 'linux' ? false : 'reads /proc'

/** Most memory that a process has held until now, bytes; null once it has ended. */
function peakOf({ pid }: ChildProcess): number | null {
  try {
    const peak = /VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return peak === undefined ? null : Number(peak) * 1024
  } catch {
    return null
  }
}

/** Bytes that do not compress and do not repeat, a MiB at a time. */
function* content(length: number): Generator<Buffer> {
  const block = randomBytes(MIB)
  for (let i = 0; i < length / MIB; i++) {
    // Other bytes each time, without asking the system for gigabytes of them.
    for (let at = 0; at < MIB; at += 2048) block.writeUInt32LE((i * 2_654_435_761 + at) >>> 0, at)
    yield block
  }
}

t.test('a consumer that reads nothing for a while', { skip }, async t => {
  const place = new Place(t)
  const options = { cwd: place.cwd, stdio: ['ignore', 'pipe', 'pipe'] as const }
  const receiver = spawn(process.execPath, [PROGRAM, ...['receive', '-', '--json', ...MEMORY, ...LISTEN]], { ...options, env: { ...process.env, ...place.env } })
  t.teardown(() => receiver.kill('SIGKILL'))
  const told = once(receiver, 'close')
  const ticket = await new Promise<string>(resolve => {
    let text = ''
    receiver.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const found = text.split('\n').slice(0, -1).find(line => line.includes('"ticket"'))
      if (found) resolve(JSON.parse(found).ticket)
    })
  })
  const sender = side(['send', '-', ...MEMORY], { cwd: place.cwd, env: { ...place.env, WARP_TICKET: ticket }, input: undefined, limitMs: LIMIT_MS })
  const offered = createHash('sha1')
  let written = 0
  const producing = (async () => {
    for (const block of content(OFFERED_BYTES)) {
      offered.update(block)
      if (!sender.child.stdin!.write(Buffer.from(block))) await once(sender.child.stdin!, 'drain')
      written += block.length
    }
    sender.child.stdin!.end()
  })()
  // Until the producer is held back: all there is on the way is full.
  let before = -1
  for (let still = 0; still < 10; still = written === before && written > 0 ? still + 1 : 0) {
    before = written
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(written < OFFERED_BYTES / 4, `the producer is held back after ${written / MIB} MiB`)
  const stalled = [peakOf(receiver)!, peakOf(sender.child)!]
  t.ok(stalled[0]! <= BUDGET_BYTES, `receiver, stalled: ${(stalled[0]! / MIB).toFixed(0)} MiB`)
  t.ok(stalled[1]! <= BUDGET_BYTES, `sender, stalled: ${(stalled[1]! / MIB).toFixed(0)} MiB`)

  const arrived = createHash('sha1')
  let peak = 0
  let bytes = 0
  for await (const chunk of receiver.stdout as AsyncIterable<Buffer>) {
    if ((bytes += chunk.length) % (64 * MIB) < chunk.length) peak = Math.max(peak, peakOf(receiver) ?? 0)
    arrived.update(chunk)
  }
  await producing
  const [status] = await told as [number]
  t.equal(status, 0)
  t.equal((await sender.ended).status, 0)
  t.equal(bytes, OFFERED_BYTES)
  t.equal(arrived.digest('hex'), offered.digest('hex'))
  t.ok(peak <= BUDGET_BYTES, `receiver, at the end: ${(peak / MIB).toFixed(0)} MiB`)
  t.comment(`receiver: ${(stalled[0]! / MIB).toFixed(0)} MiB stalled, ${(peak / MIB).toFixed(0)} MiB in all; held back after ${written / MIB} MiB`)
})
