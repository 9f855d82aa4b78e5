import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import type { Meeting, MeetingOptions, Met } from '../../../src/transfer/meetings/meeting.ts'
import { openSshMeeting } from '../../../src/transfer/meetings/ssh.ts'
import type { WarpError } from '../../../src/base/errors.ts'
import { WAIT_MS, closing, type Test } from '../support/meetings.ts'

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures')
const FAKE_SSH = path.join(FIXTURES, 'fake-ssh.sh')

/** The far side as one plain file, which starts faster. Beside it the packages are found. */
const farSide = path.join(t.testdir(), 'far-side.mjs')
await build({ entryPoints: [path.join(FIXTURES, 'far-side.mjs')], outfile: farSide, bundle: true, format: 'esm', platform: 'node', packages: 'external' })

interface Near {
  meeting: Meeting
  /** Exit status of the far side, how it was called before. */
  log: () => string[]
}

/** The near side; the far one is far-side.mjs, behind fake-ssh.sh. */
async function near(t: Test, rest: Partial<MeetingOptions> = {}, meet: { destination?: string; warpCommand?: string; before?: string } = {}): Promise<Near> {
  const folder = t.testdir({ log: '' })
  const script = path.join(folder, 'far')
  const log = path.join(folder, 'log')
  fs.writeFileSync(script, `${meet.before ?? ''}\necho "$*" >> '${log}'\n'${process.execPath}' '${farSide}' "$@"\necho $? >> '${log}'\n`)
  const { destination = 'u@host', warpCommand = `sh '${script}'` } = meet
  const ssh = { way: 'ssh', destination, path: "it's", warpCommand } as const
  const options: MeetingOptions = { role: 'receive', meet: ssh, transferId: randomBytes(16), subject: 'tests', waitMs: WAIT_MS, ...rest }
  const meeting = closing(t, await openSshMeeting(options, ssh, FAKE_SSH))
  return { meeting, log: () => fs.readFileSync(log, 'utf8').trim().split('\n') }
}

/** What the far side answers. */
async function ask({ authenticated: { connection } }: Met): Promise<string> {
  await connection.write([Buffer.alloc(10)])
  return Buffer.from(await connection.read() ?? []).toString()
}

t.test('beside ssh, and through it', async (t) => {
  for (const [transport, kind] of [['auto', 'tls'], ['pipe', 'pipe']] as const) {
    const { meeting, log } = await near(t, { transport })
    const met = await meeting.next()
    t.equal(met.peerName, 'u@host')
    t.equal(met.authenticated.isBound, kind === 'tls')
    t.equal(await ask(met), `${kind} of 10 bytes`)
    await met.authenticated.connection.end()
    met.authenticated.connection.close()
    met.release()
    await meeting.close()
    t.same(log(), ["send --ssh-peer -- it's", '1'], 'the far side has ended by itself')
  }
})

t.test('when the connection breaks they meet again, first beside ssh', async (t) => {
  const { meeting } = await near(t)
  let met = await meeting.next()
  for (let i = 0; i < 2; i++) {
    met.authenticated.connection.close()
    met.release()
    met = await meeting.next()
    t.equal(await ask(met), 'tls of 10 bytes')
  }
})

t.test('when the pipe breaks another far side is started', async (t) => {
  const { meeting } = await near(t, { transport: 'pipe' })
  const met = await meeting.next()
  met.authenticated.connection.close()
  met.release()
  t.equal(await ask(await meeting.next()), 'pipe of 10 bytes')
})

t.test('what a login prints before the ticket is passed over', async (t) => {
  const { meeting } = await near(t, {}, { before: 'echo Welcome; echo; printf "\\033[0mhi\\r\\n"' })
  t.equal(await ask(await meeting.next()), 'tls of 10 bytes')
})

t.test('why ssh or the far side fails', async (t) => {
  const failures: [Parameters<typeof near>[2], string][] = [
    [{ destination: 'status-255' }, 'ERR_WARP_PEER_UNREACHABLE'],
    [{ warpCommand: 'no-such-command' }, 'ERR_WARP_PEER_FAILED'],
    [{ warpCommand: 'false' }, 'ERR_WARP_PEER_FAILED'],
    [{ warpCommand: 'echo warp1qqqq; :' }, 'ERR_WARP_USAGE'],
    [{ warpCommand: 'yes | head -n 200; :' }, 'ERR_WARP_PEER_FAILED'],
    [{ warpCommand: 'exit 126; :' }, 'ERR_WARP_PEER_FAILED'],
    [{ warpCommand: 'kill -TERM $$; :' }, 'ERR_WARP_PEER_FAILED'],
  ]
  for (const [meet, code] of failures) {
    const { meeting } = await near(t, {}, meet)
    await t.rejects(meeting.next(), { code }, JSON.stringify(meet))
  }
  await t.rejects(near(t, {}, { destination: '-oProxyCommand=id' }), { code: 'ERR_WARP_USAGE' })
  const missing = await openSshMeeting(
    { role: 'send', meet: { way: 'ssh', destination: 'h', path: '.' }, transferId: randomBytes(16), subject: '' }, { way: 'ssh', destination: 'h', path: '.' }, '/no/such/ssh')
  await t.rejects(missing.next(), { code: 'ERR_WARP_PEER_UNREACHABLE' })
  await missing.close()
})

t.test('an abort ends the wait for the far side', async (t) => {
  const controller = new AbortController()
  const { meeting } = await near(t, { signal: controller.signal }, { warpCommand: 'sleep 100; :' })
  const waiting = meeting.next()
  setTimeout(() => controller.abort(), 100)
  await t.rejects(waiting, { code: 'ERR_WARP_INTERRUPTED' })
})

t.test('a transport that was asked for is not replaced', async (t) => {
  const { meeting, log } = await near(t, { transport: 'quic' }, { before: 'exec 3>&1; set -- send --ssh-peer' })
  const { code } = await meeting.next().then(() => ({ code: '' }), (error: WarpError) => error)
  t.match(code, /^ERR_WARP_(PEER_UNREACHABLE|TRANSPORT_UNAVAILABLE)$/)
  t.equal(log()[0], 'send --ssh-peer')
})
