/** Completion scripts for shells, made from the tables of the commands. */
import { optionsOf } from './arguments.ts'
import { GENERAL } from './options.ts'
import type { CommandSpec, Completion, OptionSpec } from './spec.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

export function completionScript(shell: (typeof SHELLS)[number], specs: readonly CommandSpec[]): string {
  if (shell === 'bash') return bashScript(specs)
  return shell === 'zsh' ? zshScript(specs) : fishScript(specs)
}

function wordsOf({ name, letter }: OptionSpec): string[] {
  return letter === undefined ? [`--${name}`] : [`--${name}`, `-${letter}`]
}

function bashScript(specs: readonly CommandSpec[]): string {
  const names = specs.map(spec => spec.name)
  const reply = (completes: Completion | undefined) => {
    if (completes === 'file') return '_warp_files -f'
    if (completes === 'directory') return '_warp_files -d'
    if (completes === undefined) return 'COMPREPLY=()'
    return `COMPREPLY=($(compgen -W ${quote(completes.join(' '))} -- "$word"))`
  }
  const cases = specs.map(spec => {
    const options = optionsOf(spec)
    const values = options.filter(option => option.value !== undefined).map(option => {
      return `        ${wordsOf(option).join('|')}) ${reply(option.completes)}; return ;;`
    })
    const choose = values.length === 0 ? [] : ['      case "$before" in', ...values, '      esac']
    return [
      `    ${spec.name})`,
      ...choose,
      '      if [[ $word == -* ]]; then',
      `        COMPREPLY=($(compgen -W ${quote(options.flatMap(wordsOf).join(' '))} -- "$word"))`,
      `      else ${reply(spec.operands.completes)}`,
      '      fi ;;',
    ].join('\n')
  })
  const general = GENERAL.options.flatMap(wordsOf).join(' ')
  return `# bash completion for warp; made by \`warp completion bash\`
_warp_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$word"))
}

_warp() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} != -* ]]; then command=\${COMP_WORDS[i]}; break; fi
  done
  case "$command" in
    '') COMPREPLY=($(compgen -W ${quote(`${names.join(' ')} help ${general}`)} -- "$word")) ;;
    help) COMPREPLY=($(compgen -W ${quote(names.join(' '))} -- "$word")) ;;
${cases.join('\n')}
  esac
}

complete -F _warp warp
`
}

function zshScript(specs: readonly CommandSpec[]): string {
  const action = (completes: Completion | undefined) => {
    if (completes === 'file') return '_files'
    if (completes === 'directory') return '_files -/'
    return completes === undefined ? ' ' : `(${completes.join(' ')})`
  }
  const plain = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&')
  const argument = (option: OptionSpec) => {
    const value = option.value === undefined ? '' : `:${plain(option.value)}:${action(option.completes)}`
    const equals = option.value === undefined ? '' : '='
    return wordsOf(option).map(word => {
      const mark = word.startsWith('--') ? equals : equals && '+'
      return quote(`${option.repeatable ? '*' : ''}${word}${mark}[${plain(option.help)}]${value}`)
    })
  }
  const cases = specs.map(spec => {
    const operands = spec.operands.max === 0 ? [] : [quote(`*:argument:${action(spec.operands.completes)}`)]
    const lines = [...optionsOf(spec).flatMap(argument), ...operands].map(line => `        ${line}`)
    return `    ${spec.name})\n      _arguments -s \\\n${lines.join(' \\\n')} ;;`
  })
  const commands = specs.map(spec => `    ${quote(`${spec.name}:${plain(spec.summary)}`)}`)
  return `#compdef warp
# zsh completion for warp; made by \`warp completion zsh\`
_warp() {
  local -a commands
  commands=(
${commands.join('\n')}
    'help:print help'
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
    help) _describe command commands ;;
${cases.join('\n')}
  esac
}

if [[ $funcstack[1] == _warp ]]; then _warp "$@"; else compdef _warp warp; fi
`
}

function fishScript(specs: readonly CommandSpec[]): string {
  const names = specs.map(spec => spec.name)
  const lines = ['# fish completion for warp; made by `warp completion fish`', 'complete -c warp -f']
  for (const spec of specs) {
    lines.push(`complete -c warp -n __fish_use_subcommand -a ${spec.name} -d ${quoteFish(spec.summary)}`)
  }
  lines.push("complete -c warp -n __fish_use_subcommand -a help -d 'print help'")
  lines.push(`complete -c warp -n '__fish_seen_subcommand_from help' -a ${quoteFish(names.join(' '))}`)
  for (const { name, letter, help } of GENERAL.options) {
    const short = letter === undefined ? '' : ` -s ${letter}`
    lines.push(`complete -c warp -l ${name}${short} -d ${quoteFish(help)}`)
  }
  for (const spec of specs) {
    const seen = `complete -c warp -n '__fish_seen_subcommand_from ${spec.name}'`
    const { completes } = spec.operands
    if (completes === 'file') lines.push(`${seen} -F`)
    else if (completes !== undefined && completes !== 'directory') {
      lines.push(`${seen} -a ${quoteFish(completes.join(' '))}`)
    }
    for (const { name, letter, value, completes, help } of spec.groups.flatMap(group => group.options)) {
      let line = `${seen} -l ${name}`
      if (letter !== undefined) line += ` -s ${letter}`
      if (value !== undefined) line += completes === 'file' ? ' -r -F' : ' -x'
      if (completes === 'directory') line += " -a '(__fish_complete_directories)'"
      else if (Array.isArray(completes)) line += ` -a ${quoteFish(completes.join(' '))}`
      lines.push(`${line} -d ${quoteFish(help)}`)
    }
  }
  return lines.join('\n') + '\n'
}

/** As one word of bash and zsh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function quoteFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
