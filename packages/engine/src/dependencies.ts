// Operations that change what a manifest asks for, or what the lock takes of it.
export { add, type AddInput, type AddResult, type AddedDependency } from "./lib/operations/add.ts";
export { remove, type RemoveInput, type RemoveResult } from "./lib/operations/remove.ts";
export { update, type UpdateInput, type UpdateResult } from "./lib/operations/update.ts";
export { upgrade, type EditedRange, type UpgradeInput, type UpgradeResult } from "./lib/operations/upgrade.ts";
