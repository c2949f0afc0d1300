/** Work that does not pay the pool, or may not: it is not used, whatever its node says by then. */
import { describe, expect, it } from 'vitest';
import { NodeAccessError } from '../../../pool/chain-access.ts';
import { decodeAddress } from '../../../src/chain/address.ts';
import { hash32, type ScriptedNode } from './scripted-node.ts';
import { createRig, startedRig } from './upstreams-rig.ts';

describe('work that pays another address', () => {
  const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
  const program = decodeAddress(ADDRESS, 'sm');

  it('is not used, where it tells, whatever the node says of its address', async () => {
    const { nodes, upstreams, clock, log } = createRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.address = ADDRESS;
    await upstreams.ensureMiningAddress(ADDRESS);
    upstreams.start();
    a.payee = hash32('another').subarray(0, 22);
    a.gives(7);
    expect(upstreams.current).toBeUndefined();
    expect(upstreams.status[0]).toMatchObject({
      isUp: false,
      reason: 'its template pays another address',
    });
    await clock.advance(5000);
    expect(log.of('work not used')).toHaveLength(1);
    a.payee = program;
    const good = a.gives(7, { transactionsMerkleRoot: hash32('ours') });
    expect(upstreams.current).toBe(good);
    a.payee = hash32('another').subarray(0, 22);
    a.gives(8);
    expect(upstreams.current).toBeUndefined();
    await upstreams.close();
  });

  it('is used at once after a change, where it tells that it is the new one', async () => {
    const { nodes, upstreams, log } = createRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.address = 'sm1other';
    a.payee = hash32('another').subarray(0, 22);
    upstreams.start();
    a.gives(7);
    await upstreams.ensureMiningAddress(ADDRESS);
    expect(upstreams.current).toBeUndefined();
    a.payee = program;
    const good = a.gives(7, { transactionsMerkleRoot: hash32('ours') });
    expect(upstreams.current).toBe(good);
    expect(log.of('work not used')).toHaveLength(0);
    await upstreams.close();
  });

  it('may be what a node had before its address was set: held back, with what to do', async () => {
    const { nodes, upstreams, clock, log } = createRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.address = 'bm1other';
    upstreams.start();
    a.gives(7);
    await upstreams.ensureMiningAddress('bm1pool');
    expect(upstreams.current).toBeUndefined();
    expect(log.of('work not used')).toEqual([
      'pool: work of node a is not used: its template may pay the address that it had before: restart it, or wait for the next block',
    ]);
    // Its time makes it no other; nor does a connection that was lost.
    a.gives(7, { timestamp: 1_700_000_060 });
    a.state('no connection');
    a.gives(7, { timestamp: 1_700_000_061 });
    await clock.advance(100_000);
    expect(upstreams.current).toBeUndefined();
    expect(log.of('work not used').length).toBeGreaterThan(1);
    expect(log.of('work not used').length).toBeLessThan(5);
    // A bytomd that was restarted.
    const other = a.gives(7, { transactionsMerkleRoot: hash32('ours') });
    expect(upstreams.current).toBe(other);
    await upstreams.close();
  });

  it('may also come just after the change, from a node that made it before', async () => {
    const { nodes, upstreams, clock } = createRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.address = 'bm1other';
    upstreams.start();
    await upstreams.ensureMiningAddress('bm1pool');
    a.gives(7);
    await clock.advance(5000);
    a.gives(8);
    await clock.advance(60_000);
    expect(upstreams.current).toBeUndefined();
    const next = a.gives(9);
    expect(upstreams.current).toBe(next);
    await upstreams.close();
  });

  it('does not come any more from a node that was restarted since', async () => {
    const { nodes, upstreams, clock } = createRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.address = 'bm1other';
    upstreams.start();
    a.gives(7);
    await upstreams.ensureMiningAddress('bm1pool');
    await clock.advance(2000);
    a.state('no connection');
    await clock.advance(1000);
    a.state(undefined);
    // The same parent, another coinbase, a few seconds after the change.
    const other = a.gives(7, { transactionsMerkleRoot: hash32('ours') });
    await clock.advance(1000);
    expect(upstreams.current).toBe(other);
    await upstreams.close();
  });

  it('is not used while the address is being set, nor if the answer to that was lost', async () => {
    const { nodes, upstreams, clock } = await startedRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.gives(7);
    a.address = 'bm1thief';
    a.setMiningAddress = async (address) => {
      a.address = address;
      expect(upstreams.current).toBeUndefined();
      throw new NodeAccessError('a', { code: 'unreachable', reason: 'no answer' });
    };
    await clock.advance(90_000);
    expect(a.address).toBe('bm1pool');
    expect(upstreams.current).toBeUndefined();
    a.gives(8);
    expect(upstreams.current?.header.height).toBe(8);
    await upstreams.close();
  });
});
