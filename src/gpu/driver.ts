/** Whether there can be a GPU at all. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Where the Vulkan loader looks for its drivers. Source: Vulkan-Loader, docs/LoaderDriverInterface.md. */
const ICD_FOLDERS = ['/usr/local/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d']
const ICD_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'VK_ADD_DRIVER_FILES']

/** Whether Dawn may find a driver: on Linux, where it needs Vulkan, one is installed or named. Costs less than a thread that asks Dawn. */
export function hasDriver(): boolean {
  if (process.platform !== 'linux' || ICD_VARIABLES.some((name) => process.env[name])) return true
  const { XDG_CONFIG_HOME, XDG_CONFIG_DIRS = '', XDG_DATA_HOME, XDG_DATA_DIRS = '' } = process.env
  const homes = [XDG_CONFIG_HOME || path.join(os.homedir(), '.config'), XDG_DATA_HOME || path.join(os.homedir(), '.local/share')]
  const folders = [...homes, ...XDG_CONFIG_DIRS.split(':'), ...XDG_DATA_DIRS.split(':')].filter((folder) => folder !== '')
  return [...ICD_FOLDERS, ...folders.map((folder) => path.join(folder, 'vulkan/icd.d'))].some((folder) => {
    try {
      return fs.readdirSync(folder).some((name) => name.endsWith('.json'))
    } catch {
      return false
    }
  })
}
