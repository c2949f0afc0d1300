/** What the miner asks a GPU process about the adapters of this machine, and what that tells. */

/** Dawn's names of the interfaces to look behind: the first that has hardware counts. */
export type GpuQuestion = readonly string[];

export type GpuNews =
  | PackageNews
  | { readonly kind: 'adapters'; readonly targets: readonly AdapterTarget[] }
  | { readonly kind: 'adapter'; readonly facts: AdapterFacts };

/** Whether the npm package is there, which is the first thing that can be missing. */
export interface PackageNews {
  readonly kind: 'package';
  /** Why it does not load, as Node says it. */
  readonly problem?: string;
  readonly isMissing?: boolean;
}

/** What leads to one adapter of this machine. */
export interface AdapterTarget {
  /** Dawn's name of the interface: 'vulkan', 'metal', 'd3d12'. */
  readonly backend: string;
  /** The adapter's full name there. */
  readonly name: string;
}

/** What an adapter says of itself. */
export interface AdapterFacts extends AdapterTarget {
  readonly vendor: string;
  readonly architecture: string;
  /** Holds the version of the driver. */
  readonly description: string;
  readonly isSoftware: boolean;
  readonly workgroupBytes: number;
  readonly bindingBytes: number;
  readonly hasSubgroupMatrices: boolean;
}
