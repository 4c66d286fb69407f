// What is loaded to solve for a lock: a bundler keeps only what this reaches.
export { lockedSlotsOf, resolveUniversal } from "@lading/resolver";
