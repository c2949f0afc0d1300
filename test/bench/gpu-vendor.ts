/**
 * The int8 matrix product of the GPU maker's own library, for comparison: what the chip can do in the
 * hands of those who made it. A Python script finds the library and times it.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MACS_PER_HASH } from '../../src/tensority/params.ts';

export interface VendorOptions {
  /** What the GPU is called. */
  readonly name: string;
  readonly seconds?: number;
  /** Rows and columns of the matrices. */
  readonly sizes?: readonly number[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface VendorProduct {
  readonly size: number;
  /** Which of the library's functions, or of their algorithms, was the fastest. */
  readonly way: string;
  /** Multiply-accumulates a second, median of the blocks. */
  readonly macsPerSecond: number;
}

export type VendorResult =
  | {
      readonly library: string;
      readonly device: string;
      readonly products: readonly VendorProduct[];
      /** Hashes a second if a hash were nothing but its products, at the fastest of these rates. */
      readonly hashesPerSecond: number;
    }
  /** Why there is no figure, in one line. */
  | { readonly absent: string };

const SCRIPT = fileURLToPath(new URL('./gpu-vendor-product.py', import.meta.url));
/** Longest run of the script: three sizes, matrices of a GiB, libraries of that size to load. */
const LIMIT_MS = 180_000;

export function measureVendor(options: VendorOptions): VendorResult {
  const { name, seconds = 1, sizes = [4096, 8192, 16_384], env } = options;
  const args = [SCRIPT, '--name', name, '--seconds', String(seconds), '--sizes', sizes.join()];
  const { error, stdout, stderr, status, signal } = spawnSync('python3', args, {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    ...(env === undefined ? {} : { env }),
  });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    return { absent: 'it takes python3 to ask the library, which is not here' };
  }
  if (signal !== null) return { absent: `the library's test was ended by ${signal}` };
  const said = (): string => stderr.trim().split('\n').at(-1) ?? '';
  return parseVendor(stdout) ?? { absent: `the library's test ended with ${status}: ${said()}` };
}

/** What the script printed, undefined if that is not one of its answers. */
export function parseVendor(output: string): VendorResult | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    return undefined;
  }
  if (!isRecord(answer)) return undefined;
  const { absent, error, library, device, products } = answer;
  if (typeof absent === 'string') return { absent };
  if (typeof error === 'string') return { absent: `the library failed: ${error}` };
  if (typeof library !== 'string' || typeof device !== 'string') return undefined;
  if (!Array.isArray(products) || !products.every(isProduct) || products.length === 0) {
    return undefined;
  }
  const best = Math.max(...products.map(({ macsPerSecond }) => macsPerSecond));
  return { library, device, products, hashesPerSecond: best / MACS_PER_HASH };
}

function isProduct(value: unknown): value is VendorProduct {
  if (!isRecord(value)) return false;
  const { size, way, macsPerSecond } = value;
  return (
    typeof size === 'number' &&
    typeof way === 'string' &&
    typeof macsPerSecond === 'number' &&
    macsPerSecond > 0
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
