export { buildTar, buildTarMember, concatBytes, paxMember, type TarMemberSpec } from "./lib/testing/build-tar.ts";
export { buildZip, crc32Of, type ZipEntrySpec, type ZipSpec } from "./lib/testing/build-zip.ts";
export { hostileArchives, storedZstdFrame, type HostileArchive } from "./lib/testing/hostile-archives.ts";
export { sampleRecord } from "./lib/testing/sample-record.ts";
