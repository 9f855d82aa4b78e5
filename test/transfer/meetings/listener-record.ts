import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { ListenerRecord, MAX_EXPIRES_MS, type ListenerRecordOptions } from '../../../src/transfer/meetings/listener-record.ts'

const transferId = new Uint8Array(16).fill(7)

function optionsIn(stateDir: string): ListenerRecordOptions {
  return { stateDir, role: 'receive', host: '', port: 0, subject: '/target' }
}

/** The one file of `stateDir`. */
function fileIn(stateDir: string): string {
  const folder = path.join(stateDir, 'listeners')
  const names = fs.readdirSync(folder)
  if (names.length !== 1) throw new Error(`${names.length} files`)
  return path.join(folder, names[0])
}

const hex = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('hex')

t.test('the same command gets the same ticket, certificate and port', async (t) => {
  const stateDir = t.testdir()
  const first = await ListenerRecord.open(optionsIn(stateDir))
  t.equal(first.port, null)
  t.equal(first.lastPid, null)
  t.equal(first.current.secret.length, 16)
  first.listening(4711)
  first.bind(first.current, transferId)

  const again = await ListenerRecord.open(optionsIn(stateDir))
  t.equal(again.port, 4711)
  t.equal(again.lastPid, process.pid)
  t.equal(hex(again.current.secret), hex(first.current.secret))
  t.equal(hex(again.current.boundTo), hex(transferId))
  t.equal(again.current.expires, first.current.expires)
  t.equal(hex(again.certificate.fingerprint), hex(first.certificate.fingerprint))
  t.equal(again.certificate.privateKeyPem, first.certificate.privateKeyPem)
  t.same(again.past, [])
  again.ended()
  t.equal((await ListenerRecord.open(optionsIn(stateDir))).lastPid, null)
})

t.test('another command gets another', async (t) => {
  const stateDir = t.testdir()
  const record = await ListenerRecord.open(optionsIn(stateDir))
  record.listening(1)
  for (const other of [{ role: 'send' as const }, { host: '::1' }, { port: 1 }, { subject: '/target2' }]) {
    const another = await ListenerRecord.open({ ...optionsIn(stateDir), ...other })
    t.not(hex(another.current.secret), hex(record.current.secret))
    t.equal(another.port, null)
  }
})

t.test('a ticket that was used is kept beside the new one, with the same certificate', async (t) => {
  const stateDir = t.testdir()
  const record = await ListenerRecord.open(optionsIn(stateDir))
  record.listening(4711)
  record.bind(record.current, transferId)
  record.used(record.current)
  const killed = await ListenerRecord.open(optionsIn(stateDir))
  t.equal(hex(killed.current.secret), hex(record.current.secret), 'its peer may not know yet, unless it has ended in order')
  record.ended()
  const next = await ListenerRecord.open(optionsIn(stateDir))
  t.not(hex(next.current.secret), hex(record.current.secret))
  t.equal(next.current.boundTo, null)
  t.equal(next.past.length, 1)
  t.equal(hex(next.past[0].secret), hex(record.current.secret))
  t.equal(hex(next.past[0].boundTo), hex(transferId))
  t.equal(next.past[0].isUsed, true)
  t.equal(hex(next.certificate.fingerprint), hex(record.certificate.fingerprint))
  t.equal(next.port, 4711)
})

t.test('no more than sixteen old ones', async (t) => {
  const stateDir = t.testdir()
  for (let i = 0; i < 20; i++) {
    const record = await ListenerRecord.open(optionsIn(stateDir))
    record.listening(1)
    record.used(record.current)
    record.ended()
  }
  t.equal((await ListenerRecord.open(optionsIn(stateDir))).past.length, 16)
})

t.test('what has expired is forgotten, and a certificate that would expire first is made anew', async (t) => {
  const stateDir = t.testdir()
  let now = Date.now()
  const options = { ...optionsIn(stateDir), expiresMs: 1000, now: () => now }
  const record = await ListenerRecord.open(options)
  t.equal(record.current.expires, now + 1000)
  record.listening(1)
  now += 1000
  const next = await ListenerRecord.open(options)
  t.not(hex(next.current.secret), hex(record.current.secret))
  t.same(next.past, [])
  t.equal(hex(next.certificate.fingerprint), hex(record.certificate.fingerprint))
  next.listening(1)
  next.used(next.current)
  next.ended()
  const long = await ListenerRecord.open({ ...options, expiresMs: MAX_EXPIRES_MS })
  t.equal(hex(long.certificate.fingerprint), hex(record.certificate.fingerprint), 'thirteen days are enough for twelve')
  now += 2 * 86_400_000
  const later = await ListenerRecord.open({ ...options, expiresMs: MAX_EXPIRES_MS })
  t.not(hex(later.certificate.fingerprint), hex(record.certificate.fingerprint))
  t.ok(later.certificate.notAfter > later.current.expires)
})

t.test('nobody else can read it, and nothing is left beside it', async (t) => {
  const stateDir = t.testdir()
  const record = await ListenerRecord.open(optionsIn(stateDir))
  record.listening(1)
  t.equal(fs.statSync(fileIn(stateDir)).mode & 0o777, 0o600)
  t.equal(fs.statSync(path.dirname(fileIn(stateDir))).mode & 0o777, 0o700)
})

t.test('a file that is not understood is replaced', async (t) => {
  for (const content of ['', '{', '{"version":2}', '[]', 'null', '{"version":1,"certificate":{"notAfter":1e99,"fingerprint":"00"},"tickets":[]}']) {
    const stateDir = t.testdir()
    const record = await ListenerRecord.open(optionsIn(stateDir))
    record.listening(1)
    fs.writeFileSync(fileIn(stateDir), content)
    const next = await ListenerRecord.open(optionsIn(stateDir))
    t.not(hex(next.current.secret), hex(record.current.secret))
    next.listening(2)
    t.equal((await ListenerRecord.open(optionsIn(stateDir))).port, 2)
  }
})

t.test('files of commands that were not run for weeks are cleared away', async (t) => {
  const stateDir = t.testdir()
  const record = await ListenerRecord.open(optionsIn(stateDir))
  record.listening(1)
  const old = new Date(Date.now() - 3 * MAX_EXPIRES_MS)
  fs.utimesSync(fileIn(stateDir), old, old)
  await ListenerRecord.open({ ...optionsIn(stateDir), subject: '/other' })
  t.same(fs.readdirSync(path.join(stateDir, 'listeners')), [])
})

t.test('times out of range, and a folder that cannot be made', async (t) => {
  const stateDir = t.testdir({ file: '' })
  for (const expiresMs of [0, -1, NaN, MAX_EXPIRES_MS + 1, Infinity]) {
    await t.rejects(ListenerRecord.open({ ...optionsIn(stateDir), expiresMs }), { code: 'ERR_WARP_USAGE' })
  }
  await t.rejects(ListenerRecord.open(optionsIn(path.join(stateDir, 'file'))), { code: 'ERR_WARP_OUTPUT' })
})
