export { createSandbox, type Sandbox } from "./lib/testing/sandbox.ts";
export { createStaticRegistry, type PublishedFixture, type StaticRegistry } from "./lib/testing/static-registry.ts";
