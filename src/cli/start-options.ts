import type { LogLevel } from '../telemetry/log.ts';

/** What `capsule start` was told; stronger than environment and file. */
export interface StartOptions {
  json?: boolean;
  config?: string;
  data?: string;
  listen?: string[];
  bootstrap?: string[];
  api?: { host: string; port: number };
  capability?: string[];
  label?: Record<string, string>;
  /** False with `--no-mdns`. */
  mdns: boolean;
  logLevel?: LogLevel;
}
