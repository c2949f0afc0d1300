/** Why there is no GPU, or not every one, in a line that says what to do about it. */
import { clip } from '../../../src/util/errors.ts';
import type { PackageNews } from './gpu-news.ts';

/** What a listing came to, beside the adapters that it found. */
export interface ListingFacts {
  /** 'linux-x64' */
  readonly platform: string;
  /** Of this system, where it has one. */
  readonly glibc?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly package?: PackageNews | undefined;
  /** How the process ended, if it did before it was done: 'SIGSEGV: what it said last'. */
  readonly crash?: string | undefined;
  /** It was killed after so long. */
  readonly lateMs?: number | undefined;
  /** Names of the adapters that were listed, and how many of them opened. */
  readonly listed: readonly string[];
  readonly opened: number;
  /** What the process printed. */
  readonly lines: readonly string[];
  /** Device files of GPUs that this user may not open. */
  readonly deniedNodes: readonly string[];
}

/** Undefined if nothing is wrong. */
export function listingProblem(facts: ListingFacts): string | undefined {
  const { lateMs, crash, listed, opened } = facts;
  if (facts.package?.problem !== undefined) return packageProblem(facts, facts.package);
  const asked = listed.length > opened ? ` about ${listed[opened]}` : '';
  if (lateMs !== undefined) {
    return `the GPU's driver did not answer within ${Math.round(lateMs / 1000)} s when asked${asked}`;
  }
  if (crash !== undefined)
    return `the GPU's driver crashed when asked${asked}: ${clip(crash, 160)}`;
  if (listed.length === 0) return vulkanProblem(facts);
  if (opened < new Set(listed).size) return `of ${listed.join(', ')} not every one opens`;
  const refused = refusal(facts.lines);
  return refused === undefined ? undefined : `a GPU is left out: ${refused}`;
}

function packageProblem(
  { platform, glibc }: ListingFacts,
  { problem = '', isMissing }: PackageNews,
): string {
  if (isMissing === true) {
    return 'the npm package webgpu is not installed; it is optional, and `npm install webgpu` brings it';
  }
  const needed = /version `GLIBC_([\d.]+)' not found/.exec(problem)?.[1];
  if (needed !== undefined) {
    const here = glibc === undefined ? '' : `, this system has ${glibc}`;
    return `the npm package webgpu needs glibc ${needed}${here}`;
  }
  if (/Cannot find module .*dawn\.node/.test(problem)) {
    return `the npm package webgpu has no program for ${platform}`;
  }
  return `the npm package webgpu does not load: ${clip(problem, 160)}`;
}

function vulkanProblem({ platform, env, lines, deniedNodes }: ListingFacts): string {
  const said = lines.join('\n');
  const loader = /Couldn't load Vulkan: (.*)/.exec(said)?.[1];
  if (loader !== undefined) {
    return /cannot open shared object file/.test(loader)
      ? 'no Vulkan loader is installed (libvulkan.so.1; Debian and Ubuntu: libvulkan1)'
      : `the Vulkan loader does not load: ${clip(loader, 160)}`;
  }
  if (/Found no drivers!/.test(said)) {
    // These are no drivers, so to say: a file that is not there, a library that does not load.
    const broken = /Warning: ((?!vk|loader).*\.so\S*: .*)/.exec(said)?.[1];
    const name = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].find((each) => (env[each] ?? '') !== '');
    if (broken !== undefined) return `no Vulkan driver loads: ${clip(broken, 160)}`;
    return name === undefined
      ? 'no Vulkan driver is installed'
      : `no Vulkan driver where ${name} says: ${clip(env[name] ?? '')}`;
  }
  const denied = deniedNodes[0];
  if (denied !== undefined) {
    return `no permission for ${denied}: add the user to the group that it belongs to (render or video)`;
  }
  const refused = refusal(lines);
  if (refused !== undefined) return `a GPU cannot be used: ${refused}`;
  if (/Failed to detect any valid GPUs|Enumerat/.test(said)) {
    return 'the Vulkan drivers that are installed find no GPU of theirs';
  }
  const last = lines.at(-1);
  return `no GPU was found (${platform})${last === undefined ? '' : `: ${clip(last, 160)}`}`;
}

/** What Dawn misses in a driver that it does not take. */
function refusal(lines: readonly string[]): string | undefined {
  const at = lines.findIndex((line) => / - While initializing adapter/.test(line));
  const missing = /^(?:Warning: )?(.*) required/.exec(lines[at - 1] ?? '')?.[1];
  if (missing === undefined) return undefined;
  return `its driver lacks what WebGPU needs, ${clip(missing)}; a newer one may have it`;
}
