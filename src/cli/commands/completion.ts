/** `warp completion` */
import { EXIT, WarpError } from '../../base/errors.ts'
import { SHELLS, completionScript } from '../completion.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  name: 'completion',
  summary: 'print a script that teaches a shell the commands and options',
  usage: 'completion bash|zsh|fish',
  description: ['The examples show where each shell looks for it.'],
  operands: { min: 1, max: 1, completes: SHELLS },
  groups: [],
  examples: [
    { text: 'bash', command: 'warp completion bash > ~/.local/share/bash-completion/completions/warp' },
    { text: 'zsh, for a directory of $fpath', command: 'warp completion zsh > ~/.zfunc/_warp' },
    { text: 'fish', command: 'warp completion fish > ~/.config/fish/completions/warp.fish' },
  ],
  exits: ['output'],
}

export async function run({ args, output, specs }: Context): Promise<number> {
  const shell = SHELLS.find(name => name === args.operands[0])
  if (shell === undefined) {
    throw new WarpError('ERR_WARP_USAGE', `completion is for ${SHELLS.join(', ')}, not '${args.operands[0]}'`)
  }
  await output.print(completionScript(shell, specs))
  return EXIT.ok
}
