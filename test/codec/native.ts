import t from 'tap'
import { spawnSync } from 'node:child_process'
import { choose, implementations, loadNative, loadPortable } from '../../src/codec/native.ts'

t.test('a native package is loaded once', async (t) => {
  t.equal(loadNative('blake3'), loadNative('blake3'))
  t.type(loadPortable('tweetnacl'), 'object')
  t.throws(() => loadPortable('warp-no-such-package'), { code: 'MODULE_NOT_FOUND' })
})

t.test('each implementation is opened on first use, once', async (t) => {
  const opened: string[] = []
  const open = (name: string) => () => {
    opened.push(name)
    return name
  }
  const { native, portable, chosen } = choose('lz4', open('native'), open('portable'))
  t.same(opened, [])
  const expected = loadNative('lz4') !== null && process.env['WARP_PORTABLE'] !== '1' ? 'native' : 'portable'
  t.equal(chosen(), expected)
  t.equal(chosen(), expected)
  t.same(opened, [expected], 'the other one was not opened')
  t.equal(portable(), 'portable')
  t.equal(native(), loadNative('lz4') === null ? null : 'native')
})

t.test('WARP_PORTABLE=1 chooses the portable implementations', async (t) => {
  const url = (name: string) => JSON.stringify(new URL(`../../src/codec/${name}`, import.meta.url))
  const code = `
    import { implementations, choose } from ${url('native.ts')}
    import { hash } from ${url('blake3.ts')}
    const chosen = choose('aead', () => 'native', () => 'portable').chosen()
    const digest = Buffer.from(hash(new Uint8Array())).toString('hex')
    console.log(JSON.stringify([implementations(), chosen, digest]))`
  const { stdout } = spawnSync(process.execPath, [...process.execArgv, '--input-type=module', '-e', code],
    { encoding: 'utf8', env: { ...process.env, WARP_PORTABLE: '1' } })
  const [used, chosen, digest] = JSON.parse(stdout)
  t.same(Object.keys(used).sort(), ['aead', 'argon2id', 'blake3', 'lz4', 'x25519', 'zstd'])
  t.same([...new Set(Object.values(used))], ['portable'])
  t.equal(chosen, 'portable')
  t.equal(digest, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
})

t.test('implementations tells what loaded', async (t) => {
  if (process.env['WARP_PORTABLE'] === '1') return
  for (const [primitive, used] of Object.entries(implementations())) {
    t.equal(used, loadNative(primitive as Parameters<typeof loadNative>[0]) === null ? 'portable' : 'native')
  }
})
