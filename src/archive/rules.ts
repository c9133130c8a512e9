import { ARCHIVE_VERSION } from '../../protocols/archive/v1/schema.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { isObject } from '../lib/json.ts';
import type { Finding } from './types.ts';

/** The rules of format 0.6, by the name that later revisions of the format gave them. */
const KNOWN_PROFILE = 'v0.6-suite 1.0';

/** A version or profile that this reader does not implement: then that is all there is to be said. */
export function unsupportedRules(manifest: JsonObject, envelope: JsonObject): Finding | null {
  const format = isObject(manifest.format) ? manifest.format : {};
  for (const [field, version] of [
    ['manifest.format.version', format.version],
    ['envelope.version', envelope.version],
  ] as const) {
    if (typeof version === 'string' && version !== ARCHIVE_VERSION)
      return unsupported(
        'unsupported_version',
        `${field} ${JSON.stringify(version.slice(0, 32))} is not supported`,
      );
  }
  for (const [field, holder] of [
    ['manifest.format.profile', format],
    ['envelope.profile', envelope],
  ] as const) {
    if (Object.hasOwn(holder, 'profile') && !isKnownProfile(holder))
      return unsupported('unsupported_profile', `${field} is not one that this reader implements`);
  }
  return null;
}

const unsupported = (reason: 'unsupported_version' | 'unsupported_profile', message: string): Finding => ({
  area: 'layout',
  reason,
  message,
});

function isKnownProfile({ profile }: JsonObject): boolean {
  return isObject(profile) && `${String(profile.id)} ${String(profile.version)}` === KNOWN_PROFILE;
}
