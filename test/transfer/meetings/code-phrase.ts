import t from 'tap'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { formatCode, generateCode, parseCode } from '../../../src/transfer/meetings/code-phrase.ts'

t.test('new codes', async (t) => {
  const codes = Array.from({ length: 200 }, generateCode)
  for (const code of codes) {
    const text = formatCode(code)
    const words = text.split('-')
    t.equal(words.length, 4)
    t.ok(words.every((word) => wordlist.includes(word)))
    t.equal(words[0], code.channel)
    t.same(parseCode(text), code)
  }
  t.equal(new Set(codes.map(formatCode)).size, 200)
  t.ok(new Set(codes.map(({ channel }) => channel)).size > 150)
})

t.test('the list', async (t) => {
  t.equal(wordlist.length, 2048)
  t.equal(new Set(wordlist.map((word) => word.slice(0, 4))).size, 2048, 'four letters tell')
})

t.test('as people type it', async (t) => {
  const code = { channel: 'abandon', secret: 'act-zoo-zebra' }
  for (const text of ['abandon-act-zoo-zebra', ' Abandon  ACT zoo\tZebra\n', 'abandon - act - zoo - zebra', 'aban-act-zoo-zebr', 'aband-act-zoo-zebr']) {
    t.same(parseCode(text), code, text)
  }
  t.same(parseCode('action-act-actor-actress'), { channel: 'action', secret: 'act-actor-actress' }, 'a word that others start with')
})

t.test('every word and its first four letters', async (t) => {
  const wrong = wordlist.filter((word) => parseCode(`${word} ${word.slice(0, 4)} zoo zoo`).secret !== `${word}-zoo-zoo`)
  t.same(wrong, [])
})

t.test('what is no code', async (t) => {
  for (const text of ['', '   ', 'abandon', 'a-b-c', 'zoo-zoo-zoo', 'zoo-zoo-zoo-zoo-zoo', '-zoo-zoo-zoo', 'zoo-zoo-zoo-', 'zoo '.repeat(1e6)]) {
    t.throws(() => parseCode(text), { code: 'ERR_WARP_USAGE', message: 'a code has four words' })
  }
  const plan: [string, RegExp][] = [
    ['zoo-zoo-zoo-zebrs', /zebra/], ['aple-zoo-zoo-zoo', /apple/], ['zoo-zzo-zoo-zoo', /zoo/], ['zoo-zoo-aba-zoo', /did they mean/],
    ['zoo-zoo-qqqqqqqq-zoo', /BIP 39/], [`zoo-zoo-zoo-${'a'.repeat(100)}`, /BIP 39/], ['zoo-zoo-zoo-\u{1f600}', /did|BIP/], ['zoo-zoo-zoo-äää', /./],
  ]
  for (const [text, hint] of plan) {
    const position = 1 + text.split('-').findIndex((word) => !wordlist.includes(word))
    t.throws(() => parseCode(text), { code: 'ERR_WARP_USAGE', message: `word ${position} of the code is no word of the list`, hint }, text)
  }
})
