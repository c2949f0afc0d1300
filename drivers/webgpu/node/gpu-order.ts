/** Which adapter is `gpu0`, which `gpu1`, and how to reach each of them. */
import type { AdapterFacts, AdapterTarget } from './gpu-news.ts';

/** An adapter, and what a process must have in its environment to reach it. */
export interface ReachableGpu {
  readonly facts: AdapterFacts;
  /** '0000:01:00.0', where it is known. */
  readonly pciBus?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A device as Mesa's selection layer prints it. */
export interface LayerDevice {
  readonly name: string;
  readonly isCpu: boolean;
  readonly pciBus: string | undefined;
}

/** What `MESA_VK_DEVICE_SELECT=list` prints, if the layer VK_LAYER_MESA_device_select is installed. */
export const LAYER_LIST_ENV: Readonly<Record<string, string>> = { MESA_VK_DEVICE_SELECT: 'list' };

/** `  GPU 1: 10de:2204 "NVIDIA GeForce RTX 3090" discrete GPU 0000:41:00.0` */
export function parseLayerList(lines: readonly string[]): readonly LayerDevice[] {
  const pattern =
    /^ {2}GPU \d+: [0-9a-f]+:[0-9a-f]+ "(.*)" (.*?)(?: ([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]))?$/;
  return lines.flatMap((line) => {
    const parts = pattern.exec(line);
    if (parts === null) return [];
    const [, name = '', type = '', pciBus] = parts;
    // A device without an address of its own is printed with this one if another has one.
    return [
      { name, isCpu: type === 'CPU', pciBus: pciBus === '0000:00:00.0' ? undefined : pciBus },
    ];
  });
}

/** Makes the layer hide every device but the one at this address. */
export function onlyAt(pciBus: string): Readonly<Record<string, string | undefined>> {
  // This one goes before DRI_PRIME.
  return { MESA_VK_DEVICE_SELECT: undefined, DRI_PRIME: `pci-${pciBus.replace(/[:.]/g, '_')}!` };
}

/** True if Dawn, which takes the first adapter whose name *contains* a name, finds another one by it. */
export function isHidden(target: AdapterTarget, listed: readonly AdapterTarget[]): boolean {
  return listed.find(({ name }) => name.includes(target.name))?.name !== target.name;
}

/** Hardware before software; by PCI address where there is one, else in the order they were found. */
export function inOrder(gpus: readonly ReachableGpu[]): readonly ReachableGpu[] {
  const rank = ({ facts, pciBus }: ReachableGpu): number =>
    facts.isSoftware ? 2 : pciBus === undefined ? 1 : 0;
  return [...gpus].sort(
    (a, b) => rank(a) - rank(b) || (a.pciBus ?? '').localeCompare(b.pciBus ?? '', 'en'),
  );
}
