/**
 * A program that imports the known chain into a directory, its proofs of work known: everything but
 * the hashing is what `bytom-node import` runs. Flushes every few blocks, so that to kill it is likely
 * to hit a write. Arguments: directory, blocks a flush. Prints `ready` when the store is open, then
 * `height hash` after the import, when everything is on disk.
 */

import { SOLONET } from '../../src/consensus/network.ts';
import { LmdbKv } from '../../src/store/lmdb-kv.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { ChainRig } from './chain-rig.ts';
import { decodeAll, knownHasher, solonetChain } from './solonet-chain.ts';

const [directory = '', flushBlocks = '1'] = process.argv.slice(2);
const vector = solonetChain();
const blocks = decodeAll(vector);
const rig = new ChainRig({
  network: SOLONET,
  hasher: knownHasher(vector),
  kv: LmdbKv.open(directory),
  flushBlocks: Number(flushBlocks),
});
process.stdout.write(`ready at ${rig.chain.tip.header.height}\n`);
for (let at = rig.chain.tip.header.height + 1; at < blocks.length; at += 256) {
  await rig.submitAll(blocks.slice(at, at + 256));
}
rig.chain.flush();
const { header, hash } = rig.chain.tip;
await rig.close();
process.stdout.write(`${header.height} ${bytesToHex(hash)}\n`);
