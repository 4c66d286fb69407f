export { Universe } from "./compile/universe.ts";
export {
  acceptsHost,
  hostVersion,
  nameOf,
  type FactCause,
  type Follower,
  type NodeInfo,
  type PackageInfo,
  type Term,
} from "./compile/facts.ts";
