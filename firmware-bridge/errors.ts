/** What can go wrong between a host and a board. */
import { CodedError } from '../src/util/errors.ts';

export type PortErrorDetail =
  | { readonly code: 'no-such-port'; readonly port: string }
  | { readonly code: 'in-use'; readonly port: string }
  | { readonly code: 'no-permission'; readonly port: string; readonly advice: string }
  /** The optional package for serial ports is missing or does not load. */
  | { readonly code: 'no-package'; readonly port: string; readonly reason: string }
  | { readonly code: 'failed'; readonly port: string; readonly reason: string }
  /** It was open and is gone: unplugged, closed by the other side, or by us. */
  | { readonly code: 'gone'; readonly port: string; readonly reason: string }
  | { readonly code: 'write-timeout'; readonly port: string; readonly afterMs: number };

/** A port that cannot be opened, or that is gone. */
export class PortError extends CodedError<PortErrorDetail> {
  constructor(detail: PortErrorDetail, options?: ErrorOptions) {
    super(portErrorText(detail), detail, options);
  }
}

function portErrorText(detail: PortErrorDetail): string {
  switch (detail.code) {
    case 'no-such-port':
      return `${detail.port}: no such port`;
    case 'in-use':
      return `${detail.port}: in use by another program`;
    case 'no-permission':
      return `${detail.port}: no permission; ${detail.advice}`;
    case 'no-package':
      return `${detail.port}: serial ports need the optional package serialport: ${detail.reason}`;
    case 'failed':
      return `${detail.port}: ${detail.reason}`;
    case 'gone':
      return `${detail.port}: gone: ${detail.reason}`;
    case 'write-timeout':
      return `${detail.port}: takes no bytes since ${detail.afterMs} ms`;
  }
}

/** Why a board refused a request: the codes of a NAK, by the names of PROTOCOL.md. */
export type NakName =
  | 'BAD_CRC'
  | 'BAD_LEN'
  | 'UNKNOWN_TYPE'
  | 'BAD_VERSION'
  | 'BUSY'
  | 'NO_SEED'
  | 'WRONG_EPOCH'
  | 'RANGE'
  | 'HOT'
  | 'FAULT';

/** Why a board ended a job early: the reasons of DONE. */
type EndReason = 'ABORTED' | 'REPLACED' | 'SEED' | 'HOT' | 'FAULT';

export type LinkErrorDetail =
  /** No answer after every try. `garbage`: bytes that were neither frame nor text, meanwhile. */
  | {
      readonly code: 'silent';
      readonly request: string;
      readonly tries: number;
      readonly garbage: number;
    }
  | {
      readonly code: 'refused';
      readonly request: string;
      /** A number where this version does not know it. */
      readonly nak: NakName | number;
      readonly detail: number;
    }
  | { readonly code: 'version'; readonly lowest: number; readonly highest: number }
  /** A frame that is right, with a payload that is not. */
  | { readonly code: 'malformed'; readonly message: string; readonly why: string }
  /** It started anew while this was under way: everything it knew is gone. */
  | { readonly code: 'restarted'; readonly request: string }
  /** It ended a job, and not because that was complete. */
  | {
      readonly code: 'ended';
      /** A number where this version does not know it. */
      readonly reason: EndReason | number;
    }
  /** It answers, and nothing of what it says has changed for so long. */
  | {
      readonly code: 'stuck';
      readonly request: string;
      /** As in STATUS. */
      readonly state: string;
      readonly afterMs: number;
    }
  /** What the board computed is wrong. */
  | {
      readonly code: 'wrong';
      readonly what: string;
      readonly expected: string;
      readonly actual: string;
    };

/** A board that does not answer, refuses, or answers wrong. */
export class LinkError extends CodedError<LinkErrorDetail> {
  constructor(detail: LinkErrorDetail, options?: ErrorOptions) {
    super(linkErrorText(detail), detail, options);
  }
}

function linkErrorText(detail: LinkErrorDetail): string {
  switch (detail.code) {
    case 'silent': {
      const tries = detail.tries === 1 ? 'one try' : `${detail.tries} tries`;
      return detail.garbage === 0
        ? `no answer to ${detail.request} after ${tries}`
        : `no answer to ${detail.request} after ${tries}, but ${detail.garbage} bytes of garbage: ` +
            'a bad line, another baud rate, or other firmware';
    }
    case 'refused':
      return `the board refused ${detail.request}: ${nakText(detail.nak, detail.detail)}`;
    case 'version':
      return (
        `the board speaks TSP ${versionsText(detail.lowest, detail.highest)}, ` +
        'this program TSP 1: update the older of them'
      );
    case 'malformed':
      return `malformed ${detail.message}: ${detail.why}`;
    case 'restarted':
      return `the board restarted during ${detail.request}`;
    case 'ended':
      return `the board ended the job: ${endText(detail.reason)}`;
    case 'stuck':
      return (
        `the board is stuck in ${detail.request}: ${detail.state}, ` +
        `and nothing has changed for ${Math.round(detail.afterMs / 1000)} s`
      );
    case 'wrong':
      return `wrong ${detail.what}: expected ${detail.expected}, got ${detail.actual}`;
  }
}

function nakText(nak: NakName | number, detail: number): string {
  return typeof nak === 'number' ? `code ${nak} (${detail})` : `${nak} (${detail})`;
}

function endText(reason: EndReason | number): string {
  switch (reason) {
    case 'ABORTED':
      return 'it was aborted';
    case 'REPLACED':
      return 'another job took its place';
    case 'SEED':
      return 'it got another seed';
    case 'HOT':
      return 'it is too hot';
    case 'FAULT':
      return 'a fault of its own';
    default:
      return `reason ${reason}`;
  }
}

function versionsText(lowest: number, highest: number): string {
  return lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
}
