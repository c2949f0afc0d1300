import { describe, expect, it } from 'vitest';
import { logIn, startDesk } from './desk-rig.ts';

describe('refused shares', () => {
  it('have a line in ten seconds for each client, with the number of those between', async () => {
    const rig = startDesk();
    const { session } = logIn(rig);
    for (let i = 0; i < 5; i++) rig.desk.badSubmit(session, 'no nonce');
    await rig.clock.advance(10_000);
    rig.desk.badSubmit(session, 'no nonce');
    const lines = rig.log.entries.filter(({ event }) => event === 'share refused');
    expect(lines.map(({ level, fields: { others } }) => [level, others])).toEqual([
      ['info', undefined],
      ['info', 4],
    ]);
    await rig.desk.close();
  });

  it('of a thousand clients are a hundred lines, then five a second', async () => {
    const rig = startDesk();
    const sessions = Array.from({ length: 1000 }, (_, i) => logIn(rig, `a.${i}`).session);
    const told = (): typeof rig.log.entries =>
      rig.log.entries.filter(({ event, level }) => event === 'share refused' && level === 'info');
    for (const session of sessions) rig.desk.badSubmit(session, 'no nonce');
    expect(told()).toHaveLength(100);
    const all = rig.log.entries.filter(({ event }) => event === 'share refused');
    expect(all, 'the others are there for who wants them').toHaveLength(1000);
    await rig.clock.advance(10_000);
    for (const session of sessions) rig.desk.badSubmit(session, 'no nonce');
    expect(told()).toHaveLength(150);
    expect(told()[100]?.fields).toMatchObject({ suppressed: 900 });
    expect(told()[101]?.fields).toMatchObject({ suppressed: undefined });
    await rig.desk.close();
  });
});
