/** `capsule-mesh/client`: a node's HTTP API, typed by the schemas of its routes. For Node.js and browsers. */
export type { CapsuleView, MeshEvent } from '../api/schemas/capsules.ts';
export { MeshError } from '../lib/errors.ts';
export {
  type ClientInit,
  type FollowOptions,
  MeshClient,
  type PageOptions,
  type RequestOptions,
} from './client.ts';
export type { Answer, Input, Item, ListRoute, Query, Route } from './routes.ts';
