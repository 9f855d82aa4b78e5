/** warp as a contender: the built program of this repository. */
import path from 'node:path'
import { WARP, warpTakes } from '../support/programs.mjs'

/**
 * @param {string} name
 * @param {object} how
 * @param {string} [how.recipient] public key; none: not encrypted
 * @param {string} [how.identity] file
 * @param {string[]} [how.options] of `create`
 * @param {string[]} [how.base] options before the path of the base archive: archives again only
 * @returns {import('./tools.mjs').Tool}
 */
export function warp(name, { recipient, identity, options = [], base }) {
  const command = (/** @type {string[]} */ ...args) => [process.execPath, WARP, ...args]
  const keyed = identity ? ['--identity', identity] : []
  const archive = (/** @type {string} */ store, made = 'first') => path.join(store, 'output', `${made}.warp`)
  const create = (/** @type {string} */ folder, /** @type {string} */ output, /** @type {string[]} */ ...more) => ({
    stages: [command('create', '--quiet', ...(recipient ? ['--recipient', recipient] : []), ...options, ...more, '-o', output, path.basename(folder))],
    cwd: path.dirname(folder), sync: output,
  })
  const missing = (base ?? []).filter((option) => !warpTakes('create', option))
  return {
    name,
    programs: [],
    absent: missing.length > 0 ? `this warp has no ${missing.join(', ')}` : undefined,
    makesHoles: true,
    create: (store, folder) => create(folder, archive(store)),
    ...(base && { again: (store, folder) => create(folder, archive(store, 'second'), ...(identity ? ['--base-identity', identity] : []), ...base, archive(store)) }),
    extract: (store, target, { made }) => ({
      stages: [command('extract', '--quiet', ...keyed, '-C', target, archive(store, made))], syncSystem: target,
    }),
    verify: (store) => ({ stages: [command('verify', '--quiet', ...keyed, archive(store))] }),
    cat: (store, file) => ({ stages: [command('cat', ...keyed, archive(store), file)] }),
    list: (store) => ({ stages: [command('list', ...keyed, archive(store))] }),
  }
}
