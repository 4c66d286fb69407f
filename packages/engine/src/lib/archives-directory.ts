/** Below a project's root: unpacked package files that its manifest names by path. */
export const ARCHIVES_DIRECTORY = "vendor/packages";
