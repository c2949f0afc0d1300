import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MiningJob, Share, SubmitOutcome } from '../../miner/job-source.ts';
import { type SoloOptions, SoloSource } from '../../miner/solo-source.ts';
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  headerHash,
} from '../../src/chain/header.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { parseExact } from '../../src/util/json.ts';
import { createLogger } from '../../src/util/log.ts';
import { type Answer, json, TestNode } from './test-node.ts';

interface Call {
  readonly path: string;
  readonly request: { readonly block_header?: string };
  readonly response: { readonly data?: { readonly block_header: string; readonly seed: string } };
  readonly note?: string;
}

/** Exchanges recorded from bytomd v1.1.1. */
const transcript = parseExact(
  readFileSync(new URL('../vectors/http_transcripts.json', import.meta.url), 'utf8'),
) as unknown as { readonly calls: readonly Call[] };

function recorded(path: string, note: string): Call {
  const call = transcript.calls.find((c) => c.path === path && c.note?.includes(note) === true);
  if (call === undefined) throw new RangeError(`no recorded ${path} with note "${note}"`);
  return call;
}

const getWork = recorded('/get-work', 'same template as the JSON form');
const work = getWork.response.data!;
const template = decodeHeader(hexToBytes(work.block_header, 'recorded')).header;

/** A get-work answer: the recorded one with some fields changed. */
function workAnswer(change: Partial<BlockHeader> = {}, seed = work.seed): Answer {
  const block_header = bytesToHex(encodeHeader({ ...template, ...change }));
  return json({ status: 'success', data: { block_header, seed } });
}

const OTHER_PARENT = new Uint8Array(32).fill(7);

/** What a source tells its miner, as a list that can be waited on. */
class RecordingSink {
  readonly jobs: MiningJob[] = [];
  readonly idles: string[] = [];
  #waiting: (() => void)[] = [];

  job(job: MiningJob): void {
    this.jobs.push(job);
    this.changed();
  }

  idle(reason: string): void {
    this.idles.push(reason);
    this.changed();
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Lets whoever waits look again. */
  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

let node: TestNode;
let stop: AbortController;
let sink: RecordingSink;
/** Lines of warnings and recoveries; those of new jobs are apart. */
let lines: string[];
let jobLines: string[];
let running: Promise<void>;

beforeEach(async () => {
  node = new TestNode();
  await node.start();
  stop = new AbortController();
  sink = new RecordingSink();
  lines = [];
  jobLines = [];
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
  await node.stop();
});

function start(options: Partial<SoloOptions> = {}): SoloSource {
  const log = createLogger({
    level: 'info',
    format: 'text',
    color: false,
    now: () => new Date(0),
    write: (line) => {
      const text = line.slice('[1970-01-01 00:00:00.000]  miner    '.length);
      (text.startsWith('new job ') ? jobLines : lines).push(text);
      sink.changed();
    },
  });
  const source = new SoloSource(
    { url: node.url, pollMs: 3, retryMs: { base: 2, max: 5 }, ...options },
    { log },
  );
  running = source.run(sink, stop.signal);
  return source;
}

/** A share of `job`; whether its work is good is for the node to say. */
function shareOf(job: MiningJob, nonce: bigint): Share {
  const hash = headerHash({ ...job.header, nonce });
  return { job, nonce, headerHash: hash, powHash: new Uint8Array(32) };
}

async function firstJob(source: SoloSource): Promise<MiningJob> {
  expect(source.name).toBe(node.host);
  await sink.until(() => sink.jobs.length > 0);
  return sink.jobs[0]!;
}

describe('jobs', () => {
  it('come from the recorded template, with the target of its bits', async () => {
    node.on('get-work', json(stringifyRecorded(getWork)));
    const job = await firstJob(start());
    expect(job.header).toEqual(template);
    expect(bytesToHex(job.seed)).toBe(work.seed);
    expect(job.target).toBe(bitsToTarget(template.bits));
    expect([job.clean, job.jobId, job.nonceEnd]).toEqual([true, '2031-1', 1n << 63n]);
    expect(jobLines).toEqual([
      `new job from ${node.host} height 2031 diff 27.7 seed 57436907 job 2031-1`,
    ]);
    expect(job.nonceStart >= 0n && job.nonceStart < 1n << 62n).toBe(true);
    expect(node.calls('get-work')[0]?.body).toBe('{}');
  });

  it('start at different nonces, so that rigs on one node do not overlap', async () => {
    let timestamp = template.timestamp;
    node.on('get-work', (response, received) => {
      workAnswer({ timestamp: timestamp++ })(response, received);
    });
    start({ refreshMs: 1_000 });
    await sink.until(() => sink.jobs.length >= 5);
    expect(new Set(sink.jobs.map((job) => job.nonceStart)).size).toBe(sink.jobs.length);
  });

  it('start where the caller says, if it says', async () => {
    node.on('get-work', workAnswer());
    const parts = { log: createSilent(), nonceStart: () => 12_413n };
    running = new SoloSource({ url: node.url, pollMs: 3 }, parts).run(sink, stop.signal);
    await sink.until(() => sink.jobs.length === 1);
    expect(sink.jobs[0]?.nonceStart).toBe(12_413n);
  });

  it('are not repeated while only a little time passes', async () => {
    let timestamp = template.timestamp;
    node.on('get-work', (response, received) => {
      workAnswer({ timestamp: timestamp++ })(response, received);
    });
    start({ refreshMs: 3_600_000 });
    await node.served('get-work', 8);
    expect(sink.jobs.length).toBe(1);
  });

  it('ignore the nonce a template comes with', async () => {
    let nonce = 0n;
    node.on('get-work', (response, received) => {
      workAnswer({ nonce: nonce++ })(response, received);
    });
    start();
    await node.served('get-work', 5);
    expect(sink.jobs.length).toBe(1);
  });

  it('are renewed without being clean once the time has moved by refreshMs, either way', async () => {
    node.on('get-work', workAnswer());
    start({ refreshMs: 60_000 });
    await sink.until(() => sink.jobs.length === 1);
    node.on('get-work', workAnswer({ timestamp: template.timestamp + 60 }));
    await sink.until(() => sink.jobs.length === 2);
    node.on('get-work', workAnswer({ timestamp: template.timestamp - 600 }));
    await sink.until(() => sink.jobs.length === 3);
    expect(sink.jobs.map((job) => job.clean)).toEqual([true, false, false]);
    expect(sink.jobs.map((job) => job.jobId)).toEqual(['2031-1', '2031-2', '2031-3']);
  });

  it('are renewed at once, not clean, when the transactions change under the same parent', async () => {
    node.on('get-work', workAnswer());
    start();
    await sink.until(() => sink.jobs.length === 1);
    node.on('get-work', workAnswer({ transactionsMerkleRoot: OTHER_PARENT }));
    await sink.until(() => sink.jobs.length === 2);
    expect(sink.jobs[1]?.clean).toBe(false);
  });

  it('are clean when the parent changes', async () => {
    node.on('get-work', workAnswer());
    start();
    await sink.until(() => sink.jobs.length === 1);
    node.on('get-work', workAnswer({ previousBlockHash: OTHER_PARENT, height: 2032 }));
    await sink.until(() => sink.jobs.length === 2);
    expect([sink.jobs[1]?.clean, sink.jobs[1]?.jobId]).toEqual([true, '2032-2']);
  });

  it('are read from compressed answers', async () => {
    node.on('get-work', (response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end(gzipSync(stringifyRecorded(getWork)));
    });
    const job = await firstJob(start());
    expect(job.header.height).toBe(2031);
  });
});

describe('submit', () => {
  beforeEach(() => node.on('get-work', workAnswer()));

  async function submitWith(answer: Answer, nonce = 875n): Promise<SubmitOutcome> {
    const source = start({ timeoutMs: 200 });
    const job = await firstJob(source);
    node.on('submit-work', answer);
    return source.submit(shareOf(job, nonce));
  }

  it('sends the header as recorded and takes data true for a block', async () => {
    const accepted = recorded('/submit-work', 'accepted');
    const recordedHeader = hexToBytes(accepted.request.block_header!, 'recorded');
    const { nonce } = decodeHeader(recordedHeader).header;
    const outcome = await submitWith(json(stringifyRecorded(accepted)), nonce);
    expect(outcome).toMatchObject({ status: 'accepted', block: true });
    const sent = JSON.parse(node.calls('submit-work')[0]!.body) as Call['request'];
    expect(sent).toEqual(accepted.request);
  });

  it('asks for new work at once after a block, not a poll later', async () => {
    const source = start({ pollMs: 3_600_000 });
    const job = await firstJob(source);
    node.on('submit-work', json({ status: 'success', data: true }));
    node.on('get-work', workAnswer({ previousBlockHash: OTHER_PARENT, height: 2032 }));
    await source.submit(shareOf(job, 875n));
    await sink.until(() => sink.jobs.length === 2);
    expect(sink.jobs[1]?.clean).toBe(true);
  });

  it('calls a share stale when the node has gone on to another parent', async () => {
    const outcome = await submitWith(
      json(stringifyRecorded(recorded('/submit-work', 'same again: stale'))),
    );
    expect(outcome).toMatchObject({
      status: 'stale',
      reason: 'pending mining block has been changed',
    });
  });

  it('passes on the reason of every other refusal', async () => {
    const outcome = await submitWith(
      json(stringifyRecorded(recorded('/submit-work', 'hash above target'))),
    );
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: 'invalid difficulty proof of work: invalid block',
    });
    expect(node.calls('submit-work').length).toBe(1);
  });

  it('reports refused requests and credentials as rejected', async () => {
    const outcome = await submitWith(
      json(stringifyRecorded(recorded('/submit-work', 'bad flag')), 400),
    );
    expect(outcome).toMatchObject({ status: 'rejected' });
    expect(JSON.stringify(outcome)).toContain('unsupported serialization flags 0x02');
  });

  it('never sends a nonce the chain cannot carry', async () => {
    const outcome = await submitWith(json({ status: 'success', data: true }), 1n << 63n);
    expect(outcome).toMatchObject({ status: 'rejected' });
    expect(JSON.stringify(outcome)).toContain('2^63−1');
    expect(node.calls('submit-work').length).toBe(0);
  });

  it('sends a block again when the connection breaks, and reports the later answer', async () => {
    let calls = 0;
    const outcome = await submitWith((response, received) => {
      if (++calls < 3) response.destroy();
      else json({ status: 'success', data: true })(response, received);
    });
    expect(outcome).toMatchObject({ status: 'accepted', block: true });
    expect(calls).toBe(3);
  });

  it('is unanswered when the connection keeps breaking', async () => {
    const outcome = await submitWith((response) => response.destroy());
    expect(outcome).toMatchObject({ status: 'unanswered' });
    expect(node.calls('submit-work').length).toBe(3);
  });

  it('is unanswered when a repeated submission finds the template gone', async () => {
    let calls = 0;
    const outcome = await submitWith((response, received) => {
      if (++calls === 1) response.destroy();
      else
        json({ status: 'fail', error_detail: 'pending mining block has been changed' })(
          response,
          received,
        );
    });
    expect(outcome).toMatchObject({ status: 'unanswered' });
    expect(JSON.stringify(outcome)).toContain('sent again: pending mining block has been changed');
  });

  it('is unanswered when the node says nothing that can be understood', async () => {
    for (const answer of [json(''), json('<html>'), json({ status: 'success' })]) {
      const source = new SoloSource(
        { url: node.url, retryMs: { base: 1, max: 1 } },
        { log: createSilent() },
      );
      node.on('submit-work', answer);
      const job: MiningJob = {
        jobId: 'x',
        header: template,
        seed: new Uint8Array(32),
        target: 1n,
        nonceStart: 0n,
        nonceEnd: 1n,
        clean: true,
      };
      expect(await source.submit(shareOf(job, 1n))).toMatchObject({ status: 'unanswered' });
    }
  });

  it('is finished before run resolves', async () => {
    const source = start();
    const job = await firstJob(source);
    let release = (): void => {};
    node.on('submit-work', (response, received) => {
      release = () => json({ status: 'success', data: true })(response, received);
    });
    const outcome = source.submit(shareOf(job, 875n));
    await node.served('submit-work', 1);
    let stopped = false;
    stop.abort();
    const ended = running.then(() => {
      stopped = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    release();
    expect(await outcome).toMatchObject({ status: 'accepted' });
    await ended;
  });
});

describe('a node that misbehaves', () => {
  const success = (data: unknown): Answer => json({ status: 'success', data });
  const cases: readonly (readonly [string, Answer, RegExp])[] = [
    ['an empty 200', json(''), /empty answer/],
    ['text that is not JSON', json('<html>busy</html>'), /not a JSON object: <html>busy/],
    ['JSON that is no object', json('[1]'), /not a JSON object: \[1\]/],
    ['truncated JSON', json('{"status":"success","da'), /not a JSON object/],
    ['no data', json({ status: 'success' }), /data: expected an object, got undefined/],
    ['no status', json({}), /status: expected "success" or "fail", got undefined/],
    ['a header that is a number', success({ block_header: 5 }), /block_header: expected a text/],
    ['a header that is not hex', success({ block_header: 'zz' }), /block_header: expected .* "z"/],
    [
      'a header cut short',
      success({ block_header: work.block_header.slice(0, 100), seed: work.seed }),
      /block_header\.commitment: expected 64 bytes at byte \d+, got \d+ left/,
    ],
    [
      'a header with more after it',
      success({ block_header: `${work.block_header}00`, seed: work.seed }),
      /block_header: expected \d+ bytes, got \d+/,
    ],
    [
      'a seed of 31 bytes',
      success({ block_header: work.block_header, seed: work.seed.slice(2) }),
      /seed: expected 64 hex digits/,
    ],
    [
      'bits that no hash can meet',
      workAnswer({ bits: 0n }),
      /block_header\.bits: expected a positive/,
    ],
    ['a failed call', json({ status: 'fail', error_detail: 'no template' }), /: no template$/],
    [
      'a refusal of the credentials',
      json({ code: 'BTM860', status: 'fail', detail: 'invalid token' }, 401),
      /other credentials: invalid token/,
    ],
    [
      'an unknown path',
      json({ code: 'BTM000', detail: 'not Found' }, 500),
      /HTTP status 500: not F/,
    ],
    [
      'a redirection',
      (response) => response.writeHead(301, { location: '/error' }).end(),
      /HTTP status 301/,
    ],
    [
      'fields that cannot be texts',
      json({ status: 'success', data: { block_header: { toString: 1 }, seed: work.seed } }),
      /block_header: expected a text/,
    ],
    [
      'data that is nothing',
      json({ status: 'success', data: [{ toString: 1 }] }),
      /expected an obj/,
    ],
    ['a status that is nothing', json({ status: { toString: 1 } }), /status: expected "success"/],
    ['too long an answer', json(' '.repeat(1_100_000)), /answer longer than 1048576 bytes/],
    [
      'an answer that is long only when unpacked',
      (response) =>
        response
          .writeHead(200, { 'content-encoding': 'gzip' })
          .end(gzipSync(Buffer.alloc(1_100_000, ' '))),
      /answer longer than 1048576 bytes/,
    ],
    ['a connection closed without a word', (response) => response.destroy(), /no connection/],
    [
      'fewer bytes than announced',
      (response) => {
        response.writeHead(200, { 'content-length': '500' });
        response.write('{"status":');
        response.destroy();
      },
      /no connection/,
    ],
    ['no answer in time', () => {}, /no answer for 40 ms/],
    [
      'no rest of the answer in time',
      (response) => response.writeHead(200).write('{"status":'),
      /no answer for 40 ms/,
    ],
  ];

  for (const [what, answer, warning] of cases) {
    it(`is reported once, and recovered from: ${what}`, async () => {
      node.on('get-work', answer);
      start({ timeoutMs: what.endsWith('in time') ? 40 : 10_000 });
      await node.served('get-work', 3);
      expect(sink.jobs).toEqual([]);
      expect(lines.length, lines.join('\n')).toBe(1);
      expect(lines[0]).toMatch(warning);
      expect(lines[0]).toContain(`no work from ${node.host}: `);
      node.on('get-work', workAnswer());
      await sink.until(() => sink.jobs.length === 1);
      expect(lines.slice(1)).toEqual([`work from ${node.host} again`]);
    });
  }

  it('gets one line for each kind of trouble', async () => {
    node.on('get-work', json(''));
    start();
    await node.served('get-work', 3);
    node.on('get-work', json('<html>'));
    await node.served('get-work', 3);
    node.on('get-work', json(''));
    await node.served('get-work', 3);
    expect(lines.length).toBe(2);
  });

  it('stops the devices after a while, once, and starts them again with a clean job', async () => {
    node.on('get-work', workAnswer());
    start({ idleAfterMs: 150 });
    await sink.until(() => sink.jobs.length === 1);
    node.on('get-work', json(''));
    await sink.until(() => sink.idles.length === 1);
    expect(sink.idles).toEqual([`no work from ${node.host} for 0.15 s`]);
    await node.served('get-work', 20);
    expect(sink.idles.length).toBe(1);
    node.on('get-work', workAnswer());
    await sink.until(() => sink.jobs.length === 2);
    expect(sink.jobs[1]?.clean).toBe(true);
  });

  it('that is not there is waited for, and stopping needs no answer', async () => {
    await node.stop();
    start();
    await sink.until(() => lines.length > 0);
    expect(lines[0]).toMatch(/no connection: connect ECONNREFUSED/);
    stop.abort();
    await running;
  });

  it('cannot hold up stopping by not answering', async () => {
    node.on('get-work', () => {});
    start({ timeoutMs: 3_600_000 });
    await node.served('get-work', 1);
    stop.abort();
    await running;
    expect(lines).toEqual([]);
  });
});

describe('the URL', () => {
  const parts = { log: createSilent() };

  it('carries credentials to the node and nowhere else', async () => {
    node.on('get-work', json({ detail: 'no token' }, 401));
    const source = start({ url: `http://rig:s%40cret@${node.host}/` });
    await node.served('get-work', 2);
    const expected = `Basic ${Buffer.from('rig:s@cret').toString('base64')}`;
    expect(node.received[0]?.authorization).toBe(expected);
    expect(source.name).toBe(node.host);
    expect(lines.join()).not.toMatch(/cret|rig/);
  });

  it('sends no credentials when there are none', async () => {
    node.on('get-work', workAnswer());
    await firstJob(start());
    expect(node.received[0]?.authorization).toBeUndefined();
  });

  it('may have a path before the calls', async () => {
    node.on('bytom/get-work', workAnswer());
    start({ url: `${node.url}/bytom/` });
    await sink.until(() => sink.jobs.length === 1);
    expect(node.received[0]?.path).toBe('bytom/get-work');
  });

  it('names host and port even where the port is implied', () => {
    expect(new SoloSource({ url: 'https://u:p@node.example' }, parts).name).toBe(
      'node.example:443',
    );
    expect(new SoloSource({ url: 'http://[::1]:9888' }, parts).name).toBe('[::1]:9888');
  });

  it('that cannot be used is refused without showing its secret', () => {
    for (const url of [
      'user:hunter2@host:9888',
      'ftp://user:hunter2@host',
      'http://u:hunter2@h:99999',
      'http://a:hun@hunter2@',
    ]) {
      const make = (): SoloSource => new SoloSource({ url }, parts);
      expect(make, url).toThrow(/^node URL: expected http:\/\/host:port/);
      expect(make, url).not.toThrow(/hun/);
    }
    expect(() => new SoloSource({ url: 'http://host/?x=1' }, parts)).toThrow('and no query');
  });
});

function createSilent(): ReturnType<typeof createLogger> {
  const options = { level: 'error', format: 'text', color: false } as const;
  return createLogger({ ...options, now: () => new Date(0), write: () => {} });
}

/** The recorded answer as the node wrote it. */
function stringifyRecorded(call: Call): string {
  return `${JSON.stringify(call.response)}\n`;
}
