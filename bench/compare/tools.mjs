/**
 * The contenders: how each archives a directory, restores it and so on. All keep what they make in a
 * directory of their own, the store; `output` in it is what counts as their output.
 */
import path from 'node:path'
import { borg, casync, restic } from './repositories.mjs'
import { have } from '../support/programs.mjs'
import { tarPipeline } from './pipelines.mjs'
import { warp } from './warp.mjs'

/**
 * @typedef {import('../support/measure.mjs').Step} Step
 * @typedef {object} Tool
 * @property {string} name
 * @property {string[]} programs without which it is left out
 * @property {string} [absent] why it is left out
 * @property {boolean} [makesHoles] restores long runs of zeros without writing them
 * @property {(store: string) => Step[]} [start] what comes before the first `create`, not timed
 * @property {(store: string, folder: string, sparse: boolean) => Step} create
 * @property {(store: string, folder: string) => Step} [again] archives the changed directory, `create` having run
 * @property {(store: string, target: string, what: {name: string, made: 'first' | 'second'}) => Step} extract the
 *   directory `name` into `target`, as `create` (first) or `again` (second) archived it
 * @property {(store: string) => Step} [verify] reads and checks all of the store
 * @property {(store: string, file: string) => Step} [cat]
 * @property {(store: string) => Step} [list]
 */

/** @param {string} store */
export const outputOf = (store) => path.join(store, 'output')

/**
 * @param {{warp: string, age: string}} keys public keys
 * @param {{warp: string, age: string}} identities files
 * @returns {{tools: Record<string, Tool>, absent: string[]}} those that can be had, and what cannot
 */
export function makeTools(keys, identities) {
  const tools = [
    warp('warp', { recipient: keys.warp, identity: identities.warp }),
    warp('warp, not encrypted', {}),
    warp('warp --compress lz4', { recipient: keys.warp, identity: identities.warp, options: ['--compress', 'lz4'] }),
    warp('warp --base', { recipient: keys.warp, identity: identities.warp, base: ['--base'] }),
    warp('warp --base --thin', { recipient: keys.warp, identity: identities.warp, base: ['--thin', '--base'] }),
    tarPipeline('tar + zstd -3 + age', ['zstd', '-q', '-3'], keys.age, identities.age),
    tarPipeline('tar + zstd -3 --long=27 + age', ['zstd', '-q', '-3', '--long=27'], keys.age, identities.age),
    tarPipeline('tar + lz4 + age', ['lz4', '-q'], keys.age, identities.age),
    restic(),
    borg(),
    casync(),
  ]
  const absent = []
  const usable = tools.filter((tool) => {
    const reason = tool.absent ?? (tool.programs.every(have) ? null : `${tool.programs.filter((program) => !have(program)).join(', ')} cannot be had`)
    if (reason) absent.push(`${tool.name}: ${reason}`)
    return !reason
  })
  return { tools: Object.fromEntries(usable.map((tool) => [tool.name, tool])), absent }
}
