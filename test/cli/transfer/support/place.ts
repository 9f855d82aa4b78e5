/** A directory that both sides run in, with state and temporary files of their own, and what a test sees of it. */
import fs from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { makeDirectory } from '../../../archive/support/trees.ts'
import type { Side } from '../../support/sides.ts'

export const LISTEN = ['--listen', '127.0.0.1:0']

export class Place {
  readonly cwd: string
  readonly env: Record<string, string | undefined>

  constructor(t: Test) {
    this.cwd = makeDirectory(t)
    const beneath = (name: string): string => {
      fs.mkdirSync(this.at(name))
      return this.at(name)
    }
    // Without the tests' loader: it costs each of many processes time and memory.
    this.env = { TMPDIR: beneath('temporary'), XDG_STATE_HOME: beneath('state'), XDG_CONFIG_HOME: beneath('config'), WARP_TICKET: undefined }
  }

  at(name: string): string {
    return path.join(this.cwd, name)
  }

  /** For a command that is run here. */
  get here(): { cwd: string; env: Record<string, string | undefined> } {
    return { cwd: this.cwd, env: this.env }
  }

  /** Names in the target that a transfer makes only for itself, and all that lies where temporary files go. */
  leftovers(target = 'out'): string[] {
    const inTarget = fs.existsSync(this.at(target)) ? fs.readdirSync(this.at(target)).filter((name) => name.startsWith('.warp-')) : []
    return [...inTarget, ...fs.readdirSync(this.at('temporary'))]
  }
}

/** Resolves once a stream has shown `times` lines that `matches` accepts; rejects if the side ends before. */
export function shown({ child, ended }: Side, stream: 'stdout' | 'stderr', matches: RegExp, times = 1): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let rest = ''
    const found: string[] = []
    child[stream]!.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop()!
      found.push(...lines.filter((line) => matches.test(line)))
      if (found.length >= times) resolve(found)
    })
    ended.then(({ status, stderr }) => reject(new Error(`ended with ${status} after ${found.length} of ${times} lines: ${stderr}`)), reject)
  })
}
