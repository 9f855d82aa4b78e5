/** A private sshd on this host, with keys of its own in a directory that goes away with it. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import { start } from '../support/transfers.mjs'
import { freePort, waitForPort } from './ports.mjs'

/** To be called by its whole path, since it starts itself again. */
export const SSHD = '/usr/sbin/sshd'

/** Where it is compiled to lock itself into, as root. */
const PRIVILEGE_SEPARATION = '/run/sshd'

export const SSH_USER = userInfo().username

/** Makes keys. @param {string} folder */
export function prepareSsh(folder) {
  mkdirSync(folder)
  chmodSync(folder, 0o700)
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, name)])
  if (process.getuid() === 0 && !existsSync(PRIVILEGE_SEPARATION)) mkdirSync(PRIVILEGE_SEPARATION)
}

/**
 * @param {string} folder as prepared
 * @param {string} usage file for what it and its sessions use
 */
export async function startSshd(folder, usage) {
  const port = await freePort()
  const file = (/** @type {string} */ name) => path.join(folder, name)
  writeFileSync(file('sshd_config'), [
    'ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${file('host')}`, `AuthorizedKeysFile ${file('user.pub')}`, `PidFile ${file('pid')}`,
    'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin prohibit-password', 'Subsystem sftp internal-sftp', 'LogLevel ERROR', '',
  ].join('\n'))
  const running = start([SSHD, '-D', '-e', '-f', file('sshd_config')], { usage })
  running.child.stdout.resume()
  await waitForPort(port, running.done)
  return {
    port,
    stop: async () => {
      process.kill(Number(readFileSync(file('pid'), 'utf8')), 'SIGTERM')
      await running.done.catch(() => {}) // ended by a signal
    },
    kill: running.kill,
  }
}

/** What both ssh and scp are told. @param {string} folder */
export function sshOptions(folder) {
  const options = ['StrictHostKeyChecking=no', `UserKnownHostsFile=${path.join(folder, 'known')}`, 'IdentitiesOnly=yes', 'LogLevel=ERROR', 'BatchMode=yes']
  return ['-F', 'none', '-i', path.join(folder, 'user'), ...options.flatMap((option) => ['-o', option])]
}
