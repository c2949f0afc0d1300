/**
 * What the options of the running node come to: everything checked that can be checked without a disk
 * or a network.
 */
import { decodeAddress } from '../chain/address.ts';
import type { Network } from '../consensus/network.ts';
import { MAX_ARBITRARY_BYTES } from '../node/mining/mining-settings.ts';
import type { SeedOptions } from '../p2p/discovery/seeds.ts';
import { hexToBytes } from '../util/bytes.ts';
import { InputError } from '../util/errors.ts';
import { type HostPort, hostPortText, parseHostPort, parseListenAddress } from './host-port.ts';
import { dataDirectory } from './node-parts.ts';
import { DEFAULT_P2P_HOST, type RunOptions } from './run-options.ts';

/** See `SeedOptions`. */
type SeedPlan = Omit<SeedOptions, 'defaultPort'>;

export interface RunPlan {
  readonly network: Network;
  readonly data: string;
  readonly checkpoints: 'enforce' | 'ignore';
  /** `undefined`: no HTTP API. */
  readonly rpc: RpcPlan | undefined;
  /** `undefined`: no peers. */
  readonly p2p: P2pPlan | undefined;
  readonly mining: MiningPlan;
  readonly mempoolSize: number;
}

export interface RpcPlan {
  readonly address: HostPort;
  readonly allowHosts: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly auth: boolean;
}

export interface P2pPlan {
  /** Of TCP and UDP. */
  readonly address: HostPort;
  /** Whether others may connect. */
  readonly listen: boolean;
  /** Peers to stay connected to. */
  readonly connect: readonly HostPort[];
  /** Where to ask for others; `undefined`: nowhere. */
  readonly seeds: SeedPlan | undefined;
  readonly maxPeers: number;
  readonly moniker: string;
}

export interface MiningPlan {
  /** `undefined`: what was set before. */
  readonly address: string | undefined;
  readonly arbitrary: Uint8Array | undefined;
  readonly mine: boolean;
}

/** Throws an `InputError` that names the option. */
export function runPlan(options: RunOptions): RunPlan {
  const { network } = options;
  const plan = {
    network,
    data: dataDirectory(options),
    checkpoints: options.checkpoints,
    rpc: rpcPlan(options),
    p2p: p2pPlan(options),
    mining: miningPlan(options),
    mempoolSize: options.mempoolSize,
  };
  if (plan.rpc === undefined && plan.p2p === undefined && !plan.mining.mine) {
    throw new InputError('no-p2p', 'peers, an HTTP API or --mine', 'none of them: nothing to do');
  }
  return plan;
}

function rpcPlan(options: RunOptions): RpcPlan | undefined {
  if (options.rpc === false) return undefined;
  return {
    address: parseListenAddress(options.rpc, 'rpc'),
    allowHosts: (options.rpcAllowHost ?? []).map(hostNameOf),
    allowOrigins: (options.rpcAllowOrigin ?? []).map(originOf),
    auth: options.rpcNoAuth !== true,
  };
}

/** A name as requests have it. One with a port, or a whole URL, would never match. */
function hostNameOf(text: string): string {
  const field = 'rpc-allow-host';
  if (/[:/[\]]/.test(text)) throw new InputError(field, 'a host name without a port', `"${text}"`);
  return parseHostPort(text, field, { defaultPort: 1 }).host.replace(/\.$/, '');
}

/** An origin as browsers write it: with a path, or in upper case, it would never match. */
function originOf(text: string): string {
  // Those of extensions have no origin to `URL`, but the same form.
  const { protocol, host, pathname, href } = URL.parse(text) ?? {};
  const origin = `${protocol}//${host}`;
  if (host && (pathname === '' || pathname === '/') && href === origin + pathname) return origin;
  throw new InputError('rpc-allow-origin', 'an origin, like https://wallet.example', `"${text}"`);
}

function p2pPlan(options: RunOptions): P2pPlan | undefined {
  const { network, p2p = DEFAULT_P2P_HOST, connect = [], seed } = options;
  if (p2p === false) {
    if (connect.length > 0) throw new InputError('connect', 'none with --no-p2p', connect[0]!);
    return undefined;
  }
  const port = network.defaultP2pPort;
  const read = (field: string, texts: readonly string[]): readonly HostPort[] =>
    texts.map((text) => parseHostPort(text, field, { defaultPort: port }));
  if (!options.discovery && seed !== undefined) {
    throw new InputError('seed', 'none with --no-discovery', seed[0]!);
  }
  return {
    address: parseListenAddress(p2p, 'p2p', port),
    listen: options.listen,
    connect: unique(read('connect', connect)),
    seeds: options.discovery ? seedsOf(network, seed && read('seed', seed)) : undefined,
    maxPeers: options.maxPeers,
    moniker: options.moniker,
  };
}

/** Those that are given take the place of the network's own. */
function seedsOf(
  { dnsSeeds, fixedSeeds }: Network,
  given: readonly HostPort[] | undefined,
): SeedPlan {
  if (given === undefined) return { configured: [], dnsSeeds, fixedSeeds };
  return { configured: unique(given), dnsSeeds: [], fixedSeeds: [] };
}

function miningPlan(options: RunOptions): MiningPlan {
  const { network, miningAddress: address, coinbaseArbitrary, mine = false } = options;
  if (address !== undefined) decodeAddress(address, network.addressPrefix, 'mining-address');
  const arbitrary =
    coinbaseArbitrary === undefined
      ? undefined
      : hexToBytes(coinbaseArbitrary, 'coinbase-arbitrary');
  if (arbitrary !== undefined && arbitrary.length > MAX_ARBITRARY_BYTES) {
    const expected = `at most ${MAX_ARBITRARY_BYTES} bytes`;
    throw new InputError('coinbase-arbitrary', expected, `${arbitrary.length}`);
  }
  return { address, arbitrary, mine };
}

function unique(addresses: readonly HostPort[]): readonly HostPort[] {
  return [...new Map(addresses.map((each) => [hostPortText(each), each])).values()];
}
