import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { TSchema } from 'typebox';
import { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { CapsuleView, MeshEvent, PublishedCapsuleDraft, WorkflowNode } from './schemas/capsules.ts';
import { ErrorBody } from './schemas/shared.ts';

/** Named in the description once, and referred to as `<name>#`. */
export function namedSchemas(): Record<string, TSchema> {
  return {
    ...Capsule.$defs,
    CapsuleDraft: PublishedCapsuleDraft,
    CapsuleView,
    Error: ErrorBody,
    MeshEvent,
    Receipt,
    WorkflowNode,
  };
}

/** OpenAPI 3.1 from the schemas that validate. */
export function openApi(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'capsule-mesh node',
        version,
        description: 'One node of a mesh that executes signed capsules.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: '`api-token` in the data directory.' },
        },
      },
      security: [{ token: [] }],
    },
    convertConstToEnum: false,
    refResolver: {
      clone: true,
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json.$id === 'string' ? json.$id : `def-${index}`,
    },
  };
}
