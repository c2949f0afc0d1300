/**
 * The models that could compute the hash on a provider. They differ in the form of a step, in how many
 * chains are computed side by side, and in how the steps follow each other.
 *
 * Names: `fused-2` computes two chains together. `-unrolled`: the steps one after the other, for
 * providers without loops. `+cpu`: operators that the provider lacks run on the CPU; without it a
 * provider computes everything or the kernel does not run.
 */
import { SLICES } from '../../src/tensority/params.ts';
import { hashModel, type StepForm } from './graph.ts';

export interface OnnxKernel {
  readonly name: string;
  readonly form: StepForm;
  /** Chains computed side by side. */
  readonly group: number;
  readonly isUnrolled: boolean;
  /** The CPU may compute what the provider cannot. */
  readonly hasFallback: boolean;
  /** Hashes of a run. */
  readonly hashes: number;
  /** The model ends with the words that are hashed, or with the sum of the slices. */
  readonly finish: 'words' | 'sum';
  /** Tried only if nothing else is right: slower, but made of what every processor computes exactly. */
  readonly isSpare: boolean;
}

const NAME = /^(fused|fused-unsigned|integer|unsigned|float)-([1-9]\d{0,3})(-unrolled)?(\+cpu)?$/;
/** A run of more would hold gigabytes. */
const MOST_CHAINS = 4096;
/** Chains side by side, where a provider is not the CPU: the more, the better it is used. */
const SIZES = [4, 16, 64, 256];

/** The kernels to try, the best guess first within each family; families are alike but for `group`. */
export function kernelsFor(provider: string): readonly OnnxKernel[] {
  return namesFor(provider).map((name) => ({
    ...kernelNamed(name, provider)!,
    isSpare: provider === 'cpu' && /unsigned|float/.test(name),
  }));
}

/** Any kernel by its name, not only those that are tried; undefined if that is no name of one. */
export function kernelNamed(name: string, provider: string): OnnxKernel | undefined {
  const parts = NAME.exec(name);
  if (parts === null) return undefined;
  const group = Number(parts[2]);
  const hasFallback = parts[4] !== undefined;
  // The CPU has nothing to fall back to.
  if (provider === 'cpu' && hasFallback) return undefined;
  if (group > MOST_CHAINS || (group > 2 && group % SLICES !== 0)) return undefined;
  const form = parts[1] as StepForm;
  return {
    name,
    form,
    group,
    isUnrolled: parts[3] !== undefined,
    hasFallback,
    hashes: Math.max(1, group / SLICES),
    // Few providers have shifts of integers; the end of a hash costs the host next to nothing.
    finish: provider === 'cpu' ? 'words' : 'sum',
    isSpare: false,
  };
}

/** What kernels of one family have in common. */
export function familyOf({ name, group }: OnnxKernel): string {
  return name.replace(`-${group}`, '');
}

/** The model's bytes. */
export function modelOf({ form, hashes, group, isUnrolled, finish }: OnnxKernel): Uint8Array {
  return hashModel({ form, hashes, group, finish, unrolled: isUnrolled });
}

function namesFor(provider: string): readonly string[] {
  const sizes = (form: StepForm, how = ''): readonly string[] =>
    SIZES.map((size) => `${form}-${size}${how}`);
  switch (provider) {
    case 'cpu':
      return [
        ...['fused-2', 'fused-4', 'integer-2', 'integer-4'],
        // Right on x86 without VNNI, where the others are not.
        ...['fused-unsigned-2', 'unsigned-2', 'float-4'],
      ];
    case 'webgpu':
      // It has neither loops nor products of integers.
      return [...sizes('float', '-unrolled'), ...sizes('float', '+cpu')];
    case 'dml':
      return [
        ...sizes('integer', '-unrolled'),
        ...sizes('float', '-unrolled'),
        ...sizes('integer', '+cpu'),
        ...sizes('float', '+cpu'),
      ];
    default:
      return [
        ...sizes('integer'),
        ...sizes('float'),
        ...sizes('float', '-unrolled'),
        ...sizes('float', '+cpu'),
      ];
  }
}
