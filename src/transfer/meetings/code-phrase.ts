/**
 * Code phrases: four words of the English list of BIP 39, to be said aloud. The first is announced on the network so
 * that the two sides find each other, the other three (33 bits) are the secret of the PAKE.
 */
import { randomInt } from 'node:crypto'
import { WarpError } from '../../base/errors.ts'
import { loadPortable } from '../../codec/native.ts'

const WORDS = 4
/** BIP 39: so many letters tell all words apart. */
const TELLING_LETTERS = 4
/** No word is longer than 8; what is far from all of them gets no suggestion. */
const MAX_WORD_LETTERS = 32
const MAX_CODE_LETTERS = 512
const MAX_SUGGESTIONS = 3
/** Single letters to change, to add or to leave out. */
const MAX_DISTANCE = 2

export interface CodePhrase {
  /** First word: where to meet. Not secret. */
  channel: string
  /** The other words, with hyphens between. */
  secret: string
}

function wordList(): readonly string[] {
  return (loadPortable('@scure/bip39/wordlists/english.js') as typeof import('@scure/bip39/wordlists/english.js')).wordlist
}

/** A new code, from a cryptographic generator. */
export function generateCode(): CodePhrase {
  const list = wordList()
  const [channel, ...secret] = Array.from({ length: WORDS }, () => list[randomInt(list.length)])
  return { channel, secret: secret.join('-') }
}

/** Four words with hyphens between. */
export function formatCode({ channel, secret }: CodePhrase): string {
  return `${channel}-${secret}`
}

/**
 * @param text four words, in any case, with spaces or hyphens between; of each the first four letters do
 * @throws {WarpError} ERR_WARP_USAGE: not four words of the list. The text is not repeated; a hint names words like it.
 */
export function parseCode(text: string): CodePhrase {
  const words = text.length > MAX_CODE_LETTERS ? [] : text.trim().toLowerCase().split(/[\s-]+/)
  if (words.length !== WORDS || words.includes('')) {
    throw new WarpError('ERR_WARP_USAGE', 'a code has four words', { hint: 'type it as it was told, such as word-word-word-word' })
  }
  const [channel, ...secret] = words.map((word, i) => findWord(word, i))
  return { channel, secret: secret.join('-') }
}

function findWord(word: string, index: number): string {
  const list = wordList()
  if (list.includes(word)) return word
  if (word.length >= TELLING_LETTERS) {
    const found = list.find((candidate) => candidate.startsWith(word))
    if (found !== undefined) return found
  }
  const near = suggestions(word, list)
  const hint = near.length > 0 ? `did they mean ${near.join(' or ')}?` : 'the words are those of the English list of BIP 39'
  throw new WarpError('ERR_WARP_USAGE', `word ${index + 1} of the code is no word of the list`, { hint })
}

function suggestions(word: string, list: readonly string[]): string[] {
  if (word.length > MAX_WORD_LETTERS) return []
  return list.map((candidate) => ({ candidate, distance: distance(word, candidate) }))
    .filter(({ distance }) => distance <= MAX_DISTANCE)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate)
}

/** How many letters to change, to add or to leave out (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]
}
