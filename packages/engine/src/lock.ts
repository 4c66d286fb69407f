// `lock` without what installs, edits or publishes.
export { lock, type LockCommandInput } from "./lib/operations/lock.ts";
