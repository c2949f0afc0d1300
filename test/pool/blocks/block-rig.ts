/** A block desk with nodes in memory, a disk that can fail, and time that stands still. */
import { BlockDesk, type BlockDeskOptions, type NodeSet } from '../../../pool/blocks/block-desk.ts';
import type { NodeAccess } from '../../../pool/chain-access.ts';
import type { BlockEvent, BlockSink } from '../../../pool/ledger/records.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import type { PoolTemplate, TemplateListener } from '../../../pool/template.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { ScriptedNode, templateOf } from '../nodes/scripted-node.ts';

/** The nodes of a desk; the test says where the tip is. */
class Nodes implements NodeSet {
  readonly nodes: readonly ScriptedNode[];
  current: PoolTemplate | undefined;
  readonly #listeners = new Set<TemplateListener>();

  constructor(nodes: readonly ScriptedNode[]) {
    this.nodes = nodes;
  }

  get upNodes(): readonly NodeAccess[] {
    return this.nodes.filter(({ failure }) => failure === undefined);
  }

  onTemplate(listener: TemplateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tip(height: number): void {
    const template = templateOf(this.nodes[0]!.name, height + 1);
    this.current = template;
    for (const listener of this.#listeners) listener(template, true);
  }
}

export class Disk implements BlockSink {
  readonly events: BlockEvent[] = [];
  isFull = false;

  async append(event: BlockEvent): Promise<void> {
    if (this.isFull) throw new Error('no space left');
    this.events.push(event);
  }

  /** Of one block, or of all: what happened, with the details. */
  story(hash?: Uint8Array): readonly string[] {
    return this.events
      .filter((event) => hash === undefined || bytesToHex(event.hash) === bytesToHex(hash))
      .map((event) => (event.event === 'found' ? 'found' : `${event.event} ${event.detail}`));
  }
}

export class BlockRig {
  readonly nodes: readonly ScriptedNode[];
  readonly set: Nodes;
  readonly disk: Disk;
  readonly clock: FakeClock;
  readonly log: RecordingLog = new RecordingLog('pool');
  readonly metered: string[] = [];
  readonly desk: BlockDesk;

  /** `before`: a rig whose nodes, disk and time it takes over, as after a restart. */
  constructor(names: readonly string[], options: BlockDeskOptions = {}, before?: BlockRig) {
    this.nodes = before?.nodes ?? names.map((name) => new ScriptedNode(name));
    this.set = new Nodes(this.nodes);
    this.set.current = before?.set.current;
    this.disk = before?.disk ?? new Disk();
    this.clock = before?.clock ?? new FakeClock();
    const { clock, log, disk: sink, set: upstreams } = this;
    const meter = { ...createSilentMeter(), block: (event: string) => this.metered.push(event) };
    const parts = { upstreams, sink, clock, now: () => clock.now() + 1e12, log, meter };
    this.desk = new BlockDesk(options, parts);
  }

  node(name: string): ScriptedNode {
    return this.nodes.find((node) => node.name === name)!;
  }

  /** Moves the tip of all, and lets the desk take notice. */
  async tip(height: number): Promise<void> {
    this.set.tip(height);
    await settle();
  }

  async close(): Promise<void> {
    const closed = this.desk.close();
    await this.clock.advance(10_000);
    await closed;
  }
}
