// What a program loads to learn that there is nothing to do: no other package, no parser.
export { installedAlready, type ReadyInput, type ReadyInstallation, type Surroundings } from "./lib/ready-state.ts";
