/**
 * `npm run bench:transfer`: what moves an archive and a tree between two processes on this host, over each transport
 * of warp, beside that transport alone and beside what people use today; on a clean loopback and through a bad
 * network. See README.md beside this folder.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { DEFAULT_CACHE, cached, openWorkFolder } from '../support/cache.mjs'
import { describeHost } from '../support/host.mjs'
import { linuxTree } from '../support/inputs.mjs'
import { openNetwork } from '../support/network.mjs'
import { WARP, have, install, require, versionOf } from '../support/programs.mjs'
import { formatMegabytes, formatSeconds, markdownTable, median, plainTable } from '../support/statistics.mjs'
import { writeNoise } from '../support/synthetic.mjs'
import { bare, overSsh, stages, usageOfBothEnds, warp, wormhole } from './contenders.mjs'
import { SSHD, prepareSsh } from './ssh.mjs'
import { startWormhole } from './wormhole.mjs'

const TRANSPORTS = ['quic', 'tls', 'webtransport']
const HELP = `npm run bench:transfer -- [--rounds N] [--transport NAME]... [--only NAME]... [--quick] [--markdown] [--cache DIR]
  --rounds N        rounds of each job, the contenders in turn; default: 3
  --transport NAME  ${TRANSPORTS.join(', ')}; default: all
  --only NAME       clean, impaired, archive or tree, or both as clean:archive
  --no-peers        warp alone
  --quick           small inputs and one round: whether all works, not how fast
  --markdown        as a page, into bench/TRANSFER.md
  --cache DIR       where inputs are kept; default: ${DEFAULT_CACHE}`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' }, transport: { type: 'string', multiple: true, default: TRANSPORTS }, only: { type: 'string', multiple: true, default: [] },
    'no-peers': { type: 'boolean', default: false }, quick: { type: 'boolean', default: false }, markdown: { type: 'boolean', default: false },
    cache: { type: 'string', default: DEFAULT_CACHE }, help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const { quick, cache, only, transport: transports } = values
const rounds = Number(values.rounds ?? (quick ? 1 : 3))
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a whole number from 1')

const MIB = 1024 * 1024
/** Half of the round trip is one way's delay; loss is each way's. */
const IMPAIRED = { delayMs: 50, lossPercent: 1 }
/** What a relay in the middle has on either side. */
const HALF_IMPAIRED = { delayMs: IMPAIRED.delayMs / 2, lossPercent: IMPAIRED.lossPercent / 2 }
const SIZES = quick ? { clean: 64 * MIB, impaired: MIB } : { clean: 2048 * MIB, impaired: 8 * MIB }

require(['time', 'rsync', 'ssh', 'scp'])
const work = openWorkFolder(cache)
const say = (/** @type {string} */ text) => console.error(text)
let failures = 0
let discarded = 0
try {
  await run()
} finally {
  rmSync(work, { recursive: true, force: true })
}
process.exit(failures > 0 ? 1 : 0)

async function run() {
  const { peers, absent, versions } = await findPeers()
  const sections = []
  for (const network of ['clean', 'impaired']) {
    for (const what of ['archive', 'tree']) {
      if (only.length > 0 && !only.some((name) => [network, what, `${network}:${what}`].includes(name))) continue
      const job = makeJob(network, what)
      const contenders = [
        ...(job.isTree && job.isDirect ? stages() : []), ...transports.flatMap((name) => [bare(name), warp(name)]), ...peers,
      ]
      sections.push({ job, rows: summarise(job, await compare(job, contenders)) })
    }
  }
  report(sections, absent, versions)
}

async function findPeers() {
  const peers = []
  const absent = []
  const versions = []
  if (values['no-peers']) return { peers, absent, versions }
  if (!existsSync(SSHD)) install('openssh-server')
  if (existsSync(SSHD)) {
    const keys = path.join(work, 'ssh')
    prepareSsh(keys)
    peers.push(overSsh('rsync', keys), overSsh('scp', keys))
    versions.push(versionOf('rsync'), execFileSync('sh', ['-c', 'ssh -V 2>&1'], { encoding: 'utf8' }).split(',')[0])
  } else {
    absent.push('rsync -e ssh, scp: there is no sshd')
  }
  if (have('wormhole') && have('twist3')) {
    for (const name of ['python3-magic-wormhole-mailbox-server', 'magic-wormhole-transit-relay']) {
      if (!existsSync(`/var/lib/dpkg/info/${name}.list`)) install(name)
    }
    const folder = path.join(work, 'wormhole')
    mkdirSync(folder)
    try {
      peers.push(wormhole(await startWormhole(folder)))
      versions.push(versionOf('wormhole'))
    } catch (error) {
      absent.push(`magic-wormhole: ${error.message}`)
    }
  } else {
    absent.push('magic-wormhole: not to be had')
  }
  return { peers, absent, versions }
}

/** @param {string} network @param {string} what */
function makeJob(network, what) {
  const isDirect = network === 'clean'
  const linux = what === 'tree' ? linuxTree(cache) : ''
  const bytes = SIZES[network]
  const source = what === 'archive' ? archiveOfNoise(bytes)
    : isDirect ? (quick ? path.join(linux, 'fs') : linux) : path.join(linux, quick ? 'fs/9p' : 'fs/ext4')
  const archive = what === 'tree' && isDirect ? archiveOf(source) : undefined
  const length = what === 'tree' ? Number(execFileSync('du', ['-sb', '--apparent-size', source], { encoding: 'utf8' }).split('\t')[0]) : statSync(source).size
  return {
    network, isDirect, source, archive, isTree: what === 'tree', bytes: length,
    // What a tree is on the wire: compressed.
    bareBytes: archive ? statSync(archive).size : length,
    title: `${what === 'tree' ? `a tree, ${path.basename(source)}` : 'an archive'} of ${formatMegabytes(length)}, `
      + (isDirect ? 'clean loopback' : `${IMPAIRED.lossPercent} % loss and ${2 * IMPAIRED.delayMs} ms round trip`),
  }
}

/** @param {number} bytes */
function archiveOfNoise(bytes) {
  const folder = cached(cache, `transfer-${bytes / MIB}`, (part) => {
    writeNoise(path.join(part, 'noise'), bytes)
    execFileSync(process.execPath, [WARP, 'create', '--quiet', '-o', 'noise.warp', 'noise'], { cwd: part })
    rmSync(path.join(part, 'noise'))
  })
  return path.join(folder, 'noise.warp')
}

/** @param {string} folder */
function archiveOf(folder) {
  const archive = path.join(work, `${path.basename(folder)}.warp`)
  execFileSync(process.execPath, [WARP, 'create', '--quiet', '-o', archive, path.basename(folder)], { cwd: path.dirname(folder) })
  return archive
}

/**
 * @param {ReturnType<typeof makeJob>} job
 * @param {import('./contenders.mjs').Contender[]} contenders
 */
async function compare(job, contenders) {
  say(job.title)
  execFileSync('sh', ['-c', 'find "$1" -type f -exec cat {} + > /dev/null', 'sh', job.source]) // into the file cache
  /** @type {Map<import('./contenders.mjs').Contender, {wallSeconds: number, cpuSeconds: number, peakBytes: number[]}[]>} */
  const samples = new Map(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [contender, taken] of samples) {
      const target = path.join(work, 'target')
      discard(target)
      mkdirSync(target)
      const networks = []
      const through = async (/** @type {number} */ port) => {
        if (job.isDirect) return port
        const impairment = contender.name === 'magic-wormhole' ? HALF_IMPAIRED : IMPAIRED
        networks.push(await openNetwork({ target: { host: '127.0.0.1', port }, ...impairment, seed: round + 1 }))
        return networks.at(-1).port
      }
      const usage = (/** @type {string} */ name) => path.join(work, `usage-${name}`)
      for (const name of ['sender', 'receiver']) rmSync(usage(name), { force: true })
      execFileSync('sync')
      try {
        const wallSeconds = await contender.run({ ...job, through }, { target, usage })
        taken.push({ wallSeconds, ...usageOfBothEnds(usage) })
        say(`  ${contender.name}: ${formatSeconds(wallSeconds)}`)
        if (contender.check && round === rounds - 1) check(job, target, contender.check)
      } catch (error) {
        failures++
        samples.delete(contender)
        say(`FAILED: ${contender.name}: ${error.message}`)
      } finally {
        for (const network of networks) await network.close()
      }
    }
  }
  return samples
}

/** A folder of many files is only moved aside, until all is over: see `discard` in compare/jobs.mjs. @param {string} folder */
function discard(folder) {
  if (!existsSync(folder)) return
  if (readdirSync(folder, { recursive: true }).length < 1000) rmSync(folder, { recursive: true })
  else renameSync(folder, path.join(work, `discarded-${discarded++}`))
}

/** @param {ReturnType<typeof makeJob>} job @param {string} target @param {'exact' | 'content'} how */
function check({ isTree, source }, target, how) {
  if (!isTree) {
    execFileSync('cmp', [source, path.join(target, 'arrived')])
    return
  }
  const args = [how === 'exact' ? '-rlptn' : '-rln', '--delete', '--checksum', '--itemize-changes']
  const differences = execFileSync('rsync', [...args, `${source}/`, `${path.join(target, path.basename(source))}/`], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const telling = differences.split('\n').filter((line) => line !== '' && (how === 'exact' || !/^\.[fdL]\.\./.test(line)))
  if (telling.length > 0) throw new Error(`not what was sent, by rsync: ${telling.slice(0, 5).join('; ')}`)
}

/** @param {ReturnType<typeof makeJob>} job @param {Awaited<ReturnType<typeof compare>>} samples */
function summarise(job, samples) {
  const walls = (/** @type {(contender: import('./contenders.mjs').Contender) => boolean} */ isMeant) =>
    [...samples].filter(([contender]) => isMeant(contender)).map(([, taken]) => taken.map(({ wallSeconds }) => wallSeconds))
  return [...samples].map(([{ name, kind, transport }, taken]) => {
    const bytes = kind === 'bare' ? job.bareBytes : job.bytes
    // Of a tree all stages count, of an archive the transport alone.
    const floors = kind === 'warp' ? walls((other) => (other.kind === 'bare' && other.transport === transport) || other.kind === 'stage') : []
    const shares = floors.length === 0 ? [] : taken.map(({ wallSeconds }, round) => Math.max(...floors.map((floor) => floor[round])) / wallSeconds)
    const rates = taken.map(({ wallSeconds }) => bytes / 1e6 / wallSeconds)
    const peaks = [0, 1].map((end) => Math.max(...taken.map(({ peakBytes }) => peakBytes[end] ?? 0)))
    return [
      name, formatSeconds(median(taken.map(({ wallSeconds }) => wallSeconds))), `${formatRate(median(rates))} MB/s`,
      rates.length > 1 ? `${formatRate(Math.min(...rates))} – ${formatRate(Math.max(...rates))}` : '',
      shares.length > 0 ? `${(median(shares) * 100).toFixed(0)} %` : '',
      formatSeconds(median(taken.map(({ cpuSeconds }) => cpuSeconds))), peaks.filter((peak) => peak > 0).map(formatMegabytes).join(' + '),
    ]
  })
}

/** @param {number} rate */
function formatRate(rate) {
  return rate.toFixed(rate < 10 ? 2 : 0)
}

/** @param {{job: ReturnType<typeof makeJob>, rows: string[][]}[]} sections @param {string[]} absent @param {string[]} versions */
function report(sections, absent, versions) {
  const head = ['', 'median', 'rate', 'rounds', 'of its floor', 'CPU', 'peak RSS']
  const table = values.markdown ? markdownTable : plainTable
  const facts = [...describeHost(rounds, quick, cache), ...(versions.length > 0 ? [`Peers: ${versions.join('; ')}`] : []), ...absent.map((line) => `Left out: ${line}`)]
  const titled = sections.map(({ job, rows }) => ({ title: job.title[0].toUpperCase() + job.title.slice(1), text: table(head, rows) }))
  if (!values.markdown) {
    console.log([...facts, ...titled.flatMap(({ title, text }) => ['', title, text])].join('\n'))
    return
  }
  const page = [
    '# Transfers', '', 'Made by `npm run bench:transfer -- --markdown`; what is measured and how is in [README.md](README.md).', '',
    ...facts.map((line) => `- ${line}`), '', ...titled.flatMap(({ title, text }) => [`## ${title}`, '', text, '']),
  ].join('\n')
  writeFileSync(path.join(import.meta.dirname, '..', 'TRANSFER.md'), page)
  console.log(page)
}
