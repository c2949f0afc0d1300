/** The texts that an archive has of its own: the programs' starters, and how to use them. */
import type { LibraryNeeds } from './package-needs.ts';

/** What can be started from the archive's top folder, and the compiled file that each runs. */
export const LAUNCHERS: Readonly<Record<string, string>> = {
  'bytom-miner': 'dist/src/cli/miner.js',
  'bytom-node': 'dist/src/cli/node.js',
  'gpu-page': 'dist/src/cli/gpu-page.js',
  'bench-gpu': 'dist/test/bench/gpu.bench.js',
};

/** Starts `program` on the Node of the archive, wherever that was unpacked. */
export function launcherText(program: string): string {
  return `#!/bin/sh
# Finds the archive's folder, also when called through a symbolic link.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
while [ -h "$self" ]; do
  target=$(readlink "$self") || exit
  case $target in
    /*) self=$target ;;
    *) self=\${self%/*}/$target ;;
  esac
done
here=$(CDPATH= cd -P -- "\${self%/*}/" && pwd -P) || exit
exec "$here/bin/node" "$here/${program}" "$@"
`;
}

export interface UsingFacts {
  readonly version: string;
  readonly nodeVersion: string;
  readonly dawnVersion: string;
  readonly needs: LibraryNeeds;
}

/** USING.txt: what the archive is, what it needs, how to start. */
export function usingText({ version, nodeVersion, dawnVersion, needs }: UsingFacts): string {
  return `bytom-tensority ${version} for Linux on x86-64
Everything that runs is in this folder: Node ${nodeVersion}, Dawn ${dawnVersion} (the npm package
webgpu) and the program. Nothing is installed, and nothing is downloaded.

  ./bytom-miner --list-devices                       what there is to mine on
  ./bytom-miner --device gpu0 --benchmark            a checked measurement of one GPU
  ./bytom-miner -u ADDRESS -o stratum+tcp://HOST:PORT --device gpu0
  ./bench-gpu                                        every kernel of the GPU, side by side
  ./gpu-page                                         the same in a browser
  ./bytom-node --help                                the node

It needs glibc ${needs.glibc} or newer and a libstdc++ that has GLIBCXX_${needs.libstdcxx}; Debian 12 and Ubuntu
22.04 have both. A GPU needs its Vulkan driver and the Vulkan loader (libvulkan.so.1; the packages
are called libvulkan1 or vulkan-loader). Without a GPU everything else works, but for the devices
of ONNX Runtime and gpu.js, which come with an installation from the sources only.

The folder may be moved, and the programs may be called through symbolic links. What this is and all
that it can do is in README.md, the terms are in LICENSE, those of what it carries in THIRD-PARTY.txt.
`;
}
