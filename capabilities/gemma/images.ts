import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { fail } from '../fail.ts';

const MAX_IMAGES = 8;
/** Characters of base64; a capsule has room for few more. */
const MAX_IMAGE_CHARS = 900_000;
/** Base64 of how the formats begin that model servers read: PNG, JPEG, and WebP, which has its size in the middle. */
const BEGINNINGS = [/^iVBORw0KGg/, /^\/9j\//, /^UklGR.{6}XRUJQ/];
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Base64 of PNG, JPEG or WebP images. Throws `invalid_payload` for anything else. */
export function imagesOf(value: JsonValue | undefined): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_IMAGES) {
    throw fail('invalid_payload', `"images" is a list of 1 to ${MAX_IMAGES} images in base64.`);
  }
  return value.map((image, index) => {
    if (typeof image === 'string' && image.length <= MAX_IMAGE_CHARS && isImage(image)) return image;
    throw fail('invalid_payload', `Image ${index + 1} is no PNG, JPEG or WebP in base64.`);
  });
}

function isImage(text: string): boolean {
  return BEGINNINGS.some((beginning) => beginning.test(text)) && BASE64.test(text);
}
