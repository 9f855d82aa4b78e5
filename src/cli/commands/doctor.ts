/** `warp doctor` */
import { EXIT } from '../../base/errors.ts'
import { THREADS } from '../options.ts'
import type { Table } from '../output.ts'
import { formatBytes } from '../sizes.ts'
import { parseThreads } from './create.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'
import type { Diagnosis } from '../../index.ts'

export const spec: CommandSpec = {
  name: 'doctor',
  summary: 'show what warp finds on this system, and which engine and transports it would use',
  usage: 'doctor [--measure] [--threads N] [--json]',
  description: [
    'Shows the processor, which codecs are native, which GPUs there are, and what each stage of the work costs '
    + 'on either. What was measured is kept, for each GPU and driver, in XDG_CACHE_HOME or ~/.cache, and is what '
    + '`warp create --engine auto` goes by.',
    'A GPU that is missing is no fault: everything is done on the CPU then. Of the transports of `warp send` and '
    + '`warp receive` one is enough.',
  ],
  operands: { min: 0, max: 0 },
  groups: [
    {
      title: 'Measuring',
      options: [{ name: 'measure', help: 'measure the GPU again, a software rasteriser too' }, THREADS],
    },
  ],
  examples: [
    { text: 'What is there', command: 'warp doctor' },
    { text: 'After a new driver', command: 'warp doctor --measure' },
  ],
  exits: [],
  environment: [{ name: 'VK_DRIVER_FILES', help: 'the ICD file of the Vulkan driver to use, for the loader of Vulkan' }],
}

export async function run({ args, output }: Context): Promise<number> {
  const { doctor } = await import('../../index.ts')
  const local = await doctor({ threads: parseThreads(args.text('threads')), measureAgain: args.flag('measure') })
  const diagnosis = { ...local, transports: await findTransports() }
  await output.result(diagnosis, tabulate(diagnosis), true)
  return EXIT.ok
}

const KINDS = ['quic', 'tls', 'webtransport'] as const

type Transports = Record<(typeof KINDS)[number], { available: boolean; reason: string | null }>

/** What transfers can use here, and why not the rest. */
async function findTransports(): Promise<Transports> {
  const { TRANSPORTS } = await import('../../transfer/transports/dial.ts')
  const found = await Promise.all(KINDS.map(async kind => {
    const reason = await (await TRANSPORTS[kind]()).unavailable()
    return [kind, { available: reason === null, reason }] as const
  }))
  return Object.fromEntries(found) as Transports
}

const STAGES = ['cut', 'hash', 'compress', 'seal'] as const
const STAGE_TEXT = { cut: 'Buzhash', hash: 'BLAKE3', compress: 'LZ4', seal: 'ChaCha20-Poly1305' }

function tabulate({ system, cpu, codecs, koffi, gpu, transports }: Diagnosis & { transports: Transports }): Table {
  return [
    ['system', `${system.platform} ${system.release}, ${system.arch}, Node ${system.node}`],
    ['processor', `${cpu.model}, ${system.threads} threads, ${formatBytes(system.memory)} of memory`],
    ['features', cpu.features.length > 0 ? cpu.features.join(' ') : 'not known'],
    null,
    ...Object.entries(codecs).map(([name, kind]): [string, string] => [name, kind === 'native' ? 'native' : 'portable: slower']),
    ['koffi', koffi ? 'native' : 'missing: no extended attributes, ACLs, holes or FIFOs'],
    null,
    ...tabulateGpu(gpu, system.threads),
    null,
    ...KINDS.map((kind): [string, string] => {
      const { available, reason } = transports[kind]
      return [kind, available ? 'available' : `not available: ${reason}`]
    }),
  ]
}

function tabulateGpu(gpu: Diagnosis['gpu'], threads: number): Table {
  if ('error' in gpu) return [['gpu', gpu.error], ...gpu.hint === null ? [] : [['', gpu.hint] as const], ['engine', 'cpu']]
  const { adapters, rates, isCached, choice } = gpu
  const rows: [string, string][] = []
  adapters.forEach(({ vendor, architecture, device, description, features, limits }, i) => {
    rows.push([i === 0 ? 'gpu' : 'also', [device, description, vendor, architecture].filter(text => text !== '').join(', ')])
    rows.push(['  limits', `buffer ${formatBytes(limits['maxBufferSize'])}, binding ${formatBytes(limits['maxStorageBufferBindingSize'])}, `
      + `workgroup ${limits['maxComputeInvocationsPerWorkgroup']} threads and ${formatBytes(limits['maxComputeWorkgroupStorageSize'])}`])
    rows.push(['  features', features.filter(name => /subgroups|f16|timestamp/.test(name)).join(' ') || 'none that matter'])
  })
  if (rates) {
    rows.push(['rates', `GB/s${isCached ? ', measured earlier' : ''}${' '.repeat(isCached ? 6 : 24)}gpu   ${threads} threads`])
    for (const stage of STAGES) {
      const cpu = rates.cpuThread[stage] * threads
      rows.push([`  ${stage}`, `${STAGE_TEXT[stage].padEnd(24)}${rates.gpu[stage].toFixed(rates.gpu[stage] < 0.1 ? 4 : 2).padStart(7)}${cpu.toFixed(2).padStart(12)}`])
    }
    rows.push(['  upload', `${''.padEnd(24)}${rates.gpu.upload.toFixed(2).padStart(7)}`])
  }
  return [...rows, ['engine', `${choice.engine}, since ${choice.reason}`]]
}
