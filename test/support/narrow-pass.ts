export type WrapPass = (pass: GPUComputePassEncoder) => GPUComputePassEncoder

/** A pass whose dispatches are three workgroups wide and one row too high, as only very large ones are otherwise. */
export function narrowPass(pass: GPUComputePassEncoder): GPUComputePassEncoder {
  const narrow: Pick<GPUComputePassEncoder, 'setPipeline' | 'setBindGroup' | 'dispatchWorkgroups'> = {
    setPipeline: (pipeline) => pass.setPipeline(pipeline),
    setBindGroup: (index: number, group: GPUBindGroup | null | undefined) => pass.setBindGroup(index, group),
    dispatchWorkgroups: (x, y = 1) => pass.dispatchWorkgroups(3, Math.ceil((x * y) / 3) + 1),
  }
  return narrow as GPUComputePassEncoder
}
