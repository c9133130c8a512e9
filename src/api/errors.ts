import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { ERROR_CODES, type ErrorCode } from '../../protocols/common/v1/errors.ts';
import { MeshError, toErrorBody } from '../lib/errors.ts';

/** Answers a request with what was thrown: `{code, message, detail?}`, never a stack trace. */
export function errorHandler(log: Logger) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const error = toMeshError(thrown);
    const status = ERROR_CODES[error.code].http;
    if (status >= 500 && error.code === 'internal') {
      log.error(
        {
          err: thrown,
          principal: request.principal?.name,
          method: request.method,
          route: request.routeOptions.url,
        },
        'A request failed',
      );
    }
    if (error.code === 'unauthorized') reply.header('www-authenticate', 'Bearer');
    if (error.code === 'busy' || error.code === 'rate_limited') reply.header('retry-after', '1');
    reply.code(status).type('application/json').send(toErrorBody(error));
  };
}

export function notFoundHandler(request: FastifyRequest): never {
  const path = request.url.split('?', 1)[0]?.slice(0, 200);
  throw new MeshError(
    'not_found',
    `There is no ${request.method} ${path}; /openapi.json lists what there is.`,
  );
}

/** What is not HTTP, or too slow or too large in its headers, gets an answer of the same shape. */
export function refuseConnection(
  error: { code?: string },
  socket: { readonly writable: boolean; write(text: string): unknown; destroy(): unknown },
): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const { status, code, message } = REFUSALS.get(error.code ?? '') ?? NOT_HTTP;
    const body = JSON.stringify({ code, message });
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy();
}

const NOT_HTTP = {
  status: '400 Bad Request',
  code: 'invalid_request',
  message: 'This is not an HTTP request that can be understood.',
} as const;
const REFUSALS: ReadonlyMap<string, { status: string; code: ErrorCode; message: string }> = new Map([
  [
    'HPE_HEADER_OVERFLOW',
    {
      status: '431 Request Header Fields Too Large',
      code: 'too_large',
      message: 'The headers are too large.',
    },
  ],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    {
      status: '408 Request Timeout',
      code: 'timeout',
      message: 'The request came too slowly; what was sent of it is dropped.',
    },
  ],
]);

function toMeshError(thrown: unknown): MeshError {
  if (thrown instanceof MeshError) return thrown;
  if (!(thrown instanceof Error)) return internal(thrown);
  const { code, statusCode }: Error & { code?: unknown; statusCode?: unknown } = thrown;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new MeshError('too_large', 'The body is larger than this route takes.');
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new MeshError('invalid_request', 'The body must be JSON, with "Content-Type: application/json".');
  }
  // All other refusals of the HTTP library come before a route is reached, and are faults of the request.
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new MeshError('invalid_request', `The request is not valid: ${thrown.message.slice(0, 200)}.`);
  }
  return internal(thrown);
}

function internal(cause: unknown): MeshError {
  return new MeshError('internal', 'An internal error occurred.', undefined, { cause });
}
