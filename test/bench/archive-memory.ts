import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const VERIFIER = fileURLToPath(new URL('./archive-verifier.ts', import.meta.url));

/** Peak resident megabytes (1,000,000 bytes) of a fresh process that verifies `file`. */
export function peakOfVerifying(file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [VERIFIER, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(Number(printed));
      else reject(new Error(`The verifier ended with ${String(code)}.`));
    });
  });
}
