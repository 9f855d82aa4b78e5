/** Renders help from the tables of the commands. */
import { EXIT, type ErrorClass } from '../base/errors.ts'
import { GENERAL } from './options.ts'
import type { CommandSpec, OptionSpec } from './spec.ts'

const MAX_COLUMNS = 100
const INDENT = '  '

export const EXIT_TEXT: Readonly<Record<ErrorClass, string>> = {
  ok: 'all went well',
  internal: 'a fault of warp itself',
  usage: 'the command line is wrong, or asks for what cannot be done',
  incomplete: 'finished, but some input could not be read or restored, or changed while it was read',
  output: 'output could not be written: disk full, closed pipe, no permission',
  different: 'differences were found',
  malformed: 'no archive that can be read: it is not there, is something else, cut short, or malformed',
  unsupported: 'the archive needs a newer version of warp',
  key: 'a key is missing or wrong',
  damaged: 'content is damaged or forged',
  gpu: 'a GPU was demanded and is not usable',
  peer: 'the other side or the network failed',
  base: 'the archive that a thin one refers to is missing, or another one was given',
  interrupted: 'interrupted by a signal',
}

export function formatOverview(specs: readonly CommandSpec[], columns: number): string {
  const width = Math.max(...specs.map(spec => spec.name.length)) + 2
  return [
    hang('warp: ', 'deduplicated, compressed, encrypted, verifiable archives of file trees', columns),
    '',
    'Usage: warp COMMAND [OPTION...] [ARGUMENT...]',
    '',
    'Commands:',
    ...specs.map(spec => hang(INDENT + spec.name.padEnd(width + 2), spec.summary, columns)),
    '',
    'General options:',
    ...formatOptions(GENERAL.options, columns),
    '',
    'Examples:',
    `${INDENT}warp create -o photos.warp Photos`,
    `${INDENT}warp extract photos.warp -C restored`,
    '',
    '`warp help COMMAND` tells everything about a command.',
    '',
  ].join('\n')
}

export function formatHelp(spec: CommandSpec, columns: number): string {
  const exits: ErrorClass[] = ['ok', 'internal', 'usage', ...spec.exits, 'interrupted']
  const environment = spec.environment ?? []
  const lines = [
    hang(`warp ${spec.name}: `, spec.summary, columns),
    '',
    hang('Usage: ', `warp ${spec.usage}`, columns),
  ]
  for (const paragraph of spec.description) lines.push('', hang('', paragraph, columns))
  for (const { title, options } of [...spec.groups, GENERAL]) {
    lines.push('', `${title}:`, ...formatOptions(options, columns))
  }
  lines.push('', 'Examples:')
  for (const { text, command } of spec.examples) {
    lines.push(hang(INDENT, `${text}:`, columns), `${INDENT}${INDENT}${command}`)
  }
  lines.push('', 'Exit status:')
  for (const name of exits) {
    lines.push(hang(INDENT + String(EXIT[name]).padEnd(5), EXIT_TEXT[name], columns))
  }
  if (environment.length > 0) {
    lines.push('', 'Environment:')
    for (const { name, help } of environment) lines.push(hang(`${INDENT}${name}  `, help, columns))
  }
  return lines.join('\n') + '\n'
}

function formatOptions(options: readonly OptionSpec[], columns: number): string[] {
  const heads = options.map(({ letter, name, value }) => {
    const short = letter === undefined ? '   ' : `-${letter},`
    return `${INDENT}${short} --${name}${value === undefined ? '' : ` ${value}`}`
  })
  const width = Math.max(...heads.map(head => head.length)) + 2
  return options.map((option, i) => hang(heads[i].padEnd(width), option.help, columns))
}

/** `text` after `head`, its further lines indented as far as the head is long. */
export function hang(head: string, text: string, columns: number): string {
  const width = Math.min(columns, MAX_COLUMNS)
  const lines = [head]
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1]
    if (line.length > head.length && line.length + 1 + word.length > width) {
      lines.push(' '.repeat(head.length) + word)
    } else {
      lines[lines.length - 1] = line.length > head.length ? `${line} ${word}` : line + word
    }
  }
  return lines.join('\n')
}
