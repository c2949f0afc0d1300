/** Self-signed certificates made on the spot with the `openssl` program, where there is one. */
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestCertificate {
  /** PEM */
  readonly key: string;
  /** PEM */
  readonly cert: string;
  /** SHA-256 as openssl and browsers write it: `AB:CD:…`. */
  readonly fingerprint: string;
}

/** A program of the machine, not of this package; tests that need it are skipped without it. */
const OPENSSL = 'openssl';

export const hasOpenssl: boolean = spawnSync(OPENSSL, ['version']).status === 0;

/** A new key and a certificate for 127.0.0.1 that nobody signed. */
export function createCertificate(): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  try {
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const files = ['-keyout', keyFile, '-out', certFile, '-days', '2'];
    execFileSync(OPENSSL, ['req', '-x509', ...curve, ...files, ...subject], { stdio: 'ignore' });
    const cert = readFileSync(certFile, 'utf8');
    const { fingerprint256 } = new X509Certificate(cert);
    return { key: readFileSync(keyFile, 'utf8'), cert, fingerprint: fingerprint256 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
