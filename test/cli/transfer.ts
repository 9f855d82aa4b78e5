/** send and receive as people run them: two processes, on the loopback. */
import { spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import fs from 'node:fs'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { encodeTicket, decodeTicket } from '../../src/transfer/meetings/ticket.ts'
import { parseLines, shell, warp, type Ended } from './support/run.ts'
import { side } from './support/sides.ts'

const LISTEN = ['--listen', '127.0.0.1:0', '--wait', '60s']
const MIB = 2 ** 20

/** A directory with something to send, and the environment of both sides. */
function prepare(test: Test) {
  const cwd = test.testdir({ src: { a: 'A'.repeat(3000), sub: { b: 'B', empty: '' }, link: 'x' }, state: {} })
  fs.symlinkSync('a', resolve(cwd, 'src/to-a'))
  fs.writeFileSync(resolve(cwd, 'src/noise'), randomBytes(2 * MIB))
  return { cwd, env: { XDG_STATE_HOME: resolve(cwd, 'state'), XDG_CONFIG_HOME: resolve(cwd, 'state'), WARP_TICKET: undefined } }
}

function same(test: Test, a: string, b: string): void {
  const names = (at: string) => (fs.readdirSync(at, { recursive: true }) as string[]).sort()
  test.same(names(a), names(b), 'the same names')
  for (const name of names(a)) {
    if (fs.lstatSync(resolve(a, name)).isFile()) test.ok(fs.readFileSync(resolve(a, name)).equals(fs.readFileSync(resolve(b, name))), name)
  }
}

const rootOf = ({ stdout }: Ended) => /^root +([0-9a-f]{64})$/m.exec(stdout)?.[1]

t.test('the receiver listens', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '-C', 'out', ...LISTEN], { cwd, env })
  const ticket = await receiver.firstLine
  t.match(ticket, /^warp1\S+$/)
  const sent = await warp(['send', 'src', '--to', ticket], { cwd, env })
  const received = await receiver.ended
  t.match([sent.status, received.status], [0, 0], `${sent.stderr}\n${received.stderr}`)
  same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))
  t.ok(rootOf(sent))
  t.equal(rootOf(sent), rootOf(received))
  t.match(sent.stdout, /^sent +8 entries, 2\.1 MB$/m)
  t.match(received.stdout, /^received +8 entries, 2\.1 MB\ninto +out$/m)
  t.match(received.stderr, /^warp: on the other side: warp send PATH\.\.\. --to TICKET$/m)
  t.match(received.stderr, /^warp: connected with 127\.0\.0\.1:\d+ over (quic|tls)$/m)
  t.notMatch(received.stderr, ticket)
})

t.test('the sender listens; the ticket in a file, and in the environment', async t => {
  for (const way of ['file', 'variable']) {
    const { cwd, env } = prepare(t)
    const sender = side(['send', 'src', ...LISTEN], { cwd, env })
    const ticket = await sender.firstLine
    fs.writeFileSync(resolve(cwd, 'ticket'), `${ticket}\n`)
    const received = way === 'file'
      ? await warp(['receive', '-C', 'out', '--from', '@ticket'], { cwd, env })
      : await warp(['receive', '-C', 'out'], { cwd, env: { ...env, WARP_TICKET: ticket } })
    const sent = await sender.ended
    t.match([sent.status, received.status], [0, 0], `${sent.stderr}\n${received.stderr}`)
    same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))
  }
})

t.test('as JSON', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '--json', '-C', 'out', ...LISTEN], { cwd, env })
  const { event, ticket } = JSON.parse(await receiver.firstLine)
  t.equal(event, 'ticket')
  const sent = await warp(['send', '--json', 'src', '--to', ticket], { cwd, env })
  const received = await receiver.ended
  const [result, ...more] = parseLines(sent.stdout)
  t.same(more, [])
  t.match(result, {
    event: 'result', root: /^[0-9a-f]{64}$/, entries: 8, bytes: Number, reusedBytes: 0, sentBytes: Number, receivedBytes: Number,
    transport: /quic|tls/, problems: 0, connections: 1, durationMs: Number,
  })
  t.match(parseLines(received.stdout), [{ event: 'ticket', ticket }, { event: 'result', target: 'out', root: result!.root, entries: 8 }])
  for (const { stderr } of [sent, received]) {
    const events = parseLines(stderr)
    t.ok(events.some(({ event, transport }) => event === 'connected' && /quic|tls/.test(String(transport))))
  }
})

t.test('one changed byte', async t => {
  const { cwd, env } = prepare(t)
  const send = async () => {
    const receiver = side(['receive', '--json', '-C', 'out', '--overwrite', 'always', ...LISTEN], { cwd, env })
    const { ticket } = JSON.parse(await receiver.firstLine)
    const { status, stdout, stderr } = await warp(['send', '--json', 'src', '--to', ticket], { cwd, env })
    t.equal(status, 0, stderr)
    t.equal((await receiver.ended).status, 0)
    return parseLines(stdout)[0] as { sentBytes: number; reusedBytes: number }
  }
  await send()
  const path = resolve(cwd, 'src/noise')
  const bytes = fs.readFileSync(path)
  bytes[MIB] ^= 1
  fs.writeFileSync(path, bytes)
  const { sentBytes, reusedBytes } = await send()
  t.ok(sentBytes < 128 * 1024, `${sentBytes} sent`)
  t.ok(reusedBytes > 1.9 * MIB, `${reusedBytes} reused`)
  same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))
})

t.test('a ticket that is wrong, and one that was used', async t => {
  const { cwd, env } = prepare(t)
  const receive = () => side(['receive', '-C', 'out', '--overwrite', 'always', ...LISTEN], { cwd, env })
  const first = receive()
  const ticket = await first.firstLine
  const forged = decodeTicket(ticket)
  forged.secret = randomBytes(forged.secret.length)
  const refused = await warp(['send', '-v', 'src', '--to', encodeTicket(forged), '--wait', '5s'], { cwd, env })
  t.match(refused, { status: 15, stderr: /ERR_WARP_PEER_AUTH/ })
  t.notOk(fs.existsSync(resolve(cwd, 'out/src')), 'nothing was written')
  t.match(await warp(['send', 'src', '--to', ticket], { cwd, env }), { status: 0 })
  t.equal((await first.ended).status, 0)

  const second = receive()
  t.not(await second.firstLine, ticket, 'another ticket')
  const used = await warp(['send', '-v', 'src/a', '--to', ticket, '--wait', '5s'], { cwd, env })
  t.match(used, { status: 15, stderr: /ERR_WARP_TICKET_USED/ })
  second.child.kill('SIGINT')
  t.equal((await second.ended).status, 130)

  t.match(await warp(['send', 'src', '--to', 'warp1nonsense'], { cwd, env }), { status: 2 })
})

t.test('nobody is there', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '-C', 'out', ...LISTEN], { cwd, env })
  const ticket = await receiver.firstLine
  receiver.child.kill('SIGKILL')
  await receiver.ended
  t.match(await warp(['send', '-v', 'src', '--to', ticket, '--wait', '1s'], { cwd, env }), { status: 15, stderr: /ERR_WARP_PEER_UNREACHABLE/ })
  t.match(await warp(['receive', '-v', '--listen', '127.0.0.1:0', '--wait', '1s'], { cwd, env }), { status: 15, stderr: /ERR_WARP_PEER_UNREACHABLE/ })
})

t.test('the disk of the receiver is full', async t => {
  const { cwd, env } = prepare(t)
  const disk = resolve(cwd, 'disk')
  fs.mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'warp', disk]).status !== 0) return void t.pass('skipped: tmpfs cannot be mounted here')
  try {
    const receiver = side(['receive', '-C', resolve(disk, 'out'), ...LISTEN], { cwd, env })
    const sent = await warp(['send', '-v', 'src', '--to', await receiver.firstLine], { cwd, env })
    t.match(await receiver.ended, { status: 4, stderr: /^warp: /m })
    t.match(sent, { status: 15, stderr: /ERR_WARP_PEER_FAILED/ })
  } finally {
    spawnSync('umount', ['-l', disk])
  }
})

t.test('what could not be read is told of', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '-C', 'out', ...LISTEN], { cwd, env })
  const sent = await warp(['send', 'src', 'missing', '--to', await receiver.firstLine], { cwd, env })
  t.match(sent, { status: 3, stderr: /^warp: missing: /m, stdout: /^problems +1, listed above$/m })
  await receiver.ended
  same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))
})

t.test('an archive as it is, and one of a tree', async t => {
  const { cwd, env } = prepare(t)
  await warp(['create', '-q', '-o', 'x.warp', 'src'], { cwd, env })
  const whole = side(['receive', '-o', 'y.warp', ...LISTEN], { cwd, env })
  t.match(await warp(['send', '--archive', 'x.warp', '--to', await whole.firstLine], { cwd, env }), { status: 0 })
  t.equal((await whole.ended).status, 0)
  t.ok(fs.readFileSync(resolve(cwd, 'x.warp')).equals(fs.readFileSync(resolve(cwd, 'y.warp'))))

  const keys = { ...env, WARP_PASSPHRASE: 'open sesame' }
  const made = side(['receive', '-o', 'z.warp', ...LISTEN], { cwd, env: keys })
  t.match(await warp(['send', 'src', '--to', await made.firstLine], { cwd, env }), { status: 0 })
  t.equal((await made.ended).status, 0)
  t.match(await warp(['extract', 'z.warp', '-C', 'out'], { cwd, env }), { status: 12 }, 'encrypted')
  t.match(await warp(['extract', 'z.warp', '-C', 'out'], { cwd, env: keys }), { status: 0 })
  same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))
})

t.test('a live pipe', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '-q', '-', '--listen', '127.0.0.1:0', '--json'], { cwd, env })
  const { ticket } = await firstEvent(receiver.child.stderr!)
  const noise = fs.readFileSync(resolve(cwd, 'src/noise'))
  const sent = await warp(['send', '-', '--to', ticket], { cwd, env, input: noise })
  const received = await receiver.ended
  t.equal(sent.status, 0, sent.stderr)
  t.equal(received.status, 0, received.stderr)
  t.ok(received.bytes.equals(noise))
})

t.test('a live pipe whose producer or consumer fails', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '-', '--json', ...LISTEN.slice(0, 2), '--wait', '2s'], { cwd, env })
  const { ticket } = await firstEvent(receiver.child.stderr!)
  const sender = side(['send', '-', '--to', ticket], { cwd, env, input: undefined })
  sender.child.stdin!.write('begun\n')
  t.equal(await receiver.firstLine, 'begun', 'at once')
  sender.child.kill('SIGKILL')
  t.equal((await receiver.ended).status, 15, 'no end of the stream')

  const line = `(warp receive - --listen 127.0.0.1:0 2> ticket; echo $? > status) | head -c 10 > /dev/null`
  const receiving = shell(line, { cwd, env })
  const other = await appears(resolve(cwd, 'ticket'), /^(warp1\S+)$/m)
  const sent = await shell(`yes | warp send -v - --to ${other}`, { cwd, env })
  await receiving
  t.match(sent, { status: 15, stderr: /ERR_WARP_PEER_FAILED/ })
  t.equal(fs.readFileSync(resolve(cwd, 'status'), 'utf8'), '4\n')
})

t.test('a code phrase', async t => {
  const reason = await noMulticast()
  if (reason !== null) return void t.pass(`skipped: ${reason}`)
  const { cwd, env } = prepare(t)
  const sender = side(['send', 'src'], { cwd, env })
  const code = await sender.firstLine
  t.match(code, /^[a-z]+(-[a-z]+){3}$/)
  const received = await warp(['receive', code, '-C', 'out'], { cwd, env })
  t.equal(received.status, 0, received.stderr)
  t.equal((await sender.ended).status, 0)
  same(t, resolve(cwd, 'src'), resolve(cwd, 'out/src'))

  const guessed = side(['send', '-v', 'src'], { cwd, env })
  const [channel] = (await guessed.firstLine).split('-')
  const wrong = await warp(['receive', '-v', `${channel}-zoo-zoo-zoo`, '-C', 'other'], { cwd, env })
  for (const ended of [wrong, await guessed.ended]) t.match(ended, { status: 15, stderr: /ERR_WARP_CODE_WRONG/ })
})

t.test('many senders', async t => {
  const { cwd, env } = prepare(t)
  const receiver = side(['receive', '--json', '-C', 'out', '--keep', ...LISTEN.slice(0, 2)], { cwd, env })
  const { ticket } = JSON.parse(await receiver.firstLine)
  for (const name of ['a', 'sub']) t.match(await warp(['send', `src/${name}`, '--to', ticket], { cwd, env }), { status: 0 })
  receiver.child.kill('SIGINT')
  const { status, stdout } = await receiver.ended
  t.equal(status, 130)
  t.match(parseLines(stdout).slice(0, 3), [{ event: 'ticket' }, { event: 'completed' }, { event: 'completed' }])
  t.ok(fs.existsSync(resolve(cwd, 'out/sub/b')))
})

t.test('known peers', async t => {
  const { cwd, env } = prepare(t)
  for (const name of ['ann', 'eve']) await warp(['keygen', '-q', '-o', name], { cwd, env })
  const send = async (identity: string) => {
    const receiver = side(['receive', '-v', '-C', 'out', '--overwrite', 'always', '--peer', 'ann', ...LISTEN], { cwd, env })
    const sent = await warp(['send', '-v', 'src', '--identity', identity, '--wait', '20s', '--to', await receiver.firstLine], { cwd, env })
    return [sent, await receiver.ended]
  }
  t.match(await send('ann'), [{ status: 0 }, { status: 0 }])
  t.match(await send('ann'), [{ status: 0 }, { status: 0 }])
  t.match(await send('eve'), [{ status: 15 }, { status: 15, stderr: /ERR_WARP_PEER_UNKNOWN/ }])
})

/** The text of a file, or what `pattern` finds in it, once it is there. */
async function appears(path: string, pattern = /^(\S+)\n/): Promise<string> {
  for (;;) {
    const found = fs.existsSync(path) ? pattern.exec(fs.readFileSync(path, 'utf8')) : null
    if (found) return found[1]
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** The first line of NDJSON that tells the ticket. */
function firstEvent(stream: NodeJS.ReadableStream): Promise<{ ticket: string }> {
  return new Promise(resolve => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const line = text.split('\n').slice(0, -1).find(line => line.includes('"ticket"'))
      if (line !== undefined) resolve(JSON.parse(line))
    })
  })
}

/** Null if what is sent to a group comes back here, else why not. */
function noMulticast(): Promise<string | null> {
  const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
  return new Promise<string | null>(resolve => {
    setTimeout(resolve, 2000, 'multicast does not come back here').unref()
    socket.on('error', error => resolve(`no multicast here: ${error.message}`))
    socket.on('message', () => resolve(null))
    socket.bind(() => {
      try {
        socket.addMembership('224.0.0.251')
        socket.setMulticastLoopback(true)
        socket.send('warp', socket.address().port, '224.0.0.251')
      } catch (error) {
        resolve(`no multicast here: ${(error as Error).message}`)
      }
    })
  }).finally(() => socket.close())
}
