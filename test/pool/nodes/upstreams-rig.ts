/** `Upstreams` over nodes in memory, with time that stands still. */
import { Upstreams } from '../../../pool/nodes/upstreams.ts';
import type { PoolTemplate } from '../../../pool/template.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { ScriptedNode } from './scripted-node.ts';

/** When templates are of, by the scripted nodes. */
export const NOW = 1_700_000_000_000;

export interface Told {
  readonly template: PoolTemplate;
  readonly isClean: boolean;
}

export function createRig(names: readonly string[]): {
  readonly nodes: readonly ScriptedNode[];
  readonly upstreams: Upstreams;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly told: Told[];
} {
  const nodes = names.map((name) => new ScriptedNode(name));
  const clock = new FakeClock();
  const log = new RecordingLog('pool');
  const upstreams = new Upstreams({}, { nodes, clock, now: () => NOW, log });
  const told: Told[] = [];
  upstreams.onTemplate((template, isClean) => told.push({ template, isClean }));
  return { nodes, upstreams, clock, log, told };
}

export async function startedRig(names: readonly string[]): Promise<ReturnType<typeof createRig>> {
  const rig = createRig(names);
  await rig.upstreams.ensureMiningAddress('bm1pool');
  rig.upstreams.start();
  return rig;
}
