/** The recorded Stratum sessions of test/vectors, with a message's bytes in one form. */
import { readFileSync } from 'node:fs';
import { parseExact } from '../../src/util/json.ts';

export interface RecordedMessage {
  readonly dir: 'client' | 'server' | 'note';
  readonly conn?: string;
  readonly comment?: string;
  /** Undefined for a close or a note. */
  readonly bytes?: Uint8Array;
  readonly template?: string;
  readonly headerHash?: string;
  readonly tensority?: string;
  readonly meetsShareTarget?: boolean;
}

export interface RecordedSession {
  readonly name: string;
  readonly shareDifficulty: bigint;
  readonly messages: readonly RecordedMessage[];
}

export interface RecordedTemplate {
  readonly name: string;
  readonly height: number;
  readonly blockHeader: string;
  readonly seed: string;
  readonly bits: bigint;
}

interface RawMessage {
  readonly dir: 'client' | 'server' | 'note';
  readonly conn?: string;
  readonly comment?: string;
  readonly text?: string;
  readonly hex?: string;
  readonly text_parts?: readonly (string | { readonly repeat: string; readonly count: number })[];
  readonly template?: string;
  readonly header_hash?: string;
  readonly tensority?: string;
  readonly meets_share_target?: boolean;
}

interface RawSession {
  readonly name: string;
  readonly share_difficulty: number;
  readonly messages: readonly RawMessage[];
}

interface RawFile {
  readonly sessions: readonly RawSession[];
  readonly constructed: readonly RawSession[];
  readonly templates: readonly {
    readonly name: string;
    readonly height: number;
    readonly block_header: string;
    readonly seed: string;
    readonly bits: string;
  }[];
}

const file = parseExact(
  readFileSync(new URL('../vectors/stratum_sessions.json', import.meta.url), 'utf8'),
) as unknown as RawFile;

export const recordedSessions: readonly RecordedSession[] = file.sessions.map(toSession);
export const constructedSessions: readonly RecordedSession[] = file.constructed.map(toSession);
export const recordedTemplates: ReadonlyMap<string, RecordedTemplate> = new Map(
  file.templates.map((raw) => [
    raw.name,
    {
      name: raw.name,
      height: raw.height,
      blockHeader: raw.block_header,
      seed: raw.seed,
      bits: BigInt(raw.bits),
    },
  ]),
);

function toSession(raw: RawSession): RecordedSession {
  return {
    name: raw.name,
    shareDifficulty: BigInt(raw.share_difficulty),
    messages: raw.messages.map(toMessage),
  };
}

function toMessage(raw: RawMessage): RecordedMessage {
  const bytes = bytesOf(raw);
  return {
    dir: raw.dir,
    ...(raw.conn === undefined ? {} : { conn: raw.conn }),
    ...(raw.comment === undefined ? {} : { comment: raw.comment }),
    ...(raw.template === undefined ? {} : { template: raw.template }),
    ...(raw.header_hash === undefined ? {} : { headerHash: raw.header_hash }),
    ...(raw.tensority === undefined ? {} : { tensority: raw.tensority }),
    ...(raw.meets_share_target === undefined ? {} : { meetsShareTarget: raw.meets_share_target }),
    ...(bytes === undefined ? {} : { bytes }),
  };
}

function bytesOf(raw: RawMessage): Uint8Array | undefined {
  if (raw.hex !== undefined) return Buffer.from(raw.hex, 'hex');
  if (raw.text !== undefined) return Buffer.from(raw.text);
  if (raw.text_parts === undefined) return undefined;
  const parts = raw.text_parts.map((p) => (typeof p === 'string' ? p : p.repeat.repeat(p.count)));
  return Buffer.from(parts.join(''));
}
