/**
 * What the benchmarks read: directories in the cache, made from packages that anybody can get or from fixed
 * seeds. `--quick` takes the same kinds of data in a small size.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cached } from './cache.mjs'
import { require } from './programs.mjs'
import { Random, appendLines, writeNoise } from './synthetic.mjs'

/**
 * @typedef {object} Input
 * @property {string} name
 * @property {string} title
 * @property {string} folder what is archived
 * @property {boolean} [sparse] mostly holes
 * @property {Change} [change]
 */

/**
 * What happens to a copy of the input before it is archived again.
 * @typedef {object} Change
 * @property {string} title
 * @property {string} source the directory that is copied
 * @property {(folder: string) => void} apply
 */

const LINUX = 'linux-source-6.1'
const MIB = 1024 * 1024

/** Releases of the npm package `typescript`, 250 MB unpacked. */
const RELEASES = ['5.5.2', '5.5.3', '5.5.4', '5.6.2', '5.6.3', '5.7.2', '5.7.3', '5.8.2', '5.8.3', '5.9.2', '5.9.3']

/** Fixes what mkfs would draw. */
const IMAGE_UUID = '6b0e2f2e-7b5c-4c0e-9d6e-2f3f0b8a1c11'

/**
 * Downloads a Debian package into `folder` and unpacks it there, without installing it.
 * @param {string} name
 * @param {string} folder
 */
function unpackDebian(name, folder) {
  // apt gives up its privileges for a download where it can write, and else tells at length that it cannot.
  execFileSync('apt-get', ['download', '-o', 'APT::Sandbox::User=root', name], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  execFileSync('sh', ['-c', 'dpkg -x ./*.deb . && rm ./*.deb'], { cwd: folder })
}

/** The Linux source tree of Debian 12. @param {string} cache @returns {string} */
export function linuxTree(cache) {
  const old = path.join(cache, LINUX)
  if (existsSync(path.join(old, 'Makefile'))) return old
  const folder = cached(cache, `${LINUX}.unpacked`, (part) => {
    const archive = path.join('usr', 'src', `${LINUX}.tar.xz`)
    require(['tar', 'xz'])
    if (!existsSync(path.join('/', archive))) unpackDebian(LINUX, part)
    execFileSync('tar', ['xf', existsSync(path.join('/', archive)) ? path.join('/', archive) : archive, '-C', part], { cwd: part })
    rmSync(path.join(part, 'usr'), { recursive: true, force: true })
  })
  renameSync(path.join(folder, LINUX), old)
  rmSync(folder, { recursive: true })
  return old
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function linux(cache, quick) {
  const whole = linuxTree(cache)
  const folder = quick ? path.join(whole, 'fs') : whole
  return {
    name: 'linux', title: quick ? 'Linux tree, fs/ only' : 'Linux tree', folder,
    change: { title: 'a line more in 1 % of the files', source: folder, apply: appendToOneInHundred },
  }
}

/** @param {string} folder */
function appendToOneInHundred(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort()
  for (let i = 0; i < files.length; i += 100) appendFileSync(files[i], `/* a line more, number ${i} */\n`)
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function releases(cache, quick) {
  const versions = quick ? RELEASES.slice(-3) : RELEASES
  const folder = cached(cache, quick ? 'releases-quick' : 'releases', (part) => {
    require(['tar', 'gzip'])
    for (const version of versions) {
      const release = path.join(part, version)
      const file = execFileSync('npm', ['pack', '--silent', `typescript@${version}`], { cwd: part, encoding: 'utf8' }).trim()
      mkdirSync(release)
      execFileSync('tar', ['xf', file, '--strip-components', '1', '-C', release], { cwd: part })
      rmSync(path.join(part, file))
    }
  })
  return { name: 'releases', title: `${versions.length === 11 ? 'eleven' : versions.length} releases of typescript`, folder }
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function elf(cache, quick) {
  const folder = cached(cache, quick ? 'elf-quick' : 'elf', (part) => {
    const file = path.join(part, 'chromium')
    if (quick) {
      copyFileSync(process.execPath, file)
      return
    }
    const unpacked = path.join(part, 'package')
    mkdirSync(unpacked)
    unpackDebian('chromium', unpacked)
    renameSync(path.join(unpacked, 'usr', 'lib', 'chromium', 'chromium'), file)
    rmSync(unpacked, { recursive: true })
  })
  return { name: 'elf', title: quick ? 'ELF binary (node)' : 'ELF binary (chromium)', folder }
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function random(cache, quick) {
  const mib = quick ? 64 : 1024
  const folder = cached(cache, quick ? 'random-quick' : 'random', (part) => writeNoise(path.join(part, 'random'), mib * MIB))
  return { name: 'random', title: quick ? '64 MiB random' : '1 GiB random', folder }
}

/**
 * An ext4 file system with a part of the Linux tree in a sparse file. The same on each machine but for the
 * change times of its inodes, which mkfs takes from the clock.
 * @param {string} cache @param {boolean} quick @returns {Input}
 */
function image(cache, quick) {
  const gib = quick ? 1 : 10
  const folder = cached(cache, quick ? 'image-quick' : 'image', (part) => {
    const disk = path.join(part, 'disk.img')
    require(['mkfs.ext4'])
    writeFileSync(disk, '')
    truncateSync(disk, gib * 1024 * MIB)
    execFileSync('mkfs.ext4', [
      '-q', '-F', '-U', IMAGE_UUID, '-E', `hash_seed=${IMAGE_UUID},lazy_itable_init=1,root_owner=0:0`,
      '-d', path.join(linuxTree(cache), quick ? 'fs/ext4' : 'drivers/net'), disk,
    ], { stdio: ['ignore', 'ignore', 'inherit'] })
  })
  return { name: 'image', title: `${gib} GiB disk image, mostly empty`, folder, sparse: true }
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function smallFiles(cache, quick) {
  const count = quick ? 5_000 : 200_000
  const folder = cached(cache, quick ? 'small-quick' : 'small', (part) => {
    const seeded = new Random(3)
    const text = Buffer.from(Array.from({ length: 200_000 }, () => seeded.word()).join(' '))
    for (let i = 0; i < count; i++) {
      const sub = path.join(part, String(Math.floor(i / 500)).padStart(3, '0'))
      if (i % 500 === 0) mkdirSync(sub)
      const length = 200 + seeded.below(3_801)
      const start = seeded.below(text.length - length)
      writeFileSync(path.join(sub, `${i}.txt`), text.subarray(start, start + length))
    }
  })
  return { name: 'small', title: `${count.toLocaleString('en')} files of 200 to 4,000 bytes`, folder }
}

/** @param {string} cache @param {boolean} quick @returns {Input} */
function log(cache, quick) {
  const bytes = (quick ? 20 : 200) * 1e6
  const grow = (/** @type {string} */ folder) => appendLines(path.join(folder, 'server.log'), bytes / 100, 6)
  const folder = cached(cache, quick ? 'log-quick' : 'log', (part) => {
    for (const state of ['1', '2']) {
      mkdirSync(path.join(part, state))
      appendLines(path.join(part, state, 'server.log'), bytes, 5)
    }
    grow(path.join(part, '2'))
  })
  return {
    name: 'log', title: `a log file of ${bytes / 1e6} MB beside itself grown by 1 %`, folder,
    change: { title: 'log file grown by 1 %', source: path.join(folder, '1'), apply: grow },
  }
}

const BUILDERS = { linux, elf, random, releases, image, small: smallFiles, log }

export const INPUT_NAMES = Object.keys(BUILDERS)

/**
 * Makes an input unless the cache has it.
 * @param {string} name one of INPUT_NAMES
 * @param {string} cache
 * @param {boolean} quick
 * @returns {Input}
 */
export function makeInput(name, cache, quick) {
  return BUILDERS[name](cache, quick)
}
