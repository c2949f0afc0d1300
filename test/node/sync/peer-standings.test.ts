import { describe, expect, it } from 'vitest';
import { PeerStandings } from '../../../src/node/sync/peer-standings.ts';
import { SourceError } from '../../../src/node/sync/source-error.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ScriptedPeer } from '../../support/sync-peers.ts';

function standings() {
  const clock = new FakeClock();
  const builder = new ChainBuilder().extend(2);
  const peer = new ScriptedPeer('p', builder.blocks, { clock });
  return { clock, builder, peer, standings: new PeerStandings({ clock }) };
}

const fault = new SourceError('fault', 'nothing came');

describe('PeerStandings', () => {
  it('leaves a peer alone for longer each time nothing comes of it, up to ten minutes', async () => {
    const rig = standings();
    const rests: number[] = [];
    for (let i = 0; i < 9; i++) {
      rig.standings.failed(rig.peer, fault);
      let seconds = 0;
      for (; !rig.standings.mayLead(rig.peer); seconds++) await rig.clock.advance(1000);
      rests.push(seconds);
    }
    expect(rests).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
  });

  it('takes the fourth in a row for a lie', () => {
    const rig = standings();
    const kinds = Array.from({ length: 5 }, () => rig.standings.failed(rig.peer, fault)?.kind);
    expect(kinds).toEqual(['fault', 'fault', 'fault', 'illegal', 'illegal']);
    rig.standings.delivered(rig.peer);
    expect(rig.standings.failed(rig.peer, fault)).toEqual({
      kind: 'fault',
      reason: 'nothing came',
    });
  });

  it('blames at once for lies, and not at all where nobody is to blame', async () => {
    const rig = standings();
    expect(rig.standings.failed(rig.peer, new SourceError('later', 'early'))).toBeUndefined();
    expect(rig.standings.isDoubtful(rig.peer)).toBe(false);
    expect(rig.standings.mayLead(rig.peer)).toBe(false);
    await rig.clock.advance(30_000);
    expect(rig.standings.mayLead(rig.peer)).toBe(true);
    expect(rig.standings.failed(rig.peer, new SourceError('gone', 'bye'))).toBeUndefined();
    expect(rig.standings.mayLead(rig.peer)).toBe(true);
    const lie = rig.standings.failed(rig.peer, new SourceError('illegal', 'garbage'));
    expect(lie?.kind).toBe('illegal');
    expect(rig.standings.isDoubtful(rig.peer)).toBe(true);
  });

  it('ranks those lower that have failed, or were overtaken', () => {
    const rig = standings();
    const other = new ScriptedPeer('q', rig.builder.blocks, { clock: rig.clock });
    rig.standings.overtaken(rig.peer);
    expect(rig.standings.rank(rig.peer)).toBeGreaterThan(rig.standings.rank(other));
    rig.standings.failed(other, fault);
    for (let i = 0; i < 9; i++) rig.standings.overtaken(rig.peer);
    expect(rig.standings.rank(rig.peer)).toBeLessThan(rig.standings.rank(other));
  });

  it('knows the same peer by its identity when it has connected anew', () => {
    const rig = standings();
    rig.standings.failed(rig.peer, fault);
    const again = new ScriptedPeer('p', rig.builder.blocks, { clock: rig.clock });
    expect(rig.standings.mayLead(again)).toBe(false);
  });

  it('remembers a bounded number of them', () => {
    const rig = standings();
    rig.standings.failed(rig.peer, fault);
    for (let i = 0; i < 1024; i++) {
      rig.standings.look(new ScriptedPeer(`x${i}`, rig.builder.blocks, { clock: rig.clock }));
    }
    expect(rig.standings.mayLead(rig.peer)).toBe(true);
  });

  it('knows how old a status is, and how long a peer has been at its height', async () => {
    const rig = standings();
    rig.standings.look(rig.peer);
    expect(rig.standings.isFresh(rig.peer)).toBe(true);
    await rig.clock.advance(30_000);
    rig.standings.look(rig.peer);
    expect(rig.standings.isFresh(rig.peer)).toBe(false);
    expect(rig.standings.sinceHigher(rig.peer)).toBe(30_000);
    rig.peer.switchTo(rig.builder.extend(1).blocks);
    rig.standings.look(rig.peer);
    expect(rig.standings.isFresh(rig.peer)).toBe(true);
    expect(rig.standings.sinceHigher(rig.peer)).toBe(0);
    await rig.clock.advance(30_000);
    rig.standings.refreshed(rig.peer);
    expect(rig.standings.isFresh(rig.peer)).toBe(true);
  });

  it('does not ask a silent peer for blocks for a minute, nor one for headers that gives none', async () => {
    const rig = standings();
    expect(rig.standings.mayProvide(rig.peer)).toBe(true);
    rig.standings.setAside(rig.peer);
    expect(rig.standings.mayProvide(rig.peer)).toBe(false);
    await rig.clock.advance(60_000);
    expect(rig.standings.mayProvide(rig.peer)).toBe(true);
    rig.standings.noHeaders(rig.peer);
    expect(rig.standings.servesHeaders(rig.peer)).toBe(false);
    rig.standings.failed(rig.peer, fault);
    expect(rig.standings.servesHeaders(rig.peer)).toBe(true);
  });
});
