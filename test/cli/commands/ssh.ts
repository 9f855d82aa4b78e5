/**
 * `send` and `receive` through ssh, against an OpenSSH server of its own: a high port of loopback, its own keys, and
 * nothing of the user's configuration.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { userInfo } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { PROGRAM, warp, type Ended } from '../support/run.ts'

const SSHD = '/usr/sbin/sshd'
const user = userInfo()

function whyNot(): string | false {
  if (!existsSync(SSHD)) return 'the OpenSSH server is not installed'
  if (spawnSync('ssh', ['-V']).status !== 0) return 'the OpenSSH client is not installed'
  return false
}

async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Server {
  /** For the command line of warp. */
  options: string[]
}

/** Starts the server, which ends with the tests. */
async function startServer(): Promise<Server> {
  const folder = t.testdir()
  const at = (name: string): string => path.join(folder, name)
  for (const name of ['host', 'user', 'stranger']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', at(name)])
  const port = await freePort()
  writeFileSync(at('authorized'), readFileSync(at('user.pub')))
  writeFileSync(at('known'), `[127.0.0.1]:${port} ${readFileSync(at('host.pub'), 'utf8')}`)
  writeFileSync(at('config'), [
    `Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${at('host')}`, `AuthorizedKeysFile ${at('authorized')}`, `PidFile ${at('pid')}`,
    // The folder of the tests may be writable by others, and the account may have no password.
    'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'PermitRootLogin yes', 'MaxStartups 100', '',
  ].join('\n'))
  // Where sshd of Debian, as root, has its children without privileges.
  if (user.uid === 0) mkdirSync('/run/sshd', { recursive: true })
  const server = spawn(SSHD, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  server.stderr.on('data', (text: Buffer) => (log += text.toString()))
  const ended = new Promise((resolve) => server.once('close', resolve))
  t.teardown(async () => {
    server.kill()
    await ended
  })
  for (let i = 0; !log.includes('Server listening'); i++) {
    if (i === 600 || server.exitCode !== null) throw new Error(`sshd: ${log}`)
    await sleep(50)
  }
  return {
    options: [
      `Port=${port}`, `IdentityFile=${at('user')}`, 'IdentitiesOnly=yes', 'IdentityAgent=none', `UserKnownHostsFile=${at('known')}`,
      'GlobalKnownHostsFile=none', 'StrictHostKeyChecking=yes', 'BatchMode=yes', 'ControlPath=none',
    ],
  }
}

const skip = whyNot()
const { options } = skip ? { options: [] } : await startServer()
const HOST = `${user.username}@127.0.0.1`
const FAR_WARP = `'${process.execPath}' '${PROGRAM}'`

function throughSsh(command: string[], { cwd, settings = [], farWarp = FAR_WARP }: { cwd: string; settings?: string[]; farWarp?: string }): Promise<Ended> {
  // ssh takes the first of several settings of one name.
  const all = [...settings, ...options].flatMap((setting) => ['--ssh-option', setting])
  return warp([...command, ...all, '--warp-command', farWarp], { cwd })
}

/** Files below `folder` with their content. */
function read(folder: string): Record<string, string> {
  const names = (readdirSync(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  return Object.fromEntries(names.map((entry) => {
    const file = path.join(entry.parentPath, entry.name)
    return [path.relative(folder, file), readFileSync(file, 'latin1')]
  }))
}

const tree = { a: 'A', sub: { b: 'B'.repeat(200_000), 'c d': '' } }
const files = { 'd/a': tree.a, 'd/sub/b': tree.sub.b, 'd/sub/c d': '' }

t.test('sends a tree', { skip }, async (t) => {
  const cwd = t.testdir({ d: tree })
  const sent = await throughSsh(['send', 'd', `${HOST}:${cwd}/far dir's`], { cwd })
  t.equal(sent.status, 0, sent.stderr)
  t.same(read(path.join(cwd, "far dir's")), files)
  const again = await throughSsh(['send', '--json', 'd', `${HOST}:${cwd}/far dir's`], { cwd })
  t.equal(again.status, 0, again.stderr)
})

t.test('receives a tree, whatever its path', { skip }, async (t) => {
  const name = "it's $(touch x) `touch y` \"a\" \\ ; & *"
  const cwd = t.testdir({ [name]: tree })
  const received = await throughSsh(['receive', `${HOST}:${cwd}/${name}`, '-C', 'near'], { cwd })
  t.equal(received.status, 0, received.stderr)
  t.same(Object.values(read(path.join(cwd, 'near'))), Object.values(files))
  t.same(readdirSync(cwd).sort(), [name, 'near'].sort())
})

/** Runs a command where no packet gets in or out. */
const WITHOUT_NETWORK = ['unshare -n', 'unshare -rn'].find((command) => spawnSync('/bin/sh', ['-c', `${command} true`]).status === 0)

t.test('through the channel of ssh, where nothing else passes', {
  skip: skip || (WITHOUT_NETWORK === undefined && 'unshare(1) cannot make a network namespace here'),
}, async (t) => {
  const cwd = t.testdir({ d: tree })
  const farWarp = `${WITHOUT_NETWORK} ${FAR_WARP}`
  const sent = await throughSsh(['send', '--json', 'd', `${HOST}:${cwd}/far`], { cwd, farWarp })
  t.equal(sent.status, 0, sent.stderr)
  t.match(sent.stdout + sent.stderr, /"transport":"pipe"/)
  t.same(read(path.join(cwd, 'far')), files)
  const received = await throughSsh(['receive', `${HOST}:${cwd}/far/d`, '-C', 'near'], { cwd, farWarp })
  t.equal(received.status, 0, received.stderr)
  t.same(read(path.join(cwd, 'near')), files)
})

t.test('failures have their own status and hint', { skip }, async (t) => {
  const cwd = t.testdir({ d: tree })
  const send = (rest: Partial<Parameters<typeof throughSsh>[1]>, target = 'far') =>
    throughSsh(['send', 'd', `${HOST}:${cwd}/${target}`], { cwd, ...rest })
  t.match(await send({ farWarp: '/no/such/warp' }), { status: 15, stderr: /--warp-command/ })
  t.match(await send({ settings: ['IdentityFile=none', 'PubkeyAuthentication=no'] }), { status: 15, stderr: /could not log in/ })
  t.match(await send({ settings: [`UserKnownHostsFile=${cwd}/none`] }), { status: 15, stderr: /could not log in/ })
  t.match(await send({ farWarp: 'echo hello; exit 3; :' }), { status: 15, stderr: /status 3/ })
  writeFileSync(path.join(cwd, 'file'), '')
  const refused = await send({}, 'file')
  t.not(refused.status, 0)
  const missing = await throughSsh(['receive', `${HOST}:${cwd}/missing`, '-C', 'near'], { cwd })
  t.not(missing.status, 0)
})
