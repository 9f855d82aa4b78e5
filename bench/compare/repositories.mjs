/** Tools that keep a repository or a chunk store of many files. Their caches do not count as output. */
import path from 'node:path'

const PASSPHRASE = 'correct horse battery staple'

/** @param {string} store */
const repository = (store) => path.join(store, 'output', 'repository')

/** @returns {import('./tools.mjs').Tool} */
export function restic() {
  const env = (/** @type {string} */ store) => ({
    RESTIC_REPOSITORY: repository(store), RESTIC_PASSWORD: PASSPHRASE, RESTIC_CACHE_DIR: path.join(store, 'cache'),
  })
  const create = (/** @type {string} */ store, /** @type {string} */ folder) => ({
    stages: [['restic', 'backup', '--quiet', path.basename(folder)]],
    cwd: path.dirname(folder), env: env(store), syncSystem: store,
  })
  return {
    name: 'restic',
    programs: ['restic'],
    start: (store) => [{ stages: [['restic', 'init', '--quiet', '--repository-version', '2']], env: env(store) }],
    create,
    again: create,
    extract: (store, target) => ({
      stages: [['restic', 'restore', '--quiet', 'latest', '--target', target]], env: env(store), syncSystem: target,
    }),
    verify: (store) => ({ stages: [['restic', 'check', '--quiet', '--read-data']], env: env(store) }),
    cat: (store, file) => ({ stages: [['restic', 'dump', '--quiet', 'latest', `/${file}`]], env: env(store) }),
    list: (store) => ({ stages: [['restic', 'ls', '--quiet', 'latest']], env: env(store) }),
  }
}

/** @returns {import('./tools.mjs').Tool} */
export function borg() {
  const env = (/** @type {string} */ store) => ({
    BORG_REPO: repository(store), BORG_PASSPHRASE: PASSPHRASE, BORG_BASE_DIR: path.join(store, 'cache'),
  })
  const create = (/** @type {string} */ archive) => (/** @type {string} */ store, /** @type {string} */ folder) => ({
    stages: [['borg', 'create', '--compression', 'zstd,3', `::${archive}`, path.basename(folder)]],
    cwd: path.dirname(folder), env: env(store), syncSystem: store,
  })
  return {
    name: 'borg',
    programs: ['borg'],
    makesHoles: true,
    start: (store) => [{ stages: [['borg', 'init', '--encryption', 'repokey-blake2']], env: env(store) }],
    create: create('first'),
    again: create('second'),
    extract: (store, target, { made }) => ({
      stages: [['borg', 'extract', '--sparse', `::${made}`]], cwd: target, env: env(store), syncSystem: target,
    }),
    verify: (store) => ({ stages: [['borg', 'check', '--verify-data']], env: env(store) }),
    cat: (store, file) => ({ stages: [['borg', 'extract', '--stdout', '::first', file]], env: env(store) }),
    list: (store) => ({ stages: [['borg', 'list', '::first']], env: env(store) }),
  }
}

/** casync does not encrypt. @returns {import('./tools.mjs').Tool} */
export function casync() {
  const index = (/** @type {string} */ store) => path.join(store, 'output', 'index.caidx')
  const chunks = (/** @type {string} */ store) => `--store=${path.join(store, 'output', 'chunks.castr')}`
  return {
    name: 'casync, not encrypted',
    programs: ['casync'],
    create: (store, folder) => ({ stages: [['casync', 'make', chunks(store), index(store), folder]], syncSystem: store }),
    extract: (store, target, { name }) => ({
      stages: [['casync', 'extract', chunks(store), index(store), path.join(target, name)]], syncSystem: target,
    }),
  }
}
