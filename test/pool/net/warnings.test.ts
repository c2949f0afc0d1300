import { describe, expect, it } from 'vitest';
import { PeerWarnings } from '../../../pool/net/warnings.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';

function create(): { clock: FakeClock; log: RecordingLog; warnings: PeerWarnings } {
  const clock = new FakeClock();
  const log = new RecordingLog();
  return { clock, log, warnings: new PeerWarnings({ log, clock }) };
}

describe('PeerWarnings', () => {
  it('writes one line a minute of a kind and an address, with the number of those between', async () => {
    const { clock, log, warnings } = create();
    for (let i = 0; i < 5; i++) warnings.warn('flood', '192.0.2.1', { peer: `192.0.2.1:${i}` });
    warnings.warn('flood', '192.0.2.2', { peer: '192.0.2.2:1' });
    warnings.warn('garbage', '192.0.2.1', { peer: '192.0.2.1:1' });
    expect(log.entries).toHaveLength(3);
    await clock.advance(60_000);
    warnings.warn('flood', '192.0.2.1', { peer: '192.0.2.1:9' });
    expect(log.entries.map(({ fields }) => fields)).toEqual([
      { peer: '192.0.2.1:0' },
      { peer: '192.0.2.2:1' },
      { peer: '192.0.2.1:1' },
      { peer: '192.0.2.1:9', suppressed: 4 },
    ]);
  });

  it('tells what was held back also if nothing follows it, once', async () => {
    const { clock, log, warnings } = create();
    warnings.warn('flood', '192.0.2.1', { peer: '192.0.2.1:0' });
    warnings.warn('flood', '192.0.2.1', { peer: '192.0.2.1:1' });
    warnings.warn('garbage', '192.0.2.2', { peer: '192.0.2.2:1' });
    warnings.sweep();
    expect(log.entries).toHaveLength(2);
    await clock.advance(60_000);
    warnings.sweep();
    warnings.sweep();
    expect(log.entries.map(({ fields }) => fields)).toEqual([
      { peer: '192.0.2.1:0' },
      { peer: '192.0.2.2:1' },
      { peer: '192.0.2.1', suppressed: 1 },
    ]);
  });

  it('takes addresses of one /64 for one peer', () => {
    const { log, warnings } = create();
    for (let i = 0; i < 9; i++) warnings.warn('flood', `2001:db8::${i}`, {});
    expect(log.entries).toHaveLength(1);
  });
});
