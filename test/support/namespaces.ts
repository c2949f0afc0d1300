/**
 * Hosts of their own on one machine: network namespaces, each with one address, on a bridge whose
 * cables can be pulled. Linux, iproute2 and root; where one of these is missing, `whyNot` says which.
 */
import { execFileSync, spawnSync } from 'node:child_process';

/** Why there can be no namespaces here; `undefined` if there can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('ip', ['-V']).error !== undefined) return 'network namespaces need iproute2';
  const name = `bt-probe-${process.pid}`;
  if (spawnSync('ip', ['netns', 'add', name]).status !== 0) {
    return 'this machine allows no network namespaces';
  }
  spawnSync('ip', ['netns', 'del', name]);
  return undefined;
}

export interface Host {
  /** Of the namespace. */
  readonly name: string;
  readonly address: string;
  /** To put before a command: it then runs on this host. */
  readonly through: readonly string[];
}

/** Hosts on one network. Throws where `whyNoNamespaces` gives a reason. */
export class HostNetwork {
  readonly hosts: readonly Host[];
  readonly #id: string;

  constructor(count: number) {
    // Names of interfaces have 15 characters at most.
    this.#id = `bt${process.pid.toString(36)}`;
    this.hosts = Array.from({ length: count }, (_, i) => {
      const name = `${this.#id}h${i}`;
      return { name, address: `10.231.77.${i + 1}`, through: ['ip', 'netns', 'exec', name] };
    });
    try {
      this.#create();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Pulls the host's cable, or puts it back. */
  connect(host: Host, isConnected: boolean): void {
    ip('link', 'set', this.#cable(host), isConnected ? 'up' : 'down');
  }

  close(): void {
    for (const host of this.hosts) {
      spawnSync('ip', ['link', 'del', this.#cable(host)]);
      spawnSync('ip', ['netns', 'del', host.name]);
    }
    spawnSync('ip', ['link', 'del', this.#id]);
  }

  #create(): void {
    ip('link', 'add', this.#id, 'type', 'bridge');
    ip('link', 'set', this.#id, 'up');
    for (const host of this.hosts) {
      const cable = this.#cable(host);
      ip('netns', 'add', host.name);
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name);
      ip('link', 'set', cable, 'master', this.#id, 'up');
      ip('-n', host.name, 'addr', 'add', `${host.address}/24`, 'dev', 'eth0');
      ip('-n', host.name, 'link', 'set', 'eth0', 'up');
      ip('-n', host.name, 'link', 'set', 'lo', 'up');
    }
  }

  /** The end of the host's cable that is in the bridge. */
  #cable(host: Host): string {
    return `${host.name}c`;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
