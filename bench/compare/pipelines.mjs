/** What people chain: tar, a compressor and age. */
import { cpus } from 'node:os'
import path from 'node:path'

/**
 * @param {string} name
 * @param {string[]} compressor with its options; zstd gets a thread for each processor
 * @param {string} key of age
 * @param {string} identity file of age
 * @returns {import('./tools.mjs').Tool}
 */
export function tarPipeline(name, compressor, key, identity) {
  const [program] = compressor
  const long = compressor.filter((option) => option.startsWith('--long'))
  const archive = (/** @type {string} */ store) => path.join(store, 'output', 'archive.age')
  const decoded = (/** @type {string} */ store) => [['age', '-d', '-i', identity, archive(store)], [program, '-q', '-dc', ...long]]
  return {
    name,
    programs: ['tar', program, 'age'],
    makesHoles: true,
    create: (store, folder, sparse) => ({
      stages: [
        ['tar', 'cf', '-', ...(sparse ? ['--sparse'] : []), path.basename(folder)],
        program === 'zstd' ? [...compressor, `-T${cpus().length}`] : compressor,
        ['age', '-r', key],
      ],
      to: archive(store), cwd: path.dirname(folder), sync: archive(store),
    }),
    extract: (store, target) => ({ stages: [...decoded(store), ['tar', 'xf', '-', '-C', target]], syncSystem: target }),
    verify: (store) => ({ stages: [...decoded(store), ['tar', 'tf', '-']] }),
    cat: (store, file) => ({ stages: [...decoded(store), ['tar', 'xOf', '-', file]] }),
    list: (store) => ({ stages: [...decoded(store), ['tar', 'tf', '-']] }),
  }
}
