/**
 * The GPUs of this machine. Drivers are only ever asked in processes of their own, which end after
 * some seconds: one that crashes or hangs costs its own GPU.
 */
import { access, constants, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Asked, askProcess } from '../../process/ask-process.ts';
import { CHATTER } from './dawn.ts';
import type { AdapterFacts, AdapterTarget, GpuNews, GpuQuestion, PackageNews } from './gpu-news.ts';
import {
  inOrder,
  isHidden,
  LAYER_LIST_ENV,
  type LayerDevice,
  onlyAt,
  parseLayerList,
  type ReachableGpu,
} from './gpu-order.ts';
import { listingProblem } from './listing-problem.ts';

export interface GpuListing {
  readonly gpus: readonly ReachableGpu[];
  readonly unavailable?: string;
}

export interface EnumerateOptions {
  readonly script: URL;
  /** How long the drivers may take to answer. */
  readonly limitMs: number;
}

/** By platform; on Windows a GPU has both, and only Vulkan gives its matrix units away. */
const BACKENDS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['metal'],
  win32: ['vulkan', 'd3d12'],
};

const PCI_FOLDER = '/sys/bus/pci/devices';
const PCI_VENDORS: Readonly<Record<string, string>> = {
  amd: '0x1002',
  intel: '0x8086',
  nvidia: '0x10de',
};

/** Never rejects. */
export async function enumerateGpus(options: EnumerateOptions): Promise<GpuListing> {
  const asked = await ask(options, {});
  const notes = [await problemOf(asked, options)];
  const { targets, facts } = asked;
  const hardware = facts.filter(({ isSoftware }) => !isSoftware);
  const needsLayer = targets.filter(({ name }) => hardware.some((each) => each.name === name));
  const layer = needsLayer.length > 1 ? await askLayer(options) : [];
  const gpus: ReachableGpu[] = facts
    .filter(({ isSoftware }) => isSoftware)
    .map((each) => ({ facts: each, env: {} }));
  for (const each of hardware) {
    const found = await reach(each, { targets, hardware, layer, options });
    gpus.push(...found.gpus);
    notes.push(found.note);
  }
  const unavailable = notes.filter((note) => note !== undefined).join('; ');
  return { gpus: inOrder(gpus), ...(unavailable === '' ? {} : { unavailable }) };
}

interface ReachParts {
  readonly targets: readonly AdapterTarget[];
  readonly hardware: readonly AdapterFacts[];
  readonly layer: readonly LayerDevice[];
  readonly options: EnumerateOptions;
}

/** The devices of one name, each with a way to it. */
async function reach(
  facts: AdapterFacts,
  { targets, hardware, layer, options }: ReachParts,
): Promise<{ readonly gpus: readonly ReachableGpu[]; readonly note?: string }> {
  const { name } = facts;
  const count = targets.filter((target) => target.name === name).length;
  const places = new Set(
    layer.flatMap((each) =>
      each.name === name && !each.isCpu && each.pciBus !== undefined ? [each.pciBus] : [],
    ),
  );
  const hidden = isHidden(facts, targets);
  if (!hidden && places.size <= 1) {
    // Listed more than once at one place: a driver that is registered twice.
    const [pciBus = await onlyPlace(facts, hardware)] = places;
    const gpus = [{ facts, env: {}, ...(pciBus === undefined ? {} : { pciBus }) }];
    return count === 1 || pciBus !== undefined ? { gpus } : { gpus, note: alike(name, count - 1) };
  }
  // Together: each of them takes as long as the first list did.
  const tried = await Promise.all(
    [...places].map(async (pciBus): Promise<readonly ReachableGpu[]> => {
      const env = onlyAt(pciBus);
      const alone = await ask(options, env);
      const [only] = alone.facts;
      const isAlone = alone.targets.length === 1 && only?.name === name;
      return isAlone ? [{ facts: only, pciBus, env }] : [];
    }),
  );
  const gpus = tried.flat();
  if (gpus.length === 0 && !hidden) gpus.push({ facts, env: {} });
  const left = Math.max(places.size, hidden ? 1 : 0) - gpus.length;
  return left > 0 ? { gpus, note: alike(name, left) } : { gpus };
}

function alike(name: string, count: number): string {
  return (
    `${count} more like ${name} cannot be told apart: that takes Mesa's VK_LAYER_MESA_device_select 23.3 or ` +
    'newer (Debian and Ubuntu: mesa-vulkan-drivers)'
  );
}

/** What a process had to say about the adapters. */
interface AskedAdapters extends Omit<Asked<GpuNews>, 'news'> {
  readonly package: PackageNews | undefined;
  readonly targets: readonly AdapterTarget[];
  readonly facts: readonly AdapterFacts[];
}

async function ask(
  options: EnumerateOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AskedAdapters> {
  const question = BACKENDS[process.platform] ?? ['vulkan'];
  const { news, ...end } = await askProcess<GpuQuestion, GpuNews>({
    ...options,
    question,
    env,
    chatter: CHATTER,
  });
  return {
    ...end,
    package: news.find((each) => each.kind === 'package'),
    targets: news.find((each) => each.kind === 'adapters')?.targets ?? [],
    facts: news.flatMap((each) => (each.kind === 'adapter' ? [each.facts] : [])),
  };
}

async function problemOf(
  asked: AskedAdapters,
  { limitMs }: EnumerateOptions,
): Promise<string | undefined> {
  return listingProblem({
    platform: `${process.platform}-${process.arch}`,
    glibc: asked.package?.problem === undefined ? undefined : glibcVersion(),
    env: process.env,
    package: asked.package,
    crash: asked.crash,
    lateMs: asked.isLate ? limitMs : undefined,
    listed: [...new Set(asked.targets.map(({ name }) => name))],
    opened: asked.facts.length,
    lines: asked.lines,
    deniedNodes: await deniedNodes(),
  });
}

/** Empty where the layer is not installed. */
async function askLayer(options: EnumerateOptions): Promise<readonly LayerDevice[]> {
  if (process.platform !== 'linux') return [];
  const { lines } = await ask(options, LAYER_LIST_ENV);
  return parseLayerList(lines);
}

/** The PCI address of the only GPU of its maker, if there is one only. */
async function onlyPlace(
  { vendor }: AdapterFacts,
  hardware: readonly AdapterFacts[],
): Promise<string | undefined> {
  const id = PCI_VENDORS[vendor];
  if (id === undefined || hardware.filter((each) => each.vendor === vendor).length > 1) return;
  const places: string[] = [];
  for (const place of await readdir(PCI_FOLDER).catch(() => [])) {
    const [maker, kind] = await Promise.all(
      ['vendor', 'class'].map((file) =>
        readFile(join(PCI_FOLDER, place, file), 'utf8').catch(() => ''),
      ),
    );
    // Display controllers and processing accelerators.
    if (maker?.trim() === id && /^0x(03|12)/.test(kind ?? '')) places.push(place);
  }
  return places.length === 1 ? places[0] : undefined;
}

async function deniedNodes(): Promise<readonly string[]> {
  const nodes = await readdir('/dev/dri').catch(() => []);
  const denied: string[] = [];
  for (const node of nodes.filter((name) => name.startsWith('renderD'))) {
    const path = join('/dev/dri', node);
    const error = await access(path, constants.R_OK | constants.W_OK).catch((e: unknown) => e);
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EACCES') denied.push(path);
  }
  return denied;
}

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  return report.header?.glibcVersionRuntime;
}
