/**
 * What the options of the pool come to: everything checked that can be checked without a disk, a
 * network or a device.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { AddressList } from '../../pool/net/addresses.ts';
import { decodeAddress } from '../chain/address.ts';
import type { Network } from '../consensus/network.ts';
import { nodeEndpoint } from '../node-api/node-endpoint.ts';
import { errorText, InputError } from '../util/errors.ts';
import { defaultPoolDirectory } from './data-directory.ts';
import { type HostPort, hostPortText, parseListenAddress } from './host-port.ts';
import { DEFAULT_STRATUM, type PoolDataOptions, type PoolRunOptions } from './pool-options.ts';

export interface PoolPlan {
  readonly network: Network;
  readonly data: string;
  /** URLs, which may hold secrets; the embedded node is not among them. */
  readonly nodes: readonly string[];
  readonly embeddedNode: { readonly config: string | undefined } | undefined;
  readonly address: string | undefined;
  readonly listen: readonly HostPort[];
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly trustedProxies: readonly string[];
  readonly http: { readonly address: HostPort; readonly allowHosts: readonly string[] } | undefined;
  /** Why an account cannot be paid; `undefined`: it can. */
  readonly checkAccount: (account: string) => string | undefined;
  readonly trust: { readonly after: number; readonly floor: number } | undefined;
}

/** Throws an `InputError` that names the option. */
export function poolPlan(options: PoolRunOptions): PoolPlan {
  const { network, address } = options;
  if (address !== undefined) decodeAddress(address, network.addressPrefix, 'address');
  const { minDifficulty, difficulty, maxDifficulty } = options;
  if (minDifficulty > difficulty || difficulty > maxDifficulty) {
    const expected = `from --min-difficulty ${minDifficulty} to --max-difficulty ${maxDifficulty}`;
    throw new InputError('difficulty', expected, `${difficulty}`);
  }
  return {
    network,
    data: poolDirectory(options),
    ...nodesOf(options),
    address,
    listen: listenOf(options),
    tls: tlsOf(options),
    trustedProxies: proxiesOf(options),
    http: httpOf(options),
    checkAccount: accountRule(options),
    trust: trustOf(options),
  };
}

export function poolDirectory({ data, network }: PoolDataOptions): string {
  return data ?? defaultPoolDirectory(network.name);
}

/** The certificate and its key, read anew. Throws an `InputError` naming the option. */
export function readCertificate({ certFile, keyFile }: NonNullable<PoolPlan['tls']>): {
  readonly cert: string;
  readonly key: string;
} {
  const cert = readText('tls-cert', certFile);
  const key = readText('tls-key', keyFile);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const expected = 'a certificate in PEM, and its key';
    throw new InputError('tls-cert', expected, errorText(error), { cause: error });
  }
  return { cert, key };
}

function nodesOf(options: PoolRunOptions): Pick<PoolPlan, 'nodes' | 'embeddedNode'> {
  const { node: nodes = [], embeddedNode = false, nodeConfig } = options;
  if (nodes.length === 0 && !embeddedNode) {
    throw new InputError('node', 'a node to work for: --node, or --embedded-node', 'neither');
  }
  if (nodeConfig !== undefined && !embeddedNode) {
    throw new InputError('node-config', 'none without --embedded-node', nodeConfig);
  }
  // Throws for what cannot be used; no message of it shows a secret.
  const names = nodes.map((url) => nodeEndpoint(url).name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InputError('node', 'each node once', `${twice} twice`);
  return { nodes, embeddedNode: embeddedNode ? { config: nodeConfig } : undefined };
}

/** In percent. */
const TRUST_FLOOR = 5;

function trustOf({ trustAfter, trustFloor }: PoolRunOptions): PoolPlan['trust'] {
  if (trustAfter !== undefined) {
    return { after: trustAfter, floor: (trustFloor ?? TRUST_FLOOR) / 100 };
  }
  if (trustFloor === undefined) return undefined;
  throw new InputError('trust-floor', 'none without --trust-after', `${trustFloor}`);
}

function listenOf({ listen = [DEFAULT_STRATUM] }: PoolRunOptions): readonly HostPort[] {
  const addresses = listen.map((text) => parseListenAddress(text, 'listen'));
  const texts = addresses.filter(({ port }) => port !== 0).map(hostPortText);
  const twice = texts.find((text, index) => texts.indexOf(text) !== index);
  if (twice !== undefined) throw new InputError('listen', 'each address once', `${twice} twice`);
  return addresses;
}

function tlsOf({ tlsCert, tlsKey }: PoolRunOptions): PoolPlan['tls'] {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined) throw new InputError('tls-cert', 'a file, beside --tls-key', 'none');
  if (tlsKey === undefined) throw new InputError('tls-key', 'a file, beside --tls-cert', 'none');
  const tls = { certFile: tlsCert, keyFile: tlsKey };
  readCertificate(tls);
  return tls;
}

function proxiesOf({ trustedProxy = [] }: PoolRunOptions): readonly string[] {
  new AddressList(trustedProxy, 'trusted-proxy');
  return trustedProxy;
}

function httpOf({ http, httpAllowHost = [] }: PoolRunOptions): PoolPlan['http'] {
  if (http === false) return undefined;
  return { address: parseListenAddress(http, 'http'), allowHosts: httpAllowHost };
}

function accountRule({ accounts, network }: PoolRunOptions): PoolPlan['checkAccount'] {
  if (accounts === 'any') return () => undefined;
  return (account) => {
    try {
      decodeAddress(account, network.addressPrefix, 'account');
      return undefined;
    } catch {
      return `the account has to be an address of ${network.name}, ${network.addressPrefix}1…`;
    }
  };
}

function readText(field: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(field, 'a readable file', errorText(error), { cause: error });
  }
}
