/** The jobs that are compared: what each contender must have done before, do while it is timed, and have right after. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { perform } from '../support/measure.mjs'
import { outputOf } from './tools.mjs'

/**
 * @typedef {import('./tools.mjs').Tool} Tool
 * @typedef {import('../support/inputs.mjs').Input} Input
 *
 * @typedef {object} Run one contender of a job
 * @property {string} name
 * @property {() => void} [once] before the first round
 * @property {() => void} [before] before each round, not timed
 * @property {() => import('../support/measure.mjs').Step} [step]
 * @property {() => import('../support/measure.mjs').Usage} [measure] instead of `step`
 * @property {() => number} [outputBytes] after a round
 * @property {() => void} [check] after the last round. Throws where the result is wrong
 *
 * @typedef {object} Job
 * @property {string} name
 * @property {string} [input] name of an input
 * @property {string} title
 * @property {number} [inputBytes]
 * @property {number} [rounds] at least, for what takes little time
 * @property {() => void} [warm] before the first round: brings the input into the file cache
 * @property {Run[]} runs the first is what the others are held against
 */

const STAGES_ALONE = path.join(import.meta.dirname, 'stages-alone.mjs')

/** One file of each input, for `cat`. */
const ONE_FILE = { 'linux-source-6.1': 'drivers/net/ethernet/intel/e1000/e1000_main.c', fs: 'ext4/inode.c' }

/** Reads a directory. @param {string} folder */
function warm(folder) {
  execFileSync('sh', ['-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', folder])
}

/** @param {string} folder @returns {number} bytes of all its files */
function bytesIn(folder) {
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(path.join(entry.parentPath, entry.name)).size
  }
  return bytes
}

let discarded = 0

/**
 * Away with a folder: one of many files is only moved aside, until all is over. For five minutes after inodes were
 * freed, ext4 looks at each of them again for every file that is made near by, and whoever comes next pays for it.
 * @param {string} folder
 */
function discard(folder) {
  if (!existsSync(folder)) return
  if (readdirSync(folder, { recursive: true }).length < 1000) rmSync(folder, { recursive: true })
  else renameSync(folder, path.join(path.dirname(folder), `discarded-${discarded++}`))
}

/** @param {string} folder */
function emptied(folder) {
  discard(folder)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** @param {string} folder @param {string} copy */
function duplicate(folder, copy) {
  discard(copy)
  execFileSync('cp', ['-a', '--sparse=always', folder, copy])
}

/**
 * @param {string} original
 * @param {string} restored
 * @throws {Error} content, types, modes, times or owners differ
 */
function mustBeSame(original, restored) {
  const args = ['-rlptgoHn', '--delete', '--checksum', '--itemize-changes', `${original}/`, `${restored}/`]
  const differences = execFileSync('rsync', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (differences !== '') throw new Error(`restored wrong, by rsync:\n${differences.slice(0, 1000)}`)
}

/** Makes jobs in one work directory; what one job archived, the next can restore. */
export class Jobs {
  #work
  #tools
  #identity
  #extracted

  /**
   * @param {string} work
   * @param {Record<string, Tool>} tools
   * @param {string} identity file of warp
   * @param {Set<string>} extracted `CONTENDER of INPUT`: what a job `extract` restores and checks anyway
   */
  constructor(work, tools, identity, extracted) {
    this.#extracted = extracted
    this.#work = work
    this.#tools = tools
    this.#identity = identity
  }

  /** @param {string} name @param {Input} input @param {string[]} tools @returns {Job} */
  of(name, input, tools) {
    if (name === 'create' || name === 'again' || name === 'extract') return this[name](input, tools)
    return this.read(/** @type {'verify' | 'cat' | 'list'} */ (name), input, tools)
  }

  /** @param {string[]} names @returns {Tool[]} */
  #pick(names) {
    return names.filter((name) => name in this.#tools).map((name) => this.#tools[name])
  }

  /** @param {Tool} tool @param {string} label */
  #store(tool, label) {
    return path.join(this.#work, `${tool.name.replaceAll(/\W+/g, '-')}.${label}`)
  }

  /** An empty store. @param {Tool} tool @param {string} store */
  #start(tool, store) {
    emptied(store)
    mkdirSync(outputOf(store))
    for (const step of tool.start?.(store) ?? []) perform(step)
  }

  /** The store of an input, made unless an earlier job did. @param {Tool} tool @param {Input} input */
  #archived(tool, input) {
    const store = this.#store(tool, input.name)
    if (existsSync(store)) return store
    this.#start(tool, store)
    perform(tool.create(store, input.folder, input.sparse ?? false))
    return store
  }

  /** @param {Tool} tool @param {string} store @param {string} original @param {'first' | 'second'} made */
  #checkRestored(tool, store, original, made) {
    const target = emptied(path.join(this.#work, 'restored'))
    const name = path.basename(original)
    perform(tool.extract(store, target, { name, made }))
    mustBeSame(original, path.join(target, name))
    discard(target)
  }

  /** @param {Input} input @param {string[]} names @returns {Job} */
  create(input, names) {
    const sparse = input.sparse ?? false
    return {
      name: 'create', input: input.name, title: `create, ${input.title}`,
      inputBytes: bytesIn(input.folder), warm: () => warm(input.folder),
      runs: this.#pick(names).map((tool) => {
        const store = this.#store(tool, input.name)
        return {
          name: tool.name,
          before: () => this.#start(tool, store),
          step: () => tool.create(store, input.folder, sparse),
          outputBytes: () => bytesIn(outputOf(store)),
          check: () => {
            if (this.#extracted.has(`${tool.name} of ${input.name}`)) return
            // Gigabytes of zeros on the disk would prove no more.
            if (sparse && !tool.makesHoles) perform(tool.verify(store))
            else this.#checkRestored(tool, store, input.folder, 'first')
          },
        }
      }),
    }
  }

  /** Archives a directory, changes it and archives it again: the second time counts. @param {Input} input @param {string[]} names @returns {Job} */
  again(input, names) {
    const { title, source, apply } = input.change
    const folder = path.join(this.#work, `changing.${input.name}`, path.basename(source))
    const tools = this.#pick(names)
    let prepared = false
    const prepare = () => {
      if (prepared) return
      prepared = true
      emptied(path.dirname(folder))
      duplicate(source, folder)
      for (const tool of tools) {
        const store = this.#store(tool, 'changing')
        this.#start(tool, store)
        perform(tool.create(store, folder, false))
        duplicate(store, `${store}.kept`)
      }
      apply(folder)
    }
    return {
      name: 'again', input: input.name, title: `create again, ${title}`,
      warm: () => warm(folder),
      runs: tools.map((tool) => {
        const store = this.#store(tool, 'changing')
        return {
          name: tool.name,
          once: prepare,
          before: () => duplicate(`${store}.kept`, store),
          step: () => tool.again(store, folder),
          outputBytes: () => bytesIn(outputOf(store)) - bytesIn(outputOf(`${store}.kept`)),
          check: () => this.#checkRestored(tool, store, folder, 'second'),
        }
      }),
    }
  }

  /** @param {Input} input @param {string[]} names @returns {Job} */
  extract(input, names) {
    const name = path.basename(input.folder)
    return {
      name: 'extract', input: input.name, title: `extract, ${input.title}`, inputBytes: bytesIn(input.folder),
      runs: this.#pick(names).map((tool) => {
        const target = path.join(this.#work, `extracted.${tool.name.replaceAll(/\W+/g, '-')}`)
        return {
          name: tool.name,
          once: () => this.#archived(tool, input),
          before: () => emptied(target),
          step: () => tool.extract(this.#archived(tool, input), target, { name, made: 'first' }),
          check: () => {
            mustBeSame(input.folder, path.join(target, name))
            discard(target)
          },
        }
      }),
    }
  }

  /** Reading that writes nothing. @param {'verify' | 'cat' | 'list'} name @param {Input} input @param {string[]} names @returns {Job} */
  read(name, input, names) {
    const top = path.basename(input.folder)
    const file = `${top}/${ONE_FILE[top]}`
    const runs = this.#pick(names).map((tool) => ({
      name: tool.name,
      once: () => this.#archived(tool, input),
      step: () => tool[name](this.#archived(tool, input), file),
      check: name === 'cat'
        ? () => {
          const { stages, env } = tool.cat(this.#archived(tool, input), file)
          const given = path.join(this.#work, 'given')
          perform({ stages, env, to: given })
          execFileSync('cmp', [given, path.join(path.dirname(input.folder), file)])
        }
      : undefined,
    }))
    if (name === 'verify' && runs.length > 0) runs.push(this.#stagesAlone(input))
    return { name, input: input.name, title: `${name}${name === 'cat' ? ' of one file' : ''}, ${input.title}`, rounds: name === 'verify' ? 0 : 5, runs }
  }

  /** What `verify` needs at least. @param {Input} input @returns {Run} */
  #stagesAlone(input) {
    const archive = path.join(outputOf(this.#archived(this.#tools.warp, input)), 'first.warp')
    return {
      name: 'its stages alone',
      measure: () => JSON.parse(execFileSync(process.execPath, [STAGES_ALONE, archive, this.#identity], { encoding: 'utf8' })),
    }
  }

  /** @param {string[][]} commands each prints its version @returns {Job} */
  version(commands) {
    return {
      name: 'version', title: '--version', rounds: 9,
      runs: commands.map(([name, ...command]) => ({ name, step: () => ({ stages: [command] }) })),
    }
  }
}
