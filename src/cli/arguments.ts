/** Turns the words of a command line into the options and operands of one command. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type YargsParser from 'yargs-parser'
import { WarpError } from '../base/errors.ts'
import { GENERAL } from './options.ts'
import type { CommandSpec, OptionSpec } from './spec.ts'

// One file, where its ES module is five.
const parser = createRequire(import.meta.url)('yargs-parser') as typeof YargsParser

/** Two edits make anything of a shorter word. */
const MIN_GUESS_LENGTH = 4

/** What was given, by the names of the command's table. */
export class Arguments {
  readonly operands: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>, operands: readonly string[]) {
    this.#values = values
    this.operands = operands
  }

  flag(name: string): boolean {
    return this.#values.has(name)
  }

  /** The value of an option; the last one if it was given more than once. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  texts(name: string): string[] {
    return [...this.#values.get(name) ?? []]
  }

  /** @throws {WarpError} ERR_WARP_USAGE: not given */
  required(name: string, shown: string): string {
    const value = this.text(name)
    if (value === undefined) throw new WarpError('ERR_WARP_USAGE', `${shown} is missing`)
    return value
  }
}

/** All that are shown. */
export function optionsOf(spec: CommandSpec): OptionSpec[] {
  return [...spec.groups, GENERAL].flatMap(group => group.options)
}

/**
 * @param words what follows the name of the command, and general options before it
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function parseArguments(words: readonly string[], spec: CommandSpec): Arguments {
  const options = [...optionsOf(spec), ...spec.hidden ?? []]
  const parsed = parseWords(splitLetters(words, options), options, spec)
  const values = new Map<string, string[]>()
  for (const { name, value } of options) {
    const given = parsed[name]
    if (given === undefined || given === false) continue
    const texts = value === undefined ? [] : [given].flat().map(String)
    if (texts.includes('')) throw usage(spec, `--${name} needs a value that is not empty`)
    values.set(name, texts)
  }
  const operands = [...parsed._, ...parsed['--'] as string[] ?? []].map(String)
  const { min, max } = spec.operands
  if (operands.length < min) throw usage(spec, 'an argument is missing')
  if (operands.length > max) throw usage(spec, `unexpected argument '${operands[max]}'`)
  return new Arguments(values, operands)
}

interface Parsed {
  [name: string]: unknown
  _: (string | number)[]
}

// The parser of yargs without the rest of it, which loads for longer than most commands run.
function parseWords(words: string[], options: OptionSpec[], spec: CommandSpec): Parsed {
  const names = (chosen: OptionSpec[]) => chosen.map(({ name }) => name)
  const withValue = options.filter(({ value }) => value !== undefined)
  const { argv, error } = parser.detailed(words, {
    alias: Object.fromEntries(options.flatMap(({ name, letter }) => (letter === undefined ? [] : [[name, [letter]]]))),
    boolean: names(options.filter(({ value }) => value === undefined)),
    string: names(withValue),
    array: names(withValue.filter(({ repeatable }) => repeatable)),
    narg: Object.fromEntries(names(withValue).map((name) => [name, 1])),
    configuration: {
      'boolean-negation': false, // --no-x is an option of its own
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false, // --exclude P PATH: PATH is an operand
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'strip-aliased': true,
    },
  })
  if (error) throw explain(error, options, spec)
  const known = new Set(['_', '--', ...names(options)])
  const unknown = Object.keys(argv).find((name) => !known.has(name))
  if (unknown !== undefined) throw unknownOption(unknown, words, spec)
  return argv
}

/** `-ofile` as `-o file`, as other programs take it; refuses a value for a flag. */
function splitLetters(words: readonly string[], options: readonly OptionSpec[]): string[] {
  const end = words.indexOf('--')
  const stop = end < 0 ? words.length : end
  const takesValue = (letter: string) => options.some(option => option.letter === letter && option.value)
  return words.flatMap((word, at) => {
    if (at >= stop) return [word]
    const flag = /^--([^=]+)=/.exec(word)?.[1]
    if (flag !== undefined && options.some(option => option.name === flag && option.value === undefined)) {
      throw new WarpError('ERR_WARP_USAGE', `--${flag} takes no value`)
    }
    if (!/^-[^-]./.test(word)) return [word]
    for (let i = 1; i < word.length - 1; i++) {
      if (takesValue(word[i])) return word[i + 1] === '=' ? [word] : [word.slice(0, i + 1), word.slice(i + 1)]
    }
    return [word]
  })
}

function explain(error: Error, options: OptionSpec[], spec: CommandSpec): Error {
  const missing = /^Not enough arguments following: (.+)$/.exec(error.message)?.[1]
  if (missing === undefined) return error
  const option = options.find(option => option.name === missing || option.letter === missing)
  return usage(spec, `--${option?.name ?? missing} needs a value`, `a value that starts with - is given as --${option?.name ?? missing}=VALUE`)
}

function unknownOption(unknown: string, words: string[], spec: CommandSpec): WarpError {
  const word = unknown.length === 1 && !words.some(word => word.split('=')[0] === `--${unknown}`)
    ? `-${unknown}`
    : `--${unknown}`
  const near = findNearest(unknown, optionsOf(spec).map(option => option.name))
  return usage(spec, `unknown option ${word}`, near === undefined ? undefined : `did you mean --${near}?`)
}

function usage(spec: CommandSpec, message: string, hint?: string): WarpError {
  return new WarpError('ERR_WARP_USAGE', message, {
    hint: hint ?? `usage: warp ${spec.usage} (more: warp help ${spec.name})`,
  })
}

/** The name that differs in the fewest letters: at most two, or a third of them. */
export function findNearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  if (word.length < MIN_GUESS_LENGTH) return undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const name of names) {
    const distance = countEdits(word, name)
    if (distance < least) {
      least = distance
      best = name
    }
  }
  return best
}

/** Levenshtein's distance. */
function countEdits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[b.length]
}

const REPLACEMENT = '\ufffd'
let rawWords: ReadonlyMap<string, Uint8Array> | undefined

/**
 * The bytes of an operand that is a path. Node decodes the command line as UTF-8 and loses what is not;
 * Linux still has the original.
 */
export function pathBytes(word: string): string | Uint8Array {
  if (!word.includes(REPLACEMENT)) return word
  rawWords ??= readRawWords()
  return rawWords.get(word) ?? word
}

/** The words that Node could not decode; those that look alike once decoded are left out. */
function readRawWords(): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  let bytes: Buffer
  try {
    bytes = readFileSync('/proc/self/cmdline')
  } catch {
    return found
  }
  const ambiguous = new Set<string>()
  for (let start = 0, end; (end = bytes.indexOf(0, start)) >= 0; start = end + 1) {
    const word = bytes.subarray(start, end)
    const text = word.toString()
    if (!text.includes(REPLACEMENT)) continue
    const known = found.get(text)
    if (known !== undefined && !word.equals(known)) ambiguous.add(text)
    found.set(text, Uint8Array.from(word))
  }
  for (const text of ambiguous) found.delete(text)
  return found
}
